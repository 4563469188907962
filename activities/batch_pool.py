"""A Batch pool: created, changed in place where Azure allows it, emptied first where it does not;
its nodes awaited.

Everything is decided from the pool as it is. The pool's metadata tells which build last shaped it:
a repeated call
finds its own work and goes on.
"""

from __future__ import annotations

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError

from shared import batch_bodies, clients, decisions, errors, names, scripts
from shared.clients import Started
from shared.decisions import Done, Fail, Start, Verdict, Wait
from shared.errors import Failure, Kind
from shared.operations import Json, Operation, Services, Tick
from shared.plans import PoolChange, PoolPlan
from shared.requests import IfExists


def _path(plan: PoolPlan) -> tuple[str, str, str]:
    return plan.account.resource_group, plan.account.name, plan.pool_id


def _look(services: Services, plan: PoolPlan, _: Tick) -> Json | None:
    return clients.fetch(services.azure.batch.pool.get, *_path(plan))


def wanted(plan: PoolPlan) -> Json:
    """The pool as the plan describes it."""
    return batch_bodies.pool(plan, scripts.start_task_command())


# -- creating, updating, replacing ----------------------------------------------------------------


def _create(services: Services, plan: PoolPlan, _: Tick) -> Started:
    """Only where there is none: another request's pool is never overwritten."""
    calls = services.azure.batch.pool
    only_if_absent = {"etag": "*", "match_condition": MatchConditions.IfMissing}
    return clients.send(calls.create, *_path(plan), wanted(plan), **only_if_absent)


def _change(services: Services, plan: PoolPlan, _: Tick) -> Started:
    """What can be changed while there are nodes, and nothing else: Azure refuses even an
    equal rest.
    """
    asked = wanted(plan)["properties"]
    changes = {key: asked[key] for key in _WITH_NODES}
    return clients.send(services.azure.batch.pool.update, *_path(plan), {"properties": changes})


def _reshape(services: Services, plan: PoolPlan, _: Tick) -> Started:
    """Everything, in a pool without nodes."""
    return clients.send(services.azure.batch.pool.update, *_path(plan), wanted(plan))


def _empty(services: Services, plan: PoolPlan, _: Tick) -> Started:
    """To zero nodes: most properties can be changed only then."""
    body = {"properties": {"scaleSettings": {"fixedScale": batch_bodies.fixed_scale(0, 0)}}}
    return clients.send(services.azure.batch.pool.update, *_path(plan), body)


def _delete(services: Services, plan: PoolPlan, _: Tick) -> Started:
    return clients.send_delete(services.azure.batch.pool.begin_delete, *_path(plan))


def shaped_by(observed: Json) -> str | None:
    """The build that last created or updated this pool."""
    metadata = decisions.properties(observed).get("metadata") or []
    return next((m["value"] for m in metadata if m["name"] == names.TAG_BUILD), None)


def is_empty(observed: Json) -> bool:
    """No nodes, and none coming or going."""
    found = decisions.properties(observed)
    nodes = int(found.get("currentDedicatedNodes") or 0) + int(
        found.get("currentLowPriorityNodes") or 0
    )
    return nodes == 0 and str(found.get("allocationState", "")).lower() == "steady"


# What Azure changes only in a pool without nodes, of what batch-prep sets (API 2024-07-01 and
# later).
_WITH_NODES = ("scaleSettings", "startTask", "metadata")
_NEEDS_EMPTY = ("vmSize", "deploymentConfiguration", "taskSlotsPerNode", "networkConfiguration")


def needs_empty(wanted_properties: Json, found: Json) -> list[str]:
    """The properties that must change and cannot while there are nodes."""
    return [key for key in _NEEDS_EMPTY if not covers(found.get(key), wanted_properties.get(key))]


def covers(found: object, asked: object) -> bool:
    """Whether what Azure gives back has all that was asked for: Azure adds defaults and changes
    case.
    """
    if asked is None:
        return True
    if isinstance(asked, dict):
        other = found if isinstance(found, dict) else {}
        return all(covers(other.get(key), value) for key, value in asked.items())
    if isinstance(asked, list):
        return (
            isinstance(found, list)
            and len(found) == len(asked)
            and all(covers(f, a) for f, a in zip(found, asked, strict=True))
        )
    return decisions.same(found, asked)


def judge_pool(plan: PoolPlan, observed: Json | None, _: Tick) -> Verdict:
    """Create, leave, change, empty and change, or delete and create: what the request's `ifExists`
    allows.
    """
    if observed is None:
        return Start(action="create")
    if str(decisions.properties(observed).get("provisioningState", "")).lower() == "deleting":
        return Wait(note="the old pool is being deleted")
    if shaped_by(observed) == plan.build_id and same_size(plan, observed):
        return Done()
    if shaped_by(observed) == plan.build_id:  # made a moment ago, in a size without capacity
        return _judge_update(plan, observed)
    match plan.pool.if_exists:
        case IfExists.FAIL:
            return Fail(failure=_exists(plan))
        case IfExists.REPLACE:
            return Start(action="delete")
        case IfExists.UPDATE:
            return _judge_update(plan, observed)


def same_size(plan: PoolPlan, observed: Json) -> bool:
    """Whether the pool has the size that is asked for now."""
    return decisions.same(decisions.properties(observed).get("vmSize"), plan.size)


def _judge_update(plan: PoolPlan, observed: Json) -> Verdict:
    found = decisions.properties(observed)
    must_be_empty = needs_empty(wanted(plan)["properties"], found)
    if not must_be_empty:
        return Start(action="change")
    if is_empty(observed):
        return Start(action="reshape")
    target = (found.get("scaleSettings") or {}).get("fixedScale") or {}
    going = target.get("targetDedicatedNodes") == 0 and not target.get("targetLowPriorityNodes")
    if going or str(found.get("allocationState", "")).lower() != "steady":
        return Wait(note=f"the pool is emptied, to change {', '.join(must_be_empty)}")
    return Start(action="empty")


def _exists(plan: PoolPlan) -> Failure:
    return Failure(
        code="PoolExists",
        kind=Kind.CONFLICT,
        message=f"Pool {plan.pool_id} exists already in account {plan.account.name}.",
        resource=plan.resource,
        next_action='Say "ifExists": "update" or "replace", or choose another id.',
    )


ensure_pool = Operation(
    name="ensure_pool",
    plan=PoolPlan,
    verb="create the pool",
    subject=lambda plan: plan.resource,
    look=_look,
    judge=judge_pool,
    actions={
        "create": _create,
        "change": _change,
        "reshape": _reshape,
        "empty": _empty,
        "delete": _delete,
    },
)


# -- its nodes ------------------------------------------------------------------------------------


def _look_nodes(services: Services, plan: PoolPlan, tick: Tick) -> Json | None:
    """The pool and, once its size is steady, its nodes."""
    observed = _look(services, plan, tick)
    if observed is None or not is_steady(observed):
        return observed
    service = services.azure.batch_service(plan.endpoint)
    select = ["id", "state", "errors", "startTaskInfo"]
    nodes = clients.listed(service.list_nodes(plan.pool_id, select=select))
    failed = [n for n in nodes if str(n.get("state", "")).lower() == "starttaskfailed"]
    for node in failed[:_REPORTS_MAX]:
        node["report"] = node_report(services, plan, node["id"])
    return {**observed, "nodes": nodes}


def node_report(services: Services, plan: PoolPlan, node: str) -> Json | None:
    """The result line of a node's start task, or None where it left none."""
    service = services.azure.batch_service(plan.endpoint)
    try:
        chunks = service.download_node_file(plan.pool_id, node, "startup/stdout.txt")
        return scripts.result_line(b"".join(chunks).decode(errors="replace"))
    except ResourceNotFoundError:
        return None


def is_steady(observed: Json) -> bool:
    """Whether no resize is under way."""
    return str(decisions.properties(observed).get("allocationState", "")).lower() == "steady"


# What a node's state means for a pool that should become ready.
_COMING = {
    "creating", "starting", "waitingforstarttask", "rebooting", "reimaging", "unknown",
    "upgradingos", "deallocating", "leavingpool", "offline", "preempted", "deallocated",
}  # fmt: skip
_READY = {"idle", "running"}
_LOST = {"unusable", "starttaskfailed"}


def judge_nodes(plan: PoolPlan, observed: Json | None, _: Tick) -> Verdict:
    """Ready when as many nodes as asked for are idle; a node that cannot become so fails
    the pool.
    """
    if observed is None:
        return Fail(failure=_gone(plan))
    if not is_steady(observed):
        return Wait(note="nodes are being allocated")
    if problem := resize_problem(plan.resource, observed):
        return Fail(failure=problem)
    nodes = observed["nodes"]
    by_state: dict[str, int] = {}
    for node in nodes:
        state = str(node.get("state", "unknown")).lower()
        if state not in _COMING | _READY | _LOST:
            raise errors.Bug(f"Batch says node state {state!r}, which is not known here")
        by_state[state] = by_state.get(state, 0) + 1
    lost = [n for n in nodes if str(n.get("state", "")).lower() in _LOST]
    if lost:
        return Fail(failure=_lost_nodes(plan, lost))
    asked = 0 if plan.pool.autoscale_formula else plan.pool.nodes + plan.pool.low_priority_nodes
    ready = sum(by_state.get(state, 0) for state in _READY)
    if ready < max(asked, len(nodes)):
        shown = ", ".join(f"{count} {state}" for state, count in sorted(by_state.items()))
        return Wait(note=f"nodes: {shown or 'none yet'}")
    return Done(result={"nodes": [n["id"] for n in nodes]})


def resize_problem(subject: str, observed: Json) -> Failure | None:
    """Why the pool did not get its nodes, if Batch says so. Quota shows here and not in the
    request's answer.
    """
    status = decisions.properties(observed).get("resizeOperationStatus") or {}
    problems = status.get("errors") or []
    if not problems:
        return None
    first = problems[0]
    inner = "; ".join(str(d.get("message", "")) for d in first.get("details") or [])
    return errors.from_azure(
        attempted="get the pool's nodes",
        resource=subject,
        status=200,
        code=str(first.get("code", "")),
        message=f"{first.get('message', '')} {inner}".strip(),
    )


_REPORTS_MAX = 5  # nodes whose words are repeated in a failure


def _lost_nodes(plan: PoolPlan, lost: list[Json]) -> Failure:
    told = []
    for node in lost[:_REPORTS_MAX]:
        info = node.get("startTaskInfo") or {}
        reasons = [e.get("message", "") for e in node.get("errors") or []]
        code = f"start task exited with {info['exitCode']}" if info.get("exitCode") else ""
        checks = ((node.get("report") or {}).get("data") or {}).get("checks") or []
        failed = [f"{c.get('code')}: {c.get('message')}" for c in checks if c["status"] == "fail"]
        facts = "; ".join(filter(None, [code, *failed, *reasons]))
        told.append(f"{node['id']} is {node['state']}" + (f" ({facts})" if facts else ""))
    return Failure(
        code="NodesUnusable",
        kind=Kind.SCRIPT,
        message=f"{len(lost)} nodes of pool {plan.pool_id} cannot be used: {'; '.join(told)}",
        resource=plan.resource,
        next_action="Read the node's startup/stdout.txt: its last line names the failed checks.",
    )


def _gone(plan: PoolPlan) -> Failure:
    return Failure(
        code="PoolGone",
        kind=Kind.MISSING,
        message=f"Pool {plan.pool_id} is gone: something else removed it.",
        resource=plan.resource,
        next_action="Ask for the pool again.",
    )


await_nodes = Operation(
    name="await_nodes",
    plan=PoolPlan,
    verb="get the pool's nodes ready",
    subject=lambda plan: plan.resource,
    look=_look_nodes,
    judge=judge_nodes,
)


# -- nobody pays for nodes that cannot be used ----------------------------------------------------


def _judge_emptied(plan: PoolPlan, observed: Json | None, tick: Tick) -> Verdict:
    if observed is None or is_empty(observed) or shaped_by(observed) != plan.build_id:
        return Done()
    return Wait() if tick.started else Start(action="empty")


empty_pool = Operation(
    name="empty_pool",
    plan=PoolPlan,
    verb="shrink the failed pool to zero nodes",
    subject=lambda plan: plan.resource,
    look=_look,
    judge=_judge_emptied,
    actions={"empty": _empty},
)


# -- changes to an existing pool ------------------------------------------------------------------


def _change_path(plan: PoolChange) -> tuple[str, str, str]:
    return plan.account.resource_group, plan.account.name, plan.pool_id


def _look_change(services: Services, plan: PoolChange, _: Tick) -> Json | None:
    return clients.fetch(services.azure.batch.pool.get, *_change_path(plan))


def _target(plan: PoolChange, observed: Json) -> tuple[int, int]:
    scale = (decisions.properties(observed).get("scaleSettings") or {}).get("fixedScale") or {}
    nodes = scale.get("targetDedicatedNodes", 0) if plan.nodes is None else plan.nodes
    low = plan.low_priority_nodes
    return int(nodes), int(scale.get("targetLowPriorityNodes", 0) if low is None else low)


def _resize(services: Services, plan: PoolChange, tick: Tick) -> Started:
    observed = _look_change(services, plan, tick) or {}
    body = {
        "properties": {
            "scaleSettings": {"fixedScale": batch_bodies.fixed_scale(*_target(plan, observed))}
        }
    }
    return clients.send(services.azure.batch.pool.update, *_change_path(plan), body)


def _judge_resized(plan: PoolChange, observed: Json | None, tick: Tick) -> Verdict:
    if observed is None:
        return Fail(failure=_no_such_pool(plan))
    found = decisions.properties(observed)
    scale = (found.get("scaleSettings") or {}).get("fixedScale") or {}
    nodes, low = _target(plan, observed)
    asked = (scale.get("targetDedicatedNodes", 0), scale.get("targetLowPriorityNodes", 0))
    if asked != (nodes, low) or (found.get("scaleSettings") or {}).get("autoScale"):
        return (
            Start(action="resize")
            if is_steady(observed)
            else Wait(note="another resize ends first")
        )
    if not is_steady(observed):
        return Wait(note="nodes come or go")
    if problem := resize_problem(plan.resource, observed):
        return Fail(failure=problem)
    have = (
        int(found.get("currentDedicatedNodes") or 0),
        int(found.get("currentLowPriorityNodes") or 0),
    )
    if have != (nodes, low) and tick.started is None:
        return Start(action="resize")
    return Done(result={"nodes": nodes, "lowPriorityNodes": low})


def _no_such_pool(plan: PoolChange) -> Failure:
    return Failure(
        code="NotFound",
        kind=Kind.MISSING,
        message=f"There is no pool {plan.pool_id} in account {plan.account.name}.",
        resource=plan.resource,
        next_action="GET /api/pools lists the pools.",
    )


resize_pool = Operation(
    name="resize_pool",
    plan=PoolChange,
    verb="resize the pool",
    subject=lambda plan: plan.resource,
    look=_look_change,
    judge=_judge_resized,
    actions={"resize": _resize},
)


def _delete_change(services: Services, plan: PoolChange, _: Tick) -> Started:
    return clients.send_delete(services.azure.batch.pool.begin_delete, *_change_path(plan))


def _judge_deleted(plan: PoolChange, observed: Json | None, tick: Tick) -> Verdict:
    """Only pools that batch-prep made are deleted."""
    if observed is not None and shaped_by(observed) is None:
        advice = "Delete it yourself: batch-prep deletes only what it made."
        return Fail(failure=decisions.foreign(plan.resource, "batch-prep did not make it", advice))
    return decisions.removed(plan.resource, observed, started=tick.started)


delete_pool = Operation(
    name="delete_pool",
    plan=PoolChange,
    verb="delete the pool",
    subject=lambda plan: plan.resource,
    look=_look_change,
    judge=_judge_deleted,
    actions={"delete": _delete_change},
)
