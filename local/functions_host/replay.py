"""Plays the actions of an orchestrator against its history, as the Durable extension does. Pure.

The SDK replays the user's generator and returns every action since the start, without numbers. The
extension (`OutOfProcOrchestrationShim`) plays them on the Durable Task Framework, which numbers
tasks in the order they are scheduled and compares them with the history. This module does both,
quirks included, because an app should meet them here and not in production:

- Actions are awaited one after another; failures are swallowed: the SDK has raised them already.
- WHEN_ALL ends only when all children have, though the SDK raises at the first failure.
- A cancelled timer has ended at once; so later replays pass a WHEN_ANY that holds one at once.
- A retried task takes two numbers per attempt: the call, and a timer, also after the last failure.
- Nothing ends while a task or an uncancelled timer is open: `Played.ended` is false until then.
- External events wait in a stack per name, early ones in a queue; names are not case-sensitive.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from local.functions_host import history
from local.functions_host.history import Kind, Mark

Action = dict[str, Any]
_MISMATCH = (
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled "
)
_CHANGED = (
    "Was a change made to the orchestrator code after this instance had already started running?"
)


class PlayFailed(Exception):  # noqa: N818 - it reads as the engine words it
    """The instance fails with this message, whatever its code would do next."""


class NonDeterministic(PlayFailed):
    """The actions do not agree with the history."""


class Unsupported(PlayFailed):
    """The orchestrator used a part of Durable Functions that this host leaves out."""


class ActionKind(IntEnum):
    """`actionType` of the SDK."""

    CALL_ACTIVITY = 0
    CALL_ACTIVITY_WITH_RETRY = 1
    CALL_SUB_ORCHESTRATOR = 2
    CALL_SUB_ORCHESTRATOR_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    CREATE_TIMER = 5
    WAIT_FOR_EXTERNAL_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    WHEN_ANY = 11
    WHEN_ALL = 12


class TaskKind(StrEnum):
    """What takes a number in the history."""

    ACTIVITY = "activity task"
    SUB_ORCHESTRATION = "sub-orchestration"
    TIMER = "timer"


_SCHEDULED = {
    Kind.TASK_SCHEDULED: TaskKind.ACTIVITY,
    Kind.SUB_ORCHESTRATION_CREATED: TaskKind.SUB_ORCHESTRATION,
    Kind.TIMER_CREATED: TaskKind.TIMER,
}
_SUCCEEDED = {Kind.TASK_COMPLETED, Kind.SUB_ORCHESTRATION_COMPLETED, Kind.TIMER_FIRED}
_FAILED = {Kind.TASK_FAILED, Kind.SUB_ORCHESTRATION_FAILED}


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTask:
    """Work to schedule: an activity, a sub-orchestration or a timer."""

    number: int
    kind: TaskKind
    name: str = ""
    input: str | None = None
    instance_id: str | None = None
    version: str | None = None
    fire_at: float = 0.0
    """Seconds since the epoch; timers only."""

    @property
    def detail(self) -> str | None:
        return history.stamp(self.fire_at) if self.kind is TaskKind.TIMER else self.input


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """What playing the actions came to."""

    new: tuple[NewTask, ...]
    """What the history does not hold yet, by number."""
    ended: bool
    """The list is played out and nothing is open: the instance may complete, fail, go on as new."""
    continue_as_new: str | None
    """The input of the next execution."""
    unclaimed: tuple[int, ...]
    """Positions in the history of external events that nothing has waited for."""


def play(actions: list[Action], past: Iterable[Mark], *, strict: bool = False) -> Played:
    """Play `actions` against the history `past`, oldest first.

    Raises NonDeterministic where kind or name of a task differ from the history; with `strict` also
    where its input or its due time do, which the extension does not notice. Raises Unsupported for
    entities and durable HTTP.
    """
    run = _Play(actions, strict=strict)
    for position, each in enumerate(past):
        run.feed(position, each)
    return run.result()


class _Task:
    """Something that ends once; `listener` is called at that moment."""

    __slots__ = ("done", "failed", "listener")

    def __init__(self, *, done: bool = False) -> None:
        self.done = done
        self.failed = False
        self.listener: Callable[[_Task], None] | None = None

    def end(self, *, failed: bool = False) -> None:
        if self.done:
            return
        self.done, self.failed = True, failed
        if self.listener is not None:
            self.listener(self)


class _Play:
    """The state of one run of `play`."""

    def __init__(self, actions: list[Action], *, strict: bool) -> None:
        self._actions = actions
        self._strict = strict
        self._next_action = 0
        self._next_number = 0
        self._awaited = _Task()  # ends when the execution starts
        self._new: dict[int, NewTask] = {}
        self._open: dict[int, _Task] = {}
        self._waiting: defaultdict[str, list[_Task]] = defaultdict(list)
        self._early: defaultdict[str, deque[int]] = defaultdict(deque)
        self._now = 0.0
        self._continue_as_new: str | None = None

    def feed(self, position: int, event: Mark) -> None:
        """Let one event of the history happen."""
        kind = event.kind
        if kind is Kind.ORCHESTRATOR_STARTED:
            self._now = event.time
        elif kind is Kind.EXECUTION_STARTED:
            self._awaited.end()
        elif kind in _SCHEDULED:
            self._confirm(event)
        elif kind in _SUCCEEDED or kind in _FAILED:
            self._answer(event)
        elif kind is Kind.EVENT_RAISED:
            self._raise_event(position, event.name.lower())
        self._advance()

    def result(self) -> Played:
        played_out = self._awaited.done and self._next_action == len(self._actions)
        return Played(
            new=tuple(self._new[number] for number in sorted(self._new)),
            ended=played_out and not self._open,
            continue_as_new=self._continue_as_new,
            unclaimed=tuple(sorted(p for early in self._early.values() for p in early)),
        )

    def _advance(self) -> None:
        while self._awaited.done and self._next_action < len(self._actions):
            action = self._actions[self._next_action]
            self._next_action += 1
            self._awaited = self._begin(action)

    def _confirm(self, event: Mark) -> None:
        """History says that this task was scheduled: it must be what was scheduled now."""
        task = self._new.pop(event.number, None)
        kind = _SCHEDULED[event.kind]
        if task is None:
            raise _mismatch(
                event,
                "the current replay execution hasn't (yet?) scheduled this task",
            )
        if task.kind is not kind or task.name.lower() != event.name.lower():
            now = _named(task.kind, task.name)
            raise _mismatch(
                event,
                f"the current orchestration replay instead scheduled {now} at this sequence number",
            )
        if self._strict and task.detail != event.detail:
            raise NonDeterministic(
                f"{_before(event)} and {event.detail}, but the current orchestration replay gives "
                f"it {task.detail}. The extension does not notice this; the result is left to "
                "chance.",
            )

    def _answer(self, event: Mark) -> None:
        task = self._open.pop(event.number, None)
        if task is not None:  # else answered twice, or no longer waited for
            task.end(failed=event.kind in _FAILED)

    def _raise_event(self, position: int, name: str) -> None:
        if self._waiting[name]:
            self._waiting[name].pop().end()
        else:
            self._early[name].append(position)

    def _begin(self, action: Action) -> _Task:
        begin = _BEGIN.get(action["actionType"])
        if begin is None:
            kind = ActionKind(action["actionType"]).name
            raise Unsupported(f"This host leaves out entities and durable HTTP calls ({kind}).")
        return begin(self, action)

    def _schedule(self, kind: TaskKind, **details: Any) -> _Task:
        number = self._next_number
        self._next_number += 1
        self._new[number] = NewTask(number=number, kind=kind, **details)
        self._open[number] = task = _Task()
        return task

    def _call(self, action: Action) -> _Task:
        activities = (ActionKind.CALL_ACTIVITY, ActionKind.CALL_ACTIVITY_WITH_RETRY)
        is_activity = action["actionType"] in activities
        return self._schedule(
            TaskKind.ACTIVITY if is_activity else TaskKind.SUB_ORCHESTRATION,
            name=action["functionName"],
            input=action["input"],
            instance_id=action.get("instanceId"),
            version=action.get("version"),
        )

    def _create_timer(self, action: Action) -> _Task:
        number = self._next_number
        task = self._schedule(TaskKind.TIMER, fire_at=history.seconds(action["fireAt"]))
        if action["isCanceled"]:
            del self._open[number]
            task.end(failed=True)
        return task

    def _wait_for_event(self, action: Action) -> _Task:
        name = action["externalEventName"].lower()
        if self._early[name]:
            self._early[name].popleft()
            return _Task(done=True)
        task = _Task()
        self._waiting[name].append(task)
        return task

    def _go_on_as_new(self, action: Action) -> _Task:
        self._continue_as_new = action["input"]
        return _Task(done=True)

    def _when_all(self, action: Action) -> _Task:
        children = [self._begin(child) for child in action["compoundActions"]]
        return _when(children, len(children))

    def _when_any(self, action: Action) -> _Task:
        children = [self._begin(child) for child in action["compoundActions"]]
        return _when(children, min(1, len(children)))

    def _call_with_retry(self, action: Action) -> _Task:
        """`RetryInterceptor`: a call, and after each failure a timer; the last is due at once."""
        whole = _Task()
        attempts: int = action["retryOptions"]["maxNumberOfAttempts"]
        pause = action["retryOptions"]["firstRetryIntervalInMilliseconds"] / 1000

        def attempt(count: int) -> None:
            self._call(action).listener = lambda call: ended(call, count)

        def ended(call: _Task, count: int) -> None:
            if not call.failed:
                return whole.end()
            is_last = count >= attempts
            timer = self._schedule(
                TaskKind.TIMER,
                fire_at=self._now if is_last else self._now + pause,
            )
            timer.listener = lambda _: whole.end(failed=True) if is_last else attempt(count + 1)
            return None

        attempt(1)
        return whole


_BEGIN: dict[int, Callable[[_Play, Action], _Task]] = {
    ActionKind.CALL_ACTIVITY: _Play._call,
    ActionKind.CALL_ACTIVITY_WITH_RETRY: _Play._call_with_retry,
    ActionKind.CALL_SUB_ORCHESTRATOR: _Play._call,
    ActionKind.CALL_SUB_ORCHESTRATOR_WITH_RETRY: _Play._call_with_retry,
    ActionKind.CONTINUE_AS_NEW: _Play._go_on_as_new,
    ActionKind.CREATE_TIMER: _Play._create_timer,
    ActionKind.WAIT_FOR_EXTERNAL_EVENT: _Play._wait_for_event,
    ActionKind.WHEN_ANY: _Play._when_any,
    ActionKind.WHEN_ALL: _Play._when_all,
}


def _when(children: list[_Task], needed: int) -> _Task:
    """Ends when `needed` of the children have ended, however they did."""
    missing = needed - sum(child.done for child in children)
    whole = _Task(done=missing <= 0)

    def ended(_: _Task) -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            whole.end()

    for child in children:
        child.listener = ended
    return whole


def _mismatch(event: Mark, now: str) -> NonDeterministic:
    return NonDeterministic(f"{_before(event)}, but {now}. {_CHANGED}")


def _before(event: Mark) -> str:
    what = _named(_SCHEDULED[event.kind], event.name)
    return f"{_MISMATCH}{what} with sequence ID {event.number}"


def _named(kind: TaskKind, name: str) -> str:
    return f"{kind} '{name}'" if name else f"{kind}"
