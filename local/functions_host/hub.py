"""The changes of which everything the engine does is made; each keeps store and memory in step."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from local import clock as clocks
from local.functions_host import episodes, history, logs, protocols, versions
from local.functions_host.history import Event, History, Kind
from local.functions_host.replay import NewTask, TaskKind
from local.functions_host.store import Activity, Instance, Status, Store
from local.functions_host.work import Work

_HISTORIES_KEPT = 4096  # of instances that ran last, 10 KB each; others are read again


class Hub:
    """Instances, their histories, messages between them, and the work that follows."""

    def __init__(
        self,
        store: Store,
        orchestrators: frozenset[str],
        *,
        clock: clocks.Clock,
        policy: versions.Policy,
        new_id: Callable[[], str],
        protocol: protocols.SdkProtocol,
    ) -> None:
        self.store = store
        self.clock = clock
        self.policy = policy
        self.protocol = protocol
        self.work = Work(store)
        self._known = orchestrators
        self._new_id = new_id
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._latest = 0.0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction; if it fails, what is in memory is read again."""
        try:
            with self.store.transaction():
                yield
        except BaseException:
            self.reload()
            raise
        self.arrived()

    def reload(self) -> None:
        """Forget what is in memory, as a restart does."""
        self._histories.clear()
        self.work = Work(self.store, self.work.busy)

    def arrived(self) -> None:
        """Something changed, so there may be work: a driver that sleeps overrides this."""

    def now(self) -> float:
        """The clock, except that it never goes back."""
        self._latest = max(self._latest, self.clock.now())
        return self._latest

    def past(self, instance_id: str) -> History:
        """The history of the instance's current execution."""
        found = self._histories.get(instance_id)
        if found is None:
            texts = self.store.history_texts(instance_id)
            found = self._histories[instance_id] = History(texts, self.protocol.event)
            if len(self._histories) > _HISTORIES_KEPT:
                self._histories.popitem(last=False)
        self._histories.move_to_end(instance_id)
        return found

    def taken(self, instance_id: str) -> str | None:
        """Why the id cannot be used for a new instance; None if it can."""
        instance = self.store.instance(instance_id)
        if instance is None or instance.status.is_final:
            return None
        return f"An Orchestration instance with the status {instance.status} already exists."

    def put_new(self, instance: Instance) -> None:
        """Create an instance in place of an ended one, and start it."""
        self.forget(instance.id)
        self.store.put_instance(instance)
        self._send_started(instance)

    def fresh(self, instance_id: str, name: str, raw_input: str | None) -> Instance:
        """A new instance, pending, with a new execution id; not stored yet."""
        now = self.now()
        return Instance(
            id=instance_id,
            execution=self._new_id(),
            name=name,
            version=self.policy.assigned(None),
            status=Status.PENDING,
            input=raw_input,
            created=now,
            updated=now,
        )

    def forget(self, instance_id: str) -> None:
        self.store.forget(instance_id)
        self.work.forget(instance_id)
        self._histories.pop(instance_id, None)

    def send(self, instance_id: str, execution: str | None, event: Event) -> bool:
        """A message, due now; false if its receiver has ended."""
        instance = self.store.instance(instance_id)
        if instance is None or instance.status.is_final:
            return False
        if execution not in (None, instance.execution):
            return False
        self.store.send(instance_id, execution, self.now(), event)
        self.work.wake(instance_id)
        return True

    def append(self, instance_id: str, events: list[Event]) -> None:
        """Add events to the history."""
        past, texts = self.past(instance_id), [history.stored(event) for event in events]
        self.store.append_history(instance_id, len(past), texts)
        past.append(events, texts)

    def schedule(self, instance: Instance, task: NewTask) -> Event:
        """Queue new work of an orchestrator; returns the event that says so."""
        match task.kind:
            case TaskKind.ACTIVITY:
                return self._schedule_activity(instance, task)
            case TaskKind.TIMER:
                return self._schedule_timer(instance, task)
            case TaskKind.SUB_ORCHESTRATION:
                return self._schedule_child(instance, task)

    def finish(
        self,
        instance: Instance,
        events: list[Event],
        status: Status,
        output: str,
        details: str | None = None,
    ) -> None:
        """End the instance with the JSON text `output` and send its parent the outcome."""
        now = self.now()
        if status is not Status.COMPLETED:
            where = f"{instance.name} of {instance.id}"
            logs.log.info("orchestration %s is %s: %s", where, status, logs.line(output))
        ended = history.event(
            Kind.EXECUTION_COMPLETED,
            now,
            OrchestrationStatus=status,
            Result=output,
        )
        self.append(instance.id, [*events, ended, history.event(Kind.ORCHESTRATOR_COMPLETED, now)])
        self.store.put_instance(replace(instance, status=status, output=output, updated=now))
        self.store.clear_inbox(instance.id)
        self.work.forget(instance.id)
        self._histories.pop(instance.id, None)
        self._answer_parent(instance, status, output, details)

    def continue_as_new(self, instance: Instance, raw_input: str | None, kept: list[Event]) -> None:
        """Begin a new execution; `kept` are events from outside that no task has waited for."""
        now = self.now()
        new = replace(
            instance,
            execution=self._new_id(),
            input=raw_input,
            status=Status.SUSPENDED if instance.status is Status.SUSPENDED else Status.RUNNING,
            custom_status=None,
            updated=now,
        )
        self.store.start_over(new, instance.execution)
        self.work.forget(instance.id)
        self._histories.pop(instance.id, None)
        self._send_started(new)
        for each in kept:
            self.send(new.id, None, each)

    def _send_started(self, instance: Instance) -> None:
        identity = {"InstanceId": instance.id, "ExecutionId": instance.execution}
        parent = instance.parent and {
            "OrchestrationInstance": {
                "InstanceId": instance.parent,
                "ExecutionId": instance.parent_execution,
            },
            "TaskScheduleId": instance.parent_task,
        }
        started = history.event(
            Kind.EXECUTION_STARTED,
            self.now(),
            Name=instance.name,
            Version=instance.version,
            Input=instance.input,
            OrchestrationInstance=identity,
            ParentInstance=parent,
            Tags=None,
        )
        self.send(instance.id, instance.execution, started)

    def _schedule_activity(self, instance: Instance, task: NewTask) -> Event:
        row = Activity(
            id=0,
            instance=instance.id,
            execution=instance.execution,
            task=task.number,
            name=task.name,
            input=task.input,
        )
        self.work.queue(self.store.queue_activity(row))
        return history.event(
            Kind.TASK_SCHEDULED,
            self.now(),
            number=task.number,
            Name=task.name,
            Version="",
            Input=task.input,
        )

    def _schedule_timer(self, instance: Instance, task: NewTask) -> Event:
        fire_at = history.stamp(task.fire_at)
        fired = history.event(
            Kind.TIMER_FIRED,
            task.fire_at,
            TimerId=task.number,
            FireAt=fire_at,
        )
        self.store.send(instance.id, instance.execution, task.fire_at, fired)
        self.work.expect(instance.id, task.fire_at)
        return history.event(
            Kind.TIMER_CREATED,
            self.now(),
            number=task.number,
            FireAt=fire_at,
        )

    def _schedule_child(self, parent: Instance, task: NewTask) -> Event:
        child_id = task.instance_id or f"{parent.execution}:{task.number}"
        child = replace(
            self.fresh(child_id, task.name, self.protocol.input_text(task.input)),
            version=self.policy.assigned(task.version),
            parent=parent.id,
            parent_execution=parent.execution,
            parent_task=task.number,
        )
        if problem := self._refusal(parent, child):
            self.send(parent.id, parent.execution, _failed_child(self.now(), task.number, problem))
        else:
            self.put_new(child)
        return history.event(
            Kind.SUB_ORCHESTRATION_CREATED,
            self.now(),
            number=task.number,
            Name=task.name,
            Version=child.version,
            InstanceId=child_id,
            Input=task.input,
        )

    def _refusal(self, parent: Instance, child: Instance) -> str | None:
        if child.name not in self._known:
            return episodes.unknown_function(child.name, "an orchestrator")
        if child.id in (parent.id, parent.parent):
            return (
                "The instance ID of a sub-orchestration must be different than the instance ID "
                "of a parent orchestration."
            )
        return self.taken(child.id)

    def _answer_parent(
        self,
        child: Instance,
        status: Status,
        output: str,
        details: str | None,
    ) -> None:
        if child.parent is None or child.parent_task is None:
            return
        number, now = child.parent_task, self.now()
        if status is Status.COMPLETED:
            event = history.event(
                Kind.SUB_ORCHESTRATION_COMPLETED,
                now,
                TaskScheduledId=number,
                Result=output,
            )
        else:
            event = _failed_child(now, number, json.loads(output), details)
        self.send(child.parent, child.parent_execution, event)


def _failed_child(at: float, number: int, reason: str | None, details: str | None = None) -> Event:
    return history.event(
        Kind.SUB_ORCHESTRATION_FAILED,
        at,
        TaskScheduledId=number,
        Reason=reason,
        Details=details,
    )
