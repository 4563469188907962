"""How a resumed build goes on: with its plan, and what an earlier try has finished. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.base import names
from shared.base.wire import replace
from shared.model import plan_updates
from shared.model.outcomes import BuildOutcome
from shared.model.plans import BuildPlan, Earlier
from shared.model.results import BuilderReady

Json = dict[str, Any]
# Steps that only ensure what lasts. It may have been deleted since, so they look again.
_ENSURING = {"resource_group", "account_group", "batch_account", "gallery", "image_definition"}
_BUILDER = "builder_vm"  # the step whose result describes the builder


def can_go_on(outcome: BuildOutcome, done: Mapping[str, Json]) -> bool:
    """Whether the records hold enough to go on. Older versions did not keep the builder's base
    image.
    """
    return outcome.image is not None or _builder(done).base is not None


def plan_resume(plan: BuildPlan, outcome: BuildOutcome, done: dict[str, Json]) -> BuildPlan:
    """The plan of a build that goes on from the results `done` (JSON by step)."""
    kept = {step: result for step, result in done.items() if step not in _ENSURING}
    earlier = Earlier(steps=kept, outcome=outcome)
    with_nodes = [pool for pool in outcome.pools if pool.nodes or pool.low_priority_nodes]
    present = {pool.pool_id.lower(): pool.vm_size for pool in with_nodes}
    # Whether tasks run on the nodes that a failed update left is not asked again.
    busy = {pool.pool_id.lower() for pool in with_nodes if not pool.nodes_left}
    plan = plan_updates.in_present_sizes(plan, present, busy)
    return replace(plan, earlier=earlier, warnings=outcome.warnings)


def as_built(plan: BuildPlan, earlier: Earlier) -> BuildPlan:
    """The plan as the earlier try carried it out: from its base image, even if there is a newer
    one, and with the expiry of the resources that exist.
    """
    assert plan.image is not None
    builder = _builder(earlier.steps)
    assert builder.expires_at is not None
    tags = {**plan.image.tags, names.TAG_EXPIRES: builder.expires_at}
    image = replace(plan.image, base=builder.base, tags=tags)
    if "generalize" in earlier.steps:
        image = replace(image, from_snapshot=False)
    image = replace(image, identity_client_id=builder.identity_client_id)
    if not is_sealed(earlier):
        image = replace(image, attempt=earlier.outcome.attempt + 1)
    return replace(plan, image=image)


def is_sealed(earlier: Earlier) -> bool:
    """Whether the builder of an earlier try is sealed: it must not boot again."""
    return "seal" in earlier.steps or is_captured(earlier)


def is_captured(earlier: Earlier) -> bool:
    """Whether the version can be copied: from a snapshot of the sealed builder, or from itself."""
    return bool({"generalize", "snapshot"} & earlier.steps.keys())


def _builder(done: Mapping[str, Json]) -> BuilderReady:
    return BuilderReady.from_wire({"size": "", **done.get(_BUILDER, {})})
