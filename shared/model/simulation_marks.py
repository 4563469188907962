"""Marks of results that a stand-in for Azure produced. Azure itself never sends them.

A stand-in adds to a script's result line, or to a Batch task, `scripted` (true: nothing was
executed; a list: everything but these parts was executed) and `standIn`, the system that executed
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.base.wire import Wire

Json = dict[str, Any]


class Marks(Wire):
    """What was not really executed, and which system executed the rest."""

    scripted: bool = False
    scripted_parts: list[str] = []  # empty where nothing was executed
    stand_in: str = ""

    @property
    def are_any(self) -> bool:
        """Whether this is something else than the real thing."""
        return self.scripted or bool(self.stand_in)


def read(result: Json) -> Marks:
    """The marks of a result line or of a task's `executionInfo`."""
    found = result.get("scripted")
    return Marks(
        scripted=bool(found),
        scripted_parts=[str(part) for part in found] if isinstance(found, list) else [],
        stand_in=str(result.get("standIn") or ""),
    )


def combine(several: Sequence[Marks]) -> Marks:
    """The marks of several results. If any result is fully scripted, no parts are listed."""
    scripted = [marks for marks in several if marks.scripted]
    systems = {marks.stand_in for marks in several} - {""}
    is_whole = any(not marks.scripted_parts for marks in scripted)
    parts = dict.fromkeys(part for marks in scripted for part in marks.scripted_parts)
    return Marks(
        scripted=bool(scripted),
        scripted_parts=[] if is_whole else list(parts),
        stand_in=", ".join(sorted(systems)),
    )
