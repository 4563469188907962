"""Quotas of Batch accounts and subscriptions, from the numbers that Azure shows."""

from __future__ import annotations

from typing import Any

import pytest

from shared.azure import quotas
from shared.azure.quotas import Size

Json = dict[str, Any]
FIELD = "pools[0]"


def a_size(name: str, cores: int) -> Size:
    return Size(
        name=name, family="standardDSv5Family", cores=cores, generations=["V2"],
        architecture="x64", trusted_launch=True, gpus=0,
    )  # fmt: skip


SMALL, LARGE = a_size("Standard_D2s_v5", 2), a_size("Standard_D8s_v5", 8)
SIZES = {size.name.lower(): size for size in (SMALL, LARGE)}


def a_pool(name: str, size: Size = SMALL, **nodes: int) -> Json:
    """As Azure shows it: `wants` and `has` low-priority nodes."""
    properties: Json = {"vmSize": size.name}
    if "wants" in nodes:
        fixed = {"targetLowPriorityNodes": nodes["wants"]}
        properties["scaleSettings"] = {"fixedScale": fixed}
    if "has" in nodes:
        properties["currentLowPriorityNodes"] = nodes["has"]
    return {"name": name, "properties": properties}


@pytest.mark.parametrize(
    ("pools", "cores"),
    [
        ([], 0),
        ([a_pool("a")], 0),
        ([a_pool("a", wants=3)], 6),
        ([a_pool("a", wants=3, has=1)], 6),
        ([a_pool("a", has=4)], 8),
        ([a_pool("a", wants=1, has=4)], 8),
        ([a_pool("a", wants=1), a_pool("b", LARGE, wants=2)], 18),
        ([a_pool("Mine", wants=9), a_pool("b", wants=1)], 2),
        ([a_pool("a", a_size("Standard_Unknown", 4), wants=1)], 0),
    ],
)
def test_the_low_priority_cores_of_pools(pools: list[Json], cores: int) -> None:
    """What a pool wants, or what it still has, whichever is more; not those that are asked for."""
    assert quotas.used_low_priority_cores(pools, SIZES, {"mine"}) == cores


def low_priority(limit: int | None, used: int, *nodes: int) -> str | None:
    """The field that is named."""
    account = {"properties": {"lowPriorityCoreQuota": limit}}
    needs = [(f"pools[{number}]", SMALL, count) for number, count in enumerate(nodes)]
    problem = quotas.low_priority_shortage(account, needs, used)
    return problem.field if problem else None


def test_the_quota_of_low_priority_cores_is_one_for_all_pools() -> None:
    """To the last core; a single pool is named by its field."""
    assert low_priority(10, 4, 3) is None
    assert low_priority(10, 4, 4) == "pools[0]"
    assert low_priority(10, 4, 2, 2) == "pools"
    assert low_priority(None, 4, 99) is None


def dedicated(account: Json, *nodes: int, used: int = 0) -> list[str]:
    """The messages."""
    needs = [(f"pools[{number}]", SMALL, count) for number, count in enumerate(nodes)]
    problems = quotas.batch_shortages({"properties": account}, needs, {"": used})
    return [problem.message for problem in problems]


def test_the_quota_of_dedicated_cores() -> None:
    """To the last core; an account that takes the subscription's quotas has none of its own."""
    assert dedicated({"dedicatedCoreQuota": 10}, 5) == []
    assert dedicated({"dedicatedCoreQuota": 10}, 4, used=2) == []
    (message,) = dedicated({"dedicatedCoreQuota": 10}, 2, 4, used=2)
    assert message.startswith(
        "6 nodes of Standard_D2s_v5 in 2 pools need 12 cores (all families): the account's limit "
        "is 10, 2 are claimed. 4 nodes of Standard_D2s_v5 would fit in all."
    )
    theirs = {"dedicatedCoreQuota": 0, "poolAllocationMode": "UserSubscription"}
    assert dedicated(theirs, 99) == []
