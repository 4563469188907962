"""The query parameters of the API's routes: frozen models, as `parsing` makes them."""

from __future__ import annotations

import base64
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from shared.base.wire import Wire
from shared.model import fields

Place = tuple[str, str]
"""Partition and row key of a table's row."""


def token_of(place: Place) -> str:
    """How a link names the last row of a page."""
    return base64.urlsafe_b64encode("\n".join(place).encode()).decode().rstrip("=")


def _place_of(token: str) -> Place:
    """Raises ValueError for what `token_of` did not make."""
    text = base64.b64decode(token + "=" * (-len(token) % 4), "-_", validate=True).decode()
    partition, row = text.split("\n")
    return partition, row


def _checked(token: str) -> str:
    try:
        _place_of(token)
    except ValueError:
        message = "it is not from a nextLink: ask without it, and follow the nextLink of the answer"
        raise fields.refuse("InvalidValue", message) from None
    return token


class Query(Wire):
    """Parameters of one route. Unknown ones are not its own: the function key may be among them."""

    model_config = ConfigDict(extra="ignore")


class PageQuery(Query):
    """One page of a list."""

    limit: int = Field(default=100, ge=1, le=1000, description="How many rows a page has at most.")
    after: Annotated[str, AfterValidator(_checked)] | None = Field(
        default=None, description="Where the page begins: part of the `nextLink` of a page before."
    )

    @property
    def place(self) -> Place | None:
        """The last row of the page before, if there was one."""
        return None if self.after is None else _place_of(self.after)


class BuildsQuery(PageQuery):
    """One page of the builds."""

    state: Literal["running", "succeeded", "failed", "cancelled"] | None = Field(
        default=None, description="The state of the builds that are listed."
    )


class PoolsQuery(PageQuery):
    """One page of the pools."""

    account: str | None = Field(
        default=None, description="The name of the Batch account whose pools are listed."
    )


class ImageQuery(Query):
    """Which of several galleries of one name."""

    resource_group: str | None = Field(
        default=None,
        description="The gallery's resource group, where galleries of one name are in several.",
    )


class UploadQuery(Query):
    """What an upload is for."""

    purpose: Literal["build", "step"] = Field(
        default="build",
        description="`build`: the source of a container build, with a Dockerfile; `step`: the "
        "files of a step of an image (`image.steps`).",
    )
