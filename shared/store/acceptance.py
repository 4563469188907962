"""Taking a request: one build per request id, one build at a time per image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shared.base import names
from shared.base.errors import RequestRefused
from shared.base.settings import Settings
from shared.model import parsing, planning, request_size
from shared.model.plans import BuildPlan
from shared.model.requests import Build
from shared.store.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The build of a request: a new one, or the one that the same request started before."""

    plan: BuildPlan
    is_new: bool  # or accepted before and never started


class RequestConflict(Exception):  # noqa: N818
    """Another build stands in the way: the same request id with another body, or a running build of
    the image.
    """

    def __init__(self, code: str, build: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.build = build


def accept(records: Records, data: object, settings: Settings, fallback_id: str = "") -> Accepted:
    """Parse and take POST /api/builds. `fallback_id` serves requests without an id.

    Raises RequestRefused (nothing is written) or Taken.
    """
    return accept_parsed(records, parsing.parse_build(data), settings, fallback_id)


def accept_parsed(
    records: Records, request: Build, settings: Settings, fallback_id: str = ""
) -> Accepted:
    """The same for a request that is parsed already."""
    request = request.with_request_id(fallback_id)
    wire = request.to_wire()
    if problem := request_size.record_problem(wire):
        raise RequestRefused([problem])
    plan = planning.plan_build(request, settings)
    row = records.accept_build(plan.build_id, request.mode, wire)
    if row is not None and not _same(row["Request"], wire):
        message = "this requestId was used with another body; give a new one"
        raise RequestConflict("RequestIdUsed", plan.build_id, message)
    is_new = row is None or row["State"] == "accepted"
    if is_new:  # also where an earlier try was cut off before it had the image
        try:
            claim_image(records, plan)
        except RequestConflict:
            records.withdraw_build(plan.build_id)
            raise
    return Accepted(plan=plan, is_new=is_new)


def _same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def claim_image(records: Records, plan: BuildPlan) -> None:
    """One build at a time makes versions of an image. Raises Taken."""
    image = plan.image
    if image is None:
        return
    key = names.image_partition(image.resource_group, image.gallery, image.definition)
    holder = records.claim("image", key, plan.build_id)
    if holder != plan.build_id:
        message = f"build {holder} of {image.gallery}/{image.definition} is running"
        raise RequestConflict("BuildRunning", holder, message)
