"""The nodes of a pool: await them, repair those that fail, keep their output before they go.

A node that cannot be used gets one reboot, then one reimage (`node_care`). If neither helps, the
failure holds, for each such node, Batch's error and the last lines of its start task.
"""

from __future__ import annotations

from datetime import datetime

from activities import batch_pool, node_care
from activities.node_care import Care
from shared.azure import resource_state, sdk
from shared.azure.sdk import Started
from shared.base import errors, scripts
from shared.base.errors import Failure, Kind, Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.plans import PoolPlan
from shared.model.results import NodesReady

_REPORTS_MAX = 5  # nodes whose output a failure contains
_TAIL_BYTES = 32 * 1024  # of a file: the last line is the report
_TAIL_LINES = 20
_SELECT = ["id", "state", "stateTransitionTime", "errors", "startTaskInfo"]


# -- output of start tasks ------------------------------------------------------------------------


def node_report(services: Services, plan: PoolPlan, node: str) -> Json | None:
    """The result line of a node's start task, or None where it left none."""
    return scripts.result_line(_tail(services, plan, node, "stdout.txt"))


def _tail(services: Services, plan: PoolPlan, node: str, file: str) -> str:
    """The end of a start task's output; empty where it cannot be read."""
    service = services.azure.batch_service(plan.endpoint)
    path = f"startup/{file}"
    return sdk.tail(_TAIL_BYTES, service.download_node_file, plan.pool_id, node, path)


def _output(services: Services, plan: PoolPlan, node: str) -> Json:
    """The report and the last lines of a failed start task, before its node goes."""
    printed = _tail(services, plan, node, "stdout.txt")
    complained = _tail(services, plan, node, "stderr.txt")
    said = [line for line in printed.splitlines() if not scripts.is_result(line)]
    lines = [*said[-_TAIL_LINES:], *complained.splitlines()[-_TAIL_LINES:]]
    return {"report": scripts.result_line(printed), "log": "\n".join(lines)}


# -- observing ------------------------------------------------------------------------------------


def _observe(services: Services, plan: PoolPlan, poll: PollState) -> Json | None:
    """The nodes, with the output of those that are given up, and `at`, Azure's time; and the pool,
    where its state adds to that of the nodes.
    """
    from azure.core.exceptions import ResourceNotFoundError

    service = services.azure.batch_service(plan.endpoint)
    try:
        nodes, at = sdk.listed_at(service.list_nodes, plan.pool_id, select=_SELECT)
    except ResourceNotFoundError:
        return None
    lost = lost_nodes(nodes)
    if _care(poll, lost).given_up(lost):
        readable = [n for n in lost if _state(n) == "starttaskfailed"][:_REPORTS_MAX]
        for node in readable:
            node.update(_output(services, plan, node["id"]))
    if _on_their_way(plan, nodes) or _are_ready(plan, nodes):
        return {"nodes": nodes, "at": at}
    pool = batch_pool.observe(services, plan, poll)
    return None if pool is None else {**pool, "nodes": nodes, "at": at}


# What a node's state means for a pool that should become ready.
_COMING = {
    "creating", "starting", "waitingforstarttask", "rebooting", "reimaging", "unknown",
    "upgradingos", "deallocating", "leavingpool", "offline", "preempted", "deallocated",
}  # fmt: skip
_READY = {"idle", "running"}
_LOST = {"unusable", "starttaskfailed"}


def _state(node: Json) -> str:
    """A node's state in lower case. Raises Bug for a state that is not in the sets above."""
    state = str(node.get("state", "unknown")).lower()
    if state not in _COMING | _READY | _LOST:
        raise errors.Bug(f"Batch says node state {state!r}, which is not known here")
    return state


def lost_nodes(nodes: list[Json]) -> list[Json]:
    """The nodes that waiting will not make usable."""
    return [n for n in nodes if _state(n) in _LOST]


def _on_their_way(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all nodes exist and only need time, so that the pool's own state adds nothing."""
    states = [_state(n) for n in nodes]
    all_there = len(nodes) == plan.nodes_asked > 0
    return all_there and any(s in _COMING for s in states) and not any(s in _LOST for s in states)


def _are_ready(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all requested nodes exist and can run tasks: the pool's state adds nothing then."""
    return len(nodes) == plan.nodes_asked > 0 and all(_state(n) in _READY for n in nodes)


# Seconds that a node spends in each state on its way to idle: two thirds of the usual time. A node
# that takes half the usual time is idle at the first poll. For any other node, the states that are
# left hardly take less than this, so an earlier poll would show nothing new.
_WAY = {"creating": 20.0, "starting": 100.0, "waitingforstarttask": 13.0}


def _left(nodes: list[Json], at: str | None) -> float | None:
    """The least seconds until all nodes are idle; None where one is in an unusual state. `at` is
    the time by the clock that also noted when each node entered its state, which is not the app's.
    """
    coming = [n for n in nodes if _state(n) in _COMING]
    if any(_state(n) not in _WAY for n in coming):
        return None
    return max(_way_of(_state(n), _seconds_in_state(n, at)) for n in coming)


def _way_of(state: str, spent: float = 0.0) -> float:
    """The seconds until a node is idle that has `spent` some in this state."""
    states = list(_WAY)
    after = sum(_WAY[s] for s in states[states.index(state) + 1 :])
    return after + min(max(0.0, _WAY[state] - spent), _WAY[state])


def _seconds_in_state(node: Json, at: str | None) -> float:
    since = node.get("stateTransitionTime")
    if since is None or at is None:
        return 0.0
    return (datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds()


def _care(poll: PollState, lost: list[Json]) -> Care:
    return Care.from_wire(poll.memory).noted(lost, poll.now)


# -- deciding -------------------------------------------------------------------------------------


def decide_nodes(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[NodesReady]:
    """Done when as many nodes as requested are idle."""
    if observed is None:
        return Fail(failure=gone(plan))
    nodes = observed["nodes"]
    if _on_their_way(plan, nodes):
        return Wait(note=f"nodes: {_counted(nodes)}", left=_left(nodes, observed.get("at")))
    if _are_ready(plan, nodes):
        return Done(result=NodesReady(nodes=[n["id"] for n in nodes]))
    if not batch_pool.is_steady(observed):
        return Wait(note="nodes are being allocated", left=_way_of("creating"))
    if problem := resize_problem(plan.resource, observed):
        return _decide_short(plan, observed, problem, poll)
    if lost := lost_nodes(nodes):
        return _decide_lost(plan, nodes, lost, poll)
    if sum(_state(n) in _READY for n in nodes) < max(plan.nodes_asked, len(nodes)):
        return Wait(note=f"nodes: {_counted(nodes) or 'none yet'}")
    return Done(result=_ready_nodes(plan, observed))


def _ready_nodes(plan: PoolPlan, observed: Json, note: str | None = None) -> NodesReady:
    """The nodes; how many of each kind, where the request does not say it."""
    ready = NodesReady(nodes=[n["id"] for n in observed["nodes"]], note=note)
    if plan.pool.autoscale_formula is None and note is None:
        return ready
    dedicated, low_priority = _current(observed)
    return replace(ready, dedicated=dedicated, low_priority=low_priority)


def _current(observed: Json) -> tuple[int, int]:
    found = resource_state.properties(observed)
    kinds = ("Dedicated", "LowPriority")
    dedicated, low_priority = (int(found.get(f"current{kind}Nodes") or 0) for kind in kinds)
    return dedicated, low_priority


def _lacks_only_low_priority(plan: PoolPlan, observed: Json) -> bool:
    """Whether all dedicated nodes are there: Azure gives those of low priority when it can, and
    takes them at any time, so their absence is no reason to give up the others.
    """
    dedicated, low_priority = _current(observed)
    asked = plan.pool
    return (
        asked.autoscale_formula is None
        and 0 < asked.nodes <= dedicated
        and low_priority < asked.low_priority_nodes
    )


def _decide_short(
    plan: PoolPlan, observed: Json, problem: Failure, poll: PollState
) -> Decision[NodesReady]:
    """Azure did not give all nodes."""
    if not _lacks_only_low_priority(plan, observed):
        return Fail(failure=problem)
    nodes = observed["nodes"]
    if lost := lost_nodes(nodes):
        return _decide_lost(plan, nodes, lost, poll)
    if not nodes or any(_state(n) not in _READY for n in nodes):
        return Wait(note=f"nodes: {_counted(nodes) or 'none yet'}")
    note = f"it lacks low-priority nodes and is used as it is: {problem.message}"
    return Done(result=_ready_nodes(plan, observed, note))


def _counted(nodes: list[Json]) -> str:
    states = [_state(n) for n in nodes]
    return ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states)))


def _decide_lost(
    plan: PoolPlan, nodes: list[Json], lost: list[Json], poll: PollState
) -> Decision[NodesReady]:
    """Remember a new fault, then request its remedy; give up the pool when no remedy is left."""
    care = _care(poll, lost)
    if care.given_up(lost):
        bad = [n for n in nodes if n["id"] in care.faults and _state(n) not in _READY]
        return Fail(failure=_unusable(plan, bad, care))
    if care != Care.from_wire(poll.memory):
        note = f"nodes cannot be used: {', '.join(n['id'] for n in lost)}"
        return Wait(note=note, memory=care.to_wire())
    if due := care.due(lost):
        remedy, chosen = due
        return Start(action=remedy, memory=care.asked(chosen, poll.now).to_wire())
    return Wait(note="nodes are being repaired")


def _reboot(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    return _request(services, plan, poll, "reboot")


def _reimage(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    return _request(services, plan, poll, "reimage")


def _request(services: Services, plan: PoolPlan, poll: PollState, remedy: str) -> Started:
    """Request the remedy for the nodes that this very call has marked."""
    service = services.azure.batch_service(plan.endpoint)
    care = Care.from_wire(poll.memory)
    for node, faults in care.faults.items():
        if faults[-1].asked == poll.now:
            sdk.restart_node(service, plan.pool_id, node, remedy)
    return Started(status=202, body=None, operation=None, retry_after=None)


# -- what cannot be had ---------------------------------------------------------------------------


def resize_problem(subject: str, observed: Json) -> Failure | None:
    """The failure if Batch reports why the pool did not get its nodes. Batch accepts a request that
    exceeds a quota, and reports the quota here.
    """
    found = resource_state.properties(observed)
    problems = (found.get("resizeOperationStatus") or {}).get("errors") or []
    if not problems:
        return None
    details = [_problem(problem) for problem in problems]
    failure = errors.from_azure(
        attempted="get the pool's nodes",
        resource=subject,
        status=200,
        code=str(problems[0].get("code", "")),
        message=f"{details[0].message}.{_short_of(found)}",
    )
    return replace(failure, details=details)


def _problem(problem: Json) -> Problem:
    inner = "; ".join(str(d.get("message", "")) for d in problem.get("details") or [])
    message = f"{problem.get('message', '')} {inner}".strip().rstrip(".")
    return Problem(field="nodes", code=str(problem.get("code", "")), message=message)


def _short_of(pool: Json) -> str:
    """How many nodes the pool wanted and how many it got."""
    fixed = (pool.get("scaleSettings") or {}).get("fixedScale")
    if fixed is None:
        return ""
    kinds = (("dedicated", "Dedicated"), ("low-priority", "LowPriority"))
    wanted = [(word, int(fixed.get(f"target{key}Nodes") or 0), key) for word, key in kinds]
    got = ", ".join(
        f"{int(pool.get(f'current{key}Nodes') or 0)} of {number} {word}"
        for word, number, key in wanted
        if number
    )
    return f" The pool got {got} nodes of {pool.get('vmSize')}" if got else ""


def _unusable(plan: PoolPlan, bad: list[Json], care: Care) -> Failure:
    details = [_node_problem(n, care) for n in bad[:_REPORTS_MAX]]
    causes = "; ".join(d.message for d in details)
    tried = "neither a reboot nor a reimage helped"
    if len(bad) > node_care.NODES_MAX:
        tried = "too many for an accident, so none was rebooted"
    many = f"{len(bad)} node{'s' if len(bad) > 1 else ''}"
    return Failure(
        code="NodesUnusable",
        kind=Kind.SCRIPT,
        message=f"{many} of pool {plan.pool_id} cannot be used ({tried}): {causes}",
        details=details,
        resource=plan.resource,
        next_action="Read each node's cause and last lines in the details, correct the image or "
        "the start task, and resume.",
    )


def _node_problem(node: Json, care: Care) -> Problem:
    """One node: its faults in order, the checks that failed, the last lines of its start task."""
    checks = ((node.get("report") or {}).get("data") or {}).get("checks") or []
    failed = [f"{c.get('code')}: {c.get('message')}" for c in checks if c["status"] == "fail"]
    facts = "; ".join([care.history(node["id"]) or node_care.cause(node), *failed])
    return Problem(
        field=f"nodes[{node['id']}]",
        code=node_care.code(node),
        message=f"{node['id']} is {node['state']} ({facts})",
        log=node.get("log") or None,
    )


def gone(plan: PoolPlan) -> Failure:
    """The failure of a pool that does not exist any more."""
    return Failure(
        code="PoolGone",
        kind=Kind.MISSING,
        message=f"Pool {plan.pool_id} is gone: something else removed it.",
        resource=plan.resource,
        next_action="Ask for the pool again.",
    )


await_nodes = Reconciler(
    name="await_nodes",
    plan=PoolPlan,
    result=NodesReady,
    verb="get the pool's nodes ready",
    subject=lambda plan: plan.resource,
    observe=_observe,
    decide=decide_nodes,
    actions={"reboot": _reboot, "reimage": _reimage},
)
