"""Every class of failure, and every row of the old script's list, worded so that it helps: what was
tried, on what, what Azure answered, what to do next; and nothing left that costs money.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shared.base.errors import Kind
from tests.world import World, a_pool, a_request, an_image, image_only

ROOT = Path(__file__).parents[2]
VM = "virtualMachines/[^/]+$"
NETWORK = {"method": "PUT", "path": "virtualNetworks", "times": 100}


def refuses(status: int, code: str) -> dict:
    """Azure refuses the builder's network in this way."""
    return {**NETWORK, "effect": "status", "status": status, "code": code, "message": "As it is."}


# By class: the fault, our code, Azure's code, and words of the message and of the advice.
CASES: dict[Kind, tuple[dict, str, str | None, str, str]] = {
    Kind.TRANSIENT: (
        {**NETWORK, "effect": "status", "status": 503, "code": "ServerBusy"},
        "AzureUnavailable",
        "ServerBusy",
        "Could not create the builder's virtual network",
        "Start the build again",
    ),
    Kind.CAPACITY: (
        {"effect": "allocation", "operation": "virtualMachines.create", "times": 9},
        "NoCapacity",
        "AllocationFailed",
        "Could not create the builder VM (Standard_D2s_v5 in swedencentral): Azure answered",
        "more sizes",
    ),
    Kind.QUOTA: (
        {"effect": "quota", "method": "PUT", "path": VM, "limit": 10, "usage": 8},
        "QuotaExceeded",
        "OperationNotAllowed",
        "Current Limit: 10, Current Usage: 8, Additional Required: 4",
        "smaller size or fewer nodes",
    ),
    Kind.PERMISSION: (
        refuses(403, "AuthorizationFailed"),
        "PermissionMissing",
        "AuthorizationFailed",
        "As it is.",
        "role that docs/operations.md names",
    ),
    Kind.POLICY: (
        refuses(403, "RequestDisallowedByPolicy"),
        "ForbiddenByPolicy",
        "RequestDisallowedByPolicy",
        "As it is.",
        "owner of the Azure Policy",
    ),
    Kind.CONFLICT: (
        refuses(409, "PropertyChangeNotAllowed"),
        "Conflict",
        "PropertyChangeNotAllowed",
        "As it is.",
        "existing resource",
    ),
    Kind.MISSING: (
        refuses(404, "ResourceNotFound"),
        "NotFound",
        "ResourceNotFound",
        "As it is.",
        "name in the request",
    ),
    Kind.REFUSED: (
        refuses(400, "InvalidParameter"),
        "RefusedByAzure",
        "InvalidParameter",
        "As it is.",
        "Correct the request",
    ),
    Kind.SCRIPT: (
        {"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror is down"},
        "ScriptFailed",
        "PACKAGE_MANAGER",
        "mirror is down",
        "try again if a mirror was down",
    ),
    Kind.TIMEOUT: (
        {"effect": "slow", "operation": "virtualMachines.create", "factor": 1000},
        "TimedOut",
        None,
        "had not ended after 30 minutes",
        "start the build again",
    ),
}


def paid_for(world: World) -> list[dict]:
    """What only the builder needed."""
    return world.resources("virtualMachines") + world.resources("Microsoft.Network")


@pytest.mark.parametrize("kind", CASES)
def test_a_failure_of_each_class(world: World, kind: Kind) -> None:
    """The step that failed, and the build, say the same four things."""
    fault, code, azure_code, said, advised = CASES[kind]
    world.fault(fault)
    build = world.build(image_only())
    error = build["error"]
    assert build["state"] == "failed"
    assert (error["code"], error["azureCode"]) == (code, azure_code), error
    assert said in error["message"]
    assert error["resource"].startswith("/subscriptions/")
    assert advised in error["nextAction"]
    assert [s["error"]["code"] for s in build["steps"] if s["error"]][-1:] == [code]
    recorded = {str(step["State"]) for step in world.records.steps(build["buildId"])}
    assert recorded <= {"succeeded", "failed"}  # also where the orchestration gave a step up
    world.engine.advance(24 * 3600)
    world.azure.faults.clear()
    world.sweep()
    assert paid_for(world) == []


def test_a_bug_ends_the_build_with_an_outcome(world: World) -> None:
    """What batch-prep does not understand is no reason to leave a VM behind."""

    def unheard_of(azure: Any, resource: Any, request: Any) -> dict:
        properties = {**resource.document["properties"], "provisioningState": "Hibernated"}
        return {**resource.document, "properties": properties}

    world.azure.shows("Microsoft.Compute/galleries", unheard_of)
    build = world.build(image_only())
    assert (build["state"], build["error"]["code"]) == ("failed", "Bug")
    assert "gallery" in build["error"]["message"]
    assert "Hibernated" in build["error"]["message"]
    assert "report it" in build["error"]["nextAction"]
    assert paid_for(world) == []


def test_a_cancelled_build_says_that_somebody_asked_for_it(world: World) -> None:
    """It is an outcome of its own, and no failure of Azure's."""
    build = world.start(image_only())
    world.engine.advance(200)
    world.records.cancel_build(build)
    world.engine.run_until_complete(build)
    error = world.show(build)["error"]
    assert (error["code"], error["message"]) == ("Cancelled", "The build was cancelled.")
    assert paid_for(world) == []


def test_every_class_has_a_story() -> None:
    """A class without one is a class that no test has seen."""
    assert set(CASES) | {Kind.BUG, Kind.CANCELLED} == set(Kind)


def test_the_documentation_names_every_class_and_its_code() -> None:
    """Each error has its row: the class, the code, and all four columns."""
    table = (ROOT / "docs" / "errors.md").read_text().split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert all(cell.strip() for row in rows for cell in row)
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row[1])}
    assert named == {kind.value for kind in Kind}
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row[0])}
    assert {code for _, code, *_ in CASES.values()} <= codes


# -- the old script's list ------------------------------------------------------------------------


def test_vm_creation_fails(world: World) -> None:
    """All that this build made goes, and the resource group as well if it has made that."""
    world.fault({"effect": "allocation", "operation": "virtualMachines.create", "times": 9})
    build = world.build(image_only())
    assert build["error"]["code"] == "NoCapacity"
    assert build["leftovers"] == []
    assert world.resources() == []


def test_the_last_place_that_was_tried_is_named(world: World) -> None:
    """Azure's answer names neither size nor zone."""
    world.fault({"effect": "allocation", "operation": "virtualMachines.create", "times": 9})
    sizes = ["Standard_D2s_v5", "Standard_D4s_v5"]
    build = world.build(image_only(builderVmSizes=sizes, zones=["1", "2"]))
    assert "builder VM (Standard_D4s_v5 in swedencentral, zone 2): " in build["error"]["message"]


def test_driver_installation_fails_and_the_vm_is_kept(world: World) -> None:
    """--keep-vm: deallocated, with an expiry, and with the way to it; gone when that is over."""
    world.fault({"effect": "script", "step": "driver", "exitCode": 40, "message": "no headers"})
    build = world.build(image_only(gpu=True, keepVm=True))
    kind = "Microsoft.Compute/virtualMachines"
    (vm,) = [r for r in world.resources(kind) if r["type"].lower() == kind.lower()]
    assert vm["state"].lower() == "deallocated"
    assert build["error"]["azureCode"] == "DRIVER_BUILD"
    advice = build["error"]["nextAction"]
    (failed,) = [step for step in build["steps"] if step["state"] == "failed"]
    assert advice.startswith(failed["error"]["nextAction"])
    assert "image.driverVersion" in advice
    assert "until 2026-01-01T08:00:00Z" in advice
    assert f"az vm start --ids {vm['id']}" in advice
    assert "/var/log/batch-prep" in advice

    world.engine.advance(9 * 3600)
    world.sweep()
    assert paid_for(world) == []


@pytest.mark.parametrize("code", ["ReplicationJobFailed", "CrpPirReplicationJobsNotCompleted"])
def test_a_copy_that_azure_does_not_finish_is_no_mistake_of_the_request(
    world: World, code: str
) -> None:
    """Only a resume helps."""
    fault = {"effect": "allocation", "operation": "galleryVersions.create", "code": code}
    world.fault({**fault, "message": "Replication job not completed at region: westus"})
    advice = world.build(image_only())["error"]["nextAction"]
    assert advice.startswith("Nothing in the request is wrong")
    assert "Resume the build" in advice
    assert "Correct" not in advice


def test_image_creation_fails(world: World) -> None:
    """The old script removed the VM and its hours of work; here a copy of its disk is kept."""
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    build = world.build(image_only())
    assert build["resumable"]
    assert "Resume the build" in build["error"]["nextAction"]
    assert "kept until 2026-01-01T08:00:00Z" in build["error"]["nextAction"]
    assert world.resources("snapshots")
    assert world.resources("virtualMachines") == []


def test_image_not_found(world: World) -> None:
    """The nearest names come first."""
    for name in ("dataScience", "rendering"):
        request = {"mode": "image-only", "requestId": name, "image": an_image(name=name)}
        assert world.build(request)["state"] == "succeeded"
    build = world.build(a_request(mode="batch-only", image=an_image(name="renderin")))
    (detail,) = build["error"]["details"]
    assert detail["code"] == "ImageNotFound"
    assert detail["message"].index("/rendering") < detail["message"].index("/dataScience")


def test_pool_already_exists(world: World) -> None:
    """The choice is the user's: update it, replace it, or take another name."""
    world.build(a_request())
    again = a_request(requestId="r2", pools=[a_pool("dev", ifExists="fail")], mode="batch-only")
    error = world.build(again)["error"]
    assert error["code"] == "PoolExists"
    assert '"update" or "replace"' in error["nextAction"]


def test_quota_exceeded_for_pools(world: World) -> None:
    """The limit, the use, the need, and what would fit."""
    build = world.build(a_request(pools=[a_pool("dev", nodes=20, vmSize="Standard_D8s_v5")]))
    (detail,) = build["error"]["details"]
    assert detail["code"] == "QuotaExceeded"
    assert "160 cores" in detail["message"]
    assert re.search(r"limit is \d+, \d+ are claimed", detail["message"])
    assert re.search(r"\d+ nodes of Standard_D8s_v5 would fit in all", detail["message"])
    assert "What would fit: Standard_D4s_v5, Standard_D2s_v5" in detail["message"]


def test_pools_over_one_quota_are_told_once(world: World) -> None:
    """With how many pools it concerns and how many nodes fit in all."""
    pools = [a_pool(f"pool{number}", nodes=30) for number in range(20)]
    build = world.build(a_request(pools=pools))

    details = build["error"]["details"]
    assert [detail["field"] for detail in details] == ["pools"] * len(details)
    causes = [re.findall(r"cores \(([^)]+)\)", detail["message"]) for detail in details]
    assert len(causes) == len({cause for (cause,) in causes})
    assert "600 nodes of Standard_D2s_v5 in 20 pools need 1200 cores" in details[0]["message"]
    assert re.search(r"\d+ nodes of Standard_D2s_v5 would fit in all", details[0]["message"])


def test_a_region_that_is_full_of_batch_accounts_is_a_blocker(world: World) -> None:
    """Azure allows three; an account that exists would do."""
    for number in (1, 2, 3):
        account = {"name": f"account{number}", "resourceGroup": "images"}
        request = a_request(requestId=f"r{number}", batchAccount=account)
        request["image"]["name"] = f"image{number}"
        assert world.build(request)["state"] == "succeeded"

    build = world.build(a_request(requestId="r4", image=an_image(name="image4")))

    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("batchAccount.name", "QuotaExceeded")
    assert "3 Batch accounts in swedencentral" in detail["message"]
    assert "account1 (resource group images)" in detail["message"]


def test_an_account_that_azure_refuses_for_its_quota_is_no_conflict(world: World) -> None:
    """Another build may have made the last one since the checks."""
    refusal = {"effect": "status", "status": 409, "code": "SubscriptionQuotaExceeded"}
    world.fault({**refusal, "method": "PUT", "path": "batchAccounts/mybatch12345"})

    error = world.build(a_request())["error"]

    assert (error["code"], error["azureCode"]) == ("QuotaExceeded", "SubscriptionQuotaExceeded")
    assert "an existing account" in error["nextAction"]


def test_quota_exceeded_for_the_builder(world: World) -> None:
    """Found before anything is made, with sizes of the same sort that fit."""
    image = an_image(gpu=True, builderVmSize="Standard_NC80adis_H100_v5")
    build = world.build({"mode": "image-only", "requestId": "r1", "image": image})
    (detail,) = build["error"]["details"]
    assert detail["code"] == "QuotaExceeded", detail
    assert "80 cores" in detail["message"]
    assert re.search(r"the limit is 40, 0 are in use", detail["message"])
    assert "What would fit: Standard_N" in detail["message"]
    assert paid_for(world) == []


def test_checks_that_azure_never_answers_end_the_build(world: World) -> None:
    """After half an hour at least; nothing was created meanwhile."""
    path = "Microsoft.Compute/skus"
    world.fault(
        {"effect": "status", "status": 503, "code": "ServerBusy", "path": path, "times": 999}
    )
    began = world.clock.now()
    build = world.build(image_only())

    assert build["error"]["code"] == "AzureUnavailable", build["error"]
    assert build["error"]["azureCode"] == "ServerBusy"
    assert world.clock.now() - began > 1800
    assert world.resources() == []


def test_a_request_is_not_repeated_before_azure_said(world: World) -> None:
    """Azure counts requests that come too early, and refuses for longer."""
    world.fault({**NETWORK, "effect": "throttle", "retryAfter": 150, "times": 1})
    assert world.build(image_only())["state"] == "succeeded"

    times = [
        e["time"] for e in world.ledger() if e["method"] == "PUT" and "virtualNetworks" in e["url"]
    ]
    assert len(times) == 2
    assert times[1] - times[0] >= 150
