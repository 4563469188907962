"""The engine in the host: event-driven on the host's loop, user code in the worker's threads.

Nothing polls. Whatever changes the store calls `arrived`, which looks for work in the next turn of
the loop; an alarm is set for the next durable timer.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor

from local import clock as clocks
from local.functions_host import engine, logs, versions
from local.functions_host.episodes import Episode, Outcome
from local.functions_host.store import Activity, Store

ActivityFunction = Callable[[str], Awaitable[str]]


class AsyncEngine(engine.Engine):
    """An engine that runs its own work while it is `running`."""

    def __init__(
        self,
        store: Store,
        orchestrators: Mapping[str, engine.Orchestrator],
        activities: Mapping[str, ActivityFunction],
        *,
        clock: clocks.Clock,
        threads: Executor,
        policy: versions.Policy | None = None,
        visibility: engine.Visibility | None = None,
        activities_max: int = 10,
        orchestrators_max: int = 10,
        broke: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Activities take and return JSON text, and do their work in another thread, as
        orchestrators do in one of `threads`, which its maker ends.

        `broke` learns of a fault of the host itself, such as a full disk. Nothing begins after it:
        a started process goes on from the store, and one that half works would lose work unseen.
        """
        super().__init__(store, orchestrators, clock=clock, policy=policy, visibility=visibility)
        self._threads = threads
        self._activities = activities
        self._activities_max = activities_max
        self._orchestrators_max = orchestrators_max
        self._broke = broke
        self._episodes: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_woken = False
        self._alarm: asyncio.TimerHandle | None = None

    def run(self) -> None:
        """Begin to work, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self.arrived()

    async def stop(self, grace_seconds: float = 0.0) -> None:
        """Begin nothing new; give what runs a moment to end. The rest runs again next time."""
        self._loop = None
        if self._alarm is not None:
            self._alarm.cancel()
        running = self._episodes | self._calls
        if running:
            await asyncio.wait(running, timeout=grace_seconds)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def arrived(self) -> None:
        if self._loop is not None and not self._is_woken:
            self._is_woken = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._is_woken = False
        if self._loop is None:
            return
        try:
            self._begin_all(self._loop)
        except sqlite3.Error as fault:
            self._break(fault)

    def _break(self, fault: BaseException) -> None:
        logs.log.error("a fault of the host itself: %s", fault, exc_info=fault)
        self._loop = None
        if self._broke is not None:
            self._broke(fault)

    def _begin_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start what can start."""
        self.work.release(self.now())
        for instance_id in list(self.work.instances):
            if len(self._episodes) >= self._orchestrators_max:
                break
            if (episode := self.begin_episode(instance_id)) is not None:
                self._spawn(loop, self._episodes, self._run_episode(episode))
        room = self._activities_max - len(self._calls)
        for activity in list(itertools.islice(self.work.activities, room)):
            self.begin_activity(activity)
            self._spawn(loop, self._calls, self._run_activity(activity))
        self._set_alarm(loop)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if (due := self.work.next_due) is not None:
            wait = self.clock.real_seconds(due - self.now())
            self._alarm = loop.call_later(wait, self._look)

    def _spawn(
        self,
        loop: asyncio.AbstractEventLoop,
        running: set[asyncio.Task[None]],
        work: Coroutine[None, None, None],
    ) -> None:
        task = loop.create_task(work)
        running.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            if not task.cancelled() and (fault := task.exception()):
                self._break(fault)
            else:
                self.arrived()

        task.add_done_callback(ended)

    async def _run_episode(self, episode: Episode) -> None:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, self.play, episode)
        self.commit_episode(episode, answer)

    async def _run_activity(self, activity: Activity) -> None:
        self.commit_activity(activity, await self._outcome(activity))

    async def _outcome(self, activity: Activity) -> Outcome:
        function = self._activities.get(activity.name)
        if function is None:
            return Outcome.unknown(activity.name)
        try:
            return Outcome(result=await function(activity.input or "null"))
        except Exception as error:  # noqa: BLE001 - whatever the app raised, the activity fails
            where = f"activity {activity.name} of {activity.instance}"
            logs.log.info("%s failed: %s", where, logs.describe(error))
            return Outcome.failed(activity.name, error)
