"""One episode of an orchestrator: what the SDK is asked, and what it answers."""

import json
import re
from dataclasses import dataclass
from typing import Any

from local.functions_host import history, replay
from local.functions_host.history import Event, History, Kind, Mark
from local.functions_host.store import Instance, Message

# Separates the message and the state in what the SDK raises for a failed orchestrator.
_FAILURE_MARK = "\n\n$OutOfProcData$:"
# The limit of `DurableOrchestrationContext.SetCustomStatus` in the extension, of UTF-16.
_CUSTOM_STATUS_BYTES = 16 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """An orchestrator to run once more."""

    instance: Instance
    messages: list[Message]
    """What is consumed from the inbox when the episode is committed."""
    events: list[Event]
    """OrchestratorStarted, then the news."""
    request: str
    """The JSON the orchestrator function gets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an orchestrator function returned or raised. Output and custom status are JSON text."""

    actions: list[replay.Action]
    is_done: bool = False
    output: str = "null"
    custom_status: str | None = None
    custom_status_bytes: int = 0
    """As the extension counts them: of UTF-16, nothing escaped."""
    error: str | None = None
    is_broken: bool = False
    """The function failed outside the orchestrator's own code, so there is nothing to play."""

    @classmethod
    def returned(cls, text: str) -> "Answer":
        state: dict[str, Any] = json.loads(text)
        custom = state.get("customStatus")
        return cls(
            actions=[action for batch in state["actions"] for action in batch],
            is_done=state["isDone"],
            output=json.dumps(state.get("output")),
            custom_status=None if custom is None else json.dumps(custom),
            custom_status_bytes=0 if custom is None else _utf16_bytes(custom),
            error=state.get("error"),
        )

    @classmethod
    def raised(cls, error: Exception) -> "Answer":
        """From the exception of the SDK, which carries the state, or from any other."""
        _, mark, state = str(error).partition(_FAILURE_MARK)
        if mark:
            return cls.returned(state)
        return cls.broken(f"{type(error).__name__}: {error}")

    @classmethod
    def broken(cls, error: str) -> "Answer":
        return cls(actions=[], error=error, is_broken=True)

    def failure(self, name: str) -> str:
        """The extension's message for a failed instance of orchestrator `name`."""
        return f"Orchestrator function '{name}' failed: {self.error}"

    def played(self, name: str, past: list[Mark], *, strict: bool) -> replay.Played:
        """The actions played against the history; raises PlayFailed where the instance fails."""
        if self.is_broken:
            raise replay.PlayFailed(self.failure(name))
        if self.custom_status_bytes > _CUSTOM_STATUS_BYTES:
            raise replay.PlayFailed("The custom status must not be larger than 16 KB of UTF-16.")
        return replay.play(self.actions, past, strict=strict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an activity ended."""

    result: str = "null"
    """JSON text."""
    failure: str | None = None
    """What the orchestrator's exception will say."""
    details: str | None = None

    @classmethod
    def failed(cls, name: str, error: Exception) -> "Outcome":
        """In the words of the extension, with its two blanks."""
        message = f" {type(error).__name__}: {error}"
        details = {"$type": "System.Exception, System.Private.CoreLib", "Message": message}
        return cls(
            failure=f"Activity function '{name}' failed: {message}",
            details=json.dumps(details),
        )

    @classmethod
    def unknown(cls, name: str) -> "Outcome":
        return cls(failure=unknown_function(name, "an activity"))

    def event(self, task: int, at: float) -> Event:
        """The answer to the task of this number."""
        if self.failure is None:
            return history.event(Kind.TASK_COMPLETED, at, TaskScheduledId=task, Result=self.result)
        return history.event(
            Kind.TASK_FAILED,
            at,
            TaskScheduledId=task,
            Reason=self.failure,
            Details=self.details,
        )


def request(instance: Instance, past: History, fresh: list[Event]) -> str:
    """The JSON an orchestrator function gets for its next episode.

    The durations that split long timers are left out, as with the newer storage providers: every
    timer is one timer.
    """
    rest = json.dumps(
        {
            "instanceId": instance.id,
            "parentInstanceId": instance.parent,
            "isReplaying": len(past) > 0,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
        },
    )
    return f'{{"history": {past.wire(fresh)}, "input": {instance.input or "null"}, {rest[1:]}'


def _utf16_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))


def refuse_id(instance_id: str) -> None:
    """Raises ValueError for an id that the extension refuses."""
    if len(instance_id) > 100 or re.search(r"^@|[/\\#?\x00-\x1f\x7f-\x9f]", instance_id):
        raise ValueError(
            f"Invalid instance id {instance_id!r}: instance ids must not start with @, contain "
            "/, \\, #, ? or control characters, or be longer than 100 characters.",
        )


def unknown_function(name: str, kind: str) -> str:
    """The extension's words; `kind` is "an orchestrator" or "an activity"."""
    return f"The function '{name}' doesn't exist, is disabled, or is not {kind} function."
