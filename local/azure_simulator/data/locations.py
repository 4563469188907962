"""Regions that exist here. Answers sometimes use the display name where a request used the name."""

from __future__ import annotations

NAMES = {
    "swedencentral": "Sweden Central",
    "westeurope": "West Europe",
    "northeurope": "North Europe",
    "germanywestcentral": "Germany West Central",
    "francecentral": "France Central",
    "uksouth": "UK South",
    "eastus": "East US",
    "eastus2": "East US 2",
    "southcentralus": "South Central US",
    "westus": "West US",
    "westus2": "West US 2",
    "westus3": "West US 3",
    "australiaeast": "Australia East",
    "japaneast": "Japan East",
}
# https://learn.microsoft.com/azure/reliability/regions-list
_WITHOUT_ZONES = frozenset({"westus"})
DISPLAY_NAMES = tuple(NAMES.values())


def canonical(location: str) -> str:
    """`West Europe` and `westeurope` are the same place: `westeurope`."""
    return location.replace(" ", "").lower()


def is_known(location: str) -> bool:
    return canonical(location) in NAMES


def has_zones(location: str) -> bool:
    return canonical(location) not in _WITHOUT_ZONES


def same(first: str, second: str) -> bool:
    return canonical(first) == canonical(second)


def display_name(location: str) -> str:
    return NAMES[canonical(location)]
