"""The orchestration's end of an activity: call it, wait by durable timer, call it again.

The loop ends when the activity replies that it is done or has failed, when a transient error has
been retried too often, or when the step has taken longer than its limit. While the app's own
storage cannot be reached, it waits: giving up could not be recorded. `shared.base.timing`
decides how long each wait is. `workflow` holds the verbs around this loop, `activity_runner` is its
other end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.base import errors, timing
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, added, replace

Json = dict[str, Any]
T = TypeVar("T")
Workflow = Generator[Any, Any, T]
"""A part of an orchestrator: it yields durable tasks and returns a `T`."""
Context = Any  # azure-functions-durable ships no types


class StepContext(Wire):
    """What the steps of a build have in common: the build, the pool that they create (if any), the
    learned durations in seconds by step, and whether cancelling the build ends them.
    `limit_minutes` is that of one step, where a request sets it.
    """

    build: str
    pool: str | None = None
    pace: dict[str, float] = {}
    cancellable: bool = True
    limit_minutes: float | None = added(None)

    def of_pool(self, pool: str) -> StepContext:
        """The context of the steps that create one pool of the build."""
        return replace(self, pool=pool)

    def for_step(self, step: str, limit_minutes: float | None = None) -> StepContext:
        """The part that one step needs, without the other steps' durations."""
        known = {step: self.pace[step]} if step in self.pace else {}
        return replace(self, pace=known, limit_minutes=limit_minutes)

    def timing_of(self, step: str) -> timing.Timing:
        """What is known of the step's duration."""
        usual = timing.of_step(step, self.pace)
        limit = self.limit_minutes
        return usual if limit is None else dataclasses.replace(usual, limit_minutes=limit)

    def for_cleanup(self) -> StepContext:
        """The context of steps that go on when the build is cancelled."""
        return replace(self, cancellable=False)


def run_operation(context: Context) -> Workflow[Json]:
    """Orchestration: one step of a build; its outcome is data, so that no parent has to catch it.

    Input: `{"activity", "step", "plan", "scope", "later"?}`; output: `{"result": {...}}` or
    `{"error": {...}}`.
    """
    work = context.get_input()
    step_context = StepContext.from_wire(work["scope"])
    later = work.get("later", False)
    try:
        result = yield from until_done(
            context, work["activity"], work["step"], work["plan"], step_context, later=later
        )
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"result": result}


def until_done(
    context: Context,
    activity: str,
    step: str,
    plan: Json,
    step_context: StepContext | None = None,
    *,
    then: str | None = None,
    later: bool = False,
) -> Workflow[Json]:
    """Call an activity until it is done and return its result as JSON. Raises StepFailed.

    Without a `step_context`, no step is recorded. `then` names a step to record as started when
    this one ends. `later` waits before the first call, because the step has only just begun.
    """
    usual = step_context.timing_of(step) if step_context else timing.of_step(step)
    began = context.current_utc_datetime
    mark = _step_mark(step_context, step, then, began)
    memo: Json = {}
    refusals = tries = 0  # in a row; those of the app's own storage are no tries
    # Seconds of this step's own waits, so without those in which the app was down. `spent` counts
    # towards the limit; the waits after a transient error do not.
    waited = spent = 0.0
    if later:
        waited = spent = timing.next_look(usual, 0.0)
        yield context.create_timer(began + timedelta(seconds=waited))
    while True:
        now = context.current_utc_datetime
        tick = {
            "now": iso(now),
            "elapsed": (now - began).total_seconds(),
            **{k: v for k, v in memo.items() if v is not None},
        }
        payload = {"plan": plan, "tick": tick, **mark}
        reply = yield context.call_activity(activity, payload)
        if reply["state"] == "done":
            result: Json = reply["result"]
            return result
        if reply["state"] == "failed":
            raise StepFailed(Failure.from_wire(reply["error"]))
        memo = reply["memo"]
        refusals = refusals + 1 if reply["transient"] else 0
        tries = tries + (not reply.get("patient")) if refusals else 0
        if failure := _give_up(step, reply, usual, tries, spent):
            if mark:  # otherwise the step's row would say for ever that it runs
                yield context.call_activity(activity, {**payload, "gaveUp": failure.to_wire()})
            raise StepFailed(failure)
        if refusals:
            spread = timing.spread_of(context.instance_id, refusals)
            delay = timing.backoff(refusals, reply.get("retryAfter"), spread)
        else:
            hints = (reply.get("retryAfter"), reply.get("left"), reply.get("expected"))
            delay = timing.next_look(usual, waited, *hints)
            spent += delay
        waited += delay
        yield context.create_timer(now + timedelta(seconds=delay))


def _step_mark(
    step_context: StepContext | None, step: str, then: str | None, began: datetime
) -> Json:
    """The part of the payload from which the runner writes the step's row (`StepMark`)."""
    if step_context is None:
        return {}
    mark: Json = {
        "build": step_context.build,
        "name": step,
        "pool": step_context.pool,
        "startedAt": iso(began),
        "typical": timing.of_step(step, step_context.pace).typical,
        "cancellable": step_context.cancellable,
    }
    if then is not None:
        typical = timing.of_step(then, step_context.pace).typical
        mark["then"] = {"name": then, "typical": typical}
    return {"step": mark}


def _give_up(
    step: str, reply: Json, usual: timing.Timing, tries: int, spent: float
) -> Failure | None:
    """The failure for which the loop ends here, or None to go on."""
    if reply["transient"]:
        is_over = tries > timing.TRANSIENT_ATTEMPTS
        return Failure.from_wire(reply["error"]) if is_over else None
    return _too_long(step, reply, usual) if spent > usual.limit_minutes * 60 else None


def _too_long(step: str, reply: Json, usual: timing.Timing) -> Failure:
    attempted = f"finish step {step} ({reply['note']})"
    resource = reply.get("resource", step)
    return errors.timeout(attempted=attempted, resource=resource, minutes=usual.limit_minutes)


def iso(moment: datetime) -> str:
    """A time of the orchestration as ISO 8601 UTC, in microseconds."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
