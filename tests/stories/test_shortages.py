"""What Azure or a registry does not give: said before anything is paid for, or lived with."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base import errors
from tests.world import World, a_pool, a_request, image_only, pools_only
from triggers import builds

FORMULA = "$TargetDedicatedNodes={};"


def blockers(world: World, request: dict[str, Any]) -> dict[str, str]:
    """What stands in the way of a request, by field."""
    found = world.ask(builds.plan_build, request).body["blockers"]
    return {blocker["field"]: blocker["message"] for blocker in found}


# -- low-priority nodes ---------------------------------------------------------------------------


def test_more_low_priority_nodes_than_the_account_may_have_are_a_blocker(built: World) -> None:
    """The account's quota is one for all sizes; nodes of other pools count."""
    built.change_facts({"batchQuota:lowPriorityCores": 8})
    first = built.build(pools_only("r1", a_pool("one", nodes=0, lowPriorityNodes=2)))
    assert first["state"] == "succeeded", first["error"]
    built.engine.advance(120)
    found = blockers(built, pools_only("r2", a_pool("two", nodes=1, lowPriorityNodes=3)))
    assert "limit of low-priority cores is 8, 4 are claimed" in found["pools[0].lowPriorityNodes"]
    assert blockers(built, pools_only("r3", a_pool("two", nodes=1, lowPriorityNodes=2))) == {}
    full = a_request(requestId="r4", pools=[a_pool("two", lowPriorityNodes=3)])
    assert "pools[0].lowPriorityNodes" in blockers(built, full)


def test_a_shortage_of_low_priority_nodes_takes_no_healthy_node(built: World) -> None:
    """Azure gives them when it can, and takes them at any time; the dedicated ones do the work."""
    wanted = a_pool("dev", nodes=1, lowPriorityNodes=4, verify=True)
    built.build(pools_only("r0", a_pool("other", nodes=0)))  # makes the account
    built.start(pools_only("r1", a_pool("another", nodes=0)))
    built.engine.advance(10)  # its checks have found a quota
    built.change_facts({"batchQuota:lowPriorityCores": 0})
    shown = built.build(pools_only("r2", wanted))

    assert shown["state"] == "succeeded", shown["error"]
    (pool,) = shown["pools"]
    assert (pool["state"], pool["verified"]) == ("ready", True)
    assert (pool["nodes"], pool["lowPriorityNodes"]) == (1, 0)
    assert "0 of 4 low-priority" in pool["note"]
    assert [w["code"] for w in shown["warnings"]] == ["PoolDiffers"]
    found = built.services.azure.batch.pool.get("images", "mybatch12345", "dev").as_dict()
    assert found["properties"]["currentDedicatedNodes"] == 1


# -- jobs -----------------------------------------------------------------------------------------

NO_JOB = {
    "effect": "status",
    "method": "POST",
    "path": "/jobs$",
    "status": 409,
    "code": "ActiveJobAndScheduleQuotaReached",
}


def test_a_verification_waits_for_a_job_to_end(built: World) -> None:
    """The quota is free again seconds later; the nodes are idle and healthy."""
    built.fault({**NO_JOB, "times": 3})
    build = built.build(pools_only("r1", a_pool("dev", verify=True)))
    assert build["state"] == "succeeded", build["error"]
    assert build["pools"][0]["verified"] is True


def test_a_verification_does_not_wait_for_ever(built: World) -> None:
    """Idle nodes cost money; the error names the quota that is meant."""
    built.fault({**NO_JOB, "times": 99})
    began = built.clock.now()
    build = built.build(pools_only("r1", a_pool("dev", verify=True)))
    assert build["error"]["code"] == "JobQuotaReached"
    assert "jobs" in build["error"]["nextAction"]
    assert built.clock.now() - began < 1800


def test_an_account_without_jobs_cannot_verify(built: World) -> None:
    """Found before there are nodes."""
    assert built.build(pools_only("r0", a_pool("dev")))["state"] == "succeeded"
    built.change_facts({"batchQuota:activeJobs": 0})
    built.engine.advance(120)
    assert list(blockers(built, pools_only("r1", a_pool("dev", verify=True)))) == [
        "pools[0].verify"
    ]


# -- no nodes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "there"),
    [
        ({"nodes": 0}, 0),
        ({"autoscaleFormula": FORMULA.format(0)}, 0),
        ({"autoscaleFormula": FORMULA.format(2)}, 2),
    ],
)
def test_a_pool_has_as_many_nodes_on_record_as_it_has(
    built: World, nodes: dict[str, Any], there: int
) -> None:
    """A pool that could not be verified says why."""
    pool = {"id": "auto", "vmSize": "Standard_D2s_v5", "verify": True, **nodes}
    build = built.build(pools_only("r1", pool))
    assert build["state"] == "succeeded", build["error"]
    (record,) = build["pools"]
    assert (record["nodes"], record["verified"]) == (there, there > 0)
    assert ("it has no nodes" in record.get("note", "")) == (there == 0)


# -- registries, and what a deleted machine still holds -------------------------------------------


def test_a_registry_that_allows_no_more_pulls_has_its_own_advice(world: World) -> None:
    """ "Start again" would meet the same limit."""
    world.fault({"effect": "script", "step": "preload", "exitCode": 26, "message": "pull limit"})
    images = ["docker.io/library/busybox:1.36"]
    build = world.build(image_only(containerImages=images))
    assert build["error"]["azureCode"] == "RATE_LIMITED"
    assert "az acr import" in build["error"]["nextAction"]


@pytest.mark.parametrize("code", ["NicReservedForAnotherVm", "InUseSubnetCannotBeDeleted"])
def test_a_network_that_is_still_in_use_is_removed_later(world: World, code: str) -> None:
    """Azure reserves a deleted machine's card for 180 seconds."""
    world.fault(
        {
            "effect": "status",
            "method": "DELETE",
            "path": "virtualNetworks/",
            "status": 400,
            "code": code,
            "times": 5,
        }
    )
    build = world.build(image_only())
    assert build["state"] == "succeeded", build["error"]
    assert build["leftovers"] == []
    assert world.resources("virtualNetworks") == []


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("AuthorizationFailed", "PermissionMissing"),
        ("MarketplacePurchaseEligibilityFailed", "TermsNotAccepted"),
        ("TasksOperationsNotAllowed", "ServiceClosed"),
        ("RequestDisallowedByAzure", "ServiceClosed"),
        ("ScopeLocked", "ScopeLocked"),
        ("SubscriptionQuotaExceeded", "QuotaExceeded"),
    ],
)
def test_what_a_role_would_not_cure_is_called_by_its_name(code: str, ours: str) -> None:
    """A person who gives roles for a lock or for terms looks for the mistake in the wrong place."""
    failure = errors.from_azure(attempted="x", resource="y", status=403, code=code, message="no")
    assert failure.code == ours
    assert ("role" in (failure.next_action or "")) == (ours == "PermissionMissing")


# -- resource providers ---------------------------------------------------------------------------


def test_the_first_build_of_a_subscription_registers_its_providers(world: World) -> None:
    """The other checks run meanwhile, and Azure answers them nothing before that is done."""
    providers = f"{world.azure.subscription}/providers/Microsoft"
    for name in ("Batch", "Compute", "Network"):
        url = f"https://azure/subscriptions/{providers}.{name}/unregister?api-version=2025-04-01"
        world.azure.dispatch("POST", url, {})

    build = world.build(a_request())

    assert build["state"] == "succeeded", build["error"]


@pytest.mark.parametrize("low_priority", [False, True])
def test_the_next_size_is_tried_where_azure_has_no_machines(
    built: World, low_priority: bool
) -> None:
    """The pool wants its nodes already, so Azure begins to allocate only after they are taken back;
    the failure of the first size says nothing about the second.
    """
    built.build(pools_only("r0", a_pool("other")))
    built.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    nodes = {"nodes": 0, "lowPriorityNodes": 2} if low_priority else {"nodes": 2}
    sizes = ["Standard_D4s_v5", "Standard_D2s_v5"]
    build = built.build(pools_only("r1", a_pool("dev", vmSize=None, vmSizes=sizes, **nodes)))

    assert build["state"] == "succeeded", build["error"]
    assert build["pools"][0]["vmSize"] == sizes[-1]
    assert built.pool("mybatch12345", "dev")["nodeStates"] == {"idle": 2}
