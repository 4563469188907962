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


class Removal(Wire):
    """Something lasting that is to be removed, and the step that removes it."""

    step: str
    plan: MadePlan


class RemovalList(Wire):
    """What a failed build made for good and nobody else uses, in the order of removal."""

    made: list[Removal] = []


class BuildsLeft(Wire):
    """The builds that left something behind."""

    builds: list[BuildLeft] = []


class PoolsLeft(Wire):
    """Pools that the sweep has to shrink or to delete."""

    pools: list[PoolPlan] = []


class GivenUp(Wire):
    """Whether the build is over, and where it made lasting things if nothing came of it."""

    over: bool
    made: MadeIn | None = None


class PoolDeletion(Wire):
    """Why an expired pool was kept (None: it is gone), and whether another build has it."""

    kept: str | None = None
    is_anothers: bool = False
