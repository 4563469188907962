"""What lost builds left behind: tagged, temporary, and no longer anybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities import left_pools
from shared import clients, decisions, names
from shared.clients import Started
from shared.decisions import Done, Verdict
from shared.errors import Failure, Kind
from shared.operations import Effect, Json, Operation, Services, Tick
from shared.plans import BuildOutcome, Named, Nothing
from shared.records import ENDED
from shared.sweep_plans import LeftoverPlan
from shared.wire import Wire

if TYPE_CHECKING:
    from shared.tables import Row

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
    "microsoft.compute/galleries/images": "2026-03-03",
    "microsoft.compute/galleries": "2026-03-03",
    "microsoft.containerregistry/registries": "2025-11-01",
    "microsoft.managedidentity/userassignedidentities": "2024-11-30",
    "microsoft.resources/resourcegroups": "2025-04-01",
}


# -- what there is, and whether anybody needs it --------------------------------------------------


class Finding(Wire):
    """One temporary resource, or one pool with nodes that nobody can use; what the sweep does with
    it, and why.
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
    listed, at = clients.listed_at(everything, filter=f"tagName eq '{names.TAG_BUILD}'")
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


def dry_run(services: Services) -> Survey:
    """The same as of now, and the pools whose nodes outlived a failure."""
    found = survey(services)
    pools = [
        Finding(
            id=standing.plan.resource,
            type=left_pools.TYPE,
            build_id=standing.plan.build_id,
            verdict="shrink" if standing.shrinks else "keep",
            why=standing.why,
            until=found.at if standing.shrinks else None,
        )
        for standing in left_pools.standings(services)
    ]
    return found.model_copy(update={"leftovers": [*pools, *found.leftovers]})


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
    outcome = row.get("Outcome") if row["State"] in ENDED else None
    if not outcome:
        why = "its build is at work; should it have died, the next sweep closes it first"
        return Finding(**known, verdict="keep", why=why)
    kept = any(decisions.same(resource["id"], k) for k in BuildOutcome.from_wire(outcome).leftovers)
    if not kept:
        return Finding(**known, verdict="remove", why=f"its build {row['State']}", until=now)
    if expires < now:
        return Finding(**known, verdict="remove", why=f"it was kept until {expires}", until=now)
    why = f"its build {row['State']} and keeps it for a while"
    return Finding(**known, verdict="keep", why=why, until=expires)


def _list(services: Services, _plan: Nothing, tick: Tick) -> Json:
    found = [f for f in survey(services, tick.now).leftovers if f.verdict == "remove"]
    return {"leftovers": [{"id": f.id, "type": f.type, "buildId": f.build_id} for f in found]}


list_leftovers = Effect(
    name="list_leftovers",
    plan=Nothing,
    verb="list what builds left behind",
    subject=lambda _: "subscription",
    act=_list,
)


# -- removing it ----------------------------------------------------------------------------------


def look(services: Services, plan: LeftoverPlan, _: Tick) -> Json | None:
    """The resource by its id, or None."""
    get = services.azure.resources.resources.get_by_id
    return clients.fetch(get, plan.id.lstrip("/"), api_version=_version(plan))


def delete(services: Services, plan: LeftoverPlan, _: Tick) -> Started:
    """Ask for its removal."""
    call = services.azure.resources.resources.begin_delete_by_id
    return clients.send_delete(call, plan.id.lstrip("/"), api_version=_version(plan))


def _version(plan: LeftoverPlan) -> str:
    return {**_TYPES, **_LASTING}[plan.type.lower()]


def judge(plan: LeftoverPlan, observed: Json | None, tick: Tick) -> Verdict:
    """Its tag is looked at once more: between list and removal it may have become another's."""
    if observed is not None and (observed.get("tags") or {}).get(names.TAG_BUILD) != plan.build_id:
        return Done(result={"foreign": True})
    return decisions.removed(plan.id, observed, started=tick.started)


remove_leftover = Operation(
    name="remove_leftover",
    plan=LeftoverPlan,
    verb="remove a leftover",
    subject=lambda plan: plan.id,
    look=look,
    judge=judge,
    actions={"delete": delete},
)


def _close(services: Services, plan: Named, tick: Tick) -> Json:
    """A build whose orchestration died gets its outcome after all; what it had not told of its
    pools becomes the sweep's.
    """
    row = services.records.build(plan.build_id)
    if row is None or row["State"] in ENDED:
        return {}
    left_pools.hand_over(services, plan.build_id, tick.now)
    failure = Failure(
        code="Bug",
        kind=Kind.BUG,
        message="The build's orchestration died without an outcome; what only it needed goes.",
        resource=plan.build_id,
        next_action="Start the request again under a new id, and report this with the build's id.",
    )
    pools = left_pools.records_of(services, plan.build_id)
    outcome = BuildOutcome(build_id=plan.build_id, state="failed", pools=pools, error=failure)
    services.records.end_dead_build(outcome, tick.now)
    return {}


close_build = Effect(
    name="close_build",
    plan=Named,
    verb="close the record of a build that died",
    subject=lambda plan: plan.build_id,
    act=_close,
)
