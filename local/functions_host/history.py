"""The history of one execution: its events as the Durable extension writes them, in two forms.

An event is a dictionary with the extension's names (`EventType`, `EventId`, `Timestamp`, ...). The
store keeps it as JSON text. A running instance keeps, per event, what the SDK gets (which its
protocol decides) and a `Mark`, the few facts that replaying needs; so no episode makes again what
an earlier one has.
"""

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple

Event = dict[str, Any]


class Kind(IntEnum):
    """`EventType` of DurableTask.Core; only the kinds this host writes."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    SUB_ORCHESTRATION_CREATED = 7
    SUB_ORCHESTRATION_COMPLETED = 8
    SUB_ORCHESTRATION_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    GENERIC_EVENT = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20

    @property
    def wire_name(self) -> str:
        """As the API shows it: `TaskCompleted`, `SubOrchestrationInstanceFailed`."""
        name = "".join(word.capitalize() for word in self.name.split("_"))
        return name.replace("SubOrchestration", "SubOrchestrationInstance")


SCHEDULING = frozenset(
    {Kind.TASK_SCHEDULED, Kind.SUB_ORCHESTRATION_CREATED, Kind.TIMER_CREATED},
)
_FAILURES = frozenset({Kind.TASK_FAILED, Kind.SUB_ORCHESTRATION_FAILED})
_NO_NUMBER = -1  # `EventId` of events that schedule nothing


class Mark(NamedTuple):
    """What replaying needs of an event."""

    kind: Kind
    number: int
    """The task this event schedules or answers; -1 for none."""
    name: str
    """Of the function or the external event; empty for none."""
    time: float
    """Seconds since the epoch; only of ORCHESTRATOR_STARTED, else 0."""
    detail: str | None
    """What strict replay compares: the input of a scheduled task, the due time of a timer."""


@functools.lru_cache(maxsize=64)  # what happens together has one time
def stamp(seconds: float) -> str:
    """Seconds since the epoch as the ISO text of the protocol, in microseconds."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def seconds(text: str) -> float:
    """The inverse of `stamp`; also accepts fewer digits and offsets."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def event(kind: Kind, at: float, *, number: int = _NO_NUMBER, **fields: object) -> Event:
    """An event of `kind`; `fields` are those the extension writes for it."""
    return {"EventType": int(kind), "EventId": number, "Timestamp": stamp(at), **fields}


def from_outside(kind: Kind, at: float, fields: dict[str, str | None]) -> Event:
    """An event from outside."""
    return {**event(kind, at), **fields}


def mark(event: Event) -> Mark:
    kind = Kind(event["EventType"])
    answered = event.get("TaskScheduledId", event.get("TimerId"))
    return Mark(
        kind=kind,
        number=event["EventId"] if answered is None else answered,
        name=event.get("Name") or "",
        time=seconds(event["Timestamp"]) if kind is Kind.ORCHESTRATOR_STARTED else 0.0,
        detail=event.get("Input", event.get("FireAt")) if kind in SCHEDULING else None,
    )


Encode = Callable[[Event, str], Any]
"""An event, and the text that is stored of it, as the SDK gets it once its episode is past."""


class History:
    """The past of one execution, in memory."""

    def __init__(self, texts: Sequence[str], encode: Encode) -> None:
        """From the events as they are stored."""
        self.marks: list[Mark] = []
        self.played: list[Any] = []
        self._encode = encode
        self.append([json.loads(text) for text in texts], texts)

    def __len__(self) -> int:
        return len(self.marks)

    def append(self, events: Iterable[Event], texts: Iterable[str]) -> None:
        """Add events, and what is stored of them."""
        for each, text in zip(events, texts, strict=True):
            self.marks.append(mark(each))
            self.played.append(self._encode(each, text))


def stored(event: Event) -> str:
    """An event as the store keeps it."""
    return json.dumps(event)


def failures(events: Iterable[Event]) -> dict[int, Event]:
    """The failed tasks and sub-orchestrations, by task number."""
    return {e["TaskScheduledId"]: e for e in events if e["EventType"] in _FAILURES}
