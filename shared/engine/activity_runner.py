"""The activity's end of `steps.call`: payload → look, judge, act → reply; a failure becomes data.

    payload  {"plan": {...}, "tick": {...}, "step": {...}?, "gaveUp": {...}?}
    reply    {"state": "done", "result": {...}}
             {"state": "wait", "retryAfter": seconds?, "left": seconds?, "expected": seconds?,
              "note": text, "memo": {...}, "transient": bool}
             {"state": "failed", "error": {...}}

Around each call the step's record is written, and the build's cancel flag is read. With `gaveUp`,
the failure for which the orchestration looks no more, nothing but that is done.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from shared.azure import clients, rate_limiter
from shared.base import errors
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine import decisions
from shared.engine.activity import Activity, Json, PollState, Reconciler, Services, ShortActivity
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.store.records import StepMark

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

log = logging.getLogger("batch_prep.activities")


def perform(activity: Activity, services: Services, payload: Json) -> Json:
    """Run one call of an activity and record it."""
    from azure.core.exceptions import AzureError

    plan = activity.plan.from_wire(payload["plan"])
    poll = PollState.from_wire(payload["tick"])
    mark = StepMark.from_wire(payload["step"]) if payload.get("step") else None
    gave_up = payload.get("gaveUp")
    try:
        reply = _recorded(activity, services, plan, poll, mark, gave_up)
    except AzureError as error:  # of the storage that holds the records
        reply = _refused(services, error, "write the records", "the app's storage", poll)
    if mark:
        log.info("build=%s step=%s %s %s", mark.build, mark.name, activity.name, reply["state"])
    return reply


def _recorded(
    activity: Activity,
    services: Services,
    plan: Any,
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


def _attempt(activity: Activity, services: Services, plan: Any, poll: PollState) -> Json:
    from azure.core.exceptions import AzureError

    try:
        if isinstance(activity, ShortActivity):
            return {"state": "done", "result": activity.act(services, plan, poll)}
        return _advance(activity, services, plan, poll)
    except StepFailed as failed:
        return _failed(failed.failure)
    except AzureError as error:
        return _refused(services, error, activity.verb, activity.subject(plan), poll)


def _refused(
    services: Services, error: AzureError, attempted: str, resource: str, poll: PollState
) -> Json:
    """What time cures is tried again by the orchestration; the rest fails the step."""
    failure = clients.translate(error, attempted=attempted, resource=resource)
    if failure.kind is not Kind.TRANSIENT:
        return _failed(failure)
    if method := rate_limiter.refused(error):
        turn = services.rate_limiter.take(method, poll.now, failure.retry_after or 0.0)
        failure = failure.model_copy(update={"retry_after": turn})
    return _transient(failure, poll)


def _advance(operation: Reconciler[Any], services: Services, plan: Any, poll: PollState) -> Json:
    observed = operation.observe(services, plan, poll)
    decision = operation.decide(plan, observed, poll)
    if not isinstance(decision, Start):
        return _reply(operation, services, plan, poll, decision)
    poll = _remembering(poll, decision.memory)
    started = operation.actions[decision.action](services, plan, poll)
    if decision.then is not None:
        return _reply(operation, services, plan, poll, decision.then)
    poll = poll.model_copy(update={"started": decision.action, "operation": started.operation})
    after = operation.decide(plan, started.body, poll) if started.body is not None else Wait()
    if isinstance(after, Start):  # the answer to the request is not yet what was asked for
        after = Wait()
    if isinstance(after, Wait) and after.retry_after is None:
        after = dataclasses.replace(after, retry_after=started.retry_after)
    return _reply(operation, services, plan, poll, after)


def _reply(
    operation: Reconciler[Any], services: Services, plan: Any, poll: PollState, decision: Decision
) -> Json:
    match decision:
        case Done():
            return {"state": "done", "result": decision.result}
        case Wait():
            poll = _remembering(poll, decision.memory)
            waiting = _wait(poll, decision.note, decision.retry_after)
            if decision.left is not None:
                waiting["left"] = decision.left
            if decision.expected is not None:
                waiting["expected"] = decision.expected
            return {**waiting, "resource": operation.subject(plan)}
        case Fail():
            return _failed(_explained(decision.failure, operation, services, plan, poll))
        case Start():
            raise errors.Bug(f"{operation.name} wants to start {decision.action} twice in one call")


def _remembering(poll: PollState, memory: Json | None) -> PollState:
    return poll if memory is None else poll.model_copy(update={"memory": memory})


def _explained(
    failure: Failure, operation: Reconciler[Any], services: Services, plan: Any, poll: PollState
) -> Failure:
    """A resource that says only "Failed": the long operation that made it knows why."""
    if failure.code != decisions.BROKEN or not poll.operation:
        return failure
    told = services.azure.operation_error(poll.operation)
    if told is None:
        return failure
    return errors.from_azure(
        attempted=operation.verb,
        resource=operation.subject(plan),
        status=200,
        code=told[0],
        message=told[1],
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


def _failed(failure: Failure) -> Json:
    return {"state": "failed", "error": failure.to_wire()}
