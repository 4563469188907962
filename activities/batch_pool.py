"""A Batch pool: created, changed in place where Azure allows it, emptied first where it does not;
its nodes awaited.

Everything is decided from the pool as it is. The pool's metadata tells which build last shaped it:
a repeated call
finds its own work and goes on.
"""

from __future__ import annotations

from shared import batch_bodies, clients, decisions, errors, names, scripts
from shared.clients import Started
from shared.decisions import Done, Fail, Start, Verdict, Wait
from shared.errors import Failure, Kind
from shared.operations import Json, Operation, Services, Tick
from shared.plans import PoolPlan
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
    from azure.core import MatchConditions

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
    if shaped_by(observed) is None:
        advice = "Choose another id: batch-prep changes only pools that it made."
        return Fail(failure=decisions.foreign(plan.resource, "batch-prep did not make it", advice))
    if shaped_by(observed) == plan.build_id:
        # Made by an earlier try: perhaps in a size without capacity, or emptied since.
        is_done = same_size(plan, observed) and same_scale(plan, observed)
        return Done() if is_done else _judge_update(plan, observed)
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


def same_scale(plan: PoolPlan, observed: Json) -> bool:
    """Whether the pool wants as many nodes as are asked for."""
    found = decisions.properties(observed).get("scaleSettings") or {}
    if plan.pool.autoscale_formula:
        return bool((found.get("autoScale") or {}).get("formula") == plan.pool.autoscale_formula)
    return target_nodes(observed) == (plan.pool.nodes, plan.pool.low_priority_nodes)


def target_nodes(observed: Json) -> tuple[int, int] | None:
    """Dedicated and low-priority nodes that a pool of fixed scale wants."""
    fixed = (decisions.properties(observed).get("scaleSettings") or {}).get("fixedScale")
    if fixed is None:
        return None
    return (
        int(fixed.get("targetDedicatedNodes") or 0),
        int(fixed.get("targetLowPriorityNodes") or 0),
    )


def _judge_update(plan: PoolPlan, observed: Json) -> Verdict:
    found = decisions.properties(observed)
    must_be_empty = needs_empty(wanted(plan)["properties"], found)
    if not must_be_empty:
        return Start(action="change")
    if is_empty(observed):
        return Start(action="reshape")
    if (
        target_nodes(observed) == (0, 0)
        or str(found.get("allocationState", "")).lower() != "steady"
    ):
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
    from azure.core.exceptions import ResourceNotFoundError

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
    if observed is None or shaped_by(observed) != plan.build_id:
        return Done()
    if target_nodes(observed) != (0, 0):  # nodes that Azure could not give might still come
        return Wait() if tick.started else Start(action="empty")
    return Done() if is_empty(observed) else Wait(note="the nodes are leaving")


empty_pool = Operation(
    name="empty_pool",
    plan=PoolPlan,
    verb="shrink the failed pool to zero nodes",
    subject=lambda plan: plan.resource,
    look=_look,
    judge=_judge_emptied,
    actions={"empty": _empty},
)
