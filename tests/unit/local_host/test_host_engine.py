"""Stories of whole orchestrations on the SDK's replay engine, in one thread, on a virtual clock."""

import json
from datetime import timedelta

import pytest
from host_orchestrations import an_engine, only_version_1

from local.clock import VirtualClock
from local.functions_host import engine, inline
from local.functions_host.history import Kind
from local.functions_host.store import Query, Status

SEEDS = range(5)


def kinds(events):
    return [Kind(event["EventType"]) for event in events]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fan_out_comes_together_whatever_the_order(seed):
    """Activities end in any order; results must come back in the order of the calls."""
    world = an_engine(seed=seed)
    world.start("fan_out", 5, "fan")

    status = world.run_until_complete("fan")

    assert status.runtime_status is Status.COMPLETED
    assert status.output == 0 + 1 + 4 + 9 + 16
    assert status.custom_status == {"phase": "sum"}


def test_the_same_seed_repeats_a_run_exactly():
    """A failing simulation is of use only if it can be run again."""
    histories = []
    for _ in range(2):
        world = an_engine(seed=11)
        world.start("parent", [3, 4], "family")
        world.run_until_idle()
        histories.append([world.history(i) for i in ("family", "family:3", "family:4")])

    assert histories[0] == histories[1]


def test_another_seed_runs_in_another_order():
    """Otherwise a thousand seeds would test one order."""
    orders = set()
    for seed in range(20):
        world = an_engine(seed=seed)
        world.start("fan_out", 4, "fan")
        world.run_until_complete("fan")
        done = [e["TaskScheduledId"] for e in world.history("fan") if "TaskScheduledId" in e]
        orders.add(tuple(done))

    assert len(orders) > 5


def test_children_have_their_own_instances():
    """A story's own history stays one line per child."""
    world = an_engine()
    world.start("parent", [2, 3], "family")

    status = world.run_until_complete("family")

    assert status.output == [1, 5]
    assert [each.instance_id for each in world.select(Query(prefix="family:"))] == [
        "family:2",
        "family:3",
    ]
    assert world.status("family:2").parent == "family"
    assert kinds(world.history("family")).count(Kind.SUB_ORCHESTRATION_COMPLETED) == 2


@only_version_1("has words of its own")
def test_a_failure_is_told_in_the_words_of_the_extension():
    """Code that reads such a text must meet the real one here."""
    world = an_engine()
    world.start("fails", "x", "broken")
    world.start("catches", None, "catching")

    failed = world.run_until_complete("broken")
    caught = world.run_until_complete("catching")

    assert failed.runtime_status is Status.FAILED
    activity = "Activity function 'boom' failed:  ValueError: boom x"
    assert failed.output.startswith(f"Orchestrator function 'fails' failed: {activity}")
    assert caught.runtime_status is Status.COMPLETED
    assert caught.output.startswith("Orchestrator function 'fails' failed: Activity function 'boom")


def test_timers_take_no_real_time():
    """Two minutes of polling are over at once, and the clock says two minutes."""
    world = an_engine(clock=VirtualClock(1_767_225_600.0))
    world.start("poll", None, "polling")

    status = world.run_until_complete("polling")

    assert status.output == "2026-01-01T00:02:00+00:00"
    assert world.clock.now() == 1_767_225_600.0 + 120


def test_time_moves_no_further_than_asked():
    """A test looks at an instance in the middle of its waiting."""
    world = an_engine()
    world.start("poll", None, "polling")

    world.advance(65)

    fired = kinds(world.history("polling")).count(Kind.TIMER_FIRED)
    assert fired == 2
    assert world.status("polling").runtime_status is Status.RUNNING


def test_what_takes_too_long_is_reported():
    """An instance that never ends must fail a test, not hang it."""
    world = an_engine()
    world.start("approval", None, "waiting")

    with pytest.raises(inline.Stuck, match="waiting is Running"):
        world.run_until_complete("waiting", within=3600)


def test_continue_as_new_starts_with_an_empty_history():
    """This is how a long poll loop keeps its history short."""
    world = an_engine()
    world.start("countdown", 3, "rocket")

    status = world.run_until_complete("rocket")

    assert status.output == "liftoff"
    assert kinds(world.history("rocket")).count(Kind.TIMER_FIRED) == 1
    assert world.clock.now() - status.created == 4 * 3600


@only_version_1("drops what nobody has waited for")
@pytest.mark.filterwarnings(
    "ignore:Potential duplicate Task completion"
)  # how the SDK says "early"
@pytest.mark.parametrize("seed", SEEDS)
def test_events_survive_continue_as_new(seed):
    """What nobody has waited for yet belongs to the next execution."""
    world = an_engine(seed=seed)
    world.start("collect", [], "collecting")
    for number, who in enumerate(("ada", "bob", "eve")):
        world.raise_event("collecting", f"event-{number}", json.dumps(who))

    assert world.run_until_complete("collecting").output == ["ada", "bob", "eve"]


def test_a_cancelled_timer_does_not_hold_the_end_back():
    """The event came; a day's timer must not keep the instance for a day."""
    world = an_engine()
    world.start("approval", None, "asked")
    world.at(60, lambda: world.raise_event("asked", "approve", '{"by": "ada"}'))

    status = world.run_until_complete("asked", within=61)

    assert status.output == {"by": "ada"}
    assert world.work.next_due is None


def test_a_terminated_instance_ends_at_once():
    """Its activity still runs, and what that returns goes nowhere."""
    ran = []
    world = an_engine(activities={"square": ran.append})
    world.start("in_turn", 3, "victim")
    while not world.work.activities:
        world.step()

    assert world.terminate("victim", "no longer needed")
    world.run_until_idle()

    status = world.status("victim")
    assert status.runtime_status is Status.TERMINATED
    assert status.output == "no longer needed"
    assert ran == [0]
    assert not world.terminate("victim", "twice")
    assert not world.raise_event("victim", "anything")


def test_a_parent_learns_that_its_child_was_terminated():
    """It would wait for ever otherwise."""
    world = an_engine()
    world.start("catches", None, "parent")
    world.run_ready()
    world.start("parent", [3], "family")
    while world.status("family:3") is None:
        world.step()

    world.terminate("family:3", "stop")
    status = world.run_until_complete("family")

    assert status.runtime_status is Status.FAILED
    assert "stop" in status.output


def test_a_suspended_instance_holds_everything_back():
    """Results, timers and events wait, in order, until it is resumed."""
    world = an_engine()
    world.start("poll", None, "paused")
    world.advance(10)
    world.suspend("paused", "lunch")
    before = world.history("paused")

    world.advance(3600)
    assert world.status("paused").runtime_status is Status.SUSPENDED
    assert world.history("paused") == before

    world.resume("paused", "back")
    status = world.run_until_complete("paused")
    assert status.runtime_status is Status.COMPLETED


def test_a_suspended_instance_can_be_terminated():
    """Nobody should have to resume what they want to end."""
    world = an_engine()
    world.start("poll", None, "paused")
    world.advance(10)
    world.suspend("paused")

    world.terminate("paused", "enough")

    assert world.status("paused").runtime_status is Status.TERMINATED


def test_a_running_id_is_refused_and_an_ended_one_replaced():
    """The instance id is the lock that makes a start idempotent."""
    world = an_engine()
    world.start("fan_out", 2, "once")

    with pytest.raises(engine.AlreadyExists, match="status Pending already exists"):
        world.start("fan_out", 3, "once")
    world.run_until_complete("once")
    world.start("fan_out", 3, "once")

    assert world.run_until_complete("once").output == 5


@pytest.mark.parametrize("bad", ["@entity", "a/b", "a\\b", "a#b", "a?b", "a\nb", "x" * 101])
def test_ids_that_azure_refuses_are_refused(bad):
    """An id that works here and not in production is worse than an error."""
    with pytest.raises(ValueError, match="Invalid instance id"):
        an_engine().start("fan_out", 1, bad)


def test_an_unknown_orchestrator_is_refused_by_name():
    """The extension answers 400 and lists the ones it knows."""
    with pytest.raises(engine.UnknownFunction, match=r"'nobody' doesn't exist.*'fan_out'"):
        an_engine().start("nobody")


def test_an_unknown_activity_fails_its_caller():
    """A misspelt name must not wait for ever."""

    def misspelt(context):
        yield context.call_activity("sqare", 1)

    world = an_engine(misspelt)
    world.start("misspelt", None, "m")

    assert "The function 'sqare' doesn't exist" in world.run_until_complete("m").output


def test_a_child_may_not_have_the_id_of_its_parent():
    """The extension refuses it, and the parent gets the error."""

    def own_child(context):
        yield context.call_sub_orchestrator("fan_out", 1, context.instance_id)

    world = an_engine(own_child)
    world.start("own_child", None, "me")

    assert "must be different than the instance ID" in world.run_until_complete("me").output


def test_changed_code_is_found_when_the_history_disagrees():
    """A new step before an old one would silently get the old one's result."""
    steps = ["square"]

    def changing(context):
        for step in steps:
            yield context.call_activity(step, 3)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

    world = an_engine(changing)
    world.start("changing", None, "changed")
    world.advance(60)
    steps.insert(0, "boom")
    status = world.run_until_complete("changed")

    assert status.runtime_status is Status.FAILED
    assert "Non-Deterministic workflow" in status.output or "history mismatch" in status.output


@only_version_1("does not tell the inputs of earlier tasks")
def test_an_input_that_changes_at_replay_is_found():
    """Clocks and dice in an orchestrator go unnoticed in production, until they hurt."""
    rolls = iter(range(100))

    def rolling(context):
        yield context.call_activity("square", next(rolls))
        yield context.call_activity("square", 1)

    world = an_engine(rolling)
    world.start("rolling", None, "dice")

    assert "does not notice" in world.run_until_complete("dice").output


@only_version_1("has no limit")
def test_a_large_custom_status_fails_the_instance():
    """The extension allows 16 KB of UTF-16."""

    def chatty(context):
        context.set_custom_status("x" * 9000)
        yield context.call_activity("square", 1)

    world = an_engine(chatty)
    world.start("chatty", None, "c")

    assert "16 KB" in world.run_until_complete("c").output


@only_version_1("names entities by another class")
def test_entities_are_refused_clearly():
    """This host leaves them out, and must not pretend otherwise."""

    def uses_entity(context):
        from azure.durable_functions import EntityId

        yield context.call_entity(EntityId("counter", "one"), "get")

    world = an_engine(uses_entity)
    world.start("uses_entity", None, "e")

    assert "leaves out entities" in world.run_until_complete("e").output
