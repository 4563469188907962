"""The orchestration's end of an activity: look after look, by durable timer, until it is done, has
failed, or is given up. `steps` are the verbs around it; `binding` is the activity's end.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

from shared.base import errors, timing
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire

Json = dict[str, Any]
Workflow = Generator[Any, Any, Any]
Context = Any  # azure-functions-durable ships no types


class StepContext(Wire):
    """Whose steps: the build, the pool (if they make one), and what is known of durations."""

    build: str
    pool: str | None = None
    pace: dict[str, float] = {}  # learned durations, seconds by step
    cancellable: bool = True

    def of_pool(self, pool: str) -> StepContext:
        """The steps of one pool of the build."""
        return self.model_copy(update={"pool": pool})

    def for_step(self, step: str) -> StepContext:
        """What one step needs: all that was learned would be sent with each of them."""
        known = {step: self.pace[step]} if step in self.pace else {}
        return self.model_copy(update={"pace": known})

    def for_cleanup(self) -> StepContext:
        """Cleaning up goes on when the build is cancelled."""
        return self.model_copy(update={"cancellable": False})


def run_operation(context: Context) -> Workflow:
    """The orchestration behind `run`: one step, its outcome as data.

    Input: {"activity", "step", "plan", "scope", "later"?}
    """
    work = context.get_input()
    scope = StepContext.from_wire(work["scope"])
    later = work.get("later", False)
    try:
        result = yield from until_done(
            context, work["activity"], work["step"], work["plan"], scope, later=later
        )
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"result": result}


def until_done(
    context: Context,
    activity: str,
    step: str,
    plan: Json,
    scope: StepContext | None = None,
    *,
    then: str | None = None,
    later: bool = False,
) -> Workflow:
    """Call an activity until it is done and return its result. Raises StepFailed. Without a scope
    it is no step with a record. The step `then` begins with its end; what begins `later` is not
    looked at yet.
    """
    pace = timing.pace_of(step, scope.pace if scope else None)
    began = context.current_utc_datetime
    mark = _step_mark(scope, step, then, began)
    memo: Json = {}
    refusals = 0
    waited = spent = 0.0  # seconds, without those in which the app was down; `spent` of the limit
    if later:
        waited = spent = timing.next_look(pace, 0.0)
        yield context.create_timer(began + timedelta(seconds=waited))
    while True:
        now = context.current_utc_datetime
        elapsed = (now - began).total_seconds()
        poll = {
            "now": iso(now),
            "elapsed": elapsed,
            **{k: v for k, v in memo.items() if v is not None},
        }
        payload = {"plan": plan, "tick": poll, **mark}
        reply = yield context.call_activity(activity, payload)
        if reply["state"] == "done":
            return reply["result"]
        if reply["state"] == "failed":
            raise StepFailed(Failure.from_wire(reply["error"]))
        memo = reply["memo"]
        refusals = refusals + 1 if reply["transient"] else 0
        if failure := _enough(step, reply, pace, refusals, spent):
            if mark:  # its record would say for ever that it runs
                yield context.call_activity(activity, {**payload, "gaveUp": failure.to_wire()})
            raise StepFailed(failure)
        if refusals:
            spread = timing.spread_of(context.instance_id, refusals)
            delay = timing.backoff(refusals, reply.get("retryAfter"), spread)
        else:
            hints = (reply.get("retryAfter"), reply.get("left"), reply.get("expected"))
            delay = timing.next_look(pace, waited, *hints)
            spent += delay
        waited += delay
        yield context.create_timer(now + timedelta(seconds=delay))


def _step_mark(scope: StepContext | None, step: str, then: str | None, began: datetime) -> Json:
    """What the records are told with each call: `StepMark`."""
    if scope is None:
        return {}
    mark: Json = {
        "build": scope.build,
        "name": step,
        "pool": scope.pool,
        "startedAt": iso(began),
        "typical": timing.pace_of(step, scope.pace).typical,
        "cancellable": scope.cancellable,
    }
    if then is not None:
        typical = timing.pace_of(then, scope.pace).typical
        mark["then"] = {"name": then, "typical": typical}
    return {"step": mark}


def _enough(
    step: str, reply: Json, pace: timing.Timing, refusals: int, spent: float
) -> Failure | None:
    """Why not to look again, or None."""
    if refusals:
        is_over = refusals > timing.TRANSIENT_ATTEMPTS
        return Failure.from_wire(reply["error"]) if is_over else None
    return _too_long(step, reply, pace) if spent > pace.limit_minutes * 60 else None


def _too_long(step: str, reply: Json, pace: timing.Timing) -> Failure:
    attempted = f"finish step {step} ({reply['note']})"
    resource = reply.get("resource", step)
    return errors.timeout(attempted=attempted, resource=resource, minutes=pace.limit_minutes)


def iso(moment: datetime) -> str:
    """ISO 8601 UTC, in microseconds."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
