"""What a row of each table must hold, so that its readers can rely on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.base.errors import Failure
from shared.model.documents import RecipeDocument, RefusedProblem
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord
from shared.model.requests import Mode

Row = Mapping[str, Any]

BUILDS = "batchprepBuilds"
BUILD_LIST = "batchprepBuildList"
STEPS = "batchprepSteps"
CLAIMS = "batchprepClaims"
PACE = "batchprepPace"
IMAGES = "batchprepImages"
POOLS = "batchprepPools"
RECIPES = "batchprepRecipes"
REFUSED = "batchprepRefused"
RECONCILED = "batchprepReconciled"
CHANGES = "batchprepChanges"

RUNNING = {"accepted", "running"}  # states of a build
ENDED = {"succeeded", "failed", "cancelled"}
_STEP_STATES = {"running", "succeeded", "failed"}

# What reading a row raises where a column is missing, cut off or of another type.
ERRORS = (KeyError, ValueError, TypeError, AttributeError)


def check(table: str, row: Row) -> None:
    """Raises one of ERRORS if the row is not what the app writes into that table. A claim is not
    checked: one without a holder is free.
    """
    if table in _CHECKS:
        _CHECKS[table](row)


def reason(error: Exception) -> str:
    """Why a row cannot be read, without its values: they may be secret."""
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in found[:3])
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return f"a column is not as the app writes it ({type(error).__name__})"


def _build(row: Row) -> None:
    if row["State"] not in RUNNING | ENDED:
        raise ValueError("State")
    Mode(row["Mode"])
    parts = [row["Request"].get(name) or {} for name in ("image", "batchAccount")]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("Request")
    for column in ("CreatedAt", "EndedAt"):
        if row.get(column):
            _moment(row[column])
    if row["State"] in ENDED or row.get("Outcome"):
        BuildOutcome.from_wire(row["Outcome"])


def _step(row: Row) -> None:
    if row["State"] not in _STEP_STATES:
        raise ValueError("State")
    _moment(row["StartedAt"])
    _moment(row["SeenAt"])
    float(row.get("Typical") or 0)
    if row["State"] == "succeeded":
        row["Result"].keys()
    if row.get("Error"):
        Failure.from_wire(row["Error"])


def _moment(text: str) -> None:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without a zone")


def _pace(row: Row) -> None:
    for seconds in row["Seconds"].values():
        float(seconds)


def _reconciled(row: Row) -> None:
    _moment(row["At"])


def _recipe(row: Row) -> None:
    RecipeDocument.from_wire({"name": "", **row["Recipe"]})
    row["Recipe"]["request"].keys()


def _refused(row: Row) -> None:
    if not isinstance(row["Message"], str):
        raise TypeError("Message")
    for problem in row["Problems"]:
        RefusedProblem.from_wire(problem)


def _change(row: Row) -> None:
    _moment(row["At"])
    if not isinstance(row["What"], str):
        raise TypeError("What")


_CHECKS: dict[str, Callable[[Row], object]] = {
    BUILDS: _build,
    STEPS: _step,
    PACE: _pace,
    IMAGES: lambda row: ImageRecord.from_wire(row["Image"]),
    POOLS: lambda row: PoolRecord.from_wire(row["Pool"]),
    RECIPES: _recipe,
    REFUSED: _refused,
    RECONCILED: _reconciled,
    CHANGES: _change,
}
