"""The small columns of a build's row. Pure.

The row also holds the build's request and outcome, up to a megabyte. Readers of many builds select
these columns alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.base import names
from shared.base import resource_types as types
from shared.model.requests import Mode
from shared.store.row_checks import ENDED

Json = dict[str, Any]

COLUMNS = (
    "State",
    "Mode",
    "AcceptedAt",
    "CreatedAt",
    "EndedAt",
    "Groups",  # of image, account, and a registry elsewhere; 0.1.0 left out the default ones
    "Definition",  # of its image, if it makes one
    "Context",  # the uploads that the request names
    "IsResumable",  # the two of the outcome
    "HasLeftovers",
)


def of_request(request: Mapping[str, Any], default_group: str = "") -> Json:
    """The columns that are made from a request."""
    image, account = (request.get(name) or {} for name in ("image", "batchAccount"))
    groups = [str(part.get("resourceGroup") or default_group) for part in (image, account)]
    registry = image.get("registry") or {}
    if elsewhere := registry.get("resourceGroup"):
        groups.append(str(elsewhere))
    build = registry.get("build") or {}
    uploads = [build.get("context"), *(step.get("upload") for step in image.get("steps") or [])]
    contexts = "|".join(dict.fromkeys(str(name) for name in uploads if name))
    return {"Groups": "|".join(groups), "Context": contexts}


def of_outcome(outcome: Mapping[str, Any]) -> Json:
    """The columns that are made from an outcome."""
    kept = {"IsResumable": "resumable", "HasLeftovers": "leftovers"}
    return {column: bool(outcome.get(name)) for column, name in kept.items()}


def kept_leftovers(row: Mapping[str, Any]) -> set[str]:
    """The ids, in lower case, of leftovers that a build keeps on purpose until they expire: what it
    needs to be resumed without an image, and the builder that `keepVm` asks for. It could not
    remove the others. Takes the whole row of a build that has ended.
    """
    image, outcome = row["Request"].get("image") or {}, row["Outcome"]
    left = {str(id_).lower() for id_ in outcome.get("leftovers") or []}
    snapshots = {id_ for id_ in left if names.type_of(id_) == types.SNAPSHOT}
    builder = left - snapshots
    kept = builder if image.get("keepVm") else set()
    if outcome.get("resumable") and not outcome.get("image"):
        kept |= snapshots or builder  # a snapshot is all that a resume needs
    return kept


def is_complete(row: Mapping[str, Any]) -> bool:
    """Whether the row has its small columns: 0.1.0 did not write them."""
    return "Groups" in row and (row["State"] not in ENDED or "IsResumable" in row)


def is_expired(row: Mapping[str, Any], before: datetime) -> bool:
    """Whether the build ended before that and is done with: neither kept for a resume, nor with
    resources that a sweep still has to remove.
    """
    is_kept = row.get("IsResumable") or row.get("HasLeftovers")
    if row["State"] not in ENDED or is_kept or not row.get("EndedAt"):
        return False
    return datetime.fromisoformat(row["EndedAt"]) < before


def contexts_of(row: Mapping[str, Any]) -> list[str]:
    """The uploads that the build's request names."""
    return [name for name in str(row["Context"]).split("|") if name]


def groups_of(row: Mapping[str, Any], default: str) -> tuple[str, ...]:
    """The resource groups of the build's image and account, and of its registry if that differs."""
    return tuple(group or default for group in str(row["Groups"]).split("|"))


def definition_of(row: Mapping[str, Any], default: str) -> str:
    """The image definition that the build publishes into. 0.1.0 wrote none: all had the same."""
    publishes = row["Mode"] in {Mode.FULL, Mode.IMAGE_ONLY}
    return str(row.get("Definition") or default) if publishes else ""
