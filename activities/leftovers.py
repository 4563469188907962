"""What lost builds left behind: tagged, temporary, and no longer anybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.azure import sdk
from shared.azure.sdk import Started
from shared.base import names
from shared.base.wire import Wire
from shared.engine import decisions
from shared.engine.activity import (
    Json,
    NoInput,
    NoResult,
    PollState,
    Reconciler,
    Services,
    ShortActivity,
)
from shared.engine.decisions import Decision, Done
from shared.model.cleanup_plans import BuildLeft, BuildsLeft, LeftoverPlan
from shared.store.records import outcome_of

if TYPE_CHECKING:
    from shared.store.tables import Row

# Temporary things that builds make, in the order of removal (what holds a thing goes before it),
# with the API version to name them by id: that of the SDK's own clients.
_VM, _DISK = "microsoft.compute/virtualmachines", "microsoft.compute/disks"
_TYPES = {
    _VM: "2026-04-01",
    _DISK: "2026-03-02",
    "microsoft.network/virtualnetworks": "2026-03-01",
    "microsoft.network/natgateways": "2026-03-01",
    "microsoft.network/publicipaddresses": "2026-03-01",
}

# Lasting things, which go with a build that failed (activities/made.py).
_LASTING = {
    "microsoft.compute/galleries/images/versions": "2026-03-03",
    "microsoft.compute/galleries/images": "2026-03-03",
    "microsoft.compute/galleries": "2026-03-03",
    "microsoft.containerregistry/registries": "2025-11-01",
    "microsoft.managedidentity/userassignedidentities": "2024-11-30",
    "microsoft.resources/resourcegroups": "2025-04-01",
}


# -- what there is, and whether anybody needs it --------------------------------------------------


class Finding(Wire):
    """One temporary resource, or one pool that has an end or nodes that nobody can use; what the
    sweep does with it, and why.
    """

    id: str
    type: str
    build_id: str
    verdict: str  # remove, shrink (to zero nodes) or keep
    why: str
    until: str | None = None  # when it will be removed, if that is known; ISO 8601


class Survey(Wire):
    """What builds left on Azure, in the order of removal, as of `at` by Azure's clock."""

    at: str | None = None
    leftovers: list[Finding] = []


def survey(services: Services, now: str | None = None) -> Survey:
    """Only what carries our tags with an expiry is looked at; lasting things carry none. Without
    `now`, Azure's own time is taken.
    """
    everything = services.azure.resources.resources.list
    listed, at = sdk.listed_at(everything, filter=f"tagName eq '{names.TAG_BUILD}'")
    order = list(_TYPES)
    rows: dict[str, Row | None] = {}
    with_vm = {_build(r) for r in listed if _kind(r) == _VM}
    found = []
    for resource in listed:
        build, expires = _build(resource), (resource.get("tags") or {}).get(names.TAG_EXPIRES)
        goes_with_vm = _kind(resource) == _DISK and build in with_vm
        if _kind(resource) not in _TYPES or not expires or goes_with_vm:
            continue
        if build not in rows:
            rows[build] = services.records.build(build)
        found.append(_finding(resource, expires, rows[build], now or at or ""))
    found.sort(key=lambda f: (order.index(f.type.lower()), f.id))
    return Survey(at=now or at, leftovers=found)


def _kind(resource: Json) -> str:
    return str(resource.get("type", "")).lower()


def _build(resource: Json) -> str:
    return str((resource.get("tags") or {}).get(names.TAG_BUILD, ""))


def _finding(resource: Json, expires: str, row: Row | None, now: str) -> Finding:
    """Nobody needs it once its build is over, unless that keeps it, and then until its expiry."""
    build = _build(resource)
    known = {"id": resource["id"], "type": resource["type"], "build_id": build}
    if row is None:
        return Finding(**known, verdict="keep", why="no such build is on record")
    outcome = outcome_of(row)
    if outcome is None:
        why = "its build is at work; should it have died, the next sweep closes it first"
        return Finding(**known, verdict="keep", why=why)
    kept = any(names.same(resource["id"], k) for k in outcome.leftovers)
    if not kept:
        return Finding(**known, verdict="remove", why=f"its build {row['State']}", until=now)
    if expires < now:
        return Finding(**known, verdict="remove", why=f"it was kept until {expires}", until=now)
    why = f"its build {row['State']} and keeps it for a while"
    return Finding(**known, verdict="keep", why=why, until=expires)


def _list(services: Services, _plan: NoInput, poll: PollState) -> BuildsLeft:
    return BuildsLeft(builds=by_build(services, survey(services, poll.now)))


def by_build(services: Services, found: Survey) -> list[BuildLeft]:
    """What is to be removed of each build, in the order of removal; and the builds whose records
    list what is gone, or what lasts.
    """
    keeping = {each.build_id for each in found.leftovers if each.verdict == "keep"}
    left: dict[str, list[LeftoverPlan]] = {}
    for each in found.leftovers:
        if each.verdict == "remove":
            plan = LeftoverPlan(id=each.id, type=each.type, build_id=each.build_id)
            left.setdefault(each.build_id, []).append(plan)
    for row in services.records.builds():
        is_new = row.key not in keeping and row.key not in left
        if is_new and _lists_none_that_is_there(services, row):
            left[row.key] = []
    return [
        BuildLeft(build_id=build, leftovers=leftovers, keeps=build in keeping)
        for build, leftovers in left.items()
    ]


def _lists_none_that_is_there(services: Services, row: Row) -> bool:
    """Asked one by one: a list may leave out for a moment what a build keeps."""
    outcome = outcome_of(row)
    left = outcome.leftovers if outcome else []
    temporary = [id_ for id_ in left if names.type_of(id_).lower() in _TYPES]
    return bool(left) and not any(is_there(services, id_) for id_ in temporary)


def is_there(services: Services, id_: str) -> bool:
    """Whether a resource that a build made still exists."""
    return fetch(services, id_, names.type_of(id_)) is not None


list_leftovers = ShortActivity(
    name="list_leftovers",
    plan=NoInput,
    result=BuildsLeft,
    verb="list what builds left behind",
    subject=lambda _: "subscription",
    act=_list,
)


# -- removing it ----------------------------------------------------------------------------------


def observe(services: Services, plan: LeftoverPlan, _: PollState) -> Json | None:
    """The resource by its id, or None."""
    return fetch(services, plan.id, plan.type)


def fetch(services: Services, id_: str, type_: str) -> Json | None:
    """A resource of a type that builds make, by its id, or None."""
    get = services.azure.resources.resources.get_by_id
    return sdk.fetch(get, id_.lstrip("/"), api_version=_version(type_))


def delete(services: Services, plan: LeftoverPlan, _: PollState) -> Started:
    """Ask for its removal."""
    call = services.azure.resources.resources.begin_delete_by_id
    return sdk.send_delete(call, plan.id.lstrip("/"), api_version=_version(plan.type))


def _version(type_: str) -> str:
    return {**_TYPES, **_LASTING}[type_.lower()]


def decide(plan: LeftoverPlan, observed: Json | None, poll: PollState) -> Decision[NoResult]:
    """Its tag is looked at once more: between list and removal it may have become another's."""
    if observed is not None and (observed.get("tags") or {}).get(names.TAG_BUILD) != plan.build_id:
        return Done(result=NoResult())
    return decisions.removed(plan.id, observed, started=poll.started, result=NoResult())


remove_leftover = Reconciler(
    name="remove_leftover",
    plan=LeftoverPlan,
    result=NoResult,
    verb="remove a leftover",
    subject=lambda plan: plan.id,
    observe=observe,
    decide=decide,
    actions={"delete": delete},
)
