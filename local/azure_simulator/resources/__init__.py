"""Microsoft.Resources: the subscription, its providers, resource groups, and lists across types."""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.resources import deployments, groups, listing, subscriptions


def register(azure: context.Azure) -> None:
    for module in (subscriptions, groups, listing, deployments):
        module.register(azure)
