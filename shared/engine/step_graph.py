"""Steps that depend on each other: each begins as soon as the steps before it have ended.

    identity = Step("pull_identity", registry.ensure_pull_identity, plan, after=[group])
    access = Step("pull_access", registry.grant_pull,
                  lambda done: replace(plan, principal_id=done[identity].principal_id),
                  after=[identity])
    results = yield from follow(context, step_context, [group, identity, access])
    results[identity].client_id

Steps refer to each other as objects. A name cannot be misspelt, and the type checker knows that
`done[identity]` is a `PullIdentity`. The names in quotation marks are those of the step records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from shared.base.errors import Bug, Failure, Kind, StepFailed
from shared.base.wire import Wire
from shared.engine import durable_task, workflow
from shared.engine.activity import Activity, P, R
from shared.engine.polling_loop import Context, Json, StepContext, Workflow

_SKIPPED = {"skipped": True}


class Results:
    """The results of the steps that have ended, by step."""

    def __init__(self, done: Mapping[str, Json]) -> None:
        """`done` holds the results as JSON by the steps' names, as the records keep them."""
        self._done = done

    def __getitem__(self, step: Step[Any, R]) -> R:
        """The result of a step that has ended and was not skipped. Raises Bug for any other."""
        result = self.get(step)
        if result is None:
            raise Bug(f"step {step.name} has no result")
        return result

    def get(self, step: Step[Any, R] | None) -> R | None:
        """The result of a step; None if it was skipped, has not ended, or is no step here."""
        found = None if step is None else self._done.get(step.name)
        if step is None or found is None or found == _SKIPPED:
            return None
        return step.activity.result.from_wire(found)

    def __contains__(self, step: Step[Any, Any]) -> bool:
        """Whether the step has ended or was skipped."""
        return step.name in self._done

    def to_wire(self) -> dict[str, Json]:
        """The results as JSON by the steps' names."""
        return dict(self._done)


@dataclass(frozen=True, slots=True, eq=False)
class Step(Generic[P, R]):
    """One step: the name of its record, the activity that carries it out, and the plan or a
    function that makes the plan from the results so far.

    It begins when all of `after` have ended, and is skipped where `when` returns False.
    `alternatives` are plans to try in turn where Azure has no capacity for the first one. A step
    that is not `cancellable` goes on to its end once it has begun. `limit_minutes` takes the place
    of the limit in `shared.base.timing`.
    """

    name: str
    activity: Activity[P, R]
    plan: P | Callable[[Results], P]
    after: Sequence[Step[Any, Any]] = ()
    when: Callable[[Results], bool] = lambda _: True
    alternatives: Sequence[P] = ()
    cancellable: bool = True
    limit_minutes: float | None = None

    def plan_from(self, results: Results) -> P:
        """The plan of this step."""
        return self.plan(results) if callable(self.plan) else self.plan


class StepsFailed(StepFailed):
    """A step failed; `results` are those of the steps that had ended by then."""

    def __init__(self, failure: Failure, results: Results) -> None:
        super().__init__(failure)
        self.results = results


def follow(
    context: Context,
    step_context: StepContext,
    steps: Sequence[Step[Any, Any]],
    done: Mapping[str, Json] | None = None,
) -> Workflow[Results]:
    """Run steps, side by side where they do not depend on each other, and return their results.

    Steps in `done` (results as JSON by name) are not run again. When a step fails, no further one
    begins; the running ones end. Then StepsFailed is raised with the failure of the step that
    stands first in `steps`: a later one may have failed because of it.
    """
    progress = _Progress(context, step_context, steps, done or {})
    seen: list[Any] = []
    while progress.begin_ready_steps():
        running = [task for _, task in progress.running]
        yield from workflow.wait_for_any(context, running, seen)
        seen = running
        progress.collect()
    results = Results(progress.done)
    if progress.failure is not None:
        raise StepsFailed(progress.failure, results)
    return results


class _Progress:
    """Which steps wait, run and have ended. Every replay builds it anew."""

    def __init__(
        self,
        context: Context,
        step_context: StepContext,
        steps: Sequence[Step[Any, Any]],
        done: Mapping[str, Json],
    ) -> None:
        self._context, self._step_context = context, step_context
        self._places = {step.name: place for place, step in enumerate(steps)}
        self._failures: dict[str, Failure] = {}
        self._waiting = [step for step in steps if step.name not in done]
        self._attempts: dict[str, int] = {}
        self.running: list[tuple[Step[Any, Any], Any]] = []
        self.done = {step.name: done[step.name] for step in steps if step.name in done}

    @property
    def failure(self) -> Failure | None:
        """The failure of the failed step that stands first, or None."""
        first = min(self._failures, key=self._places.__getitem__, default=None)
        return None if first is None else self._failures[first]

    def begin_ready_steps(self) -> bool:
        """Begin every step whose predecessors have ended; return whether any step runs."""
        results = Results(self.done)
        while self.failure is None and (step := self._next()) is not None:
            self._waiting.remove(step)
            if step.when(results):
                self._begin(step, step.plan_from(results))
            else:
                self.done[step.name] = _SKIPPED
        return bool(self.running)

    def _next(self) -> Step[Any, Any] | None:
        ready = (s for s in self._waiting if all(before.name in self.done for before in s.after))
        return next(ready, None)

    def _begin(self, step: Step[Any, Any], plan: Wire) -> None:
        attempt = self._attempts[step.name] = self._attempts.get(step.name, 0) + 1
        context = self._step_context if step.cancellable else self._step_context.for_cleanup()
        task = workflow.step_task(
            self._context,
            context,
            step.name,
            step.activity,
            plan,
            attempt=attempt,
            limit_minutes=step.limit_minutes,
        )
        self.running.append((step, task))

    def collect(self) -> None:
        """Take the outcomes of the steps that have ended."""
        ended = [(step, task) for step, task in self.running if durable_task.has_ended(task)]
        self.running = [each for each in self.running if each not in ended]
        for step, task in ended:
            outcome = workflow.outcome_of(task, step.name)
            if "result" in outcome:
                self.done[step.name] = outcome["result"]
            else:
                self._failed(step, Failure.from_wire(outcome["error"]))

    def _failed(self, step: Step[Any, Any], failure: Failure) -> None:
        """Try the next alternative after a lack of capacity, unless another step has failed."""
        tried = self._attempts[step.name]
        has_more = failure.kind is Kind.CAPACITY and tried <= len(step.alternatives)
        if has_more and self.failure is None:
            self._begin(step, step.alternatives[tried - 1])
        else:
            self._failures[step.name] = failure
