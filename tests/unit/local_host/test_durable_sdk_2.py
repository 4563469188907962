"""What version 2 of azure-functions-durable does otherwise than version 1, pinned.

Its own faults first: the app keeps away from these. A test of them that fails after an update of
the SDK is good news.
"""

import asyncio
import importlib.metadata
import inspect
from datetime import timedelta

import azure.durable_functions as df
import pytest
from host_orchestrations import RETRY_TWICE, an_engine

from local.functions_host import history, local_client, protobuf_protocol, versions
from local.functions_host.history import Kind
from local.functions_host.store import Status
from shared.engine import durable_task


def test_these_are_tests_of_version_2():
    """A run that found version 1 would prove nothing."""
    assert importlib.metadata.version("azure-functions-durable").startswith("2.")


# What it gets wrong


def test_instances_of_version_1_cannot_go_on():
    """Its tasks are numbered from 1 (`next_sequence_number` of durabletask's worker.py), those of
    version 1 from 0: running instances end on version 1, or move to a new task hub.
    https://github.com/microsoft/durabletask-python/blob/main/azure-functions-durable/MIGRATION_GUIDE.md
    """
    world = an_engine()
    world.start("in_turn", 2, "old")
    instance = world.store.instance("old")
    (started,) = [message.event for message in world.store.messages("old", world.clock.now())]
    past = [
        history.event(Kind.ORCHESTRATOR_STARTED, 0),
        started,
        history.event(Kind.TASK_SCHEDULED, 0, number=0, Name="square", Version="", Input="0"),
    ]
    told = [
        history.event(Kind.ORCHESTRATOR_STARTED, 1),
        history.event(Kind.TASK_COMPLETED, 1, TaskScheduledId=0, Result="0"),
    ]

    request = protobuf_protocol.request(instance, [protobuf_protocol.event(e) for e in past], told)
    answer = protobuf_protocol.answer(world._orchestrators["in_turn"](request))

    assert "doesn't have this action with this ID" in str(answer.error)


def test_children_get_no_default_version():
    """The extension tells `defaultVersion` with each request, and worker.py does not read it. So
    code must not ask a child for `context.version`.
    """

    def asks_child(context):
        version = yield context.call_sub_orchestrator("versioned", None, "child")
        return [context.version, version]

    world = an_engine(asks_child, policy=versions.Policy(default="1.9"))
    world.start("asks_child", None, "it")

    own, of_child = world.run_until_complete("it").output
    assert own == "1.9"
    assert not of_child


def test_events_that_nobody_awaits_are_lost_with_continue_as_new():
    """`DurableOrchestrationContext.continue_as_new` does not pass `save_events`."""
    world = an_engine()
    world.start("collect", [], "it")
    world.raise_event("it", "event-0", '"ada"')
    world.raise_event("it", "event-1", '"bob"')
    world.run_ready()

    assert world.status("it").runtime_status is Status.RUNNING
    world.raise_event("it", "event-1", '"bob"')
    world.raise_event("it", "event-2", '"eve"')
    world.run_ready()
    world.raise_event("it", "event-2", '"eve"')
    assert world.run_until_complete("it").output == ["ada", "bob", "eve"]


def test_instances_cannot_be_listed_by_prefix():
    """So the sweep reads all instances that run."""
    parameters = inspect.signature(df.DurableFunctionsClient.get_status_by).parameters
    assert "instance_id_prefix" not in parameters


# What it does right, and version 1 does not


def outcome(orchestrator, activities=None):
    world = an_engine(orchestrator, activities=activities)
    world.start(orchestrator.__name__, None, "it")
    return world.run_until_complete("it").output


def fails_once(value, failed=[]):  # noqa: B006 - it counts
    failed.append(value)
    if failed.count(value) == 1:
        raise ValueError("not yet")
    return value


def test_early_events_arrive_in_their_order():
    def two_waits(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        one = yield context.wait_for_external_event("note")
        two = yield context.wait_for_external_event("note")
        return [one, two]

    world = an_engine(two_waits)
    world.start("two_waits", None, "it")
    world.raise_event("it", "note", "1")
    world.raise_event("it", "note", "2")

    assert world.run_until_complete("it").output == [1, 2]


def test_a_retry_can_race_a_timer():
    def race(context):
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        work = context.call_activity_with_retry("fails_once", RETRY_TWICE, 7)
        first = yield context.task_any([work, timer])
        timer.cancel()
        return [first.result, (yield context.call_activity("square", 2))]

    assert outcome(race, {"fails_once": fails_once}) == [7, 4]


@pytest.mark.parametrize("retry", [True, False])
def test_task_all_raises_once_every_task_has_ended(retry):
    ended = []

    def recovers(context):
        other = (
            context.call_activity_with_retry("fails_once", RETRY_TWICE, 5)
            if retry
            else context.call_activity("note", 2)
        )
        try:
            yield context.task_all([context.call_activity("boom", 1), other])
        except Exception:  # noqa: BLE001 - the SDK raises nothing narrower
            return (yield context.call_activity("note", 3))

    outcome(recovers, {"fails_once": fails_once, "note": ended.append})
    assert ended == ([3] if retry else [2, 3])


def test_a_failed_task_of_task_any_is_told_without_raising():
    """`.result` would raise, so the app asks `durable_task`."""

    def one_of_one(context):
        task = context.call_activity("boom", 1)
        yield context.task_any([task])
        return [durable_task.has_ended(task), str(durable_task.result(task))]

    assert outcome(one_of_one) == [True, "it: Activity task #1 failed: boom 1"]


def test_an_event_raised_by_the_client_arrives_as_it_was_sent():
    world = an_engine()
    world.start("approval", None, "it")
    world.run_ready()

    asyncio.run(local_client.open_client(world).raise_event("it", "approve", {"by": "me"}))

    assert world.run_until_complete("it").output == {"by": "me"}


def test_a_timer_that_nobody_awaits_does_not_hold_the_end_back():
    def forgets(context):
        context.create_timer(context.current_utc_datetime + timedelta(days=1))
        return (yield context.call_activity("square", 3))

    world = an_engine(forgets)
    world.start("forgets", None, "it")
    assert world.run_until_complete("it", within=1).output == 9


def test_a_custom_status_can_be_zero():
    def tells_zero(context):
        context.set_custom_status(0)
        yield context.call_activity("square", 1)

    world = an_engine(tells_zero)
    world.start("tells_zero", None, "it")
    assert world.run_until_complete("it").custom_status == 0
