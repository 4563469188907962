"""What is known before Azure is asked: systems that can be built, GPU sizes, sizes that Azure
retired.

Each fact has its source. Where Azure can say it better at run time (which sizes a region offers,
which systems Batch supports today), the checks before a build ask Azure, and this page only makes
good first answers.
"""

from __future__ import annotations

import re
from enum import StrEnum

from shared.base.wire import Wire


class DriverKind(StrEnum):
    """Which NVIDIA driver a GPU size needs."""

    DATACENTER_OPEN = "datacenter-open"  # open kernel modules: Turing and newer
    DATACENTER_PROPRIETARY = "datacenter-proprietary"  # Volta: the open modules do not know it
    GRID = "grid"  # a partition of a GPU (vGPU)
    GRID_OPEN = "grid-open"  # the same of a Blackwell GPU: with open kernel modules

    @property
    def is_grid(self) -> bool:
        return self in {DriverKind.GRID, DriverKind.GRID_OPEN}


class OperatingSystem(Wire):
    """A Linux system that an image can be built from."""

    name: str
    version: str
    publisher: str
    offer: str
    sku: str
    node_agent: str  # the Batch node agent that runs on it
    gpu: bool  # whether NVIDIA's repository serves it


# Generation 2 images, without a purchase plan where the publisher offers one; node agents as the
# list of supported images of Batch names them
# (https://learn.microsoft.com/azure/batch/batch-pool-vm-configuration); then, whether NVIDIA's
# repository serves the system.
_SYSTEMS = {
    "ubuntu 24.04": ("Canonical:ubuntu-24_04-lts:server", "batch.node.ubuntu 24.04", True),
    "ubuntu 22.04": (
        "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2",
        "batch.node.ubuntu 22.04",
        True,
    ),
    "debian 12": ("Debian:debian-12:12-gen2", "batch.node.debian 12", False),
    "almalinux 9": ("almalinux:almalinux-x86_64:9-gen2", "batch.node.el 9", True),
    "almalinux 8": ("almalinux:almalinux-x86_64:8-gen2", "batch.node.el 8", True),
    "rocky 9": ("resf:rockylinux-x86_64:9-base", "batch.node.el 9", True),
    "rocky 8": ("resf:rockylinux-x86_64:8-base", "batch.node.el 8", True),
    "rhel 9": ("RedHat:RHEL:9-lvm-gen2", "batch.node.el 9", True),
    "rhel 8": ("RedHat:RHEL:8-lvm-gen2", "batch.node.el 8", True),
}

# Systems whose node agent no public list names: an account may list it, or refuse every pool.
_EXPERIMENTAL = {"debian 12"}

# The last day of their publishers' security updates, which Batch's support follows:
# https://github.com/Azure/Batch/issues/200, https://ubuntu.com/about/release-cycle,
# https://wiki.debian.org/LTS, https://wiki.almalinux.org/release-notes,
# https://wiki.rockylinux.org/rocky/version, https://access.redhat.com/support/policy/updates/errata
_ENDS = {
    "ubuntu 24.04": "2029-05-31",
    "ubuntu 22.04": "2027-06-30",
    "debian 12": "2028-06-30",
    "almalinux 9": "2032-05-31",
    "almalinux 8": "2029-03-01",
    "rocky 9": "2032-05-31",
    "rocky 8": "2029-05-31",
    "rhel 9": "2032-05-31",
    "rhel 8": "2029-05-31",
}

# Batch refuses pools on these, custom images included (https://github.com/Azure/Batch/issues/174,
# 180).
_RETIRED_SYSTEMS = {
    "ubuntu 20.04": "24.04",
    "ubuntu 18.04": "24.04",
    "ubuntu 16.04": "24.04",
    "debian 10": "12",
    "debian 9": "12",
    "centos 8": "almalinux 8",
    "centos 7": "almalinux 8",
}
DEFAULT_VERSIONS = {
    "ubuntu": "24.04",
    "debian": "12",
    "almalinux": "9",
    "rocky": "9",
    "rhel": "9",
}


def find_system(name: str, version: str) -> OperatingSystem | None:
    """The system, or None if no image can be built from it."""
    known = _SYSTEMS.get(f"{name} {version}")
    if known is None:
        return None
    urn, node_agent, gpu = known
    publisher, offer, sku = urn.split(":")
    return OperatingSystem(
        name=name,
        version=version,
        publisher=publisher,
        offer=offer,
        sku=sku,
        node_agent=node_agent,
        gpu=gpu,
    )


# What images are built for, and why for nothing else. The tests of Azure's own guest agent leave
# these commands out on Arm64, too: https://github.com/Azure/WALinuxAgent (tests_e2e, agent_bvt).
BUILT_FOR = "x64"
NOT_BUILT = (
    "images are built for x64 only: a build's scripts are managed run commands, which Azure does "
    "not support on Arm64 (https://learn.microsoft.com/azure/virtual-machines/linux/"
    "run-command-managed)"
)
# Batch has agents for Arm64 for Windows, Ubuntu HPC and RHEL, too; nothing public names those:
# https://github.com/Azure/Batch/issues/185
_ARM64_AGENTS = {"ubuntu 24.04": "batch.node.ubuntu 24.04-arm64"}


def node_agent_of(system: str, architecture: str) -> str | None:
    """The Batch node agent of a system, such as `ubuntu 24.04`, on `x64` or `Arm64`; None where
    none is known.
    """
    if architecture == "Arm64":
        return _ARM64_AGENTS.get(system)
    known = _SYSTEMS.get(system)
    return known[1] if known else None


def driver_needs_its_kernel(system: OperatingSystem, driver: DriverKind) -> bool:
    """Whether the kernel must run already that the driver is built for. NVIDIA's packages for
    Ubuntu build by DKMS for every kernel whose headers are there; its packages for el, and the
    installer of GRID drivers, for the running one.
    """
    return driver.is_grid or system.name != "ubuntu"


def is_experimental(system: OperatingSystem) -> bool:
    """Whether it depends on the Batch account whether Batch has a node agent for the system."""
    return f"{system.name} {system.version}" in _EXPERIMENTAL


def end_of_life(system: OperatingSystem) -> str:
    """The last day on which the system's publisher supports it: YYYY-MM-DD."""
    return _ENDS[f"{system.name} {system.version}"]


def known_systems() -> list[str]:
    """Every system as `name version`."""
    return list(_SYSTEMS)


def retired_system(name: str, version: str) -> str | None:
    """The successor of a system that Batch retired, or None."""
    return _RETIRED_SYSTEMS.get(f"{name} {version}")


# Families that Azure retired, with the size that does the same work today, by GPU or core count:
# https://learn.microsoft.com/azure/virtual-machines/sizes/retirement/retired-sizes-list
_RETIRED_SIZES: list[tuple[re.Pattern[str], dict[str, str]]] = [
    (
        re.compile(r"^Standard_NC(6|12|24r?)$", re.IGNORECASE),
        {
            "6": "Standard_NC4as_T4_v3",
            "12": "Standard_NC8as_T4_v3",
            "24": "Standard_NC64as_T4_v3",
            "24r": "Standard_NC64as_T4_v3",
        },
    ),
    (
        re.compile(r"^Standard_NC(6|12|24r?)s(?:_v[23])?$", re.IGNORECASE),
        {
            "6": "Standard_NC24ads_A100_v4",
            "12": "Standard_NC48ads_A100_v4",
            "24": "Standard_NC96ads_A100_v4",
            "24r": "Standard_NC96ads_A100_v4",
        },
    ),
    (
        re.compile(r"^Standard_ND(6|12|24r?)s$", re.IGNORECASE),
        {
            "6": "Standard_NC24ads_A100_v4",
            "12": "Standard_NC48ads_A100_v4",
            "24": "Standard_NC96ads_A100_v4",
            "24r": "Standard_NC96ads_A100_v4",
        },
    ),
    (
        re.compile(r"^Standard_NV(6|12|24)(?:s_v2)?$", re.IGNORECASE),
        {
            "6": "Standard_NV6ads_A10_v5",
            "12": "Standard_NV12ads_A10_v5",
            "24": "Standard_NV36ads_A10_v5",
        },
    ),
    (
        re.compile(r"^Standard_NV(12|24|48)s_v3$", re.IGNORECASE),
        {
            "12": "Standard_NV12ads_A10_v5",
            "24": "Standard_NV36ads_A10_v5",
            "48": "Standard_NV72ads_A10_v5",
        },
    ),
    (
        re.compile(r"^Standard_DS?(1|2|3|4|11|12|13|14)(?:_v2)?$", re.IGNORECASE),
        {
            "1": "Standard_D2s_v5",
            "2": "Standard_D2s_v5",
            "3": "Standard_D4s_v5",
            "4": "Standard_D8s_v5",
            "11": "Standard_E2s_v5",
            "12": "Standard_E4s_v5",
            "13": "Standard_E8s_v5",
            "14": "Standard_E16s_v5",
        },
    ),
]


def retired_size(size: str) -> str | None:
    """The size that replaces a retired one, or None if `size` is not known to be retired."""
    for pattern, successors in _RETIRED_SIZES:
        if match := pattern.match(size):
            return successors[match.group(1).lower()]
    return None


class GpuFacts(Wire):
    """The GPUs of a VM size: how many devices the system sees, and what drives them."""

    count: int
    driver: DriverKind
    fabric_manager: bool = False


UNCOUNTED = -1  # the GPUs of a size, until Azure's list of sizes gives their number

# The kinds of images, by driver, as names of image definitions have them.
_KINDS = {
    None: "cpu",
    DriverKind.DATACENTER_OPEN: "gpu",
    DriverKind.DATACENTER_PROPRIETARY: "gpu-volta",
    DriverKind.GRID: "gpu-grid",
    DriverKind.GRID_OPEN: "gpu-grid-open",
}


def definition_name(
    base: str, system: OperatingSystem, driver: DriverKind | None, *, infiniband: bool = False
) -> str:
    """The image definition of a system, a driver and the InfiniBand stack: an image is used by what
    it holds.
    """
    name = f"{base}-{system.name}-{system.version}-{_KINDS[driver]}"
    return f"{name}-infiniband" if infiniband else name


_OPEN, _VOLTA = DriverKind.DATACENTER_OPEN, DriverKind.DATACENTER_PROPRIETARY
_GRID, _GRID_OPEN = DriverKind.GRID, DriverKind.GRID_OPEN
# Pattern of the size, devices, driver, whether NVSwitch needs the fabric manager:
# https://learn.microsoft.com/azure/virtual-machines/sizes/overview (accelerated computing)
_GPU_SIZES: list[tuple[str, int, DriverKind, bool]] = [
    (r"NC(4|8|16)as_T4_v3", 1, _OPEN, False),
    (r"NC64as_T4_v3", 4, _OPEN, False),
    (r"NC24ads_A100_v4", 1, _OPEN, False),
    (r"NC48ads_A100_v4", 2, _OPEN, False),
    (r"NC96ads_A100_v4", 4, _OPEN, False),
    (r"NC40ads_H100_v5", 1, _OPEN, False),
    (r"NC80adis_H100_v5", 2, _OPEN, False),
    (r"ND96(asr|amsr_A100)_v4", 8, _OPEN, True),
    (r"ND96isr?_H[12]00_v5", 8, _OPEN, True),
    (r"ND40rs_v2", 8, _VOLTA, False),
    (r"NV(6|12|18|36)adm?s_A10_v5", 1, _GRID, False),
    (r"NV72ads_A10_v5", 2, _GRID, False),
    # A quarter, a half or the whole of an RTX PRO 6000 is one device, by SR-IOV.
    (r"NC(256|288|320)l?ds_xl_RTXPRO6000BSE_v6", 2, _GRID_OPEN, False),
    (r"NC\d+\w*_RTXPRO6000BSE_v6", 1, _GRID_OPEN, False),
]


# Sizes whose GPUs no driver of batch-prep's images serves, and why; the same pages.
_NOT_SERVED = [
    (r"ND\d+isr?_MI300X_v5", "its GPUs are AMD's (MI300X), and images get NVIDIA's driver"),
    (r"NG\d+adm?s_V620_v1", "its GPUs are AMD's (V620), and images get NVIDIA's driver"),
    (r"NV\d+ads_V710_v5", "its GPUs are AMD's (V710), and images get NVIDIA's driver"),
    (r"NV\d+as_v4", "its GPUs are AMD's (MI25), and images get NVIDIA's driver"),
    (r"NCC\d+ads_H100_v5", "it runs confidential VMs only, and images are not made for them"),
    (r"ND\d+isr\w*_GB[23]00_v6", "it is Arm64, and of that Batch takes no size with GPUs"),
]


def not_served(size: str) -> str | None:
    """Why no image can drive the GPUs of a size, or None."""
    for pattern, why in _NOT_SERVED:
        if re.fullmatch(f"Standard_{pattern}", size, re.IGNORECASE):
            return why
    return None


def gpus_in(size: str, counted: dict[str, int]) -> int:
    """How many GPUs a size has: `counted` (lower-case name: GPUs) is Azure's answer, where it was
    asked. UNCOUNTED for a size of the N series that nothing is known of; sizes with FPGAs (NP) have
    no GPU.
    """
    known = gpu_of(size)
    if size.lower() in counted:
        return counted[size.lower()]
    if known:
        return known.count
    return UNCOUNTED if re.match(r"Standard_N(?!P)", size, re.IGNORECASE) else 0


def driver_of(size: str) -> DriverKind:
    """The driver of a size with GPUs; that of NVIDIA's newer GPUs where the size is not known."""
    known = gpu_of(size)
    return known.driver if known else DriverKind.DATACENTER_OPEN


def takes_driver(size: str, driver: DriverKind) -> bool:
    """Whether an image with this driver serves the GPUs of a size. Microsoft's GRID driver also
    serves whole T4s (https://learn.microsoft.com/azure/virtual-machines/linux/n-series-driver-setup),
    and proprietary modules every data-centre GPU up to Hopper, as are all in the catalogue
    (https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html).
    """
    own = driver_of(size)
    if driver.is_grid:
        return own is driver or re.search(r"_T4_v3$", size, re.IGNORECASE) is not None
    if driver is DriverKind.DATACENTER_PROPRIETARY:
        return not own.is_grid and gpu_of(size) is not None
    return own is driver


def gpu_of(size: str) -> GpuFacts | None:
    """The GPUs of a size, or None where it has none that is known."""
    for pattern, count, driver, fabric_manager in _GPU_SIZES:
        if re.fullmatch(f"Standard_{pattern}", size, re.IGNORECASE):
            return GpuFacts(count=count, driver=driver, fabric_manager=fabric_manager)
    return None
