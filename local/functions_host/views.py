"""What clients see of an instance."""

import json
from dataclasses import dataclass
from typing import Any

from local.functions_host import history
from local.functions_host.history import Event, Kind
from local.functions_host.store import Instance, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceStatus:
    """An instance as a client sees it: payloads decoded once, times in epoch seconds."""

    instance_id: str
    name: str
    runtime_status: Status
    input: Any
    """As the API shows it: what an SDK's client started with is a string of JSON."""
    output: Any
    """The orchestrator's result, or the message of its failure or termination."""
    custom_status: Any
    created: float
    updated: float
    version: str | None
    parent: str | None

    @classmethod
    def of(cls, instance: Instance) -> "InstanceStatus":
        return cls(
            instance_id=instance.id,
            name=instance.name,
            runtime_status=instance.status,
            input=_decoded(instance.input),
            output=_decoded(instance.output),
            custom_status=_decoded(instance.custom_status),
            created=instance.created,
            updated=instance.updated,
            version=instance.version,
            parent=instance.parent,
        )


def status_body(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    """The JSON of an instance in the Durable HTTP API."""
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": instance.status,
        "input": _decoded(instance.input) if show_input else None,
        "customStatus": _decoded(instance.custom_status),
        "output": _decoded(instance.output),
        "createdTime": _whole_seconds(instance.created),
        "lastUpdatedTime": _whole_seconds(instance.updated),
    }


def history_body(events: list[Event], *, show_input: bool, show_output: bool) -> list[Event]:
    """The history as the API shows it: what was scheduled and its answer are one entry."""
    made = {e["EventId"]: e for e in events if e["EventType"] in history.SCHEDULING}
    answered = {_answered(event) for event in events}
    hidden = _NEVER_SHOWN | (set() if show_input else _INPUTS)
    hidden |= set() if show_output else _OUTPUTS
    return [
        _without(hidden, _entry(event, made))
        for event in events
        if event["EventType"] not in _EPISODE_BOUNDS and event["EventId"] not in answered
    ]


def _entry(event: Event, made: dict[int, Event]) -> Event:
    entry = {**event, "EventType": Kind(event["EventType"]).wire_name}
    if event["EventType"] == Kind.EXECUTION_STARTED:
        entry["FunctionName"] = entry.pop("Name")
    scheduled = made.get(_answered(event))
    if scheduled is not None:
        entry["ScheduledTime"] = scheduled["Timestamp"]
        shown = {"FunctionName": scheduled.get("Name"), "Input": scheduled.get("Input")}
        entry |= {key: value for key, value in shown.items() if value is not None}
    return entry


def _answered(event: Event) -> int:
    """The number of the task that this event answers; -2 for none."""
    for key in ("TaskScheduledId", "TimerId"):
        if key in event:
            return int(event[key])
    return -2


def _without(keys: set[str], entry: Event) -> Event:
    return {key: value for key, value in entry.items() if key not in keys}


def _whole_seconds(seconds: float) -> str:
    return f"{history.stamp(seconds)[:19]}Z"


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)


_EPISODE_BOUNDS = {Kind.ORCHESTRATOR_STARTED, Kind.ORCHESTRATOR_COMPLETED}
_NEVER_SHOWN = {"EventId", "TaskScheduledId", "TimerId", "Version"}
_NEVER_SHOWN |= {"OrchestrationInstance", "ParentInstance", "Tags"}
_INPUTS = {"Input"}
_OUTPUTS = {"Result"}
