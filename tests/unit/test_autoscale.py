"""The formulas of presets: Batch understands each, and it says what the preset means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.azure_simulator.batch import pool_checks
from shared.model.autoscale import Fixed, OffHours, PendingTasks

MONDAY = "2026-11-30"
SUNDAY = "2026-11-29"


def nodes(formula: str, at: str = f"{MONDAY}T12:00", **observed: float) -> tuple[float, float]:
    """Dedicated and spot nodes that Batch would want at a time in UTC."""
    now = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    variables = {f"${name}": value for name, value in observed.items()}
    done = pool_checks.evaluate(formula, variables, now)
    assert "$NodeDeallocationOption=taskcompletion" in done.results
    assert done.dedicated is not None
    assert done.low_priority is not None
    return done.dedicated, done.low_priority


def off_hours(**fields: object) -> str:
    return OffHours.model_validate({"preset": "offHours", "nodes": 4, **fields}).formula(1)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (f"{MONDAY}T07:59", 0),
        (f"{MONDAY}T08:00", 4),
        (f"{MONDAY}T17:59", 4),
        (f"{MONDAY}T18:00", 0),
        (f"{SUNDAY}T12:00", 0),
    ],
)
def test_nodes_are_there_while_people_work(at: str, expected: int) -> None:
    """On weekdays, and not in the last hour."""
    assert nodes(off_hours(), at) == (expected, 0)


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    """At an offset from UTC in either direction; the day changes with it."""
    assert nodes(off_hours(utcOffsetMinutes=330), f"{MONDAY}T02:30") == (4, 0)
    assert nodes(off_hours(utcOffsetMinutes=-480), f"{MONDAY}T15:59") == (0, 0)
    assert nodes(off_hours(utcOffsetMinutes=-480), f"{MONDAY}T16:00") == (4, 0)
    assert nodes(off_hours(utcOffsetMinutes=600, fromHour=0, toHour=3), f"{SUNDAY}T14:00") == (4, 0)


def test_a_night_shift_ends_the_next_day() -> None:
    """From 22 to 6."""
    shift = off_hours(fromHour=22, toHour=6, weekdaysOnly=False)
    found = [nodes(shift, f"{SUNDAY}T{hour:02}:00")[0] for hour in (5, 6, 21, 22, 23)]
    assert found == [4, 0, 0, 4, 4]


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (27, [0, 1, 5, 22, 23]),  # Friday: the end of Thursday's, and its own
        (28, [0, 1, 5]),  # Saturday: the end of Friday's
        (29, []),
        (30, [22, 23]),  # Monday
    ],
)
def test_a_night_shift_is_of_the_day_that_it_begins_on(day: int, hours: list[int]) -> None:
    """Who works from Friday to Saturday keeps the nodes at midnight."""
    shift = off_hours(fromHour=22, toHour=6)
    found = [
        hour
        for hour in (0, 1, 5, 6, 12, 21, 22, 23)
        if nodes(shift, f"2026-11-{day}T{hour:02}:00") == (4, 0)
    ]
    assert found == hours


@pytest.mark.parametrize(
    ("tasks", "slots", "expected"), [(0, 1, 1), (3, 1, 3), (3, 2, 2), (100, 1, 8)]
)
def test_nodes_follow_the_tasks(tasks: int, slots: int, expected: int) -> None:
    """Within the bounds, and no more than their slots need."""
    asked = {"preset": "pendingTasks", "minNodes": 1, "maxNodes": 8}
    formula = PendingTasks.model_validate(asked).formula(slots)
    assert nodes(formula, PendingTasks=tasks) == (expected, 0)


def test_spot_nodes_may_follow_the_tasks() -> None:
    """And none of the other kind."""
    asked = {"preset": "pendingTasks", "maxNodes": 8, "lowPriority": True}
    formula = PendingTasks.model_validate(asked).formula(1)
    assert nodes(formula, PendingTasks=5) == (0, 5)


def test_a_fixed_number_stays() -> None:
    """Whatever there is to do."""
    asked = {"preset": "fixed", "nodes": 3, "lowPriorityNodes": 2}
    formula = Fixed.model_validate(asked).formula(1)
    assert nodes(formula, PendingTasks=50) == (3, 2)
