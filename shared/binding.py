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

from shared import clients, decisions, errors, turns
from shared.decisions import Done, Fail, Start, Verdict, Wait
from shared.errors import Failure, Kind, StepFailed
from shared.operations import Activity, Effect, Json, Operation, Services, Tick
from shared.records import StepMark

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

log = logging.getLogger("batch_prep.activities")


def perform(activity: Activity, services: Services, payload: Json) -> Json:
    """Run one call of an activity and record it."""
    from azure.core.exceptions import AzureError

    plan = activity.plan.from_wire(payload["plan"])
    tick = Tick.from_wire(payload["tick"])
    mark = StepMark.from_wire(payload["step"]) if payload.get("step") else None
    gave_up = payload.get("gaveUp")
    try:
        reply = _recorded(activity, services, plan, tick, mark, gave_up)
    except AzureError as error:  # of the storage that holds the records
        reply = _refused(services, error, "write the records", "the app's storage", tick)
    if mark:
        log.info("build=%s step=%s %s %s", mark.build, mark.name, activity.name, reply["state"])
    return reply


def _recorded(
    activity: Activity,
    services: Services,
    plan: Any,
    tick: Tick,
    mark: StepMark | None,
    gave_up: Json | None,
) -> Json:
    if mark is None:
        return _attempt(activity, services, plan, tick)
    if gave_up is not None:
        reply = {"state": "failed", "error": gave_up}
    elif mark.cancellable and services.records.is_cancelled(mark.build):
        reply = _failed(errors.cancelled())
    else:
        reply = _attempt(activity, services, plan, tick)
    services.records.mark_step(mark, tick.now, reply)
    return reply


def _attempt(activity: Activity, services: Services, plan: Any, tick: Tick) -> Json:
    from azure.core.exceptions import AzureError

    try:
        if isinstance(activity, Effect):
            return {"state": "done", "result": activity.act(services, plan, tick)}
        return _advance(activity, services, plan, tick)
    except StepFailed as failed:
        return _failed(failed.failure)
    except AzureError as error:
        return _refused(services, error, activity.verb, activity.subject(plan), tick)


def _refused(
    services: Services, error: AzureError, attempted: str, resource: str, tick: Tick
) -> Json:
    """What time cures is tried again by the orchestration; the rest fails the step."""
    failure = clients.translate(error, attempted=attempted, resource=resource)
    if failure.kind is not Kind.TRANSIENT:
        return _failed(failure)
    if method := turns.refused(error):
        turn = services.turns.take(method, tick.now, failure.retry_after or 0.0)
        failure = failure.model_copy(update={"retry_after": turn})
    return _transient(failure, tick)


def _advance(operation: Operation[Any], services: Services, plan: Any, tick: Tick) -> Json:
    observed = operation.look(services, plan, tick)
    verdict = operation.judge(plan, observed, tick)
    if not isinstance(verdict, Start):
        return _reply(operation, services, plan, tick, verdict)
    tick = _remembering(tick, verdict.memory)
    started = operation.actions[verdict.action](services, plan, tick)
    if verdict.then is not None:
        return _reply(operation, services, plan, tick, verdict.then)
    tick = tick.model_copy(update={"started": verdict.action, "operation": started.operation})
    after = operation.judge(plan, started.body, tick) if started.body is not None else Wait()
    if isinstance(after, Start):  # the answer to the request is not yet what was asked for
        after = Wait()
    if isinstance(after, Wait) and after.retry_after is None:
        after = dataclasses.replace(after, retry_after=started.retry_after)
    return _reply(operation, services, plan, tick, after)


def _reply(
    operation: Operation[Any], services: Services, plan: Any, tick: Tick, verdict: Verdict
) -> Json:
    match verdict:
        case Done():
            return {"state": "done", "result": verdict.result}
        case Wait():
            tick = _remembering(tick, verdict.memory)
            waiting = _wait(tick, verdict.note, verdict.retry_after)
            if verdict.left is not None:
                waiting["left"] = verdict.left
            if verdict.expected is not None:
                waiting["expected"] = verdict.expected
            return {**waiting, "resource": operation.subject(plan)}
        case Fail():
            return _failed(_explained(verdict.failure, operation, services, plan, tick))
        case Start():
            raise errors.Bug(f"{operation.name} wants to start {verdict.action} twice in one call")


def _remembering(tick: Tick, memory: Json | None) -> Tick:
    return tick if memory is None else tick.model_copy(update={"memory": memory})


def _explained(
    failure: Failure, operation: Operation[Any], services: Services, plan: Any, tick: Tick
) -> Failure:
    """A resource that says only "Failed": the long operation that made it knows why."""
    if failure.code != decisions.BROKEN or not tick.operation:
        return failure
    told = services.azure.operation_error(tick.operation)
    if told is None:
        return failure
    return errors.from_azure(
        attempted=operation.verb,
        resource=operation.subject(plan),
        status=200,
        code=told[0],
        message=told[1],
    )


def _transient(failure: Failure, tick: Tick) -> Json:
    return {
        **_wait(tick, failure.message, failure.retry_after),
        "transient": True,
        "error": failure.to_wire(),
    }


def _wait(tick: Tick, note: str, retry_after: float | None) -> Json:
    memo = {"started": tick.started, "operation": tick.operation, "memory": tick.memory or None}
    return {
        "state": "wait",
        "note": note,
        "retryAfter": retry_after,
        "memo": memo,
        "transient": False,
    }


def _failed(failure: Failure) -> Json:
    return {"state": "failed", "error": failure.to_wire()}
