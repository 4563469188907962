"""What cleanup deletes, shrinks or keeps, why and until when: one list, made from facts. Pure.

GET /api/leftovers prints the list and the sweep carries it out. Right before a removal the item is
planned again from fresh facts, and is carried out only if the plan is still the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from shared.base import names
from shared.base.wire import Wire
from shared.model.cleanup_facts import BuildFacts, Facts, PoolFacts, ResourceFacts
from shared.model.outcomes import PoolRecord

POOL = "microsoft.batch/batchaccounts/pools"
GROUP = names.GROUP_TYPE.lower()
VM, DISK = "microsoft.compute/virtualmachines", "microsoft.compute/disks"
DEFINITION = "microsoft.compute/galleries/images"
VERSION = f"{DEFINITION}/versions"
REGISTRY = "microsoft.containerregistry/registries"
IDENTITY = "microsoft.managedidentity/userassignedidentities"
# Both in the order of removal: what uses a resource, or is inside it, goes before it. A Batch
# account is in neither: more quota is asked for at the account, and it costs nothing.
_NETWORK = ("virtualnetworks", "natgateways", "publicipaddresses")
TEMPORARY = (VM, DISK, *(f"microsoft.network/{kind}" for kind in _NETWORK))
LASTING = {  # and the step that removes it
    VERSION: "remove_image_version",
    DEFINITION: "remove_image_definition",
    "microsoft.compute/galleries": "remove_gallery",
    REGISTRY: "remove_registry",
    IDENTITY: "remove_pull_identity",
    GROUP: "remove_resource_group",
}
_ORDER = (*TEMPORARY, *LASTING)
_EMPTY = "its build failed, and left it without content"
_UNUSED = "its build made neither image nor pools, and no other build uses its resource group"


class Action(StrEnum):
    """What cleanup does with a resource; a pool is shrunk to zero nodes."""

    REMOVE = "remove"
    SHRINK = "shrink"
    KEEP = "keep"


class CleanupItem(Wire):
    """One resource, what cleanup does with it, why, and how that ended."""

    id: str
    type: str
    build_id: str
    resource_group: str
    action: Action = Action.REMOVE
    reason: str = ""
    until: str | None = None  # when it goes, if that is known; ISO 8601
    is_done: bool = False  # Azure is as it should be: only the record must follow
    ended: str | None = None  # done, failed, or kept because the plan had changed

    def to_wire(self) -> dict[str, Any]:
        """Without defaults: 0.1.0 knew the first four fields only, and a replay compares."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def kind(self) -> str:
        """The type in lower case."""
        return self.type.lower()

    @property
    def is_to_do(self) -> bool:
        """Whether a sweep does anything about it."""
        return self.is_done or self.action is not Action.KEEP

    def step(self, number: int) -> str:
        """The name of its step in the build's record; `number` tells similar ones apart."""
        if self.kind == POOL:
            return "empty_pool" if self.action is Action.SHRINK else "remove_pool"
        return LASTING.get(self.kind, f"sweep_{number}")


class Cleanup(Wire):
    """A part of the list: what one orchestration carries out, and later how it ended. A build that
    is given up keeps nothing, so it cannot be resumed from now on.
    """

    key: str = ""
    items: list[CleanupItem] = []
    gives_up: bool = False


class Made(Wire):
    """An item as `list_made` has returned it since 0.1.0."""

    plan: CleanupItem


class MadeList(Wire):
    """What a failed build made for good and no other build needs, in the order of removal."""

    made: list[Made] = []


# -- the list -------------------------------------------------------------------------------------


def plan_cleanup(facts: Facts, now: str) -> list[CleanupItem]:
    """One item per resource, in the order of removal; what lasts goes after what used it."""
    items = [item for pool in facts.pools if (item := plan_pool(pool, now))]
    items += _plan_temporary(facts, now)
    for build in ending_builds(facts, now):
        items += plan_lasting(build, facts, now)
    return items


def by_build(items: list[CleanupItem]) -> list[Cleanup]:
    """What one orchestration carries out each: all of a build, in order of removal."""
    keeping = {item.build_id for item in items if item.action is Action.KEEP}
    works: dict[str, list[CleanupItem]] = {}
    for item in items:
        if item.is_to_do:
            works.setdefault(item.build_id, []).append(item)
    return [Cleanup(key=k, items=own, gives_up=k not in keeping) for k, own in works.items()]


def in_groups(pools: list[CleanupItem], size: int = 50) -> list[Cleanup]:
    """What one orchestration carries out each: so many pools."""
    to_do = [pool for pool in pools if pool.is_to_do]
    starts = range(0, len(to_do), size)
    return [Cleanup(key=f"pools-{n}", items=to_do[n : n + size]) for n in starts]


def left_over(items: list[CleanupItem], facts: Facts) -> list[CleanupItem]:
    """What the build itself could not remove, and is due to go now. What is in two sweeps' lists in
    a row, the first one could not remove either.
    """
    ended = {id_: build for id_, build in facts.builds.items() if not build.is_resumable}
    return [
        item
        for item in items
        if item.action is Action.REMOVE
        and item.build_id in ended
        and item.id.lower() in {left.lower() for left in ended[item.build_id].leftovers}
    ]


# -- what builds made -----------------------------------------------------------------------------


def ending_builds(facts: Facts, now: str) -> list[str]:
    """Builds that are over, keep nothing any more, and left something or were closed just now."""
    items = _plan_temporary(facts, now)
    left = {item.build_id for item in items} | _with_empty_definition(facts)
    keeping = {item.build_id for item in items if item.action is Action.KEEP}
    return [
        id_
        for id_, build in facts.builds.items()
        if build.is_over
        and id_ not in keeping
        and (id_ in left or build.leftovers or id_ in facts.closed)
    ]


def _with_empty_definition(facts: Facts) -> set[str]:
    """Builds that failed for good and made a definition without a version: it was kept for another
    build of the same image, which has published none.
    """
    filled = {r.id.lower().rpartition("/versions/")[0] for r in facts.resources}
    empty = (r for r in facts.resources if r.kind == DEFINITION and r.id.lower() not in filled)
    makers = {r.build for r in empty} & facts.builds.keys()
    return {build for build in makers if not facts.builds[build].may_need}


def _plan_temporary(facts: Facts, now: str) -> list[CleanupItem]:
    """What builds needed only while they ran. A disk goes with its VM."""
    with_vm = {r.build for r in facts.resources if r.kind == VM and not r.is_gone}
    found = [
        r
        for r in facts.resources
        if (r.kind in TEMPORARY and r.expires and not (r.kind == DISK and r.build in with_vm))
        or (r.is_gone or r.refused)
    ]
    found.sort(key=lambda r: (_ORDER.index(r.kind), r.id))
    return [_plan_resource(r, facts.builds.get(r.build), now) for r in found]


def _plan_resource(resource: ResourceFacts, build: BuildFacts | None, now: str) -> CleanupItem:
    """Removable when its build has ended, unless that keeps it; then after its expiry."""
    if resource.is_gone:
        return _item(resource, Action.REMOVE, "it is gone", now, is_done=True)
    if resource.refused:
        return _item(resource, Action.KEEP, f"Azure does not show it: {resource.refused}")
    if build is None:
        return _item(resource, Action.KEEP, "no such build is on record")
    if not build.is_over:
        reason = "its build is at work; if that has died, the next sweep closes it first"
        return _item(resource, Action.KEEP, reason)
    if not any(names.same(resource.id, left) for left in build.leftovers):
        return _item(resource, Action.REMOVE, f"its build {build.state}", now)
    if resource.expires < now:
        return _item(resource, Action.REMOVE, f"it was kept until {resource.expires}", now)
    reason = f"its build {build.state} and keeps it for a while"
    return _item(resource, Action.KEEP, reason, resource.expires)


def _item(
    of: ResourceFacts, action: Action, why: str, until: str | None = None, *, is_done: bool = False
) -> CleanupItem:
    return CleanupItem(
        id=of.id,
        type=names.type_of(of.id),
        build_id=of.build,
        resource_group=of.group,
        action=action,
        reason=why,
        until=until,
        is_done=is_done,
    )


def plan_lasting(
    build: str, facts: Facts, now: str, *, is_cleared: bool = False
) -> list[CleanupItem]:
    """Gallery, registry, identity and group of a build that made neither image nor pools: what it
    made of them, if everything inside goes as well. Unless `is_cleared`, what it needed only while
    it ran is still there, and counts as gone.
    """
    found = facts.groups.get(build, ())
    if not found:
        return []
    others = _others(found[0].group, build, facts.builds)
    there = [r for r in found if is_cleared or not _is_of_builder(r, build)]
    goes: list[ResourceFacts] = []
    own = (r for r in there if r.build == build and _may_go(r, others))
    for resource in sorted(own, key=lambda r: _ORDER.index(r.kind)):
        inside = [r for r in there if r.id.lower().startswith(f"{resource.id.lower()}/")]
        if not resource.is_used and all(r in goes for r in inside):
            goes.append(resource)
    why = _EMPTY if others else _UNUSED
    return [_item(r, Action.REMOVE, _with_refusal(why, r.refused), now) for r in goes]


def _with_refusal(reason: str, refused: str) -> str:
    return f"{reason}; now: {refused}" if refused else reason


def _others(group: str, build: str, builds: Mapping[str, BuildFacts]) -> list[BuildFacts]:
    """Other builds that may need the resource group (by its name)."""
    return [
        facts
        for id_, facts in builds.items()
        if id_ != build and any(names.same(group, needed) for needed in facts.may_need)
    ]


def _may_go(resource: ResourceFacts, others: Sequence[BuildFacts]) -> bool:
    """All that lasts, unless another build may need the group: then what is empty, except the
    definition that such a build may still publish into.
    """
    awaited = {o.publishes.lower() for o in others if o.is_resumable or not o.is_over}
    if resource.kind == DEFINITION and resource.id.rpartition("/")[2].lower() in awaited:
        return False
    return resource.kind in ((VERSION, DEFINITION) if others else LASTING)


def _is_of_builder(resource: ResourceFacts, build: str) -> bool:
    """What Azure makes along with a builder has no tags; its name begins with the builder's."""
    return resource.kind not in LASTING and build.lower() in resource.id.lower()


# -- pools ----------------------------------------------------------------------------------------


def is_due(record: PoolRecord, now: str) -> bool:
    """Whether a sweep looks at the pool."""
    return record.nodes_left or is_over(record, now)


def is_over(record: PoolRecord, now: str) -> bool:
    """Whether the pool's `ttlHours` are over."""
    return record.expires_at is not None and record.expires_at <= now


def plan_pool(pool: PoolFacts, now: str) -> CleanupItem | None:
    """Deletion beats shrinking. None for a pool that has no end and is in order."""
    record = pool.record
    of = ResourceFacts(id=pool.id, build=record.build_id)
    action, why = Action.REMOVE, f"it was asked for until {record.expires_at}"
    if not is_over(record, now):
        action, why = Action.SHRINK, f"its build {of.build} failed and could not remove its nodes"
        if not record.nodes_left:
            until = record.expires_at
            return _item(of, Action.KEEP, "it was asked for until then", until) if until else None
    if pool.refused or (pool.is_marked and action is Action.REMOVE):
        return _item(of, action, _with_refusal(why, pool.refused), now)
    if pool.at_work:
        return _item(of, Action.KEEP, f"build {pool.at_work} is at work on it")
    if not pool.is_gone and (taken := _taken_over(pool, action)):
        return _item(of, Action.KEEP, taken, is_done=True)
    is_shrunk = action is Action.SHRINK and pool.is_empty and pool.target == (0, 0)
    return _item(of, action, why, now, is_done=pool.is_gone or is_shrunk)


def _taken_over(pool: PoolFacts, action: Action) -> str | None:
    """Why the pool is not its build's any more. A resize is for nodes, and not for more time."""
    record = pool.record
    if pool.build != record.build_id:
        return f"it is of {pool.build or 'somebody else'} by now"
    expected = {None, (0, 0), (record.nodes, record.low_priority_nodes)}
    is_resized = action is Action.SHRINK and pool.target not in expected
    return "somebody has resized it since" if is_resized else None
