"""What could be done now or later: the index in memory over the store's inbox and activities."""

import collections
import heapq
import itertools
from collections.abc import Collection

from local.functions_host.store import Activity, Store


class Work:
    """Instances with something due, activities to run, and when the next timer is due."""

    def __init__(self, store: Store, busy: set[str | int] | None = None) -> None:
        """From what the store holds, as after a restart; `busy` is being worked on already."""
        self.busy: set[str | int] = set() if busy is None else busy
        self._ready: dict[
            str, None
        ] = {}  # a set that keeps its order, so that a seed repeats a run
        self._queued: dict[int, Activity] = {}
        self._hidden: dict[int, tuple[float, Activity]] = {}  # until when; taken by another process
        self._timers: list[tuple[float, int, str]] = []
        self._coming: collections.Counter[str] = collections.Counter()  # timers, by instance
        self._order = itertools.count()
        for due, instance in store.due_times():
            self.expect(instance, due)
        hidden = store.hidden_activities()
        for activity in store.activities():
            if activity.id in hidden:
                self._hidden[activity.id] = (hidden[activity.id], activity)
            else:
                self.queue(activity)

    def expect(self, instance: str, due: float) -> None:
        """Something for the instance is due then."""
        heapq.heappush(self._timers, (due, next(self._order), instance))
        self._coming[instance] += 1

    def wake(self, instance: str) -> None:
        """Something for the instance is due now."""
        self._ready[instance] = None

    def queue(self, activity: Activity) -> None:
        self._queued[activity.id] = activity

    def forget(self, instance: str) -> None:
        """The instance ended: its timers must not move a clock any more."""
        self._ready.pop(instance, None)
        if self._coming.pop(instance, 0):
            self._timers = [entry for entry in self._timers if entry[2] != instance]
            heapq.heapify(self._timers)

    def release(self, now: float) -> None:
        """Wake the instances whose timers are due; queue the activities that come back."""
        while self._timers and self._timers[0][0] <= now:
            instance = heapq.heappop(self._timers)[2]
            self._coming[instance] -= 1
            self.wake(instance)
        for key in [key for key, (until, _) in self._hidden.items() if until <= now]:
            self.queue(self._hidden.pop(key)[1])

    @property
    def next_due(self) -> float | None:
        """When there is something to release next, in epoch seconds."""
        timer = [self._timers[0][0]] if self._timers else []
        return min([*timer, *(until for until, _ in self._hidden.values())], default=None)

    @property
    def instances(self) -> Collection[str]:
        """Ready and not being worked on, longest first; a view, where that is all of them."""
        if self._ready.keys().isdisjoint(self.busy):
            return self._ready.keys()
        return [instance for instance in self._ready if instance not in self.busy]

    @property
    def activities(self) -> Collection[Activity]:
        """Queued and not being worked on, oldest first; a view, where that is all of them."""
        if self._queued.keys().isdisjoint(self.busy):
            return self._queued.values()
        return [activity for key, activity in self._queued.items() if key not in self.busy]

    def put_aside(self, instance: str) -> None:
        """There is nothing to do for it now."""
        self._ready.pop(instance, None)

    def take_instance(self, instance: str) -> None:
        self.put_aside(instance)
        self.busy.add(instance)

    def take_activity(self, activity: Activity) -> None:
        self.busy.add(activity.id)

    def give_back(self, key: str | int) -> None:
        """The instance or activity is no longer being worked on."""
        self.busy.discard(key)

    def drop_activity(self, activity: Activity) -> None:
        self._queued.pop(activity.id, None)
        self._hidden.pop(activity.id, None)
        self.busy.discard(activity.id)
