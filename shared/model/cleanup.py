"""What cleanup removes, shrinks or keeps, why and until when: one list, made from facts. Pure.

GET /api/leftovers prints the list and the orchestration `clean_up` carries it out. Right before a
removal, a pool or a lasting resource is planned again from fresh facts; of a temporary one only the
tag is looked at, and of a snapshot whether Azure still copies from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.base import names
from shared.base import resource_types as types
from shared.base.wire import Wire
from shared.model.outcomes import PoolRecord

# The step that removes a resource, by type in the order of removal: what uses a resource, or is
# inside it, goes before it. A Batch account is not here: more quota is asked for at the account,
# and it costs nothing.
_TEMPORARY = {
    types.POOL: "remove_pool",
    types.VM: "remove_builder_vm",
    types.DISK: "remove_disk",
    types.SNAPSHOT: "remove_snapshot",
    types.NETWORK: "remove_network",
    types.NAT_GATEWAY: "remove_nat_gateway",
    types.PUBLIC_IP: "remove_public_ip",
}
# These stay when a build succeeds.
LASTING = {
    types.MANAGED_IMAGE: "remove_managed_image",
    types.IMAGE_VERSION: "remove_image_version",
    types.IMAGE_DEFINITION: "remove_image_definition",
    types.GALLERY: "remove_gallery",
    types.REGISTRY: "remove_registry",
    types.IDENTITY: "remove_pull_identity",
    types.RESOURCE_GROUP: "remove_resource_group",
}
STEPS = {**_TEMPORARY, **LASTING}
_ORDER = list(STEPS)
Ended = Literal["done", "failed", "kept"]  # kept: the plan had changed
COPIED = "Azure copies an image version from it"
_EMPTY = "its build failed and published nothing in it"
_UNUSED = "its build made neither image nor pools, and no other build uses its resource group"


# -- facts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceFacts:
    """A resource that Azure lists, or that a build's record lists."""

    id: str
    build: str = ""  # that its tag names, or whose record lists it
    expires: str = ""  # a tag; what lasts has none
    is_used: bool = False  # a snapshot that Azure copies, a version or registry that must stay
    is_gone: bool = False
    refused: str = ""  # why Azure does not show it

    @property
    def kind(self) -> str:
        """The type in lower case."""
        return names.type_of(self.id).lower()

    @property
    def group(self) -> str:
        """The name of the resource group that it is in, or is."""
        return names.group_of(self.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolFacts(ResourceFacts):
    """A recorded pool; `build` is the record's."""

    record: PoolRecord
    at_work: str | None = None  # a running build that has claimed or changes it
    shaped_by: str | None = None  # the build that changed it last
    is_marked: bool = False  # its deletion has begun (decision 0005)
    is_shrunk: bool = False  # to the nodes that its failed build must leave
    is_resized: bool = False  # since its record was written


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFacts:
    """A build's record."""

    state: str
    is_over: bool = True
    is_resumable: bool = False
    may_need: tuple[str, ...] = ()  # resource groups that it uses; none if it failed for good
    publishes: str = ""  # the name of the image definition that it may still publish into
    imageless_in: str = ""  # the resource group of the image that it has failed to make
    leftovers: tuple[str, ...] = ()  # ids of what stays
    kept: frozenset[str] = frozenset()  # those that stay on purpose, in lower case

    def lists(self, id_: str) -> bool:
        """Whether the resource is among its leftovers."""
        return any(names.same(id_, left) for left in self.leftovers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that the list is made from."""

    resources: tuple[ResourceFacts, ...] = ()
    builds: Mapping[str, BuildFacts] = field(default_factory=dict)
    pools: tuple[PoolFacts, ...] = ()
    image_groups: frozenset[str] = frozenset()  # of recorded images, in lower case


# -- items ----------------------------------------------------------------------------------------


class Action(StrEnum):
    """What cleanup does with a resource; a pool shrinks to the nodes that it had, mostly none."""

    REMOVE = "remove"
    SHRINK = "shrink"
    KEEP = "keep"


class CleanupItem(Wire):
    """One resource, what cleanup does with it, why, and how that ended."""

    id: str
    type: str = Field(default_factory=lambda known: names.type_of(known["id"]))
    build_id: str
    resource_group: str = Field(default_factory=lambda known: names.group_of(known["id"]))
    action: Action = Action.REMOVE
    reason: str = ""
    until: str | None = None  # when it goes, if that is known; ISO 8601
    is_done: bool = False  # Azure is as it should be: only the record must follow
    ended: Ended | None = None

    def to_wire(self) -> dict[str, Any]:
        """Without defaults: 0.1.0 knew the first four fields only, and a replay compares."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @property
    def kind(self) -> str:
        """The type in lower case."""
        return self.type.lower()

    @property
    def step(self) -> str:
        """The name of its step in the build's record."""
        return "empty_pool" if self.action is Action.SHRINK else STEPS[self.kind]


class Cleanup(Wire):
    """The list, or the part that one orchestration carries out, and later how that ended."""

    key: str = ""
    items: list[CleanupItem] = []
    gives_up: bool = False  # its build keeps nothing: it cannot be resumed from now on


# -- the list -------------------------------------------------------------------------------------


def plan_cleanup(facts: Facts, now: str) -> list[CleanupItem]:
    """One item per resource, in the order of removal; what lasts goes after what used it."""
    items = [item for pool in facts.pools if (item := plan_pool(pool, now))]
    temporary = _plan_temporary(facts, now)
    items += temporary
    keeping = {item.build_id for item in temporary if item.action is Action.KEEP}
    makers = {resource.build for resource in facts.resources if resource.kind in LASTING}
    for id_, build in facts.builds.items():
        if id_ in makers - keeping and build.imageless_in:
            items += plan_lasting(id_, build.imageless_in, facts, now)
    return items


def divide(items: Sequence[CleanupItem], pools: int) -> list[Cleanup]:
    """Split the list into inputs of `clean`: one for each build, one for every `pools` pools."""
    keeping = {i.build_id for i in items if i.action is Action.KEEP and i.kind != types.POOL}
    works: dict[str, list[CleanupItem]] = {}
    counted = itertools.count()
    for item in items:
        if item.is_done or item.action is not Action.KEEP:
            group = f"pools-{next(counted) // pools}" if item.kind == types.POOL else item.build_id
            works.setdefault(group, []).append(item)
    given_up = {item.build_id for item in items if item.kind != types.POOL} - keeping
    return [Cleanup(key=k, items=own, gives_up=k in given_up) for k, own in works.items()]


Rule = tuple[object, Action, str, str | None, bool]  # condition, action, reason, until, is done


def _item(of: ResourceFacts, *rules: Rule) -> CleanupItem:
    """The item by the first rule whose condition holds."""
    _, action, reason, until, is_done = next(rule for rule in rules if rule[0])
    return CleanupItem(
        id=of.id, build_id=of.build, action=action, reason=reason, until=until, is_done=is_done
    )


# -- what builds made -----------------------------------------------------------------------------


def _plan_temporary(facts: Facts, now: str) -> list[CleanupItem]:
    """What builds needed only while they ran. A disk goes with its VM."""
    own = [r for r in facts.resources if r.build and r.kind in STEPS]
    with_vm = {(types.DISK, r.build) for r in own if r.kind == types.VM and not r.is_gone}
    expiring = [r for r in own if r.expires and r.kind not in LASTING]
    found = [r for r in expiring if (r.kind, r.build) not in with_vm]
    found += [r for r in own if (r.is_gone or r.refused) and r not in expiring]
    found.sort(key=lambda r: (_ORDER.index(r.kind), r.id))
    return [_plan_resource(r, facts.builds.get(r.build), now) for r in found]


def _plan_resource(resource: ResourceFacts, recorded: BuildFacts | None, now: str) -> CleanupItem:
    """Removable when its build has ended, unless that keeps it; then after its expiry."""
    build = recorded or BuildFacts(state="unknown")
    at_work = "its build is at work; if that has died, the next sweep closes it first"
    over, until = f"its build {build.state}", f"it was kept until {resource.expires}"
    return _item(
        resource,
        (resource.is_gone, Action.REMOVE, "it is gone", now, True),
        (resource.refused, Action.KEEP, f"Azure does not show it: {resource.refused}", None, False),
        (recorded is None, Action.KEEP, "no such build is on record", None, False),
        (not build.is_over, Action.KEEP, at_work, None, False),
        (resource.is_used, Action.KEEP, COPIED, None, False),
        (resource.id.lower() not in build.kept, Action.REMOVE, over, now, False),
        (resource.expires < now, Action.REMOVE, until, now, False),
        (True, Action.KEEP, f"{over} and keeps it for a while", resource.expires, False),
    )


def plan_lasting(
    build: str, group: str, facts: Facts, now: str, *, is_cleared: bool = False
) -> list[CleanupItem]:
    """The lasting resources of a failed build that can be removed: all that is inside goes as well.
    With `is_cleared`, its temporary resources are gone already; otherwise they are ignored.
    """
    others = [
        other
        for id_, other in facts.builds.items()
        if id_ != build and any(names.same(group, needed) for needed in other.may_need)
    ]
    is_needed = bool(others) or group.lower() in facts.image_groups
    within = [r for r in facts.resources if names.same(r.group, group) and not r.is_gone]
    # Azure does not tag what it creates with a builder; its name contains the builder's.
    lasting = [r for r in within if r.kind in LASTING or build.lower() not in r.id.lower()]
    there = within if is_cleared else lasting
    own = [r for r in there if r.build == build and _may_go(r, others, is_needed=is_needed)]
    goes: list[ResourceFacts] = []
    for resource in sorted(own, key=lambda r: _ORDER.index(r.kind)):
        inside = [r for r in there if r.id.lower().startswith(f"{resource.id.lower()}/")]
        if not resource.is_used and all(r in goes for r in inside):
            goes.append(resource)
    reason = _EMPTY if is_needed else _UNUSED
    return [_item(resource, (True, Action.REMOVE, reason, now, False)) for resource in goes]


def _may_go(resource: ResourceFacts, others: Sequence[BuildFacts], *, is_needed: bool) -> bool:
    """Whether it may be removed. If other builds need the group, only empty resources may, and no
    definition that one of them may still publish into.
    """
    awaited = {(types.IMAGE_DEFINITION, other.publishes.lower()) for other in others}
    if (resource.kind, resource.id.rpartition("/")[2].lower()) in awaited:
        return False
    empty = (types.MANAGED_IMAGE, types.IMAGE_VERSION, types.IMAGE_DEFINITION)
    return resource.kind in (empty if is_needed else LASTING)


# -- pools ----------------------------------------------------------------------------------------


def plan_pool(pool: PoolFacts, now: str) -> CleanupItem | None:
    """Deletion beats shrinking. None for a pool that has no end and is in order."""
    record, until = pool.record, pool.record.expires_at
    if record.is_over(now):
        action, why = Action.REMOVE, f"it was asked for until {until}"
    elif record.nodes_left:
        action, why = Action.SHRINK, f"its build {pool.build} failed and could not remove its nodes"
    else:
        asked = (True, Action.KEEP, "it was asked for until then", until, False)
        return _item(pool, asked) if until else None
    shrinks = action is Action.SHRINK
    changed = f"{f'build {pool.shaped_by}' if pool.shaped_by else 'somebody'} has changed it since"
    return _item(
        pool,
        (pool.refused, action, f"{why}; now: {pool.refused}", now, False),
        (pool.is_marked and not shrinks, action, why, now, False),
        (pool.at_work, Action.KEEP, f"build {pool.at_work} is at work on it", None, False),
        (pool.is_gone, action, why, now, True),
        (pool.shaped_by != pool.build, Action.KEEP, changed, None, True),
        # A resize cancels shrinking; it does not extend the pool's time.
        (shrinks and pool.is_resized, Action.KEEP, "somebody has resized it since", None, True),
        (True, action, why, now, shrinks and pool.is_shrunk),
    )
