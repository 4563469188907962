"""Which existing image a request means."""

from __future__ import annotations

from shared.base.wire import Wire


class ImageChoice(Wire):
    """How to choose among the images whose definition has a default name."""

    base: str  # the setting: definitions of this name, or with system and driver behind it
    gpu: bool | None = None  # None: as the pools' sizes need


class ImageReference(Wire):
    """An existing image: by gallery and name, or by its full id."""

    subscription_id: str
    resource_group: str
    gallery: str
    definition: str
    version: str  # a number, or latest
    node_agent: str  # of its system, where there is no record
    os: str
    gpu: bool = False
    os_asked: str | None = None  # the system's name, maybe with its version
    published_id: str | None = None  # of an image that others publish, in place of all names
    choice: ImageChoice | None = None  # where the request names no image
