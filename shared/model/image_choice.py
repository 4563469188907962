"""Which existing image pools get: the one that a request leaves open, and those that would suit.
Pure.

An image is used by what it holds: its system, and the driver that the pools' sizes need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.model import catalogue, drivers
from shared.model.image_reference import ImageChoice, ImageReference
from shared.model.outcomes import ImageRecord
from shared.model.plans import PoolPlan

_SUGGESTIONS = 5


def candidates(
    wanted: ImageReference,
    choice: ImageChoice,
    images: Iterable[ImageRecord],
    pools: Sequence[PoolPlan],
    counted: dict[str, int],
) -> list[ImageRecord]:
    """The newest version of each image that the request may mean, the best one first: its driver
    serves the pools, pools without GPUs get an image without a driver, those whose nodes talk to
    each other one with InfiniBand, and the newest counts.
    """
    found = [i for i in images if _may_be_meant(i, wanted, choice)]
    need_gpus = _need_gpus(pools, counted)

    talk = any(pool.pool.inter_node_communication for pool in pools)

    def order(image: ImageRecord) -> tuple[bool, bool, bool]:
        other_network = (image.infiniband_version is not None) != talk
        return not suits(image, pools, counted), image.gpu_enabled != need_gpus, other_network

    return sorted(_newest(found), key=order)  # stable: the newest first among equals


def suits(image: ImageRecord, pools: Sequence[PoolPlan], counted: dict[str, int]) -> bool:
    """Whether the image's driver serves all sizes of the pools."""
    gpu, driver = image.gpu_enabled, image.driver_kind
    return not drivers.pool_problems(pools, counted, gpu=gpu, driver=driver)


def ambiguity(version: str, fitting: Sequence[ImageRecord]) -> Problem | None:
    """The problem that several images have the version, and the request names none of them."""
    if version == "latest" or len(fitting) < 2:
        return None
    message = f"version {version} may be that of {_listed(fitting)}: give image.name"
    return Problem(field="image.name", code="ImageAmbiguous", message=message)


def unneeded_driver(
    wanted: ImageReference, image: ImageRecord, pools: Sequence[PoolPlan], counted: dict[str, int]
) -> list[Problem]:
    """A warning where the request names no image and pools without GPUs get one with a driver."""
    if wanted.choice is None or not image.gpu_enabled or _need_gpus(pools, counted):
        return []
    message = (
        f"no image without a GPU driver can be used, so the pools get {image.image_name} "
        f"{image.version}, which has one: give image.name to choose, or gpu false to refuse it"
    )
    return [Problem(field="image.gpu", code="ImageHasDriver", message=message)]


def none_suits(
    wanted: ImageReference, choice: ImageChoice, images: Iterable[ImageRecord]
) -> Problem:
    """The request names no image, and none may be meant: what was looked for, and what there is."""
    asked = [wanted.os_asked, choice.gpu is not None and f"gpu {choice.gpu}".lower()]
    conditions = "".join(f", with {each}" for each in asked if each)
    place = f"gallery {wanted.gallery} of resource group {wanted.resource_group}"
    known = sorted(images, key=lambda image: image.created_at, reverse=True)
    there = f"recorded are: {_listed(known)}" if known else "no image has been built yet"
    message = (
        f"no image to use in {place} has a name that begins with {choice.base}{conditions}; {there}"
    )
    return Problem(field="image.name", code="ImageNotFound", message=message)


def advised(
    problems: list[Problem],
    images: Iterable[ImageRecord],
    pools: Sequence[PoolPlan],
    counted: dict[str, int],
) -> list[Problem]:
    """The problems of an image's driver, with the versions that would suit."""
    if not problems:
        return []
    there = [i for i in images if not (i.excluded_from_latest or i.gone_at)]
    fitting = [i for i in _newest(there) if suits(i, pools, counted)]
    advice = f"suitable are: {_listed(fitting)}" if fitting else "no recorded image would suit"
    return [replace(p, message=f"{p.message}; {advice}") for p in problems]


def contradiction(wanted: ImageReference, image: ImageRecord) -> Problem | None:
    """The problem, if the image's record contradicts what the request says of its contents."""
    if wanted.gpu and not image.gpu_enabled:
        message = f"version {image.version} of {image.image_name} has no GPU driver"
        return Problem(
            field="image.gpu", code="ImageUnsuitable", message=f"{message} ({image.base_os})"
        )
    if wanted.os_asked and not _is_system(image, wanted.os_asked):
        message = f"version {image.version} of {image.image_name} is {image.base_os}"
        return Problem(
            field="image.os",
            code="ImageUnsuitable",
            message=f"{message}, and {wanted.os_asked} was asked for",
        )
    return None


def _may_be_meant(image: ImageRecord, wanted: ImageReference, choice: ImageChoice) -> bool:
    base, name = choice.base.lower(), image.image_name.lower()
    return (
        names.same(image.resource_group, wanted.resource_group)
        and names.same(image.gallery_name, wanted.gallery)
        and (name == base or name.startswith(f"{base}-"))
        and wanted.version in {"latest", image.version}
        and not (wanted.version == "latest" and image.excluded_from_latest)
        and image.gone_at is None
        and (wanted.os_asked is None or _is_system(image, wanted.os_asked))
        and (choice.gpu is None or image.gpu_enabled == choice.gpu)
    )


def _is_system(image: ImageRecord, asked: str) -> bool:
    return image.base_os == asked or image.base_os.startswith(f"{asked} ")


def _need_gpus(pools: Sequence[PoolPlan], counted: dict[str, int]) -> bool:
    return any(catalogue.gpus_in(size, counted) for pool in pools for size in pool.sizes)


def _newest(images: Iterable[ImageRecord]) -> list[ImageRecord]:
    """The newest version of each image definition, the one that was made last first."""
    found: dict[str, ImageRecord] = {}
    for image in images:
        key = names.image_partition(image.resource_group, image.gallery_name, image.image_name)
        there = found.get(key)
        if there is None or _number(there) < _number(image):
            found[key] = image
    return sorted(found.values(), key=lambda image: image.created_at, reverse=True)


def _number(image: ImageRecord) -> tuple[int, int, int]:
    return names.version_numbers(image.version)


def _listed(images: Sequence[ImageRecord]) -> str:
    return ", ".join(
        f"{i.gallery_name}/{i.image_name} {i.version} ({i.base_os}{_unusable(i)})"
        for i in images[:_SUGGESTIONS]
    )


def _unusable(image: ImageRecord) -> str:
    if image.gone_at:
        return ", not on Azure any more"
    return ", withdrawn" if image.excluded_from_latest else ""
