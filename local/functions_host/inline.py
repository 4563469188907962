"""The engine in one thread on a virtual clock: for tests and simulation.

    engine = InlineEngine(orchestrators, activities, seed=7)
    engine.start("build", {...}, "build-1")
    engine.at(180, lambda: engine.raise_event("build-1", "cancel"))    # in three simulated minutes
    status = engine.run_until_complete("build-1", within=3600)

Among everything that could run, the seed decides what runs next; when nothing can, the clock jumps
to the next timer. The same seed repeats the same run. `crash` lets the process "die" around an
activity or an episode: their effects stay, what was not committed is done again, once what the
dead process had taken is visible again.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from local.clock import VirtualClock
from local.functions_host import engine, versions
from local.functions_host.episodes import Outcome
from local.functions_host.store import Activity, Store
from local.functions_host.views import InstanceStatus

ActivityFunction = Callable[[str], str]
_STEPS_MAX = 1_000_000  # of one run: an orchestration that never ends must not hang a test


class Crash(BaseException):
    """The process dies here: raise it from an activity, or let `crash` decide."""


class Stuck(AssertionError):  # noqa: N818 - it says what became of the run
    """The instance has not ended and nothing is left to do, or the limit is reached."""


class When(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """Where a crash can happen: before something takes effect, or before that is recorded."""

    when: When
    name: str
    """Of the activity or orchestrator function."""
    instance_id: str
    is_activity: bool


class InlineEngine(engine.Engine):
    """An engine that runs its own work, one piece at a time."""

    clock: VirtualClock

    def __init__(
        self,
        orchestrators: Mapping[str, engine.Orchestrator],
        activities: Mapping[str, ActivityFunction],
        *,
        seed: int = 0,
        clock: VirtualClock | None = None,
        path: Path | str = ":memory:",
        crash: Callable[[Moment], bool] | None = None,
        policy: versions.Policy | None = None,
        visibility: engine.Visibility | None = None,
    ) -> None:
        """Activities take and return JSON text; what they raise fails them."""
        dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
        super().__init__(
            Store(path),
            orchestrators,
            clock=clock or VirtualClock(),
            policy=policy,
            new_id=lambda: f"{dice.getrandbits(128):032x}",
            visibility=visibility,
            strict_replay=True,
        )
        self._dice = dice
        self._activities = activities
        self._crash = crash
        self._planned: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self.crashes = 0
        """How often the process has "died"."""

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Call `action` in `seconds`: something from outside, in the middle of a run."""
        entry = (self.clock.now() + seconds, next(self._order), action)
        heapq.heappush(self._planned, entry)

    def run_until_complete(
        self,
        instance_id: str,
        *,
        within: float | None = None,
    ) -> InstanceStatus:
        """Run until the instance has ended; `within`: simulated seconds. Raises Stuck, KeyError."""
        limit = None if within is None else self.clock.now() + within
        for _ in range(_STEPS_MAX):
            if self._has_ended(instance_id):
                break
            if not self.step() and not self._jump(limit):
                break
        status = self.status(instance_id)
        if status is None:
            raise KeyError(instance_id)
        if not status.runtime_status.is_final:
            raise Stuck(f"{instance_id} is {status.runtime_status} and nothing will change that")
        return status

    def run_until_idle(self) -> None:
        """Run until nothing is left, jumping over all timers; Stuck if that never happens."""
        self._run(None)

    def advance(self, seconds: float) -> None:
        """Run everything due within `seconds`; afterwards that time has passed."""
        end = self.clock.now() + seconds
        self._run(end)
        self.clock.advance_to(max(end, self.clock.now()))

    def run_ready(self) -> None:
        """Run what can run now; the clock stands still."""
        self.advance(0)

    def step(self) -> bool:
        """Do one thing that can be done now; false if there is none."""
        self.work.release(self.clock.now())
        instances, activities = self.work.instances, self.work.activities
        ready = len(instances) + len(activities)
        choices: Iterator[str | Activity] = itertools.chain(instances, activities)
        planned = bool(self._planned) and self._planned[0][0] <= self.clock.now()
        if not ready and not planned:
            return False
        chosen = self._dice.randrange(ready + planned)
        if chosen == ready:
            heapq.heappop(self._planned)[2]()
            return True
        try:
            self._do(next(itertools.islice(choices, chosen, None)))
        except Crash:
            self.crashes += 1
            self.reopen()
        return True

    def reopen(self) -> None:
        """Go on as a new process would: with nothing but what the store holds."""
        if str(self.store.path) != ":memory:":
            self.store.close()
            self.store = Store(self.store.path)
        self.work.busy.clear()
        self.reload()

    def copy_from(self, other: "InlineEngine") -> None:
        """Go on from where `other`, which is idle, has stopped; `other` keeps its own past."""
        self.store.copy_from(other.store)
        self._dice.setstate(other._dice.getstate())
        self._latest = other._latest
        self.reload()

    def _has_ended(self, instance_id: str) -> bool:
        instance = self.store.instance(instance_id)
        return instance is None or instance.status.is_final

    def _run(self, limit: float | None) -> None:
        for _ in range(_STEPS_MAX):
            if not self.step() and not self._jump(limit):
                return
        raise Stuck(f"still running after {_STEPS_MAX} steps")

    def _jump(self, limit: float | None) -> bool:
        """Move the clock to what is due next; false if there is nothing, or only beyond `limit`."""
        due = [entry for entry in (self.work.next_due, self._next_planned) if entry is not None]
        if not due or (limit is not None and min(due) > limit):
            return False
        self.clock.advance_to(max(min(due), self.clock.now()))
        return True

    @property
    def _next_planned(self) -> float | None:
        return self._planned[0][0] if self._planned else None

    def _do(self, what: str | Activity) -> None:
        if isinstance(what, Activity):
            self._run_activity(what)
        else:
            self._run_episode(what)

    def _run_episode(self, instance_id: str) -> None:
        episode = self.begin_episode(instance_id)
        if episode is None:
            return
        name = episode.instance.name
        self._perhaps_die(When.BEFORE, name, instance_id)
        answer = self.play(episode)
        self._perhaps_die(When.AFTER, name, instance_id)
        self.commit_episode(episode, answer)

    def _run_activity(self, activity: Activity) -> None:
        self.begin_activity(activity)
        name, instance_id = activity.name, activity.instance
        self._perhaps_die(When.BEFORE, name, instance_id, is_activity=True)
        outcome = self._outcome(activity)
        self._perhaps_die(When.AFTER, name, instance_id, is_activity=True)
        self.commit_activity(activity, outcome)

    def _outcome(self, activity: Activity) -> Outcome:
        function = self._activities.get(activity.name)
        if function is None:
            return Outcome.unknown(activity.name)
        try:
            return Outcome(result=function(activity.input or "null"))
        except Exception as error:  # noqa: BLE001 - whatever the app raised, the activity fails
            return Outcome.failed(activity.name, error)

    def _perhaps_die(
        self,
        when: When,
        name: str,
        instance_id: str,
        *,
        is_activity: bool = False,
    ) -> None:
        if self._crash is None:
            return
        moment = Moment(when=when, name=name, instance_id=instance_id, is_activity=is_activity)
        if self._crash(moment):
            raise Crash
