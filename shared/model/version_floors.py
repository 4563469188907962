"""The oldest versions of Docker, toolkit and driver that an image may have, read from
provisioning/floors.json.

Each floor is the first version, of each branch where there are several, without the vulnerability
that the file names. A branch that is older than the newest one of the file, and not in it, got no
such version. The floor of drivers holds for data-centre drivers; of GRID drivers, Microsoft chooses
which releases there are.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from shared.base import scripts
from shared.base.errors import Problem
from shared.model.plans import ImagePlan

_NAMES = {
    "docker": "Docker",
    "containerToolkit": "the NVIDIA container toolkit",
    "driver": "the NVIDIA driver",
}


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((scripts.HOME / "floors.json").read_text())
    return table


@cache
def default_versions() -> dict[str, str]:
    """What is installed where a request names no version: provisioning/catalogue.sh."""
    constants = {"docker": "DOCKER", "containerToolkit": "TOOLKIT", "driver": "DRIVER"}
    return {
        software: scripts.constant(f"CATALOGUE_{constant}_VERSION")
        for software, constant in constants.items()
    }


@cache
def branch_without_proprietary() -> int:
    """The first branch of NVIDIA's driver that has open modules only: provisioning/catalogue.sh."""
    return int(scripts.constant("DRIVER_BRANCH_WITHOUT_PROPRIETARY"))


def problems(image: ImagePlan) -> list[Problem]:
    """A blocker for each version of the image that is below its floor."""
    wanted = {"docker": image.docker_version}
    if image.gpu:
        wanted["containerToolkit"] = image.container_toolkit_version
        if image.driver is None or not image.driver.is_grid:
            wanted["driver"] = image.driver_version
    found = []
    for software, asked in wanted.items():
        version = asked or default_versions()[software]
        if why := below_floor(software, version):
            found.append(Problem(field=f"image.{software}Version", code="Vulnerable", message=why))
    return found


def not_below(software: str, version: str) -> str | None:
    """This version, or that of its branch which is the oldest allowed one; None: there is none."""
    floors: dict[str, str] = _table()[software]["floors"]
    candidates = (version, floors.get(version.partition(".")[0]))
    return next((v for v in candidates if v and below_floor(software, v) is None), None)


def below_floor(software: str, version: str) -> str | None:
    """Why this version of `docker`, `containerToolkit` or `driver` is refused, or None."""
    row = _table()[software]
    floors: dict[str, str] = row["floors"]
    branch = version.split(".", maxsplit=1)[0] if "" not in floors else ""
    if branch not in floors and int(branch) > max(map(int, floors)):
        return None
    floor = floors.get(branch)
    if floor is not None and _parts(version) >= _parts(floor):
        return None
    fixed = (
        f"the first version without it is {floor}"
        if floor
        else f"branch {branch} has no version without it; others have: {', '.join(floors.values())}"
    )
    return f"{_NAMES[software]} {version} has {row['cve']} ({row['source']}); {fixed}"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
