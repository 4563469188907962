"""Durations: in ISO 8601, as Batch writes them, and between two times."""

from __future__ import annotations

import re
from datetime import datetime

_DURATION = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.ASCII
)


def seconds(text: str) -> int | None:
    """The seconds of a text such as `PT1H30M` or `P1D`; None where it is no such duration."""
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, rest = (int(each or 0) for each in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def between(start: str, end: str) -> float:
    """The seconds from one time to another, both in ISO 8601."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
