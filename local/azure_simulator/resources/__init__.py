"""Microsoft.Resources: the subscription, its providers, resource groups, and lists across types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.azure_simulator.resources import groups, listing, subscriptions

if TYPE_CHECKING:
    from local.azure_simulator import core


def register(azure: core.Simulator) -> None:
    for module in (subscriptions, groups, listing):
        module.register(azure)
