"""The nodes of a pool: await them, repair those that fail, keep their output before they go.

A node that cannot be used gets one reboot, then one reimage (`node_care`). If neither helps, the
failure holds, for each such node, Batch's error and the last lines of its start task.
"""

from __future__ import annotations

from activities import batch_pool, node_care
from activities.node_care import Care
from shared.azure import resource_state, sdk
from shared.azure.sdk import Started
from shared.base import errors, scripts
from shared.base.errors import Failure, Kind, Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model import node_states
from shared.model.plans import PoolPlan
from shared.model.results import NodesReady

_REPORTS_MAX = 5  # nodes whose output a failure contains
_TAIL_BYTES = 32 * 1024  # of a file: the last line is the report
_TAIL_LINES = 20
_ALL_AWAY_SECONDS = 1800.0  # an estimate: Azure names no time after which Spot nodes come back
_SELECT = ["id", "state", "isDedicated", "stateTransitionTime", "errors", "startTaskInfo"]


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
    """The nodes, with the output of those that are given up, and `at`, Azure's time. The pool is
    read, too, where the nodes alone do not decide.
    """
    from azure.core.exceptions import ResourceNotFoundError

    service = services.azure.batch_service(plan.endpoint)
    try:
        nodes, at = sdk.listed_at(service.list_nodes, plan.pool_id, select=_SELECT)
    except ResourceNotFoundError:
        return None
    lost = node_states.lost(nodes)
    if _care(poll, lost).given_up(lost):
        readable = [n for n in lost if node_states.state_of(n) == "starttaskfailed"][:_REPORTS_MAX]
        for node in readable:
            node.update(_output(services, plan, node["id"]))
    if _on_their_way(plan, nodes) or _are_ready(plan, nodes):
        return {"nodes": nodes, "at": at}
    pool = batch_pool.observe(services, plan, poll)
    return None if pool is None else {**pool, "nodes": nodes, "at": at}


def _on_their_way(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all requested nodes exist, none has failed, and some are still starting."""
    all_there = len(nodes) == plan.nodes_asked > 0
    return all_there and any(map(node_states.is_coming, nodes)) and not node_states.lost(nodes)


def _are_ready(plan: PoolPlan, nodes: list[Json]) -> bool:
    """Whether all requested nodes exist and can run tasks."""
    return len(nodes) == plan.nodes_asked > 0 and all(node_states.is_ready(n) for n in nodes)


def _care(poll: PollState, lost: list[Json]) -> Care:
    return Care.from_wire(poll.memory).noted(lost, poll.now)


def spot_nodes_away(services: Services, plan: PoolPlan) -> set[str]:
    """The Spot nodes that cannot be asked now: preempted, or on their way back."""
    service = services.azure.batch_service(plan.endpoint)
    nodes = sdk.listed(service.list_nodes, plan.pool_id, select=["id", "state", "isDedicated"])
    return {n["id"] for n in nodes if not n.get("isDedicated") and node_states.is_coming(n)}


# -- deciding -------------------------------------------------------------------------------------


def decide_nodes(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[NodesReady]:
    """Done when as many nodes as requested are idle."""
    decision = _decide(plan, observed, poll)
    marks = node_states.marks((observed or {}).get("nodes", []))
    match decision:
        case Done(result=found):
            return Done(result=NodesReady(**{**dict(found), **dict(marks)}))
        case Fail(failure=failure):
            return Fail(failure=failure, marks=marks)
        case _:
            return decision


def _decide(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[NodesReady]:
    if observed is None:
        return Fail(failure=gone(plan))
    nodes = observed["nodes"]
    if len(nodes) == plan.nodes_asked and node_states.only_preempted_away(nodes):
        return Done(result=_without_preempted(nodes))
    if node_states.preempted_seconds(nodes, observed.get("at")) > _ALL_AWAY_SECONDS:
        return Fail(failure=_all_away(plan, nodes))
    if _on_their_way(plan, nodes):
        return Wait(
            note=f"nodes: {node_states.counted(nodes)}",
            left=node_states.left(nodes, observed.get("at")),
        )
    if _are_ready(plan, nodes):
        return Done(result=NodesReady(nodes=[n["id"] for n in nodes]))
    if not batch_pool.is_steady(observed):
        return Wait(note="nodes are being allocated", left=node_states.way_of("creating"))
    return _decide_steady(plan, observed, poll)


def _decide_steady(plan: PoolPlan, observed: Json, poll: PollState) -> Decision[NodesReady]:
    """The pool has been given all nodes that it gets."""
    nodes = observed["nodes"]
    if problem := resize_problem(plan.resource, observed):
        return _decide_short(plan, observed, problem, poll)
    if lost := node_states.lost(nodes):
        return _decide_lost(plan, nodes, lost, poll)
    if plan.nodes_asked == 0 and node_states.only_preempted_away(nodes):
        return Done(result=_without_preempted(nodes))
    if sum(map(node_states.is_ready, nodes)) < max(plan.nodes_asked, len(nodes)):
        return Wait(note=f"nodes: {node_states.counted(nodes) or 'none yet'}")
    return Done(result=_ready_nodes(plan, observed))


def _without_preempted(nodes: list[Json]) -> NodesReady:
    here = [n for n in nodes if node_states.state_of(n) != node_states.PREEMPTED]
    dedicated = sum(bool(n.get("isDedicated")) for n in here)
    away = len(nodes) - len(here)
    return NodesReady(
        nodes=[n["id"] for n in here],
        dedicated=dedicated,
        low_priority=len(here) - dedicated,
        note=f"Azure has preempted {away} of its {len(nodes)} nodes, and it is used as it is: "
        "Batch brings them back when there is capacity",
    )


def _ready_nodes(plan: PoolPlan, observed: Json, note: str | None = None) -> NodesReady:
    """The nodes; how many of each kind, where the request does not say it."""
    ready = NodesReady(nodes=[n["id"] for n in observed["nodes"]], note=note)
    if plan.pool.formula is None and note is None:
        return ready
    dedicated, low_priority = batch_pool.current_nodes(observed)
    return replace(ready, dedicated=dedicated, low_priority=low_priority)


def _lacks_only_low_priority(plan: PoolPlan, observed: Json) -> bool:
    """Whether all dedicated nodes are there: Azure gives those of low priority when it can, and
    takes them at any time, so their absence is no reason to give up the others.
    """
    dedicated, low_priority = batch_pool.current_nodes(observed)
    asked = plan.pool
    return (
        asked.formula is None
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
    if lost := node_states.lost(nodes):
        return _decide_lost(plan, nodes, lost, poll)
    if node_states.only_preempted_away(nodes):
        return Done(result=_without_preempted(nodes))
    if not nodes or any(not node_states.is_ready(n) for n in nodes):
        return Wait(note=f"nodes: {node_states.counted(nodes) or 'none yet'}")
    note = f"it lacks low-priority nodes and is used as it is: {problem.message}"
    return Done(result=_ready_nodes(plan, observed, note))


def _decide_lost(
    plan: PoolPlan, nodes: list[Json], lost: list[Json], poll: PollState
) -> Decision[NodesReady]:
    """Remember a new fault, then request its remedy; give up the pool when no remedy is left."""
    care = _care(poll, lost)
    if care.given_up(lost):
        bad = [n for n in nodes if n["id"] in care.faults and not node_states.is_ready(n)]
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
    details = [node_care.problem(n, care) for n in bad[:_REPORTS_MAX]]
    causes = "; ".join(dict.fromkeys(care.last_cause(n) for n in bad[:_REPORTS_MAX]))
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
        next_action="Read each node's cause and last lines in the details. Where the cause has "
        "passed, resume the build. Otherwise correct the image or the pool, and send a new request "
        '(mode "batch-only"): a resume goes on with the old one.',
    )


def _all_away(plan: PoolPlan, nodes: list[Json]) -> Failure:
    return Failure(
        code="NodesPreempted",
        kind=Kind.CAPACITY,
        message=f"Azure has preempted all {len(nodes)} nodes of pool {plan.pool_id} and has given "
        f"none back for {_ALL_AWAY_SECONDS / 60:.0f} minutes.",
        resource=plan.resource,
        next_action="Give more sizes (vmSizes) or dedicated nodes (nodes), or resume when Azure "
        "has Spot capacity again.",
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
