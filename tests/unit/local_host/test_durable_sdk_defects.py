"""What azure-functions-durable 1.7.0 gets wrong together with the extension, pinned.

The app keeps away from these; each test says what would happen if it did not. A test that fails
after an update of the SDK is good news.
"""

from datetime import timedelta

import pytest
from host_orchestrations import RETRY_TWICE, an_engine

from local.functions_host import inline
from local.functions_host.store import Status

early = pytest.mark.filterwarnings("ignore:Potential duplicate Task completion")


def fails_first(times):
    """An activity that fails so many times before it succeeds."""
    left = [times]

    def activity(value):
        if left[0] > 0:
            left[0] -= 1
            raise ValueError("not yet")
        return value

    return activity


def outcome(orchestrator, activities=None, prepare=None):
    world = an_engine(orchestrator, activities=activities)
    world.start(orchestrator.__name__, None, "it")
    if prepare is not None:
        prepare(world)
    return world.run_until_complete("it")


@early
def test_of_two_early_events_the_first_is_lost():
    """durable-python#507: early events are kept by name; so use a fresh name per wait."""

    def two_waits(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        one = yield context.wait_for_external_event("note")
        two = yield context.wait_for_external_event("note")
        return [one, two]

    def raise_two(world):
        world.raise_event("it", "note", "1")
        world.raise_event("it", "note", "2")

    assert outcome(two_waits, prepare=raise_two).output == [2, 2]


@early
def test_an_early_event_that_is_awaited_twice_leaves_the_instance_running():
    """The SDK finishes, the extension waits for a second event."""

    def two_waits(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        yield context.wait_for_external_event("note")
        yield context.wait_for_external_event("note")
        return "done"

    with pytest.raises(inline.Stuck, match="it is Running"):
        outcome(two_waits, prepare=lambda world: world.raise_event("it", "note", "1"))


def test_a_retry_beside_a_timer_that_is_cancelled_fails():
    """Once cancelled, the timer ends the task_any early, and the numbers shift."""

    def race(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        work = context.call_activity_with_retry("flaky", RETRY_TWICE, 7)
        yield context.task_any([work, timer])
        timer.cancel()
        return (yield context.call_activity("square", 2))

    status = outcome(race, {"flaky": fails_first(1)})

    assert status.runtime_status is Status.FAILED
    assert status.output.startswith("Non-Deterministic workflow detected")


def test_waiting_for_some_of_several_retried_tasks_fails():
    """durable-python#603: in production a silent hang, here found as non-determinism."""

    def two_of_three(context):
        tasks = [context.call_activity_with_retry(f"part_{n}", RETRY_TWICE, n) for n in range(3)]
        done = []
        while len(done) < 2:
            winner = yield context.task_any(tasks)
            tasks.remove(winner)
            done.append(winner.result)
        return (yield context.call_activity("add", done))

    outputs = []
    for seed in range(20):  # it takes a success, a failure, a success, in this order
        parts = {"part_0": fails_first(2), "part_1": fails_first(0), "part_2": fails_first(0)}
        world = an_engine(two_of_three, activities=parts, seed=seed)
        world.start("two_of_three", None, "it")
        outputs.append(str(world.run_until_complete("it").output))

    assert any(output.startswith("Non-Deterministic workflow detected") for output in outputs)


def test_the_activity_after_a_failed_task_all_gets_a_timers_result():
    """Completed, with a wrong result: the SDK goes on before the retried task has ended."""

    def recovers(context):
        try:
            yield context.task_all(
                [
                    context.call_activity("boom", 1),
                    context.call_activity_with_retry("flaky", RETRY_TWICE, 5),
                ],
            )
        except Exception:  # noqa: BLE001 - the SDK raises nothing narrower
            return (yield context.call_activity("square", 4))

    results = set()
    for seed in range(10):
        world = an_engine(recovers, activities={"flaky": fails_first(1)}, seed=seed)
        world.start("recovers", None, "it")
        results.add(world.run_until_complete("it").output)

    assert None in results


def test_a_failed_task_in_task_any_is_an_exception_object():
    """It is not raised: never read `.result` of a task that may have failed."""

    def one_of_one(context):
        winner = yield context.task_any([context.call_activity("boom", 1)])
        return type(winner.result).__name__

    assert outcome(one_of_one).output == "Exception"


def test_task_all_raises_at_the_first_failure_but_the_next_step_waits():
    """The extension starts nothing new until all children have ended."""
    order = []

    def recovers(context):
        try:
            yield context.task_all(
                [context.call_activity("boom", 1), context.call_activity("note", 2)]
            )
        except Exception:  # noqa: BLE001 - the SDK raises nothing narrower
            return (yield context.call_activity("note", 3))

    for seed in range(6):
        order.clear()
        world = an_engine(recovers, activities={"note": order.append}, seed=seed)
        world.start("recovers", None, "it")
        world.run_until_complete("it")
        assert order == [2, 3]


def test_an_event_raised_by_the_client_arrives_as_a_string_of_json():
    """durable-python#295: `raise_event` encodes twice, so decode what is a string."""
    import asyncio

    from local.functions_host import local_client

    world = an_engine()
    client = local_client.open_client(world)
    world.start("approval", None, "it")
    world.run_ready()

    asyncio.run(client.raise_event("it", "approve", {"by": "me"}))

    assert world.run_until_complete("it").output == '{"by": "me"}'
