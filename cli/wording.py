"""Words and numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """`45s`, `4m 05s`, `1h 02m`; empty when unknown."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"


def count(number: int, noun: str) -> str:
    """`1 pool`, `3 pools`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def moment(timestamp: str | None) -> str:
    """`2026-01-31T10:20:30.123Z` as `2026-01-31 10:20:30`; empty when unknown."""
    return (timestamp or "")[:19].replace("T", " ")


def value(of: object) -> str:
    """A JSON value as a person writes it: `yes`, `no`, `-` for nothing."""
    if isinstance(of, bool):
        return "yes" if of else "no"
    return "-" if of is None else str(of)


def execution(*, scripted: bool, parts: Sequence[str] = (), stand_in: str = "") -> str:
    """`scripted`, `on debian 12`, `on debian 12, scripted: gpu`; empty for the real thing."""
    marks = [f"on {stand_in}"] if stand_in else []
    if scripted:
        marks.append(f"scripted: {', '.join(parts)}" if parts else "scripted")
    return ", ".join(marks)


def execution_of(document: Mapping[str, Any]) -> str:
    """The same of an image or a pool as the service returns it."""
    return execution(
        scripted=document.get("scripted") is True,
        parts=[str(part) for part in document.get("scriptedParts") or []],
        stand_in=str(document.get("standIn") or ""),
    )


PROGRAM = "./batch-prep.sh"  # how people call this command


def as_commands(text: str) -> str:
    """The service's text with this command's words for the lists of its routes."""
    return re.sub(r"GET /api/(builds|images|pools|recipes)\b(?!/)", rf"{PROGRAM} \1 list", text)
