"""How builds ended, without what a crash or a hiccup may change: the times."""

from __future__ import annotations

from typing import Any

from tests.simulation.simulated_world import SimulatedWorld

Json = dict[str, Any]
_TIMES = {"at", "createdAt", "changedAt", "expiresAt", "seconds"}


def of(world: SimulatedWorld) -> dict[str, Json]:
    """State and outcome of every build."""
    return {
        row.key: {"state": row["State"], "outcome": _without_times(row.get("Outcome") or {})}
        for row in world.build_rows()
    }


def difference(found: dict[str, Json], wanted: dict[str, Json]) -> str:
    """Where the first outcome differs, in one line; empty if none does."""
    for build, outcome in found.items():
        if told := _first_difference(outcome, wanted.get(build), build):
            return told
    return ""


def _first_difference(found: Any, wanted: Any, where: str) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = ((key, found.get(key), wanted.get(key)) for key in sorted({*found, *wanted}))
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = ((i, f, w) for i, (f, w) in enumerate(zip(found, wanted, strict=True)))
    else:
        return "" if found == wanted else f"{where} is {found!r:.150} instead of {wanted!r:.150}"
    told = (_first_difference(f, w, f"{where}.{key}") for key, f, w in pairs)
    return next(filter(None, told), "")


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMES}
    return [_without_times(v) for v in value] if isinstance(value, list) else value
