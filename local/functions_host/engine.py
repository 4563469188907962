"""The durable engine: what the Durable Functions extension does, on one SQLite file.

It knows nothing of Azure Functions: orchestrators are functions from text to text of the SDK's
protocol, and activities are called by the driver of the engine. Two drivers share this class:
`inline.InlineEngine` runs everything in one thread on a virtual clock, `scheduler.AsyncEngine` is
the one in the host.

    say = lambda text: json.dumps(f"Hello {json.loads(text)}")
    engine = InlineEngine({"greet": df.Orchestrator.create(greet)}, {"say": say}, seed=7)
    engine.start("greet", {"name": "Ada"}, "greeting-1")
    assert engine.run_until_complete("greeting-1").output == "Hello Ada"

Every method changes the store in one transaction. An activity runs at least once: it leaves the
store only together with the insert of its result.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from local import clock as clocks
from local.functions_host import episodes, history, hub, logs, protocols, replay, versions
from local.functions_host.episodes import Answer, Episode, Outcome
from local.functions_host.history import Event, Kind
from local.functions_host.store import Activity, Instance, Query, Status, Store
from local.functions_host.views import InstanceStatus

Orchestrator = Callable[[str], str]


class AlreadyExists(Exception):  # noqa: N818 - it reads as the extension says it
    """The instance id belongs to an instance that has not ended."""


class UnknownFunction(ValueError):  # noqa: N818
    """There is no such orchestrator."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visibility:
    """For how many seconds the messages of an episode, and an activity, are hidden once they are
    taken: for so long they wait where the process that took them has died. In a living process
    they are hidden until they are done, as the extension renews this. The extension's defaults:
    https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-bindings#hostjson-settings
    """

    messages: float = 300.0
    activities: float = 300.0


class Engine(hub.Hub):
    """The rules of the task hub. All but `play` belongs to the thread of the store."""

    def __init__(
        self,
        store: Store,
        orchestrators: Mapping[str, Orchestrator],
        *,
        clock: clocks.Clock,
        policy: versions.Policy | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        visibility: Visibility | None = None,
        strict_replay: bool = False,
        protocol: protocols.SdkProtocol | None = None,
    ) -> None:
        """`protocol` is that of `orchestrators`; None: of the SDK that is installed.
        `strict_replay` also compares the inputs of tasks with the history; see `replay.play`."""
        super().__init__(
            store,
            frozenset(orchestrators),
            clock=clock,
            policy=policy or versions.Policy(),
            new_id=new_id,
            protocol=protocol or protocols.installed(),
        )
        self._orchestrators = orchestrators
        self._visibility = visibility or Visibility()
        self._strict_replay = strict_replay

    # What clients do

    def start(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the word of the protocol
        instance_id: str | None = None,
        version: str | None = None,
    ) -> str:
        """`create` with an input encoded as the SDK's client does it."""
        raw = None if input is None else self.protocol.input_text(json.dumps(input))
        return self.create(name, raw, instance_id, version)

    def create(
        self,
        name: str,
        raw_input: str | None = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> str:
        """Start an instance with the JSON text `raw_input`; returns its id.

        An instance that has ended under this id is replaced.
        Raises UnknownFunction, ValueError for a bad id, AlreadyExists.
        """
        if name not in self._orchestrators:
            known = ", ".join(f"'{each}'" for each in self._orchestrators)
            raise UnknownFunction(
                f"{episodes.unknown_function(name, 'an orchestrator')} Additional info: the "
                f"following are the known orchestrator functions: {known}.",
            )
        instance_id = instance_id or self._new_id()
        episodes.refuse_id(instance_id)
        if problem := self.taken(instance_id):
            raise AlreadyExists(problem)
        with self.changing():
            new = self.fresh(instance_id, name, raw_input)
            self.put_new(replace(new, version=self.policy.assigned(version)))
        return instance_id

    def raise_event(self, instance_id: str, name: str, raw_data: str = "null") -> bool:
        """Send the JSON text `raw_data` to who waits for `name`; false if it does not run."""
        return self._send_from_outside(instance_id, Kind.EVENT_RAISED, Name=name, Input=raw_data)

    def suspend(self, instance_id: str, reason: str | None = None) -> bool:
        """Hold everything back until `resume`; false if the instance does not run."""
        with self.changing():
            is_sent = self._send_from_outside(instance_id, Kind.EXECUTION_SUSPENDED, Reason=reason)
            if is_sent:
                self._set_status(instance_id, Status.SUSPENDED)
        return is_sent

    def resume(self, instance_id: str, reason: str | None = None) -> bool:
        """Let a suspended instance go on; false if the instance does not run."""
        with self.changing():
            is_sent = self._send_from_outside(instance_id, Kind.EXECUTION_RESUMED, Reason=reason)
            if is_sent:
                self._set_status(instance_id, Status.RUNNING)
        return is_sent

    def terminate(self, instance_id: str, reason: str | None = None) -> bool:
        """End an instance now; its activities and children go on. False if it does not run."""
        with self.changing():
            instance = self.store.instance(instance_id)
            if instance is None or instance.status.is_final:
                return False
            now, output = self.now(), json.dumps(reason)
            events = [history.event(Kind.ORCHESTRATOR_STARTED, now)]
            events += [message.event for message in self.store.messages(instance_id, now)]
            events.append(history.event(Kind.EXECUTION_TERMINATED, now, Input=output))
            self.finish(instance, events, Status.TERMINATED, output)
        return True

    def purge(self, instance_id: str) -> bool:
        """Remove an instance and its history; false if there is none."""
        with self.changing():
            known = self.store.instance(instance_id) is not None
            self.forget(instance_id)
        return known

    def restart(self, instance_id: str, *, with_new_id: bool = True) -> str:
        """Start the same again; returns the id. Raises KeyError, AlreadyExists."""
        old = self.store.instance(instance_id)
        if old is None:
            raise KeyError(instance_id)
        return self.create(old.name, old.input, None if with_new_id else old.id, old.version)

    def rewind(self, instance_id: str) -> bool:
        """Forget the failures of a failed instance and let it go on; false if it has not failed."""
        with self.changing():
            instance = self.store.instance(instance_id)
            if instance is None or instance.status is not Status.FAILED:
                return False
            self._rewind(instance)
        return True

    def status(self, instance_id: str) -> InstanceStatus | None:
        """None for an unknown instance."""
        instance = self.store.instance(instance_id)
        return None if instance is None else InstanceStatus.of(instance)

    def select(self, query: Query) -> list[InstanceStatus]:
        """The instances that match, by id."""
        return [InstanceStatus.of(instance) for instance in self.store.select(query)]

    def history(self, instance_id: str) -> list[Event]:
        """The events of the current execution; empty for an unknown or new instance."""
        return self.store.history(instance_id)

    # What a driver does: begin, play (in any thread), commit

    def begin_episode(self, instance_id: str) -> Episode | None:
        """Take what is due for the instance; None if there is nothing to run."""
        if (episode := self._news(instance_id)) is None:
            self.work.put_aside(instance_id)
            return None
        with self.store.transaction():
            until = self.now() + self._visibility.messages
            self.store.hide_messages(episode.messages, until)
        self.work.take_instance(instance_id)
        return episode

    def play(self, episode: Episode) -> Answer:
        """Call the orchestrator function. The only method that another thread may call."""
        instance = episode.instance
        function = self._orchestrators.get(instance.name)
        if function is None:
            return Answer.broken(episodes.unknown_function(instance.name, "an orchestrator"))
        if not self.policy.accepts(instance.version):
            return Answer.broken(
                f"its version '{instance.version}' is not accepted by this app, whose version is "
                f"'{self.policy.default}'",
            )
        try:
            return self.protocol.answer(function(episode.request))
        except Exception as error:  # noqa: BLE001 - whatever the app raised, its instance fails
            logs.log.debug("orchestrator %s raised", instance.name, exc_info=error)
            return self.protocol.raised(error)

    def commit_episode(self, episode: Episode, answer: Answer) -> None:
        """Record an episode: its events, new work, and whether the instance has ended."""
        instance_id = episode.instance.id
        self.work.give_back(instance_id)
        with self.changing():
            instance = self.store.instance(instance_id)
            if instance is None or instance.execution != episode.instance.execution:
                return  # purged or replaced while it ran
            if instance.status.is_final:
                return  # terminated while it ran
            self.store.drop_messages(episode.messages)
            self._record(instance, episode, answer)

    def begin_activity(self, activity: Activity) -> None:
        """Take the activity; it stays in the store, hidden, until its result is there."""
        with self.store.transaction():
            self.store.hide_activity(activity, self.now() + self._visibility.activities)
        self.work.take_activity(activity)

    def commit_activity(self, activity: Activity, outcome: Outcome) -> None:
        """Record the result, which is dropped where the instance does not wait for it any more."""
        with self.changing():
            self.store.drop_activity(activity)
            self.work.drop_activity(activity)
            answer = outcome.event(activity.task, self.now())
            self.send(activity.instance, activity.execution, answer)

    # The rules behind them

    def _send_from_outside(self, instance_id: str, kind: Kind, **fields: str | None) -> bool:
        with self.changing():
            return self.send(instance_id, None, history.from_outside(kind, self.now(), fields))

    def _set_status(self, instance_id: str, status: Status) -> None:
        instance = self.store.instance(instance_id)
        if instance is not None:
            self.store.put_instance(replace(instance, status=status, updated=self.now()))

    def _news(self, instance_id: str) -> Episode | None:
        instance = self.store.instance(instance_id)
        if instance is None or instance.status.is_final or instance.status is Status.SUSPENDED:
            return None
        if self.policy.leaves_alone(instance.version):
            return None
        now = self.now()
        messages = self.store.messages(instance_id, now)
        if not messages:
            return None
        fresh = [message.event for message in messages]
        fresh.sort(key=lambda event: event["EventType"] != Kind.EXECUTION_STARTED)
        events = [history.event(Kind.ORCHESTRATOR_STARTED, now), *fresh]
        past = self.past(instance_id)
        if not len(past) and fresh[0]["EventType"] != Kind.EXECUTION_STARTED:
            return None  # its beginning is hidden: what came later waits for it
        return Episode(
            instance=instance,
            messages=messages,
            events=events,
            request=self.protocol.request(instance, past.played, events),
        )

    def _record(self, instance: Instance, episode: Episode, answer: Answer) -> None:
        events = list(episode.events)
        marks = list(chain(self.past(instance.id).marks, map(history.mark, events)))
        if answer.custom_status != instance.custom_status:
            instance = replace(instance, custom_status=answer.custom_status)
        try:
            played = answer.played(instance.name, marks, strict=self._strict_replay)
        except replay.PlayFailed as problem:
            self.finish(instance, events, Status.FAILED, json.dumps(str(problem)))
            return
        events += [self.schedule(instance, task) for task in played.new]
        if not played.ended or not (answer.is_done or answer.error):
            self._go_on(instance, events)
        elif answer.error:
            message = answer.failure(instance.name)
            self.finish(instance, events, Status.FAILED, json.dumps(message), answer.error)
        elif played.continue_as_new is not None:
            kept = self._unclaimed(instance.id, events, played.unclaimed)
            self.continue_as_new(instance, self.protocol.input_text(played.continue_as_new), kept)
        else:
            self.finish(instance, events, Status.COMPLETED, answer.output)

    def _go_on(self, instance: Instance, events: list[Event]) -> None:
        now = self.now()
        self.append(instance.id, [*events, history.event(Kind.ORCHESTRATOR_COMPLETED, now)])
        held = instance.status is Status.SUSPENDED  # while this episode ran
        status = Status.SUSPENDED if held else Status.RUNNING
        self.store.put_instance(replace(instance, status=status, updated=now))

    def _unclaimed(
        self,
        instance_id: str,
        events: list[Event],
        positions: tuple[int, ...],
    ) -> list[Event]:
        if not positions:
            return []
        everything = [*self.store.history(instance_id), *events]
        return [everything[position] for position in positions]

    def _rewind(self, instance: Instance) -> None:
        """As the extension does: what failed becomes a generic event, and so is scheduled again."""
        events = self.store.history(instance.id)
        failed = history.failures(events)
        for position, event in enumerate(events):
            if self._is_undone(event, failed):
                generic = {
                    **event,
                    "EventType": int(Kind.GENERIC_EVENT),
                    "Data": f"Rewound: {event['EventType']}",
                }
                self.store.replace_event(instance.id, position, generic)
        self._histories.pop(instance.id, None)
        self.store.put_instance(replace(instance, status=Status.RUNNING, output=None))
        self._send_from_outside(instance.id, Kind.GENERIC_EVENT, Data="Rewind")

    def _is_undone(self, event: Event, failed: dict[int, Event]) -> bool:
        kind = event["EventType"]
        if kind == Kind.EXECUTION_COMPLETED or event in failed.values():
            return True
        if event["EventId"] not in failed:
            return False
        if kind == Kind.SUB_ORCHESTRATION_CREATED:
            return not self.rewind(event["InstanceId"])
        return bool(kind == Kind.TASK_SCHEDULED)
