"""What a request would do and cost: its checks run now, the rest is told, nothing begins."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import activities
from orchestrators.build_image import ground
from orchestrators.build_image import story as image_story
from shared.azure.cache import TtlCache
from shared.base import timing
from shared.engine import activity_runner
from shared.engine.activity import Services
from shared.engine.workflow import Step
from shared.model import parsing, planning
from shared.model.plans import BaseImage, BuildPlan
from triggers import costs

Json = dict[str, Any]
_ORIGIN = "2000-01-01T00:00:00Z"  # a forecast has no clock: its checks do not depend on the time
_POOL_STEPS = ("pool", "nodes")
_VERIFY_STEPS = ("verify",)


def of(data: object, services: Services) -> Json:
    """The answer of POST /api/plan. Raises RequestRefused."""
    request = parsing.parse_build(data).with_request_id("forecast")
    plan = planning.plan_build(request, services.azure.config)
    # Without a clock nothing that was learned before would ever grow old.
    blockers, facts = _checks(plan, dataclasses.replace(services, cache=TtlCache()))
    plan = _as_possible(plan, facts)
    pace = services.records.pace()
    steps = _steps(plan, facts, pace)
    hours = _builder_seconds(steps) / 3600
    return {
        "mode": plan.mode.value,
        "steps": steps,
        "names": _names(plan),
        "blockers": blockers,
        "minutes": round(max((s["endsAfterSeconds"] for s in steps), default=0) / 60, 1),
        "cost": costs.of(plan, hours, services.azure),
    }


def _checks(plan: BuildPlan, services: Services) -> tuple[list[Json], Json]:
    """Every check side by side; what cannot be asked becomes a blocker too. Registering providers
    is left out.
    """
    wanted = [c for c in planning.checks_for(plan) if c != "check_providers"]
    payload = {"plan": plan.to_wire(), "tick": {"now": _ORIGIN}}
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        replies = list(
            pool.map(
                lambda c: activity_runner.perform(activities.find(c), services, payload), wanted
            )
        )
    blockers: list[Json] = []
    facts: Json = {}
    for check, reply in zip(wanted, replies, strict=True):
        if reply["state"] == "done":
            blockers += reply["result"]["blockers"]
            facts |= reply["result"]
        else:
            error = reply["error"]
            blockers.append(
                {"field": "$", "code": error["code"], "message": f"{check}: {error['message']}"}
            )
    return blockers, facts


def _as_possible(plan: BuildPlan, facts: Json) -> BuildPlan:
    """With the base image and the builder's sizes that Azure has told, if it has."""
    if plan.image is None or not facts.get("base"):
        return plan
    base, sizes = BaseImage.from_wire(facts["base"]), facts.get("sizes")
    sizes = sizes or [plan.image.size, *plan.image.other_sizes]
    return plan.model_copy(update={"image": planning.on_base(plan.image, base, sizes)})


def _builder_seconds(steps: list[Json]) -> float:
    """How long the builder runs: from its making until it is generalized, which finds it off."""
    first = next((s for s in steps if s["name"] == "builder_vm"), None)
    last = next((s for s in steps if s["name"] == "generalize"), None)
    if first is None or last is None:
        return 0.0
    return float(last["endsAfterSeconds"] - first["endsAfterSeconds"] + first["seconds"])


def _steps(plan: BuildPlan, facts: Json, pace: dict[str, float]) -> list[Json]:
    """The steps in their order, with when each would end if all took their typical time."""
    found: list[Json] = []
    if plan.account and not facts.get("endpoint"):
        found.append(_step("batch_account", 0, pace))
    offset = max((s["endsAfterSeconds"] for s in found), default=0.0)
    if plan.image:
        beside = {step.name for step in ground(plan.image)}  # the account
        found += _graph(image_story(plan.image), beside, offset, pace)
    offset = max((s["endsAfterSeconds"] for s in found), default=0.0)
    for pool in plan.pools:
        after = offset
        for name in (*_POOL_STEPS, *(_VERIFY_STEPS if pool.pool.verify else ())):
            step = _step(name, after, pace) | {"pool": pool.pool_id}
            after = step["endsAfterSeconds"]
            found.append(step)
    return found


def _graph(
    story: list[Step], beside: set[str], offset: float, pace: dict[str, float]
) -> list[Json]:
    """All steps but those named `beside` wait until `offset`, too."""
    ends: dict[str, float] = {}
    found = []
    for step in story:
        before = [ends[name] for name in step.after if name in ends]
        begins = max(before, default=0.0) if step.name in beside else max([*before, offset])
        found.append(_step(step.name, begins, pace))
        ends[step.name] = found[-1]["endsAfterSeconds"]
    return found


def _step(name: str, begins: float, pace: dict[str, float]) -> Json:
    seconds = timing.pace_of(name, pace).typical
    return {
        "name": name,
        "state": "pending",
        "seconds": seconds,
        "endsAfterSeconds": begins + seconds,
    }


def _names(plan: BuildPlan) -> Json:
    told: Json = {}
    if plan.image:
        image = plan.image
        told |= {
            "resourceGroup": image.resource_group,
            "gallery": image.gallery,
            "image": image.definition,
            "version": image.version or "the next free one",
            "builderVmSize": image.size,
            "baseImage": f"{image.system.publisher}:{image.system.offer}:{image.system.sku}",
            "targetRegions": list(image.target_regions),
        }
    if plan.account:
        told |= {"batchAccount": plan.account.name, "pools": [p.pool_id for p in plan.pools]}
    return told
