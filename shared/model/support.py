"""Until when Batch supports a system or size, and how many replicas of an image it asks for. Pure.

Dates are compared by day: `today` is Azure's, because a plan is made without a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from shared.base.errors import Problem
from shared.model import catalogue
from shared.model.outcomes import ImageRecord
from shared.model.plans import BuildPlan, PoolPlan

_SOON = timedelta(days=180)


def unproven_system(plan: BuildPlan) -> list[Problem]:
    """A warning for an experimental system in a build that has no Batch account: only an account
    lists the node agents that Batch has.
    """
    image = plan.image
    if image is None or plan.account is not None or not catalogue.is_experimental(image.system):
        return []
    system = image.system
    message = (
        f"{system.name} {system.version} is experimental: Batch may not have its node agent, "
        f"{system.node_agent!r}, and then refuses every pool of this image. List what your account "
        "supports (az batch pool supported-images list), or build in mode full, which asks the "
        "account before it creates anything that costs money"
    )
    return [Problem(field="image.os", code="SystemExperimental", message=message)]


# -- ends of support ------------------------------------------------------------------------------


def is_over(ends: str | None, today: str | None) -> bool:
    """Whether this day has come; False where either is unknown."""
    return bool(ends and today) and _day(ends) <= _day(today)


def ended(what: str, ends: str | None) -> str:
    """Batch refuses or empties pools from then on: https://github.com/Azure/Batch/issues/200"""
    return (
        f"Batch ended its support of {what} on {_day(ends)}: it may refuse new pools, and empty "
        "those that exist"
    )


def ends_soon(field: str, what: str, ends: str | None, today: str | None) -> list[Problem]:
    """A warning where the support ends within half a year."""
    if not ends or not today or is_over(ends, today) or _day(ends) - _day(today) > _SOON:
        return []
    message = f"Batch ends its support of {what} on {_day(ends)}; change to another one until then"
    return [Problem(field=field, code="SupportEnds", message=message)]


def system_ends_soon(plan: BuildPlan, today: str | None) -> list[Problem]:
    """The same for the image's system, by its publisher's date, where no account can be asked."""
    image = plan.image
    if image is None or plan.account is not None:
        return []
    system = f"{image.system.name} {image.system.version}"
    return ends_soon("image.os", system, catalogue.end_of_life(image.system), today)


def _day(moment: str | None) -> date:
    assert moment is not None
    return date.fromisoformat(moment[:10])


# -- replicas -------------------------------------------------------------------------------------

# https://learn.microsoft.com/azure/batch/batch-sig-images#considerations-for-large-pools
NODES_A_REPLICA = 300


def replicas_for(nodes: int) -> int:
    """How many replicas of an image a pool of so many nodes asks for."""
    return max(1, -(-nodes // NODES_A_REPLICA))


def too_few_planned(plan: BuildPlan) -> list[Problem]:
    """A warning for each pool that asks for more replicas than the request of the image says."""
    if plan.image is None:
        return []
    advice = "Ask for more in image.targetRegions, or leave the number out."
    return _too_few(plan.pools, plan.image.target_regions, advice)


def too_few_in_image(
    pools: Sequence[PoolPlan], image: ImageRecord, replicas: dict[str, int]
) -> list[Problem]:
    """The same for an existing image with so many `replicas` by region, and the command that adds
    them. It names every region, because it removes the others.
    """
    wanted = dict(replicas)
    for pool in pools:
        there = pool.account.location
        wanted[there] = max(wanted[there], replicas_for(pool.nodes_asked))
    regions = " ".join(f"{region}={count}" for region, count in wanted.items())
    advice = (
        f"Add them: az sig image-version update -g {image.resource_group} -r {image.gallery_name} "
        f"-i {image.image_name} -e {image.version} --target-regions {regions}"
    )
    return _too_few(pools, replicas, advice)


def withdrawn(image: ImageRecord) -> list[Problem]:
    """A person has excluded the version from latest, and the request names it all the same."""
    if not image.excluded_from_latest:
        return []
    message = (
        f"version {image.version} of {image.image_name} was withdrawn (excluded from latest); "
        "name another version, or latest to get the newest one"
    )
    return [Problem(field="image.version", code="ImageWithdrawn", message=message)]


def _too_few(pools: Sequence[PoolPlan], replicas: dict[str, int], advice: str) -> list[Problem]:
    return [
        Problem(
            field=f"pools[{index}].nodes",
            code="ReplicasFew",
            message=(
                f"{pool.nodes_asked} nodes ask for {replicas_for(pool.nodes_asked)} replicas of "
                f"the image in {pool.account.location}, and there are "
                f"{replicas[pool.account.location]}: nodes come more slowly. {advice}"
            ),
        )
        for index, pool in enumerate(pools)
        if replicas_for(pool.nodes_asked) > replicas[pool.account.location]
    ]
