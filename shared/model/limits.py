"""What this deployment of the app does not allow, whatever Azure would. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from shared.base import names
from shared.base.errors import Problem
from shared.base.settings import Settings
from shared.model.requests import Build


def problems_of(request: Build, settings: Settings) -> list[Problem]:
    """Everything in a request that the settings do not allow."""
    return [*_subscription_problems(request, settings.subscription_id)]


def _subscription_problems(request: Build, own: str) -> Iterator[Problem]:
    """The app works in one subscription. Batch and compute insist on networks of it:
    https://learn.microsoft.com/azure/batch/batch-virtual-network
    """
    for field, id_ in {"image.id": request.image.id or "", **request.subnets()}.items():
        found = id_.split("/")[2:3]
        if found and not names.same(found[0], own):
            message = f"subscription {found[0]} is not the app's; use one of subscription {own}"
            yield Problem(field=field, code="OtherSubscription", message=message)
