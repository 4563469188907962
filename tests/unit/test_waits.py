"""How late the end of something long is seen, and how often it is looked at."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from local.clock import VirtualClock
from local.functions_host import adapters
from local.functions_host.inline import InlineEngine
from shared.base import timing
from shared.base.names import Orchestrator
from shared.engine.polling_loop import StepContext, run_operation

STEPS = sorted(timing.known_steps())


def seen_after(step: str, true_seconds: float, retry_after: float | None) -> tuple[float, int]:
    """Run the app's own waiting on the SDK's replay engine against an operation that takes
    `true_seconds`; the app never learns them. Returns when the end was seen, and the looks.
    """
    clock = VirtualClock(0.0)
    looks = 0

    def operation(payload: dict[str, Any]) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if clock.now() >= true_seconds:
            return {"state": "done", "result": {}}
        waiting = {"state": "wait", "note": "", "memo": {}, "transient": False}
        return {**waiting, "retryAfter": retry_after}

    assert outcome_of(step, operation, clock) == {"result": {}}
    return clock.now(), looks


def outcome_of(step: str, operation: Callable[[Any], Any], clock: VirtualClock) -> Any:
    """How one step ends that is done by `operation`."""
    engine = InlineEngine(
        adapters.orchestrators({Orchestrator.RUN_OPERATION.value: run_operation}),
        adapters.activities({"operation": operation}),
        clock=clock,
    )
    scope = StepContext(build="b").to_wire()
    work = {"activity": "operation", "step": step, "plan": {}, "scope": scope}
    engine.start(Orchestrator.RUN_OPERATION.value, work, "wait")
    return engine.run_until_complete("wait").output


@pytest.mark.parametrize("step", STEPS)
def test_an_end_is_seen_within_a_tenth_or_fifteen_seconds(step: str) -> None:
    """Nobody pays for a VM that waits, and Azure is not asked more often than it needs."""
    dice = random.Random(step)
    typical = timing.of_step(step).typical
    for _ in range(6):
        true_seconds = typical * dice.uniform(0.5, 3.0)
        retry_after = dice.choice([None, None, 10.0, 50.0])

        seen, looks = seen_after(step, true_seconds, retry_after)

        late = seen - true_seconds
        assert late <= max(0.10 * true_seconds, 15.0, retry_after or 0.0) + 1e-6
        if true_seconds <= 3600:
            assert looks - 1 <= 20  # the first call only starts it


def test_the_time_that_the_app_was_down_is_not_held_against_a_step() -> None:
    """A step is given up after its own waits, not because a night has passed meanwhile."""
    clock = VirtualClock(0.0)
    looks = 0

    def operation(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if looks == 1:
            clock.advance_to(12 * 3600.0)  # nobody looks for half a day
        waiting = {"state": "wait", "note": "", "memo": {}, "transient": False}
        return {"state": "done", "result": {}} if looks == 4 else waiting

    assert outcome_of("builder_vm", operation, clock) == {"result": {}}
    assert looks == 4


@pytest.mark.parametrize("typical", [2, 15, 60, 150, 450, 1200])
@pytest.mark.parametrize("factor", [0.5, 0.51, 0.75, 1.0, 1.37, 2.0, 2.99, 3.0])
def test_the_bound_holds_at_every_scale(typical: float, factor: float) -> None:
    """The rule is one formula, so it must hold for durations that are learned later, too."""
    usual = timing.Timing(typical=typical, limit_minutes=600)
    true_seconds = typical * factor
    moment, looks = 0.0, 0
    while moment < true_seconds:
        moment += timing.next_look(usual, moment)
        looks += 1

    assert moment - true_seconds <= max(0.10 * true_seconds, 15.0)
    assert looks <= 20


def test_what_a_look_foretells_is_waited_for() -> None:
    """Nodes that boot need no looks meanwhile; at their end somebody looks soon."""
    usual = timing.of_step("nodes")

    assert timing.next_look(usual, 40.0, left=85.0) == 95.0
    assert timing.next_look(usual, 200.0, left=100.0) == 124.0
    assert timing.next_look(usual, 300.0, left=0.0) == 24.0
    assert timing.next_look(usual, 300.0, retry_after=60.0, left=0.0) == 60.0
    overdue = 2 * usual.typical
    assert timing.next_look(usual, overdue, left=0.0) == timing.next_look(usual, overdue)


def test_what_is_there_already_is_seen_at_once() -> None:
    """Nothing is waited for before the first look."""
    assert {seen_after(step, 0.0, None) for step in STEPS} == {(0.0, 1)}


def test_an_end_that_is_expected_is_met() -> None:
    """Azure tells how far a replication is: few looks before its end, and one right then."""
    usual = timing.of_step("image_version")

    assert timing.next_look(usual, 250.0, expected=200.0) == 62.5  # a quarter of what was waited
    assert timing.next_look(usual, 430.0, expected=12.0) == 12.0
    assert timing.next_look(usual, 430.0, expected=0.0) == pytest.approx(0.02 * 430)
    overdue = 1.5 * usual.typical  # stuck at 99 %: what foretells the end is wrong
    assert timing.next_look(usual, overdue, expected=1.0) == timing.next_look(usual, overdue)


def test_most_ends_fall_between_dense_looks() -> None:
    """Around the usual duration looks come twice as often, unless nothing waits for the step."""
    restart = timing.of_step("reboot")
    assert timing.next_look(restart, restart.typical) < timing.next_look(restart, 20.0)
    removal = timing.of_step("remove_builder_vm")
    assert timing.next_look(removal, removal.typical) == 15.0


def test_azure_is_never_asked_before_its_retry_after() -> None:
    """Retry-After is an order, whatever the operation."""
    usual = timing.Timing(typical=4, limit_minutes=10)
    assert timing.next_look(usual, 0.0, retry_after=120.0) == 120.0


def test_what_was_learned_moves_slowly_and_stays_near_the_first_guess() -> None:
    """One odd duration must not spoil the waits of the builds after it."""
    typical = timing.of_step("builder_vm").typical
    once = timing.learn("builder_vm", None, 10 * typical)
    known: float | None = None
    for _ in range(100):
        known = timing.learn("builder_vm", known, 10 * typical)

    assert once <= 2 * typical
    assert known == 2 * typical
    assert timing.learn("builder_vm", None, 1.0) == typical


@pytest.mark.parametrize(
    ("attempt", "retry_after", "seconds"),
    [(1, None, 5), (3, None, 20), (20, None, 120), (1, 90, 90)],
)
def test_backing_off(attempt: int, retry_after: float | None, seconds: float) -> None:
    """Doubling, up to five minutes, or as long as Azure asks."""
    assert timing.backoff(attempt, retry_after) == seconds


def test_builds_that_were_refused_together_do_not_come_back_together() -> None:
    """A thousand pool requests share one subscription's limits: in step they would starve."""
    spreads = [timing.spread_of(f"build-{n}", 3) for n in range(1000)]
    waits = [timing.backoff(3, 1.0, spread) for spread in spreads]

    assert min(waits) >= timing.backoff(3, 1.0)
    assert max(waits) <= 2 * timing.backoff(3, 1.0)
    per_second = Counter(int(wait) for wait in waits)
    assert max(per_second.values()) < 2 * 1000 / timing.backoff(3)


def test_a_spread_is_the_same_at_every_replay() -> None:
    """An orchestrator is told again from the start, and must wait for the same timer."""
    assert timing.spread_of("build-1", 2) == timing.spread_of("build-1", 2)
    assert timing.spread_of("build-1", 2) != timing.spread_of("build-1", 3)
    assert timing.backoff(2, 60.0, timing.spread_of("build-1", 2)) >= 60.0
