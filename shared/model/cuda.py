"""Whether the driver of an image has the CUDA that a container image requires. Pure.

NVIDIA's container toolkit compares both whenever a container starts with GPUs, and refuses the
container ("unsatisfied condition: cuda>=13.1"). A container image states its requirements in its
environment: `NVIDIA_REQUIRE_*`, or else `CUDA_VERSION`; `NVIDIA_DISABLE_REQUIRE` takes them back.
Of a requirement's conditions, a space separates those of which one is enough, and a comma those
that belong together. What can only be known on a node, such as the brand of its GPUs, counts as
met. https://github.com/NVIDIA/nvidia-container-toolkit/tree/main/internal/requirements
"""

from __future__ import annotations

import json
import operator
import re
from functools import cache
from typing import Any

from shared.base import scripts
from shared.model import grid_driver, version_floors
from shared.model.catalogue import DriverKind
from shared.model.plans import ImagePlan

Json = dict[str, Any]
_CONDITION = re.compile(r"(cuda|driver)(>=|<=|!=|=|>|<)(\d+(?:\.\d+)*)")
_CUDA = re.compile(r"v?(\d+\.\d+)")
_TRUE = {"1", "t", "true"}
_COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@cache
def _table() -> Json:
    table: Json = json.loads((scripts.HOME / "cuda.json").read_text())
    return table


@cache
def _drivers() -> list[tuple[tuple[int, ...], str]]:
    """Each version of CUDA and the first driver that has it, oldest first."""
    return [(_parts(cuda), driver) for cuda, driver in _table()["drivers"].items()]


def driver_of(image: ImagePlan) -> str | None:
    """The version of the driver that an image gets, or None where it gets none."""
    if not image.gpu:
        return None
    if image.driver and image.driver.is_grid:
        asked = image.driver_version or (image.grid_driver and image.grid_driver.version)
        return asked or grid_driver.default_version(image.driver)
    return image.driver_version or version_floors.default_versions()["driver"]


def problem(image: ImagePlan, name: str, environment: list[str]) -> str | None:
    """Why containers of the container image `name` will not start on the GPUs of `image`, and
    which driver suffices; None where they will, as far as its `environment` (NAME=VALUE) says.
    """
    driver = driver_of(image)
    unmet = driver and next((r for r in _requirements(environment) if not _is_met(r, driver)), None)
    if not driver or not unmet:
        return None
    required = _required(unmet)
    asked = ".".join(map(str, required)) if required else None
    enough = _first_driver(image, required) if required else None
    return (
        f"{name} requires {f'CUDA {asked}' if asked else unmet}, and driver {driver} has "
        f"CUDA {'.'.join(map(str, _cuda_of(driver)))}, so its containers do not start on GPUs: "
        f"{_advice(image, enough)}"
    )


def _advice(image: ImagePlan, enough: str | None) -> str:
    """How to get a driver that suffices; the place of most GRID drivers is not known."""
    if enough is None:
        return (
            "no driver for these GPUs is known here that has it, so preload a container image for "
            "an older CUDA"
        )
    if image.driver and image.driver.is_grid:
        return (
            f"set image.driverVersion and the setting GRID_DRIVER_VERSION to {enough} or a newer "
            "GRID driver for these GPUs, and GRID_DRIVER_URL and GRID_DRIVER_SHA256 to its file"
        )
    return f"set image.driverVersion to {enough} or a newer one"


def _requirements(environment: list[str]) -> list[str]:
    given = dict(each.split("=", 1) for each in environment if "=" in each)
    if given.get("NVIDIA_DISABLE_REQUIRE", "").lower() in _TRUE:
        return []
    found = [
        value
        for name, value in given.items()
        if name.startswith("NVIDIA_REQUIRE_") and not name.startswith("NVIDIA_REQUIRE_JETPACK")
    ]
    version = _CUDA.match(given.get("CUDA_VERSION", ""))
    if version and not given.get("NVIDIA_REQUIRE_CUDA"):
        found.append(f"cuda>={version[1]}")
    return [each.lower() for each in found if each.strip()]


def _is_met(requirement: str, driver: str) -> bool:
    return any(
        all(_holds(condition, driver) for condition in together.split(","))
        for together in requirement.split()
    )


def _holds(condition: str, driver: str) -> bool:
    found = _CONDITION.fullmatch(condition)
    if found is None:
        return True
    what, sign, value = found.groups()
    if what == "driver":
        return bool(_COMPARE[sign](_parts(driver), _parts(value)))
    if _parts(driver)[0] > _parts(_drivers()[-1][1])[0]:
        return True  # a branch newer than the table
    return bool(_COMPARE[sign](_cuda_of(driver), _parts(value)))


def _cuda_of(driver: str) -> tuple[int, ...]:
    """The newest CUDA that a driver has."""
    had = [cuda for cuda, first in _drivers() if _parts(first) <= _parts(driver)]
    return had[-1] if had else (0, 0)


def _required(requirement: str) -> tuple[int, ...] | None:
    """The least CUDA that a requirement names."""
    asked = re.findall(r"cuda>=(\d+(?:\.\d+)*)", requirement)
    return min(map(_parts, asked)) if asked else None


def _first_driver(image: ImagePlan, cuda: tuple[int, ...]) -> str | None:
    """The oldest driver with this CUDA that the image may have."""
    for version, driver in _drivers():
        if version < cuda:
            continue
        if image.driver and image.driver.is_grid:
            return driver
        is_volta = image.driver is DriverKind.DATACENTER_PROPRIETARY
        if is_volta and _parts(driver)[0] > _table()["lastBranchWithVolta"]:
            return None
        if safe := version_floors.not_below("driver", driver):
            return safe
    return None


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
