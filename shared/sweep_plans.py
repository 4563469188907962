"""What sweeps and clean-ups will remove."""

from __future__ import annotations

from shared.plans import PoolPlan
from shared.wire import Wire


class SweepPlan(Wire):
    """Builds whose orchestration is over although their record says that they run."""

    dead: list[str] = []


class LeftoverPlan(Wire):
    """A resource that nobody needs any more."""

    id: str
    type: str
    build_id: str


class MadePlan(LeftoverPlan):
    """Something lasting in a resource group, of a build of which nothing else came."""

    resource_group: str


class PoolSettled(Wire):
    """A pool that the sweep need not look after any more."""

    pool: PoolPlan
    emptied: bool  # or gone, or another's
