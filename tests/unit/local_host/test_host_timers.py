"""Schedules of timer functions, and what a host that was down catches up."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from local.functions_host import history
from local.functions_host.functions import AppRefused
from local.functions_host.timers import Schedule, Timer

NEXT = {
    "*/5 * * * * *": ("2026-01-31T23:59:58Z", "2026-02-01T00:00:00Z"),
    "0 */30 * * * *": ("2026-01-31T23:45:00Z", "2026-02-01T00:00:00Z"),
    "0 0 3 * * 0": ("2026-01-31T12:00:00Z", "2026-02-01T03:00:00Z"),
    "0 30 9 * * 1-5": ("2026-01-31T12:00:00Z", "2026-02-02T09:30:00Z"),
    "0 0 0 1 Jan *": ("2026-01-31T12:00:00Z", "2027-01-01T00:00:00Z"),
    "30 9 * * Mon": ("2026-01-31T12:00:00Z", "2026-02-02T09:30:00Z"),
    "0 0 3 * * sunday": ("2026-01-31T12:00:00Z", "2026-02-01T03:00:00Z"),
    "0 0 3 * * 5-1": ("2026-01-31T12:00:00Z", "2026-02-02T03:00:00Z"),
    "0 20/25 * * * *": ("2026-01-31T23:30:00Z", "2026-01-31T23:45:00Z"),
    "0 0 3 13 * 5": ("2026-01-31T12:00:00Z", "2026-02-13T03:00:00Z"),
}


@pytest.mark.parametrize(("expression", "times"), NEXT.items(), ids=NEXT.keys())
def test_the_next_time_of_a_schedule(expression, times):
    """Seconds first; day and day of the week must both match."""
    after, expected = (history.seconds(each) for each in times)

    assert Schedule(expression).after(after) == expected


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "0 3 * *",
        "0 61 * * * *",
        "often",
        "0 0 0 0 0 0 0",
        "0 0 3 * * 7",
        "0 0 3 * * 1-7",
        "0 0 3 * * SUN#1",
        "0 0 3 ? * 1",
        "0 0 3 L * *",
        "0 0 3 15W * *",
        "0 0 3 * * x",
        "0 0 3 * * 1,,2",
        "0 */x * * * *",
    ],
)
def test_what_is_no_schedule_is_refused(bad):
    """At the start, not at the first time that never comes."""
    with pytest.raises(AppRefused, match="is not a schedule"):
        Schedule(bad)


class SteppedClock:
    """A clock that moves only when somebody waits for it."""

    def __init__(self, now):
        self.time = now

    def now(self):
        return self.time

    def real_seconds(self, simulated):
        self.time += simulated
        return 0.0


MONDAY = history.seconds("2026-02-02T00:00:00Z")
DAY = 86_400


def fired(state, start, count, *, schedule="0 0 3 * * *", **trigger):
    """When the timer fires first, and whether it was past due."""
    clock, times = SteppedClock(start), []
    options = {"use_monitor": None, "run_on_startup": None} | trigger

    async def invoke(_, data):
        times.append(((clock.time - MONDAY) / 3600, json.loads(data.value)["IsPastDue"]))
        if len(times) == count:
            raise asyncio.CancelledError
        return True

    timer = Timer(
        SimpleNamespace(name="nightly", trigger=SimpleNamespace(**options)),
        Schedule(schedule),
        state=state,
        clock=clock,
        invoke=invoke,
    )
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(timer.run())
    return times


def test_it_fires_on_time_and_again(tmp_path):
    """Three in the morning, each day."""
    assert fired(tmp_path, MONDAY, 2) == [(3, False), (27, False)]


def test_one_missed_run_is_caught_up(tmp_path):
    """However many were missed while the host was down."""
    fired(tmp_path, MONDAY, 1)

    times = fired(tmp_path, MONDAY + 4 * DAY + 10 * 3600, 2)

    assert times == [(106, True), (123, False)]


def test_a_host_that_missed_nothing_catches_nothing_up(tmp_path):
    """It was back before the next run was due."""
    fired(tmp_path, MONDAY, 1)

    assert fired(tmp_path, MONDAY + 2 * 3600, 1) == [(3, False)]


def test_a_new_schedule_starts_afresh(tmp_path):
    """The time kept belongs to the old one."""
    fired(tmp_path, MONDAY, 1)

    assert fired(tmp_path, MONDAY + 5 * DAY, 1, schedule="0 0 6 * * *") == [(126, False)]


def test_without_a_monitor_nothing_is_caught_up(tmp_path):
    """As `use_monitor=False` asks for, and as frequent schedules are."""
    fired(tmp_path, MONDAY, 1, use_monitor=False)
    assert fired(tmp_path, MONDAY + 5 * DAY, 1, use_monitor=False) == [(123, False)]

    fired(tmp_path, MONDAY, 1, schedule="*/10 * * * * *")
    assert fired(tmp_path, MONDAY + DAY + 5, 1, schedule="*/10 * * * * *")[0][1] is False


def test_it_runs_at_the_start_where_asked_for(tmp_path):
    """And then on its schedule."""
    assert fired(tmp_path, MONDAY, 2, run_on_startup=True) == [(0, False), (3, False)]
