"""The nodes of a pool: awaited, helped where they fail, and their words kept before they go.

A node that cannot be used gets one reboot, then one reimage (`node_care`). If neither helps, the
failure tells of each such node what Batch says and what its start task printed last.
"""

from __future__ import annotations

from datetime import datetime

from activities import batch_pool, node_care
from activities.node_care import Care
from shared.azure import clients, resource_state
from shared.azure.clients import Started
from shared.base import errors, scripts
from shared.base.errors import Failure, Kind, Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.plans import PoolPlan
from shared.model.results import NodesReady

_REPORTS_MAX = 5  # nodes whose words are repeated in a failure
_TAIL_BYTES = 32 * 1024  # of a file: the last line is the report
_TAIL_LINES = 20
_SELECT = ["id", "state", "stateTransitionTime", "errors", "startTaskInfo"]


# -- what they print ------------------------------------------------------------------------------


def node_report(services: Services, plan: PoolPlan, node: str) -> Json | None:
    """The result line of a node's start task, or None where it left none."""
    return scripts.result_line(_tail(services, plan, node, "stdout.txt"))


def _tail(services: Services, plan: PoolPlan, node: str, file: str) -> str:
    """The end of what a start task printed; nothing where it cannot be read."""
    service = services.azure.batch_service(plan.endpoint)
    path = f"startup/{file}"
    return clients.tail(_TAIL_BYTES, service.download_node_file, plan.pool_id, node, path)


def _words(services: Services, plan: PoolPlan, node: str) -> Json:
    """The report and the last lines of a failed start task, before its node goes."""
    printed = _tail(services, plan, node, "stdout.txt")
    complained = _tail(services, plan, node, "stderr.txt")
    said = [line for line in printed.splitlines() if not scripts.is_result(line)]
    lines = [*said[-_TAIL_LINES:], *complained.splitlines()[-_TAIL_LINES:]]
    return {"report": scripts.result_line(printed), "log": "\n".join(lines)}


# -- looking --------------------------------------------------------------------------------------


def _observe(services: Services, plan: PoolPlan, poll: PollState) -> Json | None:
    """The nodes, those given up with their words; and the pool, while it could tell more."""
    from azure.core.exceptions import ResourceNotFoundError

    service = services.azure.batch_service(plan.endpoint)
    try:
        nodes = clients.listed(service.list_nodes, plan.pool_id, select=_SELECT)
    except ResourceNotFoundError:
        return None
    lost = lost_nodes(nodes)
    if _care(poll, lost).given_up(lost):
        readable = [n for n in lost if _state(n) == "starttaskfailed"][:_REPORTS_MAX]
        for node in readable:
            node.update(_words(services, plan, node["id"]))
    if _on_their_way(plan, nodes) or _are_ready(plan, nodes):
        return {"nodes": nodes}
    pool = batch_pool.observe(services, plan, poll)
    return None if pool is None else {**pool, "nodes": nodes}


# What a node's state means for a pool that should become ready.
_COMING = {
    "creating", "starting", "waitingforstarttask", "rebooting", "reimaging", "unknown",
    "upgradingos", "deallocating", "leavingpool", "offline", "preempted", "deallocated",
}  # fmt: skip
_READY = {"idle", "running"}
_LOST = {"unusable", "starttaskfailed"}


def _state(node: Json) -> str:
    """In lower case. Raises Bug for one that is not known here."""
    state = str(node.get("state", "unknown")).lower()
    if state not in _COMING | _READY | _LOST:
        raise errors.Bug(f"Batch says node state {state!r}, which is not known here")
    return state


def lost_nodes(nodes: list[Json]) -> list[Json]:
    """Those that will not become usable by waiting."""
    return [n for n in nodes if _state(n) in _LOST]


def _on_their_way(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all nodes are there and only need time: the pool itself has nothing to add."""
    states = [_state(n) for n in nodes]
    all_there = len(nodes) == plan.nodes_asked > 0
    return all_there and any(s in _COMING for s in states) and not any(s in _LOST for s in states)


def _are_ready(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all nodes that were asked for are there and can work: the pool has nothing to add."""
    return len(nodes) == plan.nodes_asked > 0 and all(_state(n) in _READY for n in nodes)


# What a node does on its way, in seconds, two thirds of what is usual: the machine is prepared, it
# boots, its start task runs. Whole ways that take half are over before the first look; of one that
# is not, the parts left hardly take less than this, and a look that comes sooner sees nothing new.
_WAY = {"creating": 20.0, "starting": 100.0, "waitingforstarttask": 13.0}


def _left(nodes: list[Json], now: str) -> float | None:
    """Until the last of them can work, at least; None where one does something unusual."""
    coming = [n for n in nodes if _state(n) in _COMING]
    if any(_state(n) not in _WAY for n in coming):
        return None
    return max(_way_of(_state(n), _seconds_in_state(n, now)) for n in coming)


def _way_of(state: str, spent: float = 0.0) -> float:
    """The seconds of a node's way that are left when it has `spent` some in this state."""
    states = list(_WAY)
    after = sum(_WAY[s] for s in states[states.index(state) + 1 :])
    return after + max(0.0, _WAY[state] - spent)


def _seconds_in_state(node: Json, now: str) -> float:
    since = node.get("stateTransitionTime")
    if since is None:
        return 0.0
    return (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()


def _care(poll: PollState, lost: list[Json]) -> Care:
    return Care.from_wire(poll.memory).noted(lost, poll.now)


# -- judging --------------------------------------------------------------------------------------


def decide_nodes(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[NodesReady]:
    """Ready when as many nodes as asked for are idle."""
    if observed is None:
        return Fail(failure=gone(plan))
    nodes = observed["nodes"]
    if _on_their_way(plan, nodes):
        return Wait(note=f"nodes: {_counted(nodes)}", left=_left(nodes, poll.now))
    if _are_ready(plan, nodes):
        return Done(result=NodesReady(nodes=[n["id"] for n in nodes]))
    if not batch_pool.is_steady(observed):
        return Wait(note="nodes are being allocated", left=_way_of("creating"))
    if problem := resize_problem(plan.resource, observed):
        return Fail(failure=problem)
    if lost := lost_nodes(nodes):
        return _decide_lost(plan, nodes, lost, poll)
    if sum(_state(n) in _READY for n in nodes) < max(plan.nodes_asked, len(nodes)):
        return Wait(note=f"nodes: {_counted(nodes) or 'none yet'}")
    return Done(result=NodesReady(nodes=[n["id"] for n in nodes]))


def _counted(nodes: list[Json]) -> str:
    states = [_state(n) for n in nodes]
    return ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states)))


def _decide_lost(
    plan: PoolPlan, nodes: list[Json], lost: list[Json], poll: PollState
) -> Decision[NodesReady]:
    """A fault is remembered, then its remedy given, and the pool given up when none is left."""
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
    return _give(services, plan, poll, "reboot")


def _reimage(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    return _give(services, plan, poll, "reimage")


def _give(services: Services, plan: PoolPlan, poll: PollState, remedy: str) -> Started:
    """To the nodes whose remedy is asked for in this very call."""
    service = services.azure.batch_service(plan.endpoint)
    care = Care.from_wire(poll.memory)
    for node, faults in care.faults.items():
        if faults[-1].asked == poll.now:
            clients.restart_node(service, plan.pool_id, node, remedy)
    return Started(status=202, body=None, operation=None, retry_after=None)


# -- what cannot be had ---------------------------------------------------------------------------


def resize_problem(subject: str, observed: Json) -> Failure | None:
    """Why the pool did not get its nodes, if Batch says so. Quota shows here and not in the
    request's answer.
    """
    found = resource_state.properties(observed)
    problems = (found.get("resizeOperationStatus") or {}).get("errors") or []
    if not problems:
        return None
    told = [_told(problem) for problem in problems]
    failure = errors.from_azure(
        attempted="get the pool's nodes",
        resource=subject,
        status=200,
        code=str(problems[0].get("code", "")),
        message=f"{told[0].message}.{_short_of(found)}",
    )
    return replace(failure, details=told)


def _told(problem: Json) -> Problem:
    inner = "; ".join(str(d.get("message", "")) for d in problem.get("details") or [])
    message = f"{problem.get('message', '')} {inner}".strip().rstrip(".")
    return Problem(field="nodes", code=str(problem.get("code", "")), message=message)


def _short_of(pool: Json) -> str:
    """How many nodes the pool wanted and how many it got: that many would fit."""
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
    details = [_truth(n, care) for n in bad[:_REPORTS_MAX]]
    told = "; ".join(d.message for d in details)
    tried = "neither a reboot nor a reimage helped"
    if len(bad) > node_care.NODES_MAX:
        tried = "too many for an accident, so none was rebooted"
    many = f"{len(bad)} node{'s' if len(bad) > 1 else ''}"
    return Failure(
        code="NodesUnusable",
        kind=Kind.SCRIPT,
        message=f"{many} of pool {plan.pool_id} cannot be used ({tried}): {told}",
        details=details,
        resource=plan.resource,
        next_action="Read each node's cause and last lines in the details, correct the image or "
        "the start task, and resume.",
    )


def _truth(node: Json, care: Care) -> Problem:
    """What is known of one node: its faults in order, the checks that failed, its last words."""
    checks = ((node.get("report") or {}).get("data") or {}).get("checks") or []
    failed = [f"{c.get('code')}: {c.get('message')}" for c in checks if c["status"] == "fail"]
    facts = "; ".join([care.told(node["id"]) or node_care.cause(node), *failed])
    return Problem(
        field=f"nodes[{node['id']}]",
        code=node_care.code(node),
        message=f"{node['id']} is {node['state']} ({facts})",
        log=node.get("log") or None,
    )


def gone(plan: PoolPlan) -> Failure:
    """The pool is not there any more."""
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
