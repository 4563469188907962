"""What lost builds left behind: tagged, temporary, and no longer anybody's."""

from __future__ import annotations

from shared import clients, decisions, names
from shared.clients import Started
from shared.decisions import Done, Verdict
from shared.errors import Failure, Kind
from shared.operations import Effect, Json, Operation, Services, Tick
from shared.plans import BuildOutcome, LeftoverPlan, Named, Nothing

# Temporary things that builds make, in the order of removal (what holds a thing goes before it),
# with the API version to name them by id: that of the SDK's own clients.
_TYPES = {
    "microsoft.compute/virtualmachines": "2026-04-01",
    "microsoft.compute/disks": "2026-03-02",
    "microsoft.network/virtualnetworks": "2026-03-01",
    "microsoft.network/natgateways": "2026-03-01",
    "microsoft.network/publicipaddresses": "2026-03-01",
}


def _list(services: Services, _plan: Nothing, tick: Tick) -> Json:
    """Only what carries our tags with an expiry is looked at; lasting things carry none."""
    listed = services.azure.resources.resources.list(filter=f"tagName eq '{names.TAG_BUILD}'")
    found = [
        r
        for r in clients.listed(listed)
        if str(r.get("type", "")).lower() in _TYPES
        and not r.get("managedBy")  # a disk goes with its VM
    ]
    outcomes: dict[str, BuildOutcome | None] = {}
    leftovers = []
    for resource in found:
        tags = resource.get("tags") or {}
        build, expires = tags.get(names.TAG_BUILD, ""), tags.get(names.TAG_EXPIRES)
        if build not in outcomes:
            outcomes[build] = services.records.outcome(build)
        if expires and is_leftover(resource["id"], expires, outcomes[build], tick.now):
            leftovers.append({"id": resource["id"], "type": resource["type"], "buildId": build})
    order = list(_TYPES)
    leftovers.sort(key=lambda r: (order.index(r["type"].lower()), r["id"]))
    return {"leftovers": leftovers}


def is_leftover(resource: str, expires: str, outcome: BuildOutcome | None, now: str) -> bool:
    """Whether nobody needs it: its build is over, and it is not kept or kept long enough. A build
    without an outcome is still at work.
    """
    if outcome is None:
        return False
    is_kept = any(decisions.same(resource, kept) for kept in outcome.leftovers)
    return not is_kept or expires < now


list_leftovers = Effect(
    name="list_leftovers",
    plan=Nothing,
    verb="list what builds left behind",
    subject=lambda _: "subscription",
    act=_list,
)


def _look(services: Services, plan: LeftoverPlan, _: Tick) -> Json | None:
    get = services.azure.resources.resources.get_by_id
    return clients.fetch(get, plan.id.lstrip("/"), api_version=_TYPES[plan.type.lower()])


def _delete(services: Services, plan: LeftoverPlan, _: Tick) -> Started:
    delete = services.azure.resources.resources.begin_delete_by_id
    version = _TYPES[plan.type.lower()]
    return clients.send_delete(delete, plan.id.lstrip("/"), api_version=version)


def _judge(plan: LeftoverPlan, observed: Json | None, tick: Tick) -> Verdict:
    """Its tag is looked at once more: between list and removal it may have become another's."""
    if observed is not None and (observed.get("tags") or {}).get(names.TAG_BUILD) != plan.build_id:
        return Done(result={"foreign": True})
    return decisions.removed(plan.id, observed, started=tick.started)


remove_leftover = Operation(
    name="remove_leftover",
    plan=LeftoverPlan,
    verb="remove a leftover",
    subject=lambda plan: plan.id,
    look=_look,
    judge=_judge,
    actions={"delete": _delete},
)


def _close(services: Services, plan: Named, tick: Tick) -> Json:
    """A build whose orchestration died gets its outcome after all."""
    failure = Failure(
        code="Bug",
        kind=Kind.BUG,
        message="The build's orchestration died without an outcome; what it made is removed.",
        resource=plan.build_id,
        next_action="Start the request again under a new id, and report this with the build's id.",
    )
    outcome = BuildOutcome(build_id=plan.build_id, state="failed", error=failure)
    services.records.end_dead_build(outcome, tick.now)
    return {}


close_build = Effect(
    name="close_build",
    plan=Named,
    verb="close the record of a build that died",
    subject=lambda plan: plan.build_id,
    act=_close,
)
