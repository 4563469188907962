"""One call of an activity: from the orchestration's JSON payload to its JSON reply.

    payload  {"plan": {...}, "tick": {...}, "step": {...}?, "gaveUp": {...}?}
    reply    {"state": "done", "result": {...}}
             {"state": "wait", "retryAfter": seconds?, "left": seconds?, "expected": seconds?,
              "note": text, "memo": {...}, "transient": bool, "patient": bool?}
             {"state": "failed", "error": {...}, "marks": {...}?}

`tick` is the `PollState`; `memo` is the part of it that the next call gets back. With `step`, the
call belongs to a recorded step: the runner checks whether the build was cancelled before it calls
the activity, and writes the step's row afterwards. With `gaveUp`, the orchestration has decided to
stop polling, and the runner only writes that failure into the step's row.

An expected failure is a value in the reply, never an exception: Durable would pass an exception to
the orchestrator as text. Only a `Bug` is raised.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from shared.azure import failures, rate_limiter
from shared.base import errors, logs
from shared.base.errors import Failure, Kind, StepFailed
from shared.base.wire import Wire, replace
from shared.engine import decisions
from shared.engine.activity import (
    Activity,
    Json,
    P,
    PollState,
    R,
    Reconciler,
    Services,
    ShortActivity,
)
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model import traces
from shared.store.builds import StepMark
from shared.store.outage import StorageUnavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

log = logs.get("activities")


def perform(activity: Activity[Any, Any], services: Services, payload: Json) -> Json:
    """Run one call of an activity, and record it if it belongs to a step."""
    from azure.core.exceptions import AzureError

    plan = activity.plan.from_wire(payload["plan"])
    poll = PollState.from_wire(payload["tick"])
    mark = StepMark.from_wire(payload["step"]) if payload.get("step") else None
    gave_up = payload.get("gaveUp")
    build = mark.build if mark else traces.build_of(plan)
    about = {"pool": mark.pool, "step": mark.name} if mark else {}
    with (
        logs.about(build=build, **about),
        services.telemetry.call(activity.name, build, mark) as to,
    ):
        try:
            reply = _recorded(activity, services, plan, poll, mark, gave_up)
        except AzureError as error:  # from the tables that hold the records
            reply = _refused(services, error, "write the records", "the app's storage", poll)
        except Exception as bug:
            _report(services, mark, _failed(_defect(activity, plan, bug)))
            raise
        if mark:
            log.info("%s %s", activity.name, reply["state"])
        to.take(reply)
    _report(services, mark, reply)
    return reply


def _report(services: Services, mark: StepMark | None, reply: Json) -> None:
    if mark and reply["state"] != "wait":
        services.telemetry.step_ended(mark, reply)


def _defect(activity: Activity[P, R], plan: P, bug: Exception) -> Failure:
    """The failure that telemetry reports. The exception ends the orchestration, and its parent
    makes another failure of that (`workflow.died`).
    """
    return Failure(code="Bug", kind=Kind.BUG, message=str(bug), resource=activity.subject(plan))


def _recorded(
    activity: Activity[P, R],
    services: Services,
    plan: P,
    poll: PollState,
    mark: StepMark | None,
    gave_up: Json | None,
) -> Json:
    if mark is None:
        return _attempt(activity, services, plan, poll)
    if gave_up is not None:
        reply = {"state": "failed", "error": gave_up}
    elif mark.cancellable and services.records.is_cancelled(mark.build):
        reply = _failed(errors.cancelled())
    else:
        reply = _attempt(activity, services, plan, poll)
    services.records.mark_step(mark, poll.now, reply)
    return reply


def _attempt(activity: Activity[P, R], services: Services, plan: P, poll: PollState) -> Json:
    from azure.core.exceptions import AzureError

    try:
        if isinstance(activity, ShortActivity):
            return _done(activity.act(services, plan, poll))
        assert isinstance(activity, Reconciler), f"{activity.name} is of no kind"
        return _reconcile(activity, services, plan, poll)
    except StepFailed as failed:
        if failed.failure.kind is Kind.TRANSIENT:
            return _transient(failed.failure, poll)
        return _failed(failed.failure)
    except AzureError as error:
        return _refused(services, error, activity.attempted(plan), activity.subject(plan), poll)


def _refused(
    services: Services, error: AzureError, attempted: str, resource: str, poll: PollState
) -> Json:
    """The reply to an error of Azure's: the orchestration retries a transient one, and for as long
    as it takes where the app's own storage cannot be reached.
    """
    failure = failures.translate(error, attempted=attempted, resource=resource)
    if isinstance(error, StorageUnavailable):
        return {**_transient(failure, poll), "patient": True}
    if failure.kind is not Kind.TRANSIENT:
        return _failed(failure)
    if method := rate_limiter.refused(error):
        turn = services.rate_limiter.take(method, poll.now, failure.retry_after or 0.0)
        failure = replace(failure, retry_after=turn)
    return _transient(failure, poll)


def _reconcile(reconciler: Reconciler[P, R], services: Services, plan: P, poll: PollState) -> Json:
    """Observe, decide, and carry out at most one action."""
    observed = reconciler.observe(services, plan, poll)
    decision = reconciler.decide(plan, observed, poll)
    if not isinstance(decision, Start):
        return _reply(reconciler, services, plan, poll, decision)
    poll = _remember(poll, decision.memory)
    started = reconciler.actions[decision.action](services, plan, poll)
    if decision.then is not None:
        return _reply(reconciler, services, plan, poll, decision.then)
    poll = replace(poll, started=decision.action, operation=started.operation)
    after: Decision[R] = Wait()
    if started.body is not None:
        after = reconciler.decide(plan, started.body, poll)
    if isinstance(after, Start):  # the body of the answer does not yet show the action's effect
        after = Wait()
    if isinstance(after, Wait) and after.retry_after is None:
        after = dataclasses.replace(after, retry_after=started.retry_after)
    return _reply(reconciler, services, plan, poll, after)


def _reply(
    reconciler: Reconciler[P, R],
    services: Services,
    plan: P,
    poll: PollState,
    decision: Decision[R],
) -> Json:
    match decision:
        case Done():
            return _done(decision.result)
        case Wait():
            poll = _remember(poll, decision.memory)
            waiting = _wait(poll, decision.note, decision.retry_after)
            if decision.left is not None:
                waiting["left"] = decision.left
            if decision.expected is not None:
                waiting["expected"] = decision.expected
            return {**waiting, "resource": reconciler.subject(plan)}
        case Fail():
            reply = _failed(_explained(decision.failure, reconciler, services, plan, poll))
            marks = decision.marks
            return {**reply, "marks": marks.to_wire()} if marks and marks.are_any else reply
        case Start():
            raise errors.Bug(f"{reconciler.name} starts {decision.action} twice in one call")


def _remember(poll: PollState, memory: Json | None) -> PollState:
    return poll if memory is None else replace(poll, memory=memory)


def _explained(
    failure: Failure, reconciler: Reconciler[P, R], services: Services, plan: P, poll: PollState
) -> Failure:
    """The failure with the reason that the long operation reports: the resource itself says only
    "Failed".
    """
    if failure.code != decisions.BROKEN or not poll.operation:
        return failure
    reason = services.azure.operation_error(poll.operation)
    if reason is None:
        return failure
    return errors.from_azure(
        attempted=reconciler.attempted(plan),
        resource=reconciler.subject(plan),
        status=200,
        code=reason[0],
        message=reason[1],
    )


def _transient(failure: Failure, poll: PollState) -> Json:
    return {
        **_wait(poll, failure.message, failure.retry_after),
        "transient": True,
        "error": failure.to_wire(),
    }


def _wait(poll: PollState, note: str, retry_after: float | None) -> Json:
    memo = {"started": poll.started, "operation": poll.operation, "memory": poll.memory or None}
    return {
        "state": "wait",
        "note": note,
        "retryAfter": retry_after,
        "memo": memo,
        "transient": False,
    }


def _done(result: Wire) -> Json:
    return {"state": "done", "result": result.to_wire()}


def _failed(failure: Failure) -> Json:
    return {"state": "failed", "error": failure.to_wire()}
