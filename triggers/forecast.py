"""What a request would do and cost. Its checks run now; nothing is started."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from activities import pool_preflight, preflight
from orchestrators import image_steps
from orchestrators.build import checks_for
from shared.azure.cache import TtlCache
from shared.base import timing
from shared.base.errors import Problem
from shared.engine import activity_runner
from shared.engine.activity import Activity, Services
from shared.engine.step_graph import Results, Step
from shared.model import build_outcomes, parsing, plan_updates
from shared.model.outcomes import ImageRecord
from shared.model.plan_documents import Forecast, ForecastNames, ForecastStep
from shared.model.plans import BuildPlan, ImagePlan
from shared.model.results import Findings, ScriptResult
from shared.store import base_records
from triggers import costs, plan_changes

Json = dict[str, Any]
_ORIGIN = "2000-01-01T00:00:00Z"  # a forecast has no clock: its checks do not depend on the time
_POOL_STEPS = ("pool", "nodes")
_VERIFY_STEPS = ("verify",)


def of(data: object, services: Services) -> Forecast:
    """What the request `data` would do. Raises RequestRefused."""
    request = parsing.parse_build(data, services.azure.config).with_request_id("forecast")
    request = base_records.with_base_contents(services.records, request)
    plan = base_records.plan_build(services.records, request, services.azure.config)
    # A forecast has no clock, so an empty cache takes the place of one whose facts would never age.
    found = _check(plan, dataclasses.replace(services, cache=TtlCache()))
    plan = plan_updates.with_facts(plan, found)
    pace = services.records.pace()
    steps = _steps(plan, pace)
    hours = _builder_seconds(steps) / 3600
    impacts = plan_changes.impacts(plan, found, services)
    return Forecast(
        mode=plan.mode.value,
        steps=steps,
        names=_names(plan, found.image),
        changes=plan_changes.shown(impacts),
        blockers=[*found.blockers, *plan_changes.problems(plan, impacts)],
        warnings=[*found.warnings, *plan_changes.warnings(plan, impacts)],
        minutes=round(_last_end(steps) / 60, 1),
        cost=costs.of(plan, hours, services.azure),
    )


def _last_end(steps: list[ForecastStep]) -> float:
    return max((step.ends_after_seconds for step in steps), default=0.0)


def _check(plan: BuildPlan, services: Services) -> Findings:
    """Run all checks side by side, except the one that registers providers. A check that fails
    counts as a blocker.
    """
    checks = [check for check in checks_for(plan) if check is not preflight.check_providers]
    payload = {"plan": plan.to_wire(), "tick": {"now": _ORIGIN}}
    with ThreadPoolExecutor(max_workers=len(checks)) as workers:
        replies = workers.map(
            lambda check: activity_runner.perform(check, services, payload), checks
        )
        return build_outcomes.combine(
            _findings(check, reply) for check, reply in zip(checks, replies, strict=True)
        )


def _findings(check: Activity[BuildPlan, Findings], reply: Json) -> Findings:
    if reply["state"] == "done":
        return Findings.from_wire(reply["result"])
    error = reply["error"]
    field = "batchAccount" if check is pool_preflight.check_batch else "image"
    problem = Problem(field=field, code=error["code"], message=error["message"])
    return Findings(blockers=[problem])


def _builder_seconds(steps: list[ForecastStep]) -> float:
    """How long the builder runs: from the beginning of its creation until its disk is captured,
    when it is off.
    """
    first = next((s for s in steps if s.name == "builder_vm"), None)
    last = next((s for s in steps if s.name in {"generalize", "snapshot"}), None)
    if first is None or last is None:
        return 0.0
    return last.ends_after_seconds - first.ends_after_seconds + first.seconds


def _steps(plan: BuildPlan, pace: dict[str, float]) -> list[ForecastStep]:
    """The steps in their order, with when each would end if all took their typical time."""
    found: list[ForecastStep] = []
    if plan.account and plan.account.endpoint is None:
        found.append(_step("batch_account", 0, pace))
    offset = _last_end(found)
    if plan.image:
        steps = image_steps.plan_steps(plan.image)
        expected = _expected(plan.image, steps.all)
        found += _graph(steps.all, steps.prerequisites.all, expected, offset, pace)
    offset = _last_end(found)
    for pool in plan.pools:
        after = offset
        for name in (*_POOL_STEPS, *(_VERIFY_STEPS if pool.pool.verify else ())):
            found.append(_step(name, after, pace, pool=pool.pool_id))
            after = found[-1].ends_after_seconds
    return found


def _expected(image: ImagePlan, steps: list[Step[Any, Any]]) -> Results:
    """The script results to expect, which decide the skipped steps: a marketplace system needs a
    restart, one of our images does not.
    """
    usual = ScriptResult(reboot_required=image.base_id is None).to_wire()
    return Results({s.name: usual for s in steps if s.activity.result is ScriptResult})


def _graph(
    steps: list[Step[Any, Any]],
    prerequisites: list[Step[Any, Any]],
    expected: Results,
    offset: float,
    pace: dict[str, float],
) -> list[ForecastStep]:
    """The steps of an image that are not skipped. The `prerequisites` may begin at once, all others
    only after `offset`.
    """
    ends: dict[Step[Any, Any], float] = {}
    found = []
    for step in steps:
        before = [ends[earlier] for earlier in step.after]
        begins = max(before, default=0.0) if step in prerequisites else max([*before, offset])
        if not step.when(expected):
            ends[step] = begins
            continue
        found.append(_step(step.name, begins, pace))
        ends[step] = found[-1].ends_after_seconds
    return found


def _step(
    name: str, begins: float, pace: dict[str, float], pool: str | None = None
) -> ForecastStep:
    of_pool = {} if pool is None else {"pool": pool}
    seconds = timing.of_step(name, pace).typical
    return ForecastStep(
        name=name,
        state="pending",
        seconds=seconds,
        ends_after_seconds=begins + seconds,
        **of_pool,
    )


def _base(image: ImagePlan) -> str:
    if image.base_id is None:
        return f"{image.system.publisher}:{image.system.offer}:{image.system.sku}"
    return (image.base.id if image.base else None) or image.base_id


def _names(plan: BuildPlan, existing: ImageRecord | None) -> ForecastNames:
    names: Json = {}
    if plan.image:
        image = plan.image
        names |= {
            "resource_group": image.resource_group,
            "gallery": image.gallery,
            "image": image.definition,
            "version": image.version or "the next free one",
            "builder_vm_size": image.size,
            "os_disk_size_gib": image.os_disk_gib,
            "base_image": _base(image),
            "target_regions": list(image.target_regions),
        }
        if image.registry:
            names["registry"] = image.registry.name
            names["pushed_image"] = image.registry.build_image
    if existing:
        names |= {
            "resource_group": existing.resource_group,
            "gallery": existing.gallery_name,
            "image": existing.image_name,
            "version": existing.version,
            "base_os": existing.base_os,
            "architecture": existing.architecture,
        }
    if plan.account:
        names |= {"batch_account": plan.account.name, "pools": [p.pool_id for p in plan.pools]}
    return ForecastNames(**names)
