"""The verbs of an orchestrator. Nothing here uses Azure, and Durable replays all of it.

    call          run a short activity that is no step: a record, a look-up
    call_all      run several short activities side by side
    poll_step     run a step in this orchestration: poll its activity until it is done
    run_step      run a step as a child orchestration: this history keeps one line for it
    try_step      the same, with None where the step fails
    run_child     run a child orchestration
    run_children  run child orchestrations side by side, at most `width` at a time

`step_graph.follow` runs steps that depend on each other. Use `poll_step` where a step takes one or
two polls, and `run_step` where it takes more: a history is replayed from its beginning each time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.base import errors, names, timing
from shared.base.errors import Failure, Kind, StepFailed
from shared.base.wire import Wire
from shared.engine import durable_task
from shared.engine.activity import Activity, P, R
from shared.engine.orchestration import Child, In, Orchestration, Out
from shared.engine.polling_loop import Context, Json, StepContext, Workflow, iso, until_done


def now(context: Context) -> str:
    """The orchestration's time, ISO 8601 UTC."""
    return iso(context.current_utc_datetime)


# -------------------------------------------------------------------------------------------------
# Activities


def call(context: Context, activity: Activity[P, R], plan: P) -> Workflow[R]:
    """Run a short activity without a step record and return its result. Raises StepFailed."""
    result = yield from until_done(context, activity.name, "note", plan.to_wire())
    return activity.result.from_wire(result)


def call_all(context: Context, work: Sequence[tuple[Activity[P, R], P]]) -> Workflow[list[R]]:
    """Run short activities side by side and return their results in order.

    Retries transient errors. Raises StepFailed for the first other failure.
    """
    results: dict[int, R] = {}
    tries = 0  # but those in which the app's own storage could not be reached
    for attempt in itertools.count(1):
        tick = {"now": now(context)}
        open_ = [i for i in range(len(work)) if i not in results]
        replies = yield context.task_all(
            [
                context.call_activity(work[i][0].name, {"plan": work[i][1].to_wire(), "tick": tick})
                for i in open_
            ]
        )
        failed = [r for r in replies if r["state"] == "failed"]
        if failed:
            raise StepFailed(Failure.from_wire(failed[0]["error"]))
        for i, reply in zip(open_, replies, strict=True):
            if reply["state"] == "done":
                results[i] = work[i][0].result.from_wire(reply["result"])
        waiting = [r for r in replies if r["state"] == "wait"]
        if not waiting:
            return [results[i] for i in range(len(work))]
        tries += any(not r.get("patient") for r in waiting)
        if tries > timing.TRANSIENT_ATTEMPTS:
            raise StepFailed(_still_waiting(waiting[0]))
        asked = max(r.get("retryAfter") or 0 for r in waiting)
        spread = timing.spread_of(context.instance_id, attempt)
        delay = timing.backoff(attempt, asked, spread)
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=delay))
    raise errors.Bug("the last attempt above either returns or raises")


def _still_waiting(reply: Json) -> Failure:
    if "error" in reply:
        return Failure.from_wire(reply["error"])
    return errors.timeout(attempted="finish the checks", resource=reply["note"], minutes=30)


def poll_step(
    context: Context,
    step_context: StepContext,
    step: str,
    activity: Activity[P, R],
    plan: P,
    *,
    then: str | None = None,
) -> Workflow[R]:
    """Run a step in this orchestration and return its result. Raises StepFailed.

    `then` names the step to record as started when this one ends, before its first poll.
    """
    wire = plan.to_wire()
    result = yield from until_done(context, activity.name, step, wire, step_context, then=then)
    return activity.result.from_wire(result)


def run_step(
    context: Context,
    step_context: StepContext,
    step: str,
    activity: Activity[P, R],
    plan: P,
    *,
    attempt: int = 1,
    later: bool = False,
) -> Workflow[R]:
    """Run a step as a child orchestration and return its result. Raises StepFailed.

    `attempt` distinguishes repeated tries of one step. `later` delays the first poll until the
    fastest of such steps have ended, where an earlier step has just started the work.
    """
    task = step_task(context, step_context, step, activity, plan, attempt=attempt, later=later)
    yield context.task_any([task])  # unlike the task itself, this does not raise where it failed
    outcome = outcome_of(task, step)
    if "error" in outcome:
        raise StepFailed(Failure.from_wire(outcome["error"]))
    return activity.result.from_wire(outcome["result"])


def try_step(
    context: Context,
    step_context: StepContext,
    step: str,
    activity: Activity[P, R],
    plan: P,
    *,
    attempt: int = 1,
) -> Workflow[R | None]:
    """The same; returns None if it failed."""
    try:
        return (yield from run_step(context, step_context, step, activity, plan, attempt=attempt))
    except StepFailed:
        return None


def step_task(
    context: Context,
    step_context: StepContext,
    step: str,
    activity: Activity[P, R],
    plan: P,
    *,
    attempt: int = 1,
    later: bool = False,
    limit_minutes: float | None = None,
) -> Any:
    """The durable task of a step's own orchestration, `run_operation`."""
    suffix = step if attempt == 1 else f"{step}-{attempt}"
    work = {
        "activity": activity.name,
        "step": step,
        "plan": plan.to_wire(),
        "scope": step_context.for_step(step, limit_minutes).to_wire(),
        "later": later,
    }
    return context.call_sub_orchestrator(
        names.Orchestrator.RUN_OPERATION.value,
        work,
        names.child_instance(context.instance_id, suffix),
    )


# -------------------------------------------------------------------------------------------------
# Child orchestrations


class Outcomes:
    """How child orchestrations ended."""

    def __init__(self, ended: Mapping[Child[Any, Any], Wire]) -> None:
        self._ended = ended

    def __getitem__(self, child: Child[Any, Out]) -> Out | Failure:
        """The child's output, or the failure of a child that died without one."""
        found = self._ended[child]
        assert isinstance(found, (child.orchestration.output, Failure))
        return found


def run_child(
    context: Context, orchestration: Orchestration[In, Out], identity: str, input_: In
) -> Workflow[Out | Failure]:
    """Run one child orchestration and return its output, or a Failure if it died."""
    child = Child(orchestration=orchestration, identity=identity, input=input_)
    outcomes = yield from run_children(context, [child], 1)
    outcome = outcomes[child]
    return outcome


def run_children(
    context: Context,
    children: Sequence[Child[Any, Any]],
    width: int,
    *,
    own_ids: bool = False,
    then: Callable[[Child[Any, Any], Wire], Sequence[Child[Any, Any]]] = lambda *_: (),
) -> Workflow[Outcomes]:
    """Run child orchestrations, at most `width` at a time. One that fails never stops another.

    A child's instance id begins with this instance's, unless the children have `own_ids`. `then`
    names further children to run where one has ended with an output, or the Failure of one that
    died.
    """
    tasks: dict[Child[Any, Any], Any] = {}
    ended: dict[Child[Any, Any], Wire] = {}
    seen: list[Any] = []
    coming = list(children)
    while coming or tasks:
        while coming and len(tasks) < width:
            child = coming.pop(0)
            instance = child.identity
            if not own_ids:
                instance = names.child_instance(context.instance_id, child.identity)
            tasks[child] = context.call_sub_orchestrator(
                child.orchestration.name, child.input.to_wire(), instance
            )
        running = list(tasks.values())
        yield from wait_for_any(context, running, seen)
        seen = running
        for child in [c for c, task in tasks.items() if durable_task.has_ended(task)]:
            task = tasks.pop(child)
            output = durable_task.result(task)
            if isinstance(output, dict):
                ended[child] = child.orchestration.output.from_wire(output)
            else:
                ended[child] = died(task, child.identity)
            coming += then(child, ended[child])
    return Outcomes(ended)


def wait_for_any(context: Context, running: list[Any], seen: list[Any]) -> Workflow[None]:
    """Wait until one of the `running` tasks has ended; `seen` are those of the previous wait.

    The Durable extension learns only of tasks that no earlier `task_any` contained, and replays the
    orchestrator only when one of *those* ends. So where new tasks join old ones, a timer that is
    due at once is added: it ends, the orchestrator is replayed, and the second `task_any` contains
    no new task and is answered by whichever task ends first.
    """
    new = [task for task in running if task not in seen]
    if 0 < len(new) < len(running):
        yield context.task_any([*running, context.create_timer(context.current_utc_datetime)])
    if not any(durable_task.has_ended(task) for task in running):
        yield context.task_any(running)


def outcome_of(task: Any, what: str) -> Json:
    """The outcome of a step's orchestration that has ended: `{"result"}` or `{"error"}`."""
    output = durable_task.result(task)
    if isinstance(output, dict):
        return dict(output)
    return {"error": died(task, what).to_wire()}


def died(task: Any, what: str) -> Failure:
    """The failure of a child that raised: it met a bug. Its parent still cleans up and records an
    outcome.
    """
    return Failure(
        code="Bug",
        kind=Kind.BUG,
        message=f"Step {what} broke: {durable_task.result(task)}",
        resource=what,
        next_action="This is a bug of batch-prep: report it with the build's id.",
    )
