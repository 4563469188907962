"""An image holds one NVIDIA driver: which sizes and systems it serves. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shared.base.errors import Problem
from shared.model import catalogue, version_floors
from shared.model.catalogue import DriverKind
from shared.model.image_request import DriverSource, SecurityType
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan, PoolPlan

# https://learn.microsoft.com/azure/virtual-machines/linux/n-series-driver-setup (GRID drivers)
_GRID_SYSTEMS = {"ubuntu", "rhel"}
# https://docs.nvidia.com/datacenter/dcgm/latest/installation.html (supported platforms)
_NO_DCGM = "the image's sizes need the GRID driver, with which DCGM does not examine GPUs"


def pool_problems(
    pools: Sequence[PoolPlan], counted: dict[str, int], *, gpu: bool, driver: DriverKind | None
) -> list[Problem]:
    """Which sizes of pools the image's driver does not serve: `counted` are the GPUs of sizes, by
    lower-case name. An image whose driver is not on record (None) must still be enough for all.
    """
    problems = []
    for index, pool in enumerate(pools):
        for size in pool.sizes:
            if catalogue.gpus_in(size, counted) == 0:
                continue
            driver = driver or catalogue.driver_of(size)
            if not gpu:
                why = f"{size} has GPUs and the image has no driver: it needs image.gpu"
            elif not catalogue.takes_driver(size, driver):
                why = _other_driver(size, driver)
            else:
                continue
            field = f"pools[{index}].vmSize"
            problems.append(Problem(field=field, code="DriverUnsuitable", message=why))
    return problems


def diagnosis_problems(
    pools: Sequence[PoolPlan],
    counted: dict[str, int],
    *,
    has_dcgm: bool | None,
    driver: DriverKind | None,
) -> list[Problem]:
    """Which pools ask for DCGM's diagnosis and cannot have it; None: what the image has is not
    known, and its nodes will say it.
    """
    problems = []
    for index, pool in enumerate(pools):
        if not pool.pool.dcgm:
            continue
        without = [size for size in pool.sizes if catalogue.gpus_in(size, counted) == 0]
        if without:
            why = f"{without[0]} has no GPU"
        elif driver and driver.is_grid:
            why = _NO_DCGM
        elif has_dcgm is False:
            why = "the image has no DCGM: it needs image.dcgm"
        else:
            continue
        field = f"pools[{index}].dcgm"
        problems.append(Problem(field=field, code="DcgmUnsuitable", message=why))
    return problems


def image_problems(image: ImagePlan) -> list[Problem]:
    """Why the image's driver cannot be installed: on its system, with its security type, in the
    version of the request.
    """
    if image.driver is DriverKind.DATACENTER_PROPRIETARY:
        return _branch_problems(image.driver_version)
    if image.driver is None or not image.driver.is_grid:
        return []
    problems = []
    if image.driver_source is DriverSource.CANONICAL:
        message = (
            "the image's sizes need the GRID driver, and Ubuntu's archive has none: leave it "
            "out, or build for other sizes"
        )
        field = "image.driverSource"
        problems.append(Problem(field=field, code="DriverUnsuitable", message=message))
    if image.dcgm:
        problems.append(Problem(field="image.dcgm", code="DcgmUnsuitable", message=_NO_DCGM))
    if image.system.name not in _GRID_SYSTEMS:
        message = f"Microsoft's GRID driver is for Ubuntu and RHEL, not for {image.system.name}"
        problems.append(Problem(field="image.os", code="DriverUnsuitable", message=message))
    if image.security_type is SecurityType.TRUSTED_LAUNCH:
        message = "the GRID driver needs Secure Boot and vTPM off, so no TrustedLaunch"
        field = "image.securityType"
        problems.append(Problem(field=field, code="DriverUnsuitable", message=message))
    return problems


def _branch_problems(version: str | None) -> list[Problem]:
    end = version_floors.branch_without_proprietary()
    if version is None or int(version.partition(".")[0]) < end:
        return []
    message = (
        f"driver {version} has open modules only, as all from branch {end} on, and V100 needs "
        "proprietary ones: name an older version, or leave it out"
    )
    return [Problem(field="image.driverVersion", code="DriverUnsuitable", message=message)]


def last_good_kernel(image: ImagePlan, newest: ImageRecord | None) -> str | None:
    """The kernel of the image's newest version, if a driver compiled for it on the same system. It
    is of use where a driver can be compiled for a kernel that does not run.
    """
    if image.driver is None or catalogue.driver_needs_its_kernel(image.system, image.driver):
        return None
    system = f"{image.system.name} {image.system.version}"
    if newest is None or newest.driver_version is None or newest.base_os != system:
        return None
    return newest.kernel


def builder_mismatch(image: ImagePlan, size: str, gpus: int) -> str | None:
    """Why the builder's check would fail on the GPUs of its size, or None."""
    if not gpus or image.driver is None or catalogue.takes_driver(size, image.driver):
        return None
    return _other_driver(size, image.driver)


def _other_driver(size: str, driver: DriverKind) -> str:
    wanted = catalogue.driver_of(size)
    return (
        f"{size} needs the driver {wanted}, and the image has {driver}: an image has one driver, "
        f"so build another one for this size"
    )
