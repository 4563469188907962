"""Timer triggers: NCRONTAB schedules on the simulated clock, monitored as Azure monitors them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from azure.functions import meta
from croniter import CroniterBadCronError, croniter

from local import clock as clocks
from local.functions_host import history, ncrontab
from local.functions_host.functions import AppRefused, Function

_MONITORED_SECONDS = 60  # schedules that run more often are not monitored


class Schedule:
    """`{second} {minute} {hour} {day} {month} {day of the week}`, UTC; five fields mean second 0.

    Day and day of the week must both match, as in NCRONTAB. Raises AppRefused.
    """

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        self.expression = expression if len(fields) == 6 else f"0 {expression}"
        if len(fields) not in (5, 6):
            raise AppRefused(f"'{expression}' is not a schedule of six fields.")
        try:
            self._cron = ncrontab.to_cron(self.expression.split())
            self.after(0.0)
        except (ncrontab.Invalid, CroniterBadCronError) as error:
            raise AppRefused(f"'{expression}' is not a schedule: {error}.") from error

    def after(self, moment: float) -> float:
        """The first time after `moment`; epoch seconds."""
        times = croniter(
            self._cron,
            moment,
            ret_type=float,
            day_or=False,
            second_at_beginning=True,
        )
        return float(times.get_next())

    @property
    def is_frequent(self) -> bool:
        first = self.after(0.0)
        return self.after(first) - first < _MONITORED_SECONDS


class Timer:
    """One timer function. `run` never ends; runs of one function do not overlap."""

    def __init__(
        self,
        function: Function,
        schedule: Schedule,
        *,
        state: Path,
        clock: clocks.Clock,
        invoke: Callable[[Function, meta.Datum], Awaitable[bool]],
    ) -> None:
        """`state`: the folder where the schedule is kept. `invoke` logs what goes wrong."""
        self._function = function
        self._schedule = schedule
        self._path = state / f"{function.name}.json"
        self._clock = clock
        self._invoke = invoke
        wanted = function.trigger.use_monitor
        self._is_monitored = not schedule.is_frequent and wanted is not False

    async def run(self) -> None:
        if self._function.trigger.run_on_startup:
            await self._fire(past_due=False)
        due = self._first_due()
        past_due = due < self._clock.now()
        while True:
            self._keep(due)
            await self._wait_until(due)
            await self._fire(past_due=past_due)
            past_due = False
            due = self._schedule.after(self._clock.now())

    def _first_due(self) -> float:
        """What a monitored timer missed while the host was down is caught up once."""
        following = self._schedule.after(self._clock.now())
        if not self._is_monitored or not self._path.exists():
            return following
        kept = json.loads(self._path.read_text())
        if kept["schedule"] != self._schedule.expression:
            return following
        return min(float(kept["next"]), following)

    def _keep(self, due: float) -> None:
        if not self._is_monitored:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"schedule": self._schedule.expression, "next": due}
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(kept))
        unfinished.replace(self._path)

    async def _wait_until(self, due: float) -> None:
        while (missing := due - self._clock.now()) > 0:  # noqa: ASYNC110 - a clock has no event
            await asyncio.sleep(self._clock.real_seconds(missing))

    async def _fire(self, *, past_due: bool) -> None:
        now = self._clock.now()
        await self._invoke(
            self._function,
            request(
                past_due=past_due,
                last=now,
                following=self._schedule.after(now),
            ),
        )


def request(
    *,
    past_due: bool,
    last: float | None = None,
    following: float | None = None,
) -> meta.Datum:
    """What a timer function gets; times in epoch seconds."""
    status = {
        "Last": None if last is None else history.stamp(last),
        "Next": None if following is None else history.stamp(following),
        "LastUpdated": None if last is None else history.stamp(last),
    }
    info = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status,
        "IsPastDue": past_due,
    }
    return meta.Datum(json.dumps(info), "json")
