"""How the SDK is asked since version 2: with the Protocol Buffers of `durabletask`, in Base64.

The SDK numbers its actions and compares them with the history itself: what it returns is new, and
an end is an end, whatever is still open. This module translates; it decides nothing.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from local.functions_host import history, replay
from local.functions_host.episodes import Answer
from local.functions_host.history import Event, Kind
from local.functions_host.replay import NewTask, TaskKind
from local.functions_host.store import Instance


def event(event: Event, text: str = "") -> Any:  # noqa: ARG001 - it is made of the event alone
    """An event as `ProtobufUtils` of the extension translates it."""
    field, contents = _EVENTS[Kind(event["EventType"])]
    return pb.HistoryEvent(
        eventId=event["EventId"],
        timestamp=_moment(event["Timestamp"]),
        **{field: contents(event)},
    )


def request(instance: Instance, past: Sequence[Any], fresh: Iterable[Event]) -> str:
    """What an orchestrator function gets for its next episode."""
    message = pb.OrchestratorRequest(
        instanceId=instance.id, pastEvents=past, newEvents=map(event, fresh)
    )
    return base64.b64encode(message.SerializeToString()).decode()


def answer(text: str) -> Answer:
    """What the function returned. Raises replay.Unsupported for what this host leaves out."""
    response = pb.OrchestratorResponse.FromString(base64.b64decode(text))
    new: list[NewTask] = []
    end = None
    for action in response.actions:
        if action.HasField("completeOrchestration"):
            end = action.completeOrchestration
        else:
            new.append(_task(action))
    ended = end or pb.CompleteOrchestrationAction()
    result = _value(ended, "result") or "null"
    goes_on_as_new = ended.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    has_failed = ended.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    return Answer(
        played_out=replay.Played(
            new=tuple(sorted(new, key=lambda task: task.number)),
            ended=end is not None,
            continue_as_new=result if goes_on_as_new else None,
            unclaimed=(),
        ),
        is_done=end is not None,
        output=result,
        custom_status=_value(response, "customStatus"),
        error=_message_of(ended.failureDetails) if has_failed else None,
    )


def raised(error: Exception) -> Answer:
    """The SDK answers for what an orchestrator raises, so this is a fault outside of it."""
    return Answer.broken(f"{type(error).__name__}: {error}")


def input_text(value: str | None) -> str | None:
    """The input of an instance: the JSON text as it is sent."""
    return value


def moment(seconds: float) -> Any:
    """Seconds since the epoch."""
    return _moment(history.stamp(seconds))


def text(value: str | None) -> Any:
    """Text that may be absent."""
    return None if value is None else StringValue(value=value)


def _value(message: Any, field: str) -> str | None:
    return getattr(message, field).value if message.HasField(field) else None


def _moment(stamp: str) -> Any:
    made = Timestamp()
    made.FromDatetime(datetime.fromisoformat(stamp))
    return made


def _task(action: Any) -> NewTask:
    kind = action.WhichOneof("orchestratorActionType")
    wanted = getattr(action, kind)
    match kind:
        case "createTimer":
            fire_at = wanted.fireAt.ToDatetime(UTC).timestamp()
            return NewTask(number=action.id, kind=TaskKind.TIMER, fire_at=fire_at)
        case "scheduleTask":
            given = _value(wanted, "input")
            return NewTask(number=action.id, kind=TaskKind.ACTIVITY, name=wanted.name, input=given)
        case "createSubOrchestration":
            return NewTask(
                number=action.id,
                kind=TaskKind.SUB_ORCHESTRATION,
                name=wanted.name,
                input=_value(wanted, "input"),
                instance_id=wanted.instanceId,
                # The extension adds none, not even `defaultVersion`.
                version=wanted.version.value,
            )
        case _:
            left_out = "entities and events between instances"
            raise replay.Unsupported(f"This host leaves out {left_out} ({kind}).")


def _message_of(failure: Any) -> str:
    return str(failure.errorMessage or failure.errorType)


def _failure(event: Event) -> Any:
    """An activity's `ValueError: boom` is reported in two parts, as the extension splits it."""
    message, kind = event["Reason"] or "", ""
    if event["EventType"] == Kind.TASK_FAILED and event["Details"]:
        kind, _, message = json.loads(event["Details"])["Message"].strip().partition(": ")
    return pb.TaskFailureDetails(errorType=kind, errorMessage=message)


def _started(event: Event) -> dict[str, Any]:
    parent = event["ParentInstance"]
    return {
        "name": event["Name"],
        "version": text(event["Version"]),
        "input": text(event["Input"]),
        "orchestrationInstance": _instance(event["OrchestrationInstance"]),
        "parentInstance": parent
        and pb.ParentInstanceInfo(
            taskScheduledId=parent["TaskScheduleId"],
            orchestrationInstance=_instance(parent["OrchestrationInstance"]),
        ),
    }


def _instance(identity: dict[str, str]) -> Any:
    return pb.OrchestrationInstance(
        instanceId=identity["InstanceId"], executionId=text(identity["ExecutionId"])
    )


def _completed(event: Event) -> dict[str, Any]:
    return {"taskScheduledId": event["TaskScheduledId"], "result": text(event["Result"])}


def _failed(event: Event) -> dict[str, Any]:
    return {"taskScheduledId": event["TaskScheduledId"], "failureDetails": _failure(event)}


def _nothing(_: Event) -> dict[str, Any]:
    return {}


_EVENTS: dict[Kind, tuple[str, Callable[[Event], dict[str, Any]]]] = {
    Kind.EXECUTION_STARTED: ("executionStarted", _started),
    Kind.EXECUTION_COMPLETED: ("executionCompleted", _nothing),
    Kind.EXECUTION_TERMINATED: ("executionTerminated", _nothing),
    Kind.TASK_SCHEDULED: (
        "taskScheduled",
        lambda e: {"name": e["Name"], "input": text(e["Input"])},
    ),
    Kind.TASK_COMPLETED: ("taskCompleted", _completed),
    Kind.TASK_FAILED: ("taskFailed", _failed),
    Kind.SUB_ORCHESTRATION_CREATED: (
        "subOrchestrationInstanceCreated",
        lambda e: {
            "name": e["Name"],
            "version": text(e["Version"]),
            "instanceId": e["InstanceId"],
            "input": text(e["Input"]),
        },
    ),
    Kind.SUB_ORCHESTRATION_COMPLETED: ("subOrchestrationInstanceCompleted", _completed),
    Kind.SUB_ORCHESTRATION_FAILED: ("subOrchestrationInstanceFailed", _failed),
    Kind.TIMER_CREATED: ("timerCreated", lambda e: {"fireAt": _moment(e["FireAt"])}),
    Kind.TIMER_FIRED: (
        "timerFired",
        lambda e: {"timerId": e["TimerId"], "fireAt": _moment(e["FireAt"])},
    ),
    Kind.ORCHESTRATOR_STARTED: ("orchestratorStarted", _nothing),
    Kind.ORCHESTRATOR_COMPLETED: ("orchestratorCompleted", _nothing),
    Kind.EVENT_RAISED: ("eventRaised", lambda e: {"name": e["Name"], "input": text(e["Input"])}),
    Kind.GENERIC_EVENT: ("genericEvent", _nothing),
    Kind.EXECUTION_SUSPENDED: ("executionSuspended", _nothing),
    Kind.EXECUTION_RESUMED: ("executionResumed", _nothing),
}
