"""What sweeps and clean-ups will remove."""

from __future__ import annotations

from shared.base.wire import Wire
from shared.model.plans import PoolPlan


class SweepPlan(Wire):
    """Builds whose orchestration is over although their record says that they run."""

    dead: list[str] = []


class LeftoverPlan(Wire):
    """A resource that nobody needs any more."""

    id: str
    type: str
    build_id: str


class BuildLeft(Wire):
    """What a build that is over left behind, in the order of removal."""

    build_id: str
    leftovers: list[LeftoverPlan] = []
    keeps: bool = False  # something else of it stays for a while


class BuildCleared(Wire):
    """A build whose leftovers were removed, but for those that could not be."""

    build_id: str
    removed: list[str] = []
    failed: list[str] = []


class MadeIn(Wire):
    """The resource group in which a build of which nothing came made what lasts."""

    build_id: str
    subscription_id: str
    resource_group: str

    @property
    def group_id(self) -> str:
        """The group's resource id."""
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"


class MadePlan(LeftoverPlan):
    """Something lasting in a resource group, of a build of which nothing else came."""

    resource_group: str


class PoolGroup(Wire):
    """Some of the pools that a sweep looks after, and the orchestration that looks after one."""

    child: str
    pools: list[PoolPlan]


class PoolSettled(Wire):
    """A pool that the sweep need not look after any more."""

    pool: PoolPlan
    emptied: bool  # or gone, or another's


class PoolExpired(Wire):
    """A pool whose time is over: it is gone, or another's by now."""

    pool: PoolPlan
    is_gone: bool
