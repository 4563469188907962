"""From the records to the documents that the API serves. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.base import durations
from shared.base.errors import Failure, Problem
from shared.model.documents import BuildDocument, BuildSummary, StepDocument
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.store.row_checks import ENDED

Json = dict[str, Any]


def build_document(row: Json, steps: Sequence[Json]) -> BuildDocument:
    """One build with its steps and its results."""
    outcome = (row.get("Outcome") or {}) if row["State"] in ENDED else {}
    moments = [str(s["SeenAt"]) for s in steps]
    latest = max([*moments, str(row.get("EndedAt") or ""), str(row.get("CreatedAt") or "")])
    return BuildDocument(
        **dict(build_summary(row["RowKey"], row, latest)),
        steps=[step_document(s, latest, outcome) for s in steps],
        image=ImageRecord.from_wire(outcome["image"]) if outcome.get("image") else None,
        pools=[PoolRecord.from_wire(pool) for pool in outcome.get("pools", [])],
        error=_error(outcome.get("error")),
        leftovers=outcome.get("leftovers", []),
        resumable=bool(outcome.get("resumable")),
        requested_by=str(row.get("RequestedBy") or "") or None,
        warnings=[Problem.from_wire(warning) for warning in outcome.get("warnings", [])],
    )


def build_summary(build: str, row: Json, latest: str | None = None) -> BuildSummary:
    """One build as the list of builds shows it; `row` is the build's, or that of the list."""
    created = str(row.get("CreatedAt") or "")
    ended = str(row.get("EndedAt") or "") or latest or ""
    return BuildSummary(
        build_id=build,
        mode=row["Mode"],
        state="running" if row["State"] == "accepted" else row["State"],
        created_at=created or None,
        seconds=_seconds(created, ended),
    )


def step_document(row: Json, latest: str, outcome: Json) -> StepDocument:
    """One step. Its percentage is computed now, from the newest time that the build reported."""
    started, seen, state = str(row["StartedAt"]), str(row["SeenAt"]), str(row["State"])
    error = row.get("Error")
    if state == "running" and outcome:
        state = "failed"  # the build is over, and its orchestration died in this step
        error = outcome.get("error")
    running = state == "running"
    result = row.get("Result") or {}
    seconds = _seconds(started, latest if running else seen)
    return StepDocument(
        name=str(row["RowKey"]).rpartition("|")[2],
        pool=str(row["RowKey"]).rpartition("|")[0] or None,
        state=state,
        started_at=started,
        seconds=seconds,
        percent=_percent(state, seconds, float(row.get("Typical") or 0)),
        note=str(row.get("Note") or "") or None,
        scripted=bool(row.get("Scripted")),
        scripted_parts=result.get("scriptedParts") or [],
        stand_in=result.get("standIn") or None,
        log_url=(result if state == "succeeded" else error or {}).get("logUrl"),
        error=_error(error) if state == "failed" else None,
    )


def _percent(state: str, seconds: float | None, typical: float) -> int:
    if state == "succeeded":
        return 100
    if state != "running" or not typical:
        return 0
    return min(99, round(100 * (seconds or 0) / typical))


def _seconds(start: str, end: str) -> float | None:
    if not start or not end:
        return None
    return round(durations.between(start, end), 1)


def _error(failure: Json | None) -> Failure | None:
    return Failure.from_wire(failure) if failure else None
