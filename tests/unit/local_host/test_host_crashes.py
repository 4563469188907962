"""The process dies at every possible moment; the outcome is the same."""

import random

import pytest
from host_orchestrations import an_engine

from local.functions_host import inline
from local.functions_host.engine import Visibility
from local.functions_host.store import Status


@pytest.mark.parametrize("when", [inline.When.BEFORE, inline.When.AFTER])
def test_an_activity_whose_process_died_runs_again(when):
    """At least once: dying after the effect means that the effect comes twice."""
    effects = []
    deaths = iter([True])

    def die_once(moment):
        return moment.is_activity and moment.when is when and next(deaths, False)

    world = an_engine(activities={"square": effects.append}, crash=die_once)
    world.start("fan_out", 1, "fan")
    world.run_until_idle()

    assert effects == ([0] if when is inline.When.BEFORE else [0, 0])
    assert world.crashes == 1


def test_a_crash_may_come_from_inside_an_activity():
    """Between two effects of one activity is where the interesting crashes are."""
    effects = []

    def half(number):
        effects.append("first")
        if len(effects) == 1:
            raise inline.Crash
        effects.append("second")
        return number

    world = an_engine(activities={"square": half})
    world.start("in_turn", 1, "halves")

    assert world.run_until_complete("halves").runtime_status is Status.COMPLETED
    assert effects == ["first", "first", "second"]


@pytest.mark.parametrize("place", [":memory:", "file"])
@pytest.mark.parametrize("seed", range(8))
def test_crashes_anywhere_change_no_outcome(tmp_path, seed, place):
    """Every commit is whole: no result is lost, none is counted twice."""
    dice = random.Random(seed)
    path = place if place == ":memory:" else tmp_path / "durable.sqlite"
    world = an_engine(seed=seed, path=path, crash=lambda _: dice.random() < 0.2)
    world.start("parent", [2, 3, 4], "family")
    world.start("in_turn", 6, "row")
    world.start("countdown", 2, "rocket")

    world.run_until_idle()

    assert world.status("family").output == [1, 5, 14]
    assert world.status("row").output == 55
    assert world.status("rocket").output == "liftoff"
    assert world.crashes > 0


def test_a_new_process_finds_everything_in_the_file(tmp_path):
    """Instances, results that had arrived, timers that were set."""
    before = an_engine(path=tmp_path / "durable.sqlite", seed=1)
    before.start("poll", None, "polling")
    before.start("in_turn", 4, "row")
    for _ in range(5):
        before.step()
    before.store.close()

    after = an_engine(path=tmp_path / "durable.sqlite", seed=2, clock=before.clock)
    after.run_until_idle()

    assert after.status("polling").runtime_status is Status.COMPLETED
    assert after.status("row").output == 14


VISIBILITY = Visibility(messages=60, activities=90)


@pytest.mark.parametrize(("dies_in", "wait"), [("square", 90), ("in_turn", 60)])
def test_what_a_dead_process_had_taken_waits_until_it_is_visible_again(dies_in, wait):
    """As on Azure's queues: the next process does not get it sooner."""
    deaths = iter([True])
    world = an_engine(
        crash=lambda moment: moment.name == dies_in and next(deaths, False), visibility=VISIBILITY
    )
    began = world.clock.now()
    world.start("in_turn", 2, "row")
    world.start("approval", None, "other")
    world.at(1, lambda: world.raise_event("other", "approve", '"yes"'))

    other = world.run_until_complete("other")
    assert other.updated - began == 1, "what nobody had taken does not wait"
    assert world.run_until_complete("row").updated - began == wait


def test_what_comes_before_the_hidden_beginning_waits_for_it():
    """The event is visible first, but there is no orchestrator yet that could get it."""
    deaths = iter([True])
    world = an_engine(crash=lambda _: next(deaths, False), visibility=VISIBILITY)
    began = world.clock.now()
    world.start("approval", None, "it")
    world.at(1, lambda: world.raise_event("it", "approve", '"yes"'))

    ended = world.run_until_complete("it")
    assert (ended.output, ended.updated - began) == ("yes", 60)


def test_an_activity_that_a_dead_process_had_taken_waits_in_the_next_one_too(tmp_path):
    """The time is in the file."""
    held = []

    def die(number):
        held.append(number)
        if len(held) == 1:
            raise KeyboardInterrupt
        return number

    options = {"path": tmp_path / "durable.sqlite", "visibility": VISIBILITY}
    before = an_engine(activities={"square": die}, **options)
    began = before.clock.now()
    before.start("in_turn", 1, "row")
    with pytest.raises(KeyboardInterrupt):
        before.run_until_idle()
    before.store.close()

    after = an_engine(activities={"square": die}, clock=before.clock, **options)
    assert after.run_until_complete("row").updated - began == 90
