"""The versions of the GRID driver, read from provisioning/catalogue.sh."""

from __future__ import annotations

import re
from functools import cache

from shared.base import scripts
from shared.base.errors import Problem
from shared.model.catalogue import DriverKind
from shared.model.image_parts import GridDriver
from shared.model.plans import ImagePlan

_WHERE = "https://learn.microsoft.com/azure/virtual-machines/linux/n-series-driver-setup"


@cache
def default_version(kind: DriverKind) -> str:
    """The version that is installed where the settings name none."""
    name = "GRID_OPEN" if kind is DriverKind.GRID_OPEN else "GRID"
    return scripts.constant(f"CATALOGUE_{name}_VERSION")


@cache
def _table(name: str) -> dict[str, str]:
    """One of the catalogue's tables by version: GRID_FOLDERS, GRID_CHECKSUMS."""
    rows = scripts.in_catalogue(rf"^declare -rA {name}=\(([^)]*)\)")
    return dict(re.findall(r"\['([0-9.]+)'\]=(\S+)", rows))


def file_of(image: ImagePlan, version: str | None) -> GridDriver:
    """The file of the settings, if it has this version of the image's driver; else nothing, and the
    script takes that of its catalogue. None stands for the version of the settings.
    """
    usual = image.grid_driver
    if usual is None or image.driver is None:
        return GridDriver()
    is_usual = version in (None, usual.version or default_version(image.driver))
    return usual if is_usual else GridDriver()


def problem(image: ImagePlan, kept: str | None) -> Problem | None:
    """Why the image's GRID driver cannot be installed: its place or its checksum is not known. The
    base image of a refresh has the driver `kept`, which needs no file.
    """
    driver = image.grid_driver
    if driver is None or image.driver is None:
        return None
    if kept and image.driver_version in (None, kept):
        return None
    version = driver.version or default_version(image.driver)
    if driver.url is None and version not in _table("GRID_FOLDERS"):
        message = (
            f"where GRID driver {version} is, is not known: set GRID_DRIVER_VERSION to {version}, "
            f"and GRID_DRIVER_URL and GRID_DRIVER_SHA256 (see {_WHERE})"
        )
        return Problem(field="image.gpu", code="DriverUnknown", message=message)
    if driver.sha256 is None and version not in _table("GRID_CHECKSUMS"):
        message = (
            f"the image needs the GRID driver, and no checksum of version {version} is published: "
            f"download its file once (see {_WHERE}), and set GRID_DRIVER_SHA256 to its SHA-256 and "
            f"GRID_DRIVER_VERSION to {version}"
        )
        return Problem(field="image.gpu", code="DriverChecksumMissing", message=message)
    return None
