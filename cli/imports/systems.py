"""Images of Azure's marketplace -> the systems that batch-prep builds images from."""

from __future__ import annotations

import re

from cli import errors

_UBUNTU = {
    "noble": "24.04",
    "jammy": "22.04",
    "focal": "20.04",
    "bionic": "18.04",
    "xenial": "16.04",
    "trusty": "14.04",
}
_SYSTEMS = {  # in publisher or offer -> the system
    "ubuntu": "ubuntu",
    "almalinux": "almalinux",
    "rocky": "rocky",
    "rhel": "rhel",
    "debian": "debian",
    "centos": "centos",
}
# Publishers of systems, and what their images are named by that have more or less than those.
_PUBLISHERS = {"canonical", "debian", "redhat", "almalinux", "resf"}
_SPECIAL = re.compile(r"hpc|(?<![a-z])pro(?![a-z])|fips|minimal|arm64|sap|byos")
WINDOWS = "batch-prep builds images and pools of Linux only; this is for Windows"


def of_marketplace(publisher: str, offer: str, sku: str) -> tuple[str, str] | None:
    """The system and its version, None for what is none of them. Raises Refused for Windows.

    `("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2")` is `("ubuntu", "22.04")`.
    """
    refuse_windows(publisher, offer, sku)
    known = f"{publisher} {offer}".lower()
    name = next((system for word, system in _SYSTEMS.items() if word in known), None)
    version = _ubuntu_version(offer, sku) if name == "ubuntu" else _major(sku, offer)
    return (name, version) if name and version else None


def is_plain(publisher: str, offer: str, sku: str) -> bool:
    """Whether it is a publisher's own image of its system, with nothing on it: batch-prep's
    catalogue has the same.
    """
    return publisher.lower() in _PUBLISHERS and not is_special(offer, sku)


def is_special(offer: str, sku: str) -> bool:
    """Whether its name says that it has more or less than its system."""
    return bool(_SPECIAL.search(f"{offer} {sku}".lower()))


def refuse_windows(*texts: str | None) -> None:
    """Raises Refused where one of them names Windows."""
    if any("windows" in (text or "").lower() for text in texts):
        raise errors.Refused(WINDOWS)


def _ubuntu_version(offer: str, sku: str) -> str | None:
    for word, version in _UBUNTU.items():
        if word in offer.lower():
            return version
    for text in (offer, sku):
        if found := re.search(r"(?<!\d)(\d\d)[._-]?(04|10)(?!\d)", text):
            return f"{found[1]}.{found[2]}"
    return None


def _major(sku: str, offer: str) -> str | None:
    for text in (sku, offer):
        if found := re.search(r"(?<![\da-z])(\d{1,2})(?!\d)", text.lower()):
            return found[1]
    return None
