"""The few verbs that orchestrators use. Nothing here knows Azure; everything here is replayed.

call        run one activity until it is done, waiting by durable timer between looks
run         the same, as an orchestration of its own: the story's history keeps one line per step
call_all    short activities side by side
follow      a story: steps begin when those before them are done, side by side where nothing waits
run_bounded children side by side within a width, one outcome each, in the order asked
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.base import errors, names, timing
from shared.base.errors import Failure, Kind, StepFailed
from shared.base.wire import Wire
from shared.engine.polling_loop import Context, Json, StepContext, Workflow, iso, until_done


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a story: `name` is its record's, `activity` does it, with `plan` or what
    `plan(done)` makes of the results so far. It begins when all of `after` are done, and is skipped
    where `when(done)` says no. `otherwise` are plans to try in turn when Azure has no capacity for
    the first one. What is not `cancellable` ends once it has begun.
    """

    name: str
    activity: str
    plan: Wire | Callable[[dict[str, Json]], Wire]
    after: tuple[str, ...] = ()
    when: Callable[[dict[str, Json]], bool] = field(default=lambda _: True)
    otherwise: tuple[Wire, ...] = ()
    cancellable: bool = True


# -------------------------------------------------------------------------------------------------
# One activity


def call(
    context: Context,
    scope: StepContext,
    step: str,
    activity: str,
    plan: Wire,
    then: str | None = None,
) -> Workflow:
    """Run `activity` until it is done and return its result. Raises StepFailed. The step `then`,
    if any, counts as running from that moment, however late it is first looked at.
    """
    reply = yield from until_done(context, activity, step, plan.to_wire(), scope, then=then)
    return reply


def note(context: Context, activity: str, plan: Wire) -> Workflow:
    """Run a short activity that is no step of its own (a record, a look-up). Raises StepFailed."""
    reply = yield from until_done(context, activity, "note", plan.to_wire())
    return reply


def now(context: Context) -> str:
    """The orchestration's time, ISO 8601 UTC."""
    return iso(context.current_utc_datetime)


# -------------------------------------------------------------------------------------------------
# Several


def call_all(context: Context, work: Sequence[tuple[str, Wire]]) -> Workflow:
    """Run short activities side by side; returns their results in order.

    What Azure refuses for a passing reason is tried again. Raises StepFailed for the first real
    failure.
    """
    results: dict[int, Json] = {}
    for attempt in range(1, timing.TRANSIENT_ATTEMPTS + 2):
        poll = {"now": now(context)}
        open_ = [i for i in range(len(work)) if i not in results]
        replies = yield context.task_all(
            [
                context.call_activity(work[i][0], {"plan": work[i][1].to_wire(), "tick": poll})
                for i in open_
            ]
        )
        failed = [r for r in replies if r["state"] == "failed"]
        if failed:
            raise StepFailed(Failure.from_wire(failed[0]["error"]))
        results |= {
            i: r["result"] for i, r in zip(open_, replies, strict=True) if r["state"] == "done"
        }
        waiting = [r for r in replies if r["state"] == "wait"]
        if not waiting:
            return [results[i] for i in range(len(work))]
        if attempt > timing.TRANSIENT_ATTEMPTS:
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


def follow(
    context: Context, scope: StepContext, story: Sequence[Step], done: dict[str, Json] | None = None
) -> Workflow:
    """Tell a story: every step begins as soon as the steps it comes after are done. Steps that are
    `done` already (with their results) are not told again.

    Returns the results by step name. When a step fails, no further one begins; the running ones
    end, then StepFailed is raised with the failure of the step that stands first in the story:
    a later one may have failed for its sake.
    """
    telling = _Telling(context, scope, story, done or {})
    begun_before: list[Any] = []
    while telling.begin_what_can():
        running = [task for _, task in telling.running]
        yield from _wait_for_any(context, running, begun_before)
        begun_before = running
        telling.collect()
    if telling.failure is not None:
        raise StoryFailed(telling.failure, telling.done)
    return telling.done


class StoryFailed(StepFailed):
    """A step of a story failed; `done` are the results of the steps that did not."""

    def __init__(self, failure: Failure, done: dict[str, Json]) -> None:
        super().__init__(failure)
        self.done = done


class _Telling:
    """How far a story has been told. Rebuilt by every replay."""

    def __init__(
        self, context: Context, scope: StepContext, story: Sequence[Step], done: dict[str, Json]
    ) -> None:
        self._context, self._scope = context, scope
        self._places = {step.name: place for place, step in enumerate(story)}
        self._failures: dict[str, Failure] = {}
        self._waiting = [step for step in story if step.name not in done]
        self._attempts: dict[str, int] = {}
        self.running: list[tuple[Step, Any]] = []
        self.done = {step.name: done[step.name] for step in story if step.name in done}

    @property
    def failure(self) -> Failure | None:
        """Why the story ends early."""
        first = min(self._failures, key=self._places.__getitem__, default=None)
        return None if first is None else self._failures[first]

    def begin_what_can(self) -> bool:
        """Begin every step whose time has come; whether anything runs."""
        while self.failure is None and (step := _next(self._waiting, self.done)) is not None:
            self._waiting.remove(step)
            if step.when(self.done):
                plan = step.plan(self.done) if callable(step.plan) else step.plan
                self._begin(step, plan)
            else:
                self.done[step.name] = {"skipped": True}
        return bool(self.running)

    def _begin(self, step: Step, plan: Wire) -> None:
        attempt = self._attempts[step.name] = self._attempts.get(step.name, 0) + 1
        self.running.append((step, _begin(self._context, self._scope, step, plan, attempt)))

    def collect(self) -> None:
        """Take the outcomes of what has ended."""
        ended = [(step, task) for step, task in self.running if task.is_completed]
        self.running = [(step, task) for step, task in self.running if not task.is_completed]
        for step, task in ended:
            outcome = outcome_of(task, step.name)
            if "result" in outcome:
                self.done[step.name] = outcome["result"]
            else:
                self._failed(step, Failure.from_wire(outcome["error"]))

    def _failed(self, step: Step, failure: Failure) -> None:
        """No capacity: try the next place, while there is one and nothing else has failed."""
        tried = self._attempts[step.name]
        more = failure.kind is Kind.CAPACITY and tried <= len(step.otherwise)
        if more and self.failure is None:
            self._begin(step, step.otherwise[tried - 1])
        else:
            self._failures[step.name] = failure


def _wait_for_any(context: Context, running: list[Any], begun_before: list[Any]) -> Workflow:
    """Wait until one of `running` has ended.

    The Durable extension is only told of tasks that it was not told of before, and schedules
    nothing more until one of *those* has ended. A timer that is due at once lets it go on.
    """
    new = [task for task in running if task not in begun_before]
    if 0 < len(new) < len(running):
        yield context.task_any([*running, context.create_timer(context.current_utc_datetime)])
    if not any(task.is_completed for task in running):
        yield context.task_any(running)


def _next(waiting: list[Step], done: dict[str, Json]) -> Step | None:
    return next((s for s in waiting if all(name in done for name in s.after)), None)


def _begin(
    context: Context,
    scope: StepContext,
    step: Step,
    plan: Wire,
    attempt: int,
    *,
    later: bool = False,
) -> Any:
    scope = scope if step.cancellable else scope.for_cleanup()
    suffix = step.name if attempt == 1 else f"{step.name}-{attempt}"
    work = {
        "activity": step.activity,
        "step": step.name,
        "plan": plan.to_wire(),
        "scope": scope.for_step(step.name).to_wire(),
        "later": later,
    }
    return context.call_sub_orchestrator(
        names.Orchestrator.RUN_OPERATION.value,
        work,
        names.child_instance(context.instance_id, suffix),
    )


def run(
    context: Context,
    scope: StepContext,
    step: str,
    activity: str,
    plan: Wire,
    attempt: int = 1,
    *,
    later: bool = False,
) -> Workflow:
    """One long step as an orchestration of its own. Returns its result; raises StepFailed. What has
    begun just now is first looked at `later`: when the fastest of its kind have ended.
    """
    only = Step(name=step, activity=activity, plan=plan)
    task = _begin(context, scope, only, plan, attempt, later=later)
    yield context.task_any([task])  # so that a child that died is seen as data, too
    outcome = outcome_of(task, step)
    if "error" in outcome:
        raise StepFailed(Failure.from_wire(outcome["error"]))
    return outcome["result"]


def outcome_of(task: Any, what: str) -> Json:
    """The outcome of a child that has ended. A child returns its failures as data; one that raised
    met a bug, and its parent must still clean up and record an outcome.
    """
    if isinstance(task.result, dict):
        return dict(task.result)
    failure = Failure(
        code="Bug",
        kind=Kind.BUG,
        message=f"Step {what} broke: {task.result}",
        resource=what,
        next_action="This is a bug of batch-prep: report it with the build's id.",
    )
    return {"error": failure.to_wire()}


def run_child(context: Context, orchestrator: str, identity: str, plan: Wire) -> Workflow:
    """One child orchestration; returns its outcome as data, also if it died."""
    outcomes = yield from run_bounded(context, [(orchestrator, identity, plan)], 1)
    return outcomes[0]


def run_bounded(
    context: Context, work: Sequence[tuple[str, str, Wire]], width: int, *, own_ids: bool = False
) -> Workflow:
    """Run a child orchestration per (orchestrator, id, input), at most `width` at once; returns
    their outcomes in order. Ids are within this instance's, unless the children have `own_ids`.

    Children return their failures as data, so that one never stops another.
    """
    tasks: dict[int, Any] = {}
    begun_before: list[Any] = []
    outcomes: dict[int, Json] = {}
    coming = list(enumerate(work))
    while coming or tasks:
        while coming and len(tasks) < width:
            index, (orchestrator, identity, plan) = coming.pop(0)
            instance = identity
            if not own_ids:
                instance = names.child_instance(context.instance_id, identity)
            tasks[index] = context.call_sub_orchestrator(orchestrator, plan.to_wire(), instance)
        running = list(tasks.values())
        yield from _wait_for_any(context, running, begun_before)
        begun_before = running
        for index in [i for i, task in tasks.items() if task.is_completed]:
            outcomes[index] = outcome_of(tasks.pop(index), work[index][1])
    return [outcomes[i] for i in range(len(work))]
