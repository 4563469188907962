"""How results came about where something stands in for Azure; on Azure itself nothing says so.

A stand-in marks a result line, or a task, with `scripted` (true: nothing was executed; a list: all
but these parts was) and `standIn`, the system that executed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


def of(result: Json) -> Json:
    """Such marks as `scripted`, `scriptedParts` and `standIn`, which are always there."""
    told = result.get("scripted")
    return {
        "scripted": bool(told),
        "scriptedParts": [str(part) for part in told] if isinstance(told, list) else [],
        "standIn": str(result.get("standIn") or ""),
    }


def together(several: Sequence[Json]) -> Json:
    """What is to be said of several such answers; no parts where one of them is wholly scripted."""
    marks = [item for item in several if item.get("scripted")]
    systems = {str(item.get("standIn") or "") for item in several} - {""}
    has_whole = any(not item.get("scriptedParts") for item in marks)
    parts = dict.fromkeys(part for item in marks for part in item.get("scriptedParts") or [])
    return {
        "scripted": bool(marks),
        "scriptedParts": [] if has_whole else list(parts),
        "standIn": ", ".join(sorted(systems)),
    }
