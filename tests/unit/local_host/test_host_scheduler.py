"""The engine as it runs in the host: limits, late results, faults of the host itself."""

import asyncio
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from host_orchestrations import ORCHESTRATORS, RETRY_TWICE

from local.clock import ScaledClock
from local.functions_host import adapters
from local.functions_host.scheduler import AsyncEngine
from local.functions_host.store import Status, Store

GENERATORS = {each.__name__: each for each in ORCHESTRATORS}


def run(story, activities, *, store=None, orchestrators=GENERATORS, scale=1.0, **limits):
    """Run the story, a coroutine function, with an engine at work."""

    async def whole():
        now = time.time()
        threads = ThreadPoolExecutor(10)
        engine = AsyncEngine(
            store or Store(),
            adapters.orchestrators(orchestrators),
            activities,
            threads=threads,
            clock=ScaledClock(real_start=now, simulated_start=now, scale=scale),
            **limits,
        )
        engine.run()
        try:
            await asyncio.wait_for(story(engine), 60)
        finally:
            await engine.stop()
            threads.shutdown()
            engine.store.close()

    asyncio.run(whole())


async def until(engine, instance_id, wanted=lambda status: status.is_final):
    """The status of the instance, once it is what is wanted."""
    await happened(lambda: wanted(engine.status(instance_id).runtime_status))
    return engine.status(instance_id)


async def happened(condition):
    """Waits for it, letting the engine work."""
    while not condition():  # noqa: ASYNC110 - the engine tells nobody
        await asyncio.sleep(0)


async def square(text):
    return json.dumps(json.loads(text) ** 2)


async def add(text):
    return json.dumps(sum(json.loads(text)))


def test_no_more_activities_run_at_once_than_allowed():
    """maxConcurrentActivityFunctions protects the app, and Azure behind it."""
    now, most = [0], [0]

    async def slow(text):
        now[0] += 1
        most[0] = max(most[0], now[0])
        for _ in range(5):
            await asyncio.sleep(0)
        now[0] -= 1
        return await square(text)

    async def story(engine):
        engine.start("fan_out", 20, "fan")
        assert (await until(engine, "fan")).output == 2470

    run(story, {"square": slow, "add": add}, activities_max=3)
    assert most == [3]


def test_a_result_that_comes_after_the_end_goes_nowhere():
    """The instance was terminated, or purged, while its activity ran."""
    go_on = asyncio.Event()
    ran = []

    async def slow(text):
        ran.append(text)
        await go_on.wait()
        return "1"

    async def story(engine):
        for name in ("ended", "gone"):
            engine.start("in_turn", 2, name)
        await happened(lambda: len(ran) == 2)
        engine.terminate("ended", "stop")
        engine.purge("gone")
        go_on.set()
        await happened(lambda: not engine.store.activities())
        assert engine.status("ended").runtime_status is Status.TERMINATED
        assert engine.status("gone") is None

    run(story, {"square": slow})


def test_an_instance_suspended_while_its_activity_runs_waits_with_the_result():
    """The result is kept, and taken up at resume."""
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def slow(text):
        begun.set()
        await go_on.wait()
        return "7"

    async def story(engine):
        engine.start("in_turn", 1, "held")
        await begun.wait()
        engine.suspend("held")
        go_on.set()
        await happened(lambda: not engine.store.activities())
        assert engine.status("held").runtime_status is Status.SUSPENDED
        engine.resume("held")
        assert (await until(engine, "held")).output == 7

    run(story, {"square": slow})


def test_durable_timers_follow_the_scaled_clock():
    """Two hours are over in a moment at a million times the speed."""

    async def story(engine):
        engine.start("countdown", 1, "rocket")
        status = await until(engine, "rocket")
        assert status.output == "liftoff"
        assert status.updated - status.created >= 7200

    run(story, {}, scale=1_000_000)


class FullDisk(Store):
    """A store on which the first results cannot be written."""

    failures = 2

    def append_history(self, instance_id, position, events):
        if position and self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        super().append_history(instance_id, position, events)


def test_a_full_disk_stops_the_engine_and_loses_nothing(caplog, tmp_path):
    """The transaction is undone, nothing new begins, and the next engine on the store goes on."""
    faults, path = [], tmp_path / "hub"

    async def broken(engine):
        engine.start("in_turn", 3, "row")
        await happened(lambda: faults)
        engine.start("in_turn", 3, "other")
        await asyncio.sleep(0.05)
        assert engine.status("other").runtime_status is Status.PENDING

    run(broken, {"square": square}, store=FullDisk(path), broke=faults.append, scale=10_000)
    assert [str(fault) for fault in faults] == ["database or disk is full"]
    assert "disk is full" in caplog.text

    async def whole(engine):
        assert (await until(engine, "row")).output == 5
        assert (await until(engine, "other")).output == 5

    run(whole, {"square": square}, store=Store(path), scale=10_000)


def test_a_retried_activity_waits_between_its_attempts():
    """`call_activity_with_retry`, where nothing races with it."""
    attempts = []

    def persistent(context):
        return (yield context.call_activity_with_retry("flaky", RETRY_TWICE, 5))

    async def flaky(text):
        attempts.append(text)
        if len(attempts) < 3:
            raise ValueError("not yet")
        return text

    async def story(engine):
        engine.start("persistent", None, "it")
        status = await until(engine, "it")
        assert status.output == 5
        assert status.updated - status.created >= 2

    run(story, {"flaky": flaky}, orchestrators={"persistent": persistent}, scale=1000)
