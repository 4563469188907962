"""How version 1 of the SDK is asked: with JSON; it answers with every action since the start."""

import json
from collections.abc import Sequence
from typing import Any

from local.functions_host import history
from local.functions_host.episodes import Answer
from local.functions_host.history import Event, Kind
from local.functions_host.store import Instance

# Separates the message and the state in what the SDK raises for a failed orchestrator.
_FAILURE_MARK = "\n\n$OutOfProcData$:"
# Inputs that the SDK never looks at: they would be sent every time.
_INPUT_UNREAD = history.SCHEDULING | {Kind.EXECUTION_STARTED}


def event(event: Event, text: str) -> str:
    """An event of an earlier episode."""
    return _event(event, text, is_played=True)


def request(instance: Instance, past: Sequence[Any], fresh: Sequence[Event]) -> str:
    """What an orchestrator function gets for its next episode.

    The durations that split long timers are left out, as with the newer storage providers: every
    timer is one timer.
    """
    new = (_event(each, history.stored(each), is_played=False) for each in fresh)
    rest = json.dumps(
        {
            "instanceId": instance.id,
            "parentInstanceId": instance.parent,
            "isReplaying": len(past) > 0,
            "upperSchemaVersion": 1,
            "upperSchemaVersionNew": 2,
        },
    )
    events = ",".join([*past, *new])
    return f'{{"history": [{events}], "input": {instance.input or "null"}, {rest[1:]}'


def answer(text: str) -> Answer:
    """What the function returned."""
    state: dict[str, Any] = json.loads(text)
    custom = state.get("customStatus")
    return Answer(
        actions=[action for batch in state["actions"] for action in batch],
        is_done=state["isDone"],
        output=json.dumps(state.get("output")),
        custom_status=None if custom is None else json.dumps(custom),
        custom_status_bytes=0 if custom is None else _utf16_bytes(custom),
        error=state.get("error"),
    )


def raised(error: Exception) -> Answer:
    """From the exception of the SDK, which carries the state, or from any other."""
    _, mark, state = str(error).partition(_FAILURE_MARK)
    if mark:
        return answer(state)
    return Answer.broken(f"{type(error).__name__}: {error}")


def input_text(value: str | None) -> str | None:
    """The input of an instance, as the SDK sends JSON text: in a string of JSON."""
    return None if value is None else json.dumps(value)


def _event(event: Event, text: str, *, is_played: bool) -> str:
    if event["EventType"] in _INPUT_UNREAD:
        text = json.dumps({**event, "Input": None})
    return f'{text[:-1]}, "IsPlayed": {"true" if is_played else "false"}}}'


def _utf16_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))
