"""Durations and times as Batch writes them."""

import datetime as dt
import re

from local.azure_simulator import times
from local.azure_simulator.batch import problems

_DURATION = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
_UNIT_SECONDS = (86400.0, 3600.0, 60.0, 1.0)


def seconds(duration: str) -> float:
    """`PT15M` is 900.0; refuses anything that is no duration (400)."""
    match = _DURATION.fullmatch(duration)
    if match is None or not any(match.groups()):
        raise problems.invalid_value("duration", "", duration, "Not an ISO 8601 duration.")
    return sum(float(n) * unit for n, unit in zip(match.groups(), _UNIT_SECONDS, strict=True) if n)


def timestamp(epoch_seconds: float) -> str:
    """`2026-11-23T10:00:00.123456Z`."""
    moment = dt.datetime.fromtimestamp(epoch_seconds, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch_seconds(timestamp: str) -> float:
    """The inverse of `timestamp`; also reads other ISO 8601 times, as UTC."""
    moment = dt.datetime.fromisoformat(timestamp)
    return moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp()


def http_date(epoch_seconds: float) -> str:
    """`Mon, 23 Nov 2026 10:00:00 GMT`."""
    return times.http_date(epoch_seconds)
