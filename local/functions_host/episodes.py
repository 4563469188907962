"""One episode of an orchestrator: what it is asked, and what it answers, in any protocol."""

import json
import re
from dataclasses import dataclass, field

from local.functions_host import history, replay
from local.functions_host.history import Event, Kind, Mark
from local.functions_host.store import Instance, Message

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
    """What the orchestrator function gets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What an orchestrator function returned or raised. Output and custom status are JSON text."""

    actions: list[replay.Action] = field(default_factory=list)
    """All since the start, to be played against the history."""
    played_out: replay.Played | None = None
    """What the actions come to, where the SDK itself has compared them with the history."""
    is_done: bool = False
    output: str = "null"
    custom_status: str | None = None
    custom_status_bytes: int = 0
    """As the extension counts them: of UTF-16, nothing escaped."""
    error: str | None = None
    is_broken: bool = False
    """The function failed outside the orchestrator's own code, so there is nothing to play."""

    @classmethod
    def broken(cls, error: str) -> "Answer":
        return cls(error=error, is_broken=True)

    def failure(self, name: str) -> str:
        """The extension's message for a failed instance of orchestrator `name`."""
        if self.played_out is not None:
            return self.error or ""
        return f"Orchestrator function '{name}' failed: {self.error}"

    def played(self, name: str, past: list[Mark], *, strict: bool) -> replay.Played:
        """The actions played against the history; raises PlayFailed where the instance fails."""
        if self.is_broken:
            raise replay.PlayFailed(self.failure(name))
        if self.custom_status_bytes > _CUSTOM_STATUS_BYTES:
            raise replay.PlayFailed("The custom status must not be larger than 16 KB of UTF-16.")
        return self.played_out or replay.play(self.actions, past, strict=strict)


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
