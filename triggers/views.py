"""From the records to the documents that the API serves. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.base.errors import Failure
from shared.store.records import ENDED

Json = dict[str, Any]


def build_document(row: Json, steps: Sequence[Json]) -> Json:
    """One build as GET /api/builds/{id} answers it."""
    outcome = (row.get("Outcome") or {}) if row["State"] in ENDED else {}
    moments = [str(s["SeenAt"]) for s in steps]
    latest = max([*moments, str(row.get("EndedAt") or ""), str(row.get("CreatedAt") or "")])
    return {
        **build_summary(row, latest),
        "steps": [step_document(s, latest, outcome) for s in steps],
        "image": outcome.get("image"),
        "pools": [_pool_of_build(p) for p in outcome.get("pools", [])],
        "error": _error(outcome.get("error")),
        "leftovers": outcome.get("leftovers", []),
        "resumable": bool(outcome.get("resumable")),
    }


def build_summary(row: Json, latest: str | None = None) -> Json:
    """One line of GET /api/builds."""
    created = str(row.get("CreatedAt") or "")
    ended = str(row.get("EndedAt") or "") or latest or ""
    return {
        "buildId": row["RowKey"],
        "mode": row["Mode"],
        "state": "running" if row["State"] == "accepted" else row["State"],
        "createdAt": created or None,
        "seconds": _seconds(created, ended),
    }


def step_document(row: Json, latest: str, outcome: Json) -> Json:
    """One step. Its percentage is computed now, from the newest time that the build reported."""
    started, seen, state = str(row["StartedAt"]), str(row["SeenAt"]), str(row["State"])
    error = row.get("Error")
    if state == "running" and outcome:
        state = "failed"  # the build is over, and its orchestration died in this step
        error = outcome.get("error")
    running = state == "running"
    result = row.get("Result") or {}
    seconds = _seconds(started, latest if running else seen)
    return {
        "name": str(row["RowKey"]).rpartition("|")[2],
        "pool": str(row["RowKey"]).rpartition("|")[0] or None,
        "state": state,
        "startedAt": started,
        "seconds": seconds,
        "percent": _percent(state, seconds, float(row.get("Typical") or 0)),
        "note": str(row.get("Note") or "") or None,
        "scripted": bool(row.get("Scripted")),
        "scriptedParts": result.get("scriptedParts") or [],
        "standIn": result.get("standIn") or None,
        "error": _error(error) if state == "failed" else None,
    }


def _percent(state: str, seconds: float | None, typical: float) -> int:
    if state == "succeeded":
        return 100
    if state != "running" or not typical:
        return 0
    return min(99, round(100 * (seconds or 0) / typical))


def _seconds(start: str, end: str) -> float | None:
    if not start or not end:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 1)


def _error(failure: Json | None) -> Json | None:
    """A failure with every field of the contract, and without what only the app itself needs."""
    return Failure.from_wire(failure).to_answer() if failure else None


def _pool_of_build(record: Json) -> Json:
    return {**record, "error": _error(record.get("error"))}
