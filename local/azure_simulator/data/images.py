"""Marketplace images, as the image lists of compute show them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    publisher: str
    offer: str
    sku: str
    os: str
    """As /etc/os-release says it: ID and VERSION_ID."""
    os_version: str
    kernel: str
    versions: tuple[str, ...] = ("1.0.20260801", "1.0.20261101")
    generation: str = "V2"
    architecture: str = "x64"
    disk_gb: int = 30
    plan: tuple[str, str, str] | None = None
    """Name, publisher and product of the purchase plan."""
    volumes: tuple[tuple[str, float], ...] = ()
    """Logical volumes, each with its GiB; without any, the root is the whole disk."""
    has_docker: bool = False
    has_driver: bool = False

    @property
    def latest(self) -> str:
        return self.versions[-1]

    def urn(self, version: str) -> str:
        return f"{self.publisher}:{self.offer}:{self.sku}:{version}"


_UBUNTU_20 = "5.15.0-1089-azure"
_UBUNTU_22, _UBUNTU_24 = "6.8.0-1041-azure", "6.11.0-1018-azure"
_EL8, _EL9 = "4.18.0-553.el8_10.x86_64", "5.14.0-570.el9_6.x86_64"
_EL10, _DEBIAN = "6.12.0-55.el10_0.x86_64", "6.1.0-37-cloud-amd64"
_CANONICAL = ("22.04.202608010", "22.04.202611010")
_CANONICAL_24 = ("24.04.202608010", "24.04.202611010")

_ROWS = [
    ("Canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2", "ubuntu", "20.04", _UBUNTU_20),
    ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "ubuntu", "22.04", _UBUNTU_22),
    ("Canonical", "ubuntu-22_04-lts", "server", "ubuntu", "22.04", _UBUNTU_22),
    ("Canonical", "ubuntu-24_04-lts", "server", "ubuntu", "24.04", _UBUNTU_24),
    ("almalinux", "almalinux-x86_64", "8-gen2", "almalinux", "8.10", _EL8),
    ("almalinux", "almalinux-x86_64", "9-gen2", "almalinux", "9.6", _EL9),
    ("almalinux", "almalinux-x86_64", "10-gen2", "almalinux", "10.0", _EL10),
    ("Debian", "debian-11", "11-gen2", "debian", "11", "5.10.0-35-cloud-amd64"),
    ("Debian", "debian-12", "12-gen2", "debian", "12", _DEBIAN),
    ("Debian", "debian-13", "13-gen2", "debian", "13", "6.12.41-cloud-amd64"),
    ("RedHat", "RHEL", "8-lvm-gen2", "rhel", "8.10", _EL8),
    ("RedHat", "RHEL", "9-lvm-gen2", "rhel", "9.6", _EL9),
]  # fmt: skip

# https://learn.microsoft.com/azure/virtual-machines/linux/how-to-resize-encrypted-lvm
_RHEL_VOLUMES = (("/", 2.0), ("/usr", 10.0), ("/var", 8.0), ("/home", 1.0), ("/tmp", 2.0))  # noqa: S108  a mount point
_CANONICAL_VERSIONS = {"22.04": _CANONICAL, "24.04": _CANONICAL_24}

IMAGES = [
    Image(
        publisher=publisher,
        offer=offer,
        sku=sku,
        os=os,
        os_version=os_version,
        kernel=kernel,
        versions=_CANONICAL_VERSIONS.get(os_version, ("1.0.20260801", "1.0.20261101")),
        disk_gb=64 if publisher == "RedHat" else 30,
        volumes=_RHEL_VOLUMES if publisher == "RedHat" else (),
    )
    for publisher, offer, sku, os, os_version, kernel in _ROWS
]
IMAGES += [
    Image(
        publisher="Canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts", os="ubuntu",
        os_version="22.04", kernel=_UBUNTU_22, versions=_CANONICAL, generation="V1",
    ),
    Image(
        publisher="Canonical", offer="ubuntu-24_04-lts", sku="server-gen1", os="ubuntu",
        os_version="24.04", kernel=_UBUNTU_24, versions=_CANONICAL_24, generation="V1",
    ),
    Image(
        publisher="Canonical", offer="ubuntu-24_04-lts", sku="server-arm64", os="ubuntu",
        os_version="24.04", kernel=_UBUNTU_24, versions=_CANONICAL_24, architecture="Arm64",
    ),
]  # fmt: skip
IMAGES += [
    Image(
        publisher="resf", offer="rockylinux-x86_64", sku=sku, os="rocky", os_version=os_version,
        kernel=kernel, versions=("9.6.20260531",), disk_gb=10,
        plan=(sku, "resf", "rockylinux-x86_64"),
    )
    for sku, os_version, kernel in (
        ("8-base", "8.10", _EL8), ("9-base", "9.6", _EL9), ("9-lvm", "9.6", _EL9),
    )
]  # fmt: skip
IMAGES += [
    Image(
        publisher="microsoft-dsvm", offer="ubuntu-hpc", sku=sku, os="ubuntu", os_version=os_version,
        kernel=kernel, versions=(f"{os_version}.2026080100", f"{os_version}.2026110100"),
        disk_gb=64, has_docker=True, has_driver=True,
    )
    for sku, os_version, kernel in (("2204", "22.04", _UBUNTU_22), ("2404", "24.04", _UBUNTU_24))
]  # fmt: skip


def find(publisher: str, offer: str, sku: str) -> Image | None:
    wanted = (publisher.lower(), offer.lower(), sku.lower())
    for image in IMAGES:
        if (image.publisher.lower(), image.offer.lower(), image.sku.lower()) == wanted:
            return image
    return None
