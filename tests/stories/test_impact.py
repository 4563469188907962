"""What a request would do to what exists is said before, and does not happen by accident."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from activities import batch_pool
from cli import plans
from shared.azure import pool_difference
from tests import served
from tests.world import SETTINGS, World, a_pool, a_request, an_image, image_only, pools_only
from triggers import builds

ACCOUNT = "mybatch12345"
SUBNET = (
    f"/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}/resourceGroups/net/providers"
    "/Microsoft.Network/virtualNetworks/net/subnets/nodes"
)


def plan(world: World, request: dict[str, Any]) -> dict[str, Any]:
    """POST /api/plan."""
    return world.ask(builds.plan_build, request).body


def codes(world: World, request: dict[str, Any]) -> dict[str, str]:
    """The codes of the blockers, by field."""
    return {b["field"]: b["code"] for b in plan(world, request)["blockers"]}


def change(world: World, pool: dict[str, Any]) -> tuple[str, set[str]]:
    """What would be done to a pool, and which properties say why."""
    (found,) = plan(world, pools_only("plan", pool))["changes"]
    return found["action"], set(found["reasons"])


@pytest.fixture
def with_pool(built: World) -> World:
    """A pool of one node is there."""
    assert built.build(pools_only("r1", a_pool("dev")))["state"] == "succeeded"
    return built


def test_a_plan_says_what_becomes_of_each_pool(with_pool: World) -> None:
    """As Terraform does: created, changed, emptied, replaced, or left alone."""
    assert change(with_pool, a_pool("new")) == ("create", set())
    assert change(with_pool, a_pool("dev")) == ("none", set())
    assert change(with_pool, a_pool("dev", nodes=2)) == ("update", {"scaleSettings"})
    assert change(with_pool, a_pool("dev", vmSize="Standard_D4s_v5")) == ("empty", {"vmSize"})
    assert change(with_pool, a_pool("dev", ifExists="replace")) == ("replace", {"ifExists"})
    (full,) = plan(with_pool, a_request(requestId="full"))["changes"]
    assert full["action"] == "empty"


def test_a_plan_shows_what_changes_from_what_to_what(with_pool: World) -> None:
    """Sizes, numbers and images; what may hold a secret is only named."""

    def reasons(**fields: Any) -> dict[str, str]:
        (found,) = plan(with_pool, pools_only("plan", a_pool("dev", **fields)))["changes"]
        return dict(found["reasons"])

    assert "targetDedicatedNodes 1 → 2" in reasons(nodes=2)["scaleSettings"]
    command = {"commandLine": "/bin/echo TOKEN"}
    assert reasons(startTask=command)["startTask"] == pool_difference.ASKED

    with_pool.build(image_only("again"))
    found = reasons(vmSize="Standard_D4s_v5")
    assert found["vmSize"] == f"{pool_difference.ASKED}: Standard_D2s_v5 → Standard_D4s_v5"
    image = "batchImageGallery/batchCustomImage-ubuntu-24.04-cpu"
    changed = f"{image}/1.0.0 → {image}/1.0.1"
    assert found["deploymentConfiguration"] == f"{pool_difference.ASKED}: {changed}"
    (full,) = plan(with_pool, a_request(requestId="full"))["changes"]
    assert full["reasons"]["deploymentConfiguration"].endswith(f"it has {image}/1.0.0")


def test_without_an_account_every_pool_is_created(world: World) -> None:
    """The plan of a first build."""
    found = plan(world, a_request(pools=[a_pool("dev"), a_pool("test")]))["changes"]
    assert [(each["pool"], each["action"]) for each in found] == [
        ("dev", "create"),
        ("test", "create"),
    ]


def test_the_command_shows_it(with_pool: World) -> None:
    """And a pool that must not exist is a blocker of the plan, too: both end with 2."""
    with served.terminal(with_pool) as terminal:
        place = f"--batch-only --resource-group images --account {ACCOUNT} --pool-id dev"
        shown = terminal.type(f"{place} --vm-size D4s_v5 --plan")
        refused = terminal.type(f"{place} --vm-size D2s_v5 --if-exists fail --plan")
        run = terminal.type(f"{place} --vm-size D2s_v5 --if-exists fail")
    assert "-/+ dev loses all its nodes before it is changed: vmSize" in shown.out
    assert (refused.code, run.code) == (2, 2)
    assert "exists already" in refused.out


FORMULA = {"nodes": None, "autoscale": {"preset": "pendingTasks", "maxNodes": 3}}


@pytest.mark.parametrize(
    ("before", "after", "removed", "said"),
    [
        ({"nodes": 3}, {"nodes": 4}, 0, "is changed in place, and keeps its nodes"),
        ({"nodes": 3}, {"nodes": 2}, 1, "is changed in place, and loses a node"),
        ({"nodes": 3}, {"nodes": 1}, 2, "is changed in place, and loses 2 of its nodes"),
        ({"nodes": 3}, FORMULA, None, "is changed in place, and its new formula decides how many"),
        (FORMULA, {"nodes": 2}, 0, "is changed in place, and keeps its nodes"),
        ({}, {"startTask": {"commandLine": "/bin/true"}}, 0, "and keeps its nodes"),
        ({"nodes": 3}, {"nodes": 3, "taskSlotsPerNode": 2}, 3, "loses all its nodes before"),
        ({"nodes": 3}, {"nodes": 3, "ifExists": "replace"}, 3, "is deleted and created again"),
    ],
)
def test_a_plan_says_what_becomes_of_the_nodes(
    built: World, before: dict[str, Any], after: dict[str, Any], removed: int | None, said: str
) -> None:
    """Also of a pool that Azure changes in place: fewer nodes are asked for, or a formula is."""

    def pool(fields: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in a_pool("dev", **fields).items() if v is not None}

    assert built.build(pools_only("r1", pool(before)))["state"] == "succeeded"
    answer = plan(built, pools_only("plan", pool(after)))
    assert [change["removedNodes"] for change in answer["changes"]] == [removed]
    printed = io.StringIO()
    plans.show(Console(file=printed, width=200), answer)
    assert said in printed.getvalue()


def test_running_tasks_are_interrupted_only_where_somebody_has_agreed(with_pool: World) -> None:
    """Yesterday's command after a weekly rebuild would otherwise empty a pool at work."""
    start_a_task(with_pool)
    other = a_pool("dev", vmSize="Standard_D4s_v5")
    before = with_pool.resources("pools")

    blocked = with_pool.build(pools_only("r2", other))
    assert [d["code"] for d in blocked["error"]["details"]] == ["PoolInUse"]
    assert "runs tasks on 1 of its nodes" in blocked["error"]["message"]
    assert codes(with_pool, a_request(requestId="f")) == {"pools[0].interruptTasks": "PoolInUse"}
    assert with_pool.resources("pools") == before
    assert with_pool.build(pools_only("r3", a_pool("dev", nodes=2)))["state"] == "succeeded"

    agreed = with_pool.build(pools_only("r4", {**other, "interruptTasks": True}))
    assert agreed["state"] == "succeeded", agreed["error"]


@pytest.mark.parametrize(
    ("pool", "running"),
    [
        ({"nodes": 0}, 1),
        ({"nodes": 0, "lowPriorityNodes": 2}, 1),
        ({"nodes": 0, "nodeDeallocationOption": "Terminate"}, 1),
        ({"nodes": 0, "nodeDeallocationOption": "TaskCompletion"}, 0),
        ({"nodes": 1}, 0),
        ({"nodes": 2}, 0),
    ],
)
def test_fewer_nodes_than_run_tasks_are_an_interruption(
    with_pool: World, pool: dict[str, Any], running: int
) -> None:
    """Of either kind, unless tasks may end first: the pool is updated, and loses them all the
    same.
    """
    start_a_task(with_pool)
    asked = plan(with_pool, pools_only("plan", a_pool("dev", **pool)))
    assert [change["runningNodes"] for change in asked["changes"]] == [running]
    blockers = [b["code"] for b in asked["blockers"]]
    assert blockers == (["PoolInUse"] if running else [])
    agreed = plan(with_pool, pools_only("plan", a_pool("dev", interruptTasks=True, **pool)))
    assert agreed["blockers"] == []


def start_a_task(world: World) -> None:
    """On the one node of pool `dev`, for ten hours."""
    account = world.services.azure.batch.batch_account.get("images", ACCOUNT)
    service = world.services.azure.batch_service(account.account_endpoint)
    service.create_job({"id": "work", "poolInfo": {"poolId": "dev"}})
    busybox = {"imageName": "docker.io/library/busybox:1.36"}
    task = {"id": "t1", "commandLine": "/bin/sh -c 'sleep 36000'", "containerSettings": busybox}
    service.create_task("work", task)
    world.engine.advance(15)
    states = [node["state"] for node in service.list_nodes("dev")]
    assert states == ["running"]


def test_names_that_others_have_are_found_before_anything_is_made(world: World) -> None:
    """Names of accounts are unique in a region, those of registries everywhere."""
    assert world.build(image_only("first", registry={"name": "imagesregistry1"}))["image"]
    first = world.build(a_request(requestId="second"))
    assert first["state"] == "succeeded", first["error"]
    moved = {"name": ACCOUNT, "resourceGroup": "elsewhere"}
    assert codes(world, a_request(requestId="r3", batchAccount=moved)) == {
        "batchAccount.name": "NameTaken"
    }
    image = an_image(resourceGroup="elsewhere", registry={"name": "imagesregistry1"})
    assert codes(world, {"mode": "image-only", "requestId": "r4", "image": image}) == {
        "image.registry.name": "NameTaken"
    }


def test_what_is_not_there_is_found_before_anything_is_made(world: World) -> None:
    """Subnets of builder and pools, and a context that was not uploaded."""
    context = f"contexts/{'0' * 32}.tar.gz"
    registry = {"name": "imagesregistry1", "build": {"context": context, "image": "app:v1"}}
    request = a_request(
        image=an_image(outbound={"subnetId": SUBNET}, registry=registry),
        pools=[a_pool("dev", subnetId=SUBNET)],
    )
    assert codes(world, request) == {
        "image.outbound.subnetId": "SubnetNotFound",
        "image.registry.build.context": "ContextNotFound",
        "pools[0].subnetId": "SubnetNotFound",
    }


def test_each_account_has_its_own_pools(built: World) -> None:
    """What is known of one for some seconds is not taken for the other's."""
    built.build(pools_only("r1", a_pool("dev")))
    other = {**pools_only("r2", a_pool("other")), "batchAccount": {"name": "mybatch67890"}}
    built.build(other)
    accounts = built.azure.store.of_type("Microsoft.Batch/batchAccounts")
    now = built.services.now()
    found = {a.name: batch_pool.listed(built.services, a.id, now) for a in accounts}
    assert {name: [pool["name"] for pool in pools] for name, pools in found.items()} == {
        "mybatch12345": ["dev"],
        "mybatch67890": ["other"],
    }
