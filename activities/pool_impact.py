"""What a request would do to the pools that exist, and whose tasks it would interrupt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from activities import batch_pool, pool_conflicts
from shared.azure import batch_bodies, pool_difference, resource_state, sdk
from shared.base import names, scripts
from shared.base.errors import Problem
from shared.engine.activity import Json, PollState, Services
from shared.model import plan_updates
from shared.model.outcomes import ImageRecord
from shared.model.plans import BuildPlan, PoolPlan
from shared.model.pool_request import IfExists

_INTERRUPTS = {"empty", "replace"}
_LETS_TASKS_END = {"TaskCompletion", "RetainedData"}
_OF_A_NODE = ["id", "state", "isDedicated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Impact:
    """`action` is create, none, update, empty or replace. The pool would lose `removed` nodes; None
    where a new formula decides that. `running` nodes run tasks that this would interrupt: all that
    do, or those beyond the number that is asked for. `refused` is the code of the error, and
    `message` its text, where the pool's step refuses the request.
    """

    action: str
    reasons: dict[str, str] = field(default_factory=dict)
    removed: int | None = 0
    running: int = 0
    refused: str = ""
    message: str = ""


def of(
    services: Services, plan: PoolPlan, image: ImageRecord | None, poll: PollState, endpoint: str
) -> Impact:
    """What the request would do to this pool. `image` is None where it is still to be built."""
    observed = batch_pool.observe(services, plan, poll)
    impact = _decided(plan, image, observed)
    impact = replace(impact, removed=_removed(plan, impact, observed))
    if impact.action in _INTERRUPTS:
        return replace(impact, running=sum(_running(services, plan, endpoint)))
    if impact.action == "update" and _takes_nodes(plan, observed):
        asked = (plan.pool.nodes, plan.pool.low_priority_nodes)
        running = _running(services, plan, endpoint)
        gone = sum(max(0, r - a) for r, a in zip(running, asked, strict=True))
        return replace(impact, running=gone)
    return impact


def _removed(plan: PoolPlan, impact: Impact, observed: Json | None) -> int | None:
    """How many of the pool's nodes would go; None where a new formula decides that."""
    here = batch_pool.current_nodes(observed or {})
    if impact.action in _INTERRUPTS:
        return sum(here)
    if impact.action != "update" or "scaleSettings" not in impact.reasons:
        return 0
    if plan.pool.formula:
        return None
    asked = (plan.pool.nodes, plan.pool.low_priority_nodes)
    return sum(max(0, has - wants) for has, wants in zip(here, asked, strict=True))


def _takes_nodes(plan: PoolPlan, observed: Json | None) -> bool:
    """Whether fewer nodes are asked for than there are, and their tasks may not end first."""
    option, here = plan.pool.node_deallocation_option, batch_pool.current_nodes(observed or {})
    if plan.pool.formula or option in _LETS_TASKS_END:
        return False
    return plan.pool.nodes < here[0] or plan.pool.low_priority_nodes < here[1]


def _decided(plan: PoolPlan, image: ImageRecord | None, observed: Json | None) -> Impact:
    if observed is None or resource_state.provisioning(observed) == "deleting":
        return Impact(action="create")
    if refused := pool_conflicts.refusal(plan, observed):
        code, message = refused
        return Impact(action="none", refused=code, message=message)
    if plan.pool.if_exists is IfExists.REPLACE:
        reasons = {"ifExists": "the request replaces the pool"}
        return Impact(action="replace", reasons=reasons)
    if image is None:
        shown = _image_name(_value(observed, *_IMAGE))
        reasons = {"deploymentConfiguration": f"the pool gets the new image: it has {shown}"}
        return Impact(action="empty", reasons=reasons)
    planned = plan_updates.with_image(plan, image)
    described = batch_bodies.described_pool(planned, scripts.start_task_command())
    match pool_difference.compare(described, observed):
        case pool_difference.Reshape(reasons=reasons):
            return Impact(action="empty", reasons=_with_values(reasons, described, observed))
        case pool_difference.Change(properties=properties) if properties:
            reasons = dict.fromkeys(properties, pool_difference.ASKED)
            return Impact(action="update", reasons=_with_values(reasons, described, observed))
        case _:
            return Impact(action="none")


_IMAGE = ("deploymentConfiguration", "virtualMachineConfiguration", "imageReference")
_FIXED = ("scaleSettings", "fixedScale")
# Values of properties that are short and hold no secret of their owner.
_VALUES: Sequence[tuple[str, ...]] = (
    ("vmSize",),
    ("taskSlotsPerNode",),
    ("interNodeCommunication",),
    (*_FIXED, "targetDedicatedNodes"),
    (*_FIXED, "targetLowPriorityNodes"),
    ("taskSchedulingPolicy", "nodeFillType"),
    _IMAGE,
)


def _with_values(reasons: dict[str, str], wanted: Json, found: Json) -> dict[str, str]:
    """The reasons with the values before and after, where these can be shown."""
    changes: dict[str, list[str]] = {}
    for name, *below in _VALUES:
        old, new = (_shown(_value(body, name, *below)) for body in (found, wanted))
        if old and new and not names.same(old, new):
            label = f"{below[-1]} " if name == "scaleSettings" else ""
            changes.setdefault(name, []).append(f"{label}{old} → {new}")
    return {
        name: ": ".join([why, *([", ".join(changes[name])] if name in changes else [])])
        for name, why in reasons.items()
    }


def _value(body: Json, *path: str) -> Any:
    found: Any = resource_state.properties(body)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return _image_name(value)
    return "" if value is None else str(value)


def _image_name(reference: Any) -> str:
    """`gallery/image/1.0.0` of one in a gallery; the id of another."""
    ids = [str(value) for value in (reference or {}).values() if value]
    parts = names.parse_image_version_id(ids[0]) if ids else None
    if parts is None:
        return ":".join(ids)
    return f"{parts['gallery']}/{parts['definition']}/{parts['version']}"


def _running(services: Services, plan: PoolPlan, endpoint: str) -> tuple[int, int]:
    """How many dedicated and low-priority nodes run tasks."""
    from azure.core.exceptions import ResourceNotFoundError

    service = services.azure.batch_service(endpoint)
    try:
        nodes = sdk.listed(service.list_nodes, plan.pool_id, select=_OF_A_NODE)
    except ResourceNotFoundError:
        return 0, 0
    busy = [n for n in nodes if str(n.get("state", "")).lower() == "running"]
    dedicated = sum(bool(n.get("isDedicated")) for n in busy)
    return dedicated, len(busy) - dedicated


def present_sizes(services: Services, plan: BuildPlan, poll: PollState) -> dict[str, str]:
    """The sizes of the plan's pools that are there to stay and have nodes, by lower-case id."""
    assert plan.account is not None
    asked = {pool.pool_id.lower() for pool in plan.pools}
    listed = batch_pool.listed(services, plan.account.account_id, poll.now)
    return {
        pool["name"].lower(): str(resource_state.properties(pool).get("vmSize"))
        for pool in listed
        if pool["name"].lower() in asked and any(batch_pool.current_nodes(pool))
        if not _goes(pool)
    }


def _goes(pool: Json) -> bool:
    """Whether the pool is deleted before it can be changed; its nodes may still be there."""
    return resource_state.provisioning(pool) == "deleting" or batch_pool.is_expired(pool)


def at_work(
    services: Services, plan: BuildPlan, present: dict[str, str], endpoint: str | None
) -> list[str]:
    """The `present` pools, by lower-case id, that run tasks and could be emptied for another of
    their sizes, where the one that they have lacks capacity.
    """
    if plan.image is not None or endpoint is None:
        return []
    return [
        pool.pool_id.lower()
        for pool in plan.pools
        if pool.other_sizes and not pool.pool.interrupt_tasks and pool.pool_id.lower() in present
        if any(_running(services, pool, endpoint))
    ]


def interruptions(
    services: Services,
    pools: Iterable[tuple[int, PoolPlan]],
    image: ImageRecord | None,
    poll: PollState,
    endpoint: str,
) -> list[Problem]:
    """The pools, each with its place in the request, whose running tasks the request would
    interrupt without saying so.
    """
    problems = []
    for index, plan in pools:
        if plan.pool.interrupt_tasks or plan.pool.if_exists is IfExists.FAIL:
            continue
        impact = of(services, plan, image, poll, endpoint)
        if impact.running:
            message = (
                f"pool {plan.pool_id} runs tasks on {impact.running} of its nodes, and this "
                f"request would {_EFFECTS[impact.action]} ({_why(impact)}): wait for them to end, "
                'or say "interruptTasks": true (--yes)'
            )
            field = f"pools[{index}].interruptTasks"
            problems.append(Problem(field=field, code="PoolInUse", message=message))
    return problems


_EFFECTS = {"empty": "empty it", "replace": "replace it", "update": "take these nodes"}


def _why(impact: Impact) -> str:
    return ", ".join(f"{name}: {why}" for name, why in impact.reasons.items())
