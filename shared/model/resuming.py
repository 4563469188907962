"""What a resumed build goes on from: its plan, with what an earlier try has finished. Pure."""

from __future__ import annotations

from typing import Any

from shared.base import names
from shared.model.plans import BaseImage, BuildOutcome, BuildPlan, Earlier, ImagePlan

Json = dict[str, Any]


def can_go_on(outcome: BuildOutcome, done: dict[str, Json]) -> bool:
    """Whether what an earlier try has told is enough: older versions did not tell the builder's
    base image.
    """
    return outcome.image is not None or "base" in done.get("builder_vm", {})


def plan_resume(plan: BuildPlan, outcome: BuildOutcome, done: dict[str, Json]) -> BuildPlan:
    """The plan of a build that goes on: with what its earlier try has finished."""
    return plan.model_copy(update={"earlier": Earlier(steps=done, outcome=outcome)})


def as_built(plan: ImagePlan, builder: Json) -> ImagePlan:
    """The plan as an earlier try has carried it out, from the result of the step `builder_vm`:
    by now there may be a newer base image, and what stands keeps its expiry.
    """
    tags = {**plan.tags, names.TAG_EXPIRES: builder["expiresAt"]}
    return plan.model_copy(update={"base": BaseImage.from_wire(builder["base"]), "tags": tags})
