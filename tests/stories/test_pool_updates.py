"""A pool that is asked for again becomes what the new request says, the whole of it.

What is left out takes its default. Nodes are thrown away only where Azure insists.
"""

from __future__ import annotations

from typing import Any

import pytest

from shared.base import names
from tests.stories.test_impact import start_a_task
from tests.world import World, a_pool, a_request, pools_only
from triggers import builds

ACCOUNT = "mybatch12345"
FORMULA = "$TargetDedicatedNodes=2;"


def a_subnet(world: World) -> str:
    """A subnet of the owner's, in the account's region."""
    network = world.services.azure.network.virtual_networks
    prefixes = {"addressPrefixes": ["10.9.0.0/16"]}
    subnet = {"name": "nodes", "properties": {"addressPrefix": "10.9.1.0/24"}}
    properties = {"addressSpace": prefixes, "subnets": [subnet]}
    body = {"location": world.services.azure.config.default_location, "properties": properties}
    network.begin_create_or_update("images", "owners", body, polling=False)
    world.azure.settle()
    made = network.get("images", "owners").as_dict()
    return str(made["properties"]["subnets"][0]["id"])


def ask(world: World, request_id: str, **pool: object) -> dict[str, Any]:
    """Ask for pool `dev` and wait; the writes that this took are under `writes`."""
    before = len(world.ledger())
    request = a_request(mode="batch-only", requestId=request_id, pools=[a_pool("dev", **pool)])
    build = world.build(request)
    assert build["state"] == "succeeded", build["error"]
    return {**build, "writes": writes(world, before)}


def writes(world: World, since: int) -> list[str]:
    """The methods of the writes to pool `dev`."""
    asked = [
        r
        for r in world.ledger()[since:]
        if r["url"].partition("?")[0].lower().endswith("/pools/dev")
    ]
    return [r["method"] for r in asked if r["method"] != "GET"]


def shown(world: World) -> dict[str, Any]:
    """The pool's properties as Azure has them."""
    found: dict[str, Any] = world.services.azure.batch.pool.get("images", ACCOUNT, "dev").as_dict()
    return dict(found["properties"])


def change_outside(world: World, properties: dict[str, Any], *, empty: bool = False) -> None:
    """Somebody changes the pool in the portal, with no nodes in it where Azure insists."""
    batch = world.services.azure.batch.pool
    scale = shown(world)["scaleSettings"]
    if empty:
        none = {"scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0}}}
        batch.update("images", ACCOUNT, "dev", {"properties": none})
        world.engine.advance(1800)
        world.azure.settle()
    batch.update("images", ACCOUNT, "dev", {"properties": properties})
    if empty:
        batch.update("images", ACCOUNT, "dev", {"properties": {"scaleSettings": scale}})
        world.engine.advance(1800)
        world.azure.settle()


EMPTIED = ["PATCH", "PUT"]  # to zero nodes, then the whole pool anew
IN_PLACE = ["PATCH"]


def test_nodes_may_talk_to_each_other(built: World) -> None:
    """As MPI does. The nodes are made anew for it, and again when it is left out."""
    ask(built, "r1")
    assert shown(built)["interNodeCommunication"] == "Disabled"
    assert ask(built, "r2", interNodeCommunication=True)["writes"] == EMPTIED
    assert shown(built)["interNodeCommunication"] == "Enabled"
    assert ask(built, "r3")["writes"] == EMPTIED
    assert shown(built)["interNodeCommunication"] == "Disabled"


def test_a_subnet_that_is_left_out_is_removed(built: World) -> None:
    """The nodes leave the network: a request describes the whole pool."""
    ask(built, "r1", subnetId=a_subnet(built))
    assert "subnetId" in shown(built)["networkConfiguration"]
    build = ask(built, "r2")
    assert "subnetId" not in shown(built).get("networkConfiguration", {})
    assert build["writes"] == EMPTIED


def test_task_slots_that_are_left_out_are_one_again(built: World) -> None:
    """As every other field with a default."""
    ask(built, "r1", taskSlotsPerNode=2)
    build = ask(built, "r2")
    assert shown(built)["taskSlotsPerNode"] == 1
    assert build["writes"] == EMPTIED


def test_the_step_says_why_the_pool_is_emptied(built: World) -> None:
    """Jobs may run on these nodes: a reader gets the cause by name."""
    ask(built, "r1", taskSlotsPerNode=2, subnetId=a_subnet(built))
    request = a_request(mode="batch-only", requestId="r2", pools=[a_pool("dev")])
    build = built.start(request)
    notes = set()
    while built.show(build)["state"] not in {"succeeded", "failed"}:
        notes |= {str(s.get("note")) for s in built.show(build)["steps"] if s["pool"] == "dev"}
        built.engine.advance(10)
    (note,) = [n for n in notes if "emptied" in n]
    assert "networkConfiguration (the request leaves it out now)" in note
    assert "taskSlotsPerNode (the request asks for another value now)" in note


def test_a_start_task_is_changed_in_place(built: World) -> None:
    """No node is thrown away; nodes that come later run it."""
    ask(built, "r1", startTask={"commandLine": "/bin/true"})
    created = shown(built)["creationTime"]
    build = ask(built, "r2", startTask={"commandLine": "/bin/echo hello"})
    found = shown(built)
    settings = {s["name"]: s["value"] for s in found["startTask"]["environmentSettings"]}
    assert settings["USER_START_TASK"] == "/bin/echo hello"
    assert (build["writes"], found["creationTime"]) == (IN_PLACE, created)
    ask(built, "r3")
    settings = {s["name"] for s in shown(built)["startTask"]["environmentSettings"]}
    assert "USER_START_TASK" not in settings


def test_a_formula_takes_over_and_leaves_again(built: World) -> None:
    """Both ways in place."""
    ask(built, "r1")
    auto = {"autoscaleFormula": FORMULA, "nodes": None}
    request = {k: v for k, v in {**a_pool("dev"), **auto}.items() if v is not None}
    before = len(built.ledger())
    build = built.build(a_request(mode="batch-only", requestId="r2", pools=[request]))
    assert build["state"] == "succeeded", build["error"]
    assert shown(built)["scaleSettings"]["autoScale"]["formula"] == FORMULA
    assert writes(built, before) == IN_PLACE
    built.engine.advance(1800)
    assert ask(built, "r3")["writes"] == IN_PLACE
    assert shown(built)["scaleSettings"]["fixedScale"]["targetDedicatedNodes"] == 1


def test_the_same_request_again_throws_no_node_away(built: World) -> None:
    """Azure never shows some of what was asked for: that is no difference. The one write is the
    new build's name on the pool.
    """
    ask(built, "r1", taskSlotsPerNode=2, subnetId=a_subnet(built))
    modified = shown(built)
    build = ask(
        built, "r2", taskSlotsPerNode=2, subnetId=modified["networkConfiguration"]["subnetId"]
    )
    assert build["writes"] == IN_PLACE
    same = ("startTask", "scaleSettings", "allocationStateTransitionTime")
    assert {k: shown(built)[k] for k in same} == {k: modified[k] for k in same}


def test_a_pool_that_is_asked_for_in_another_case_keeps_its_nodes(built: World) -> None:
    """Batch takes an id in any case."""
    ask(built, "r1")
    before, modified = len(built.ledger()), shown(built)
    build = built.build(a_request(mode="batch-only", requestId="r2", pools=[a_pool("DEV")]))
    assert build["state"] == "succeeded", build["error"]
    assert writes(built, before) == IN_PLACE
    same = ("displayName", "creationTime", "allocationStateTransitionTime")
    assert {k: shown(built)[k] for k in same} == {k: modified[k] for k in same}


def test_the_same_build_again_writes_nothing(built: World) -> None:
    """A build that failed elsewhere and is resumed finds its pool as it left it."""
    bad = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}
    pools = [a_pool("dev"), a_pool("bad", checks=[bad])]
    build = built.build(a_request(mode="batch-only", requestId="r1", pools=pools))
    assert build["state"] == "failed"
    before = len(built.ledger())
    built.resume(build["buildId"])
    assert writes(built, before) == []


@pytest.mark.parametrize(
    ("properties", "empty", "expected"),
    [
        ({"taskSchedulingPolicy": {"nodeFillType": "Spread"}}, True, EMPTIED),
        ({"displayName": "somebody's"}, True, EMPTIED),
        ({"startTask": {"commandLine": "/bin/false"}}, False, IN_PLACE),
        ({"startTask": {}}, False, IN_PLACE),
        ({"scaleSettings": {"autoScale": {"formula": FORMULA}}}, False, IN_PLACE),
    ],
    ids=["policy", "name", "start task", "no start task", "formula"],
)
def test_what_somebody_changed_outside_is_changed_back(
    built: World, properties: dict[str, Any], empty: bool, expected: list[str]
) -> None:
    """Wherever Azure shows it, of whatever property."""
    ask(built, "r1")
    before = shown(built)
    change_outside(built, properties, empty=empty)
    built.engine.advance(1800)
    assert ask(built, "r2")["writes"] == expected
    after = shown(built)
    for found in (before, after):
        del found["startTask"]["environmentSettings"]  # they name the build
    assert {k: after[k] for k in properties} == {k: before[k] for k in properties}


def test_a_pool_of_an_older_version_is_taken_over_as_it_is(built: World) -> None:
    """It keeps no record of what was asked: what Azure shows decides, and no node is lost."""
    ask(built, "r1")
    ours = [m for m in shown(built)["metadata"] if m["name"] == "batch-prep-build"]
    change_outside(built, {"metadata": ours})
    assert ask(built, "r2")["writes"] == IN_PLACE
    change_outside(built, {"metadata": ours})
    assert ask(built, "r3", taskSlotsPerNode=2)["writes"] == EMPTIED


SIZES = ["Standard_D2as_v5", "Standard_D2s_v5"]


def in_the_second_size(world: World) -> dict[str, Any]:
    """A pool in the second of its sizes, because Azure had no capacity for the first."""
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    pool = {"vmSize": None, "vmSizes": SIZES, "nodes": 1}
    ask(world, "r1", **pool)
    assert shown(world)["vmSize"] == SIZES[1]
    return pool


def test_a_pool_stays_in_the_size_that_it_got(built: World) -> None:
    """The same request is no reason to empty it, nor is one for more nodes. A task runs on it."""
    pool = in_the_second_size(built)
    start_a_task(built)
    plan = built.ask(builds.plan_build, pools_only("p", a_pool("dev", **pool))).body
    assert [change["action"] for change in plan["changes"]] == ["none"]
    build = ask(built, "r2", **pool)
    assert (build["writes"], build["pools"][0]["vmSize"]) == (["PATCH"], SIZES[1])
    assert ask(built, "r3", **{**pool, "nodes": 3})["writes"] == ["PATCH"]


def test_a_resume_leaves_it_in_that_size_too(built: World) -> None:
    """The failed update has left the pool its node, on which a task runs."""
    pool = in_the_second_size(built)
    start_a_task(built)
    built.fault(
        {"effect": "allocation", "operation": "nodes.start", "code": "DiskFull", "times": 9}
    )
    build = built.build(pools_only("r2", a_pool("dev", **{**pool, "nodes": 2})))
    assert (build["state"], shown(built)["currentDedicatedNodes"]) == ("failed", 1)
    built.azure.faults.clear()
    before = len(built.ledger())
    assert built.resume(build["buildId"])["state"] == "succeeded"
    assert set(writes(built, before)) == {"PATCH"}
    assert (shown(built)["vmSize"], shown(built)["currentDedicatedNodes"]) == (SIZES[1], 2)


def test_where_that_size_has_no_capacity_the_others_are_tried(built: World) -> None:
    """As for a new pool."""
    pool = in_the_second_size(built)
    built.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    ask(built, "r2", **{**pool, "nodes": 3})
    assert shown(built)["vmSize"] == SIZES[0]


@pytest.mark.parametrize("before", [None, SIZES], ids=["second", "first"])
def test_a_pool_that_runs_tasks_is_emptied_for_no_other_size(
    built: World, before: list[str] | None
) -> None:
    """Not even by a resume, unless the request says that tasks may be interrupted."""
    pool = {"vmSize": None, "vmSizes": SIZES} if before else in_the_second_size(built)
    if before:
        ask(built, "r1", **pool)
    size = shown(built)["vmSize"]
    start_a_task(built)
    none = {"effect": "allocation", "operation": "pools.allocate", "times": 1}
    built.fault(none)
    build = built.build(pools_only("r2", a_pool("dev", **{**pool, "nodes": 3})))
    assert (build["state"], build["pools"][0]["vmSize"]) == ("failed", size)
    built.fault(none)
    assert built.resume(build["buildId"])["state"] == "failed"
    assert (shown(built)["vmSize"], shown(built)["currentDedicatedNodes"]) == (size, 1)
    built.fault(none)
    ask(built, "r3", **{**pool, "nodes": 3, "interruptTasks": True})
    assert shown(built)["vmSize"] != size


@pytest.mark.parametrize(
    "change", [{"vmSize": SIZES[0], "vmSizes": []}, {"ifExists": "replace"}], ids=str
)
def test_the_first_size_is_taken_where_the_request_says_so(
    built: World, change: dict[str, Any]
) -> None:
    """It names that size alone, or wants another pool."""
    pool = in_the_second_size(built)
    ask(built, "r2", **{**pool, **change})
    assert shown(built)["vmSize"] == SIZES[0]


def test_a_pool_that_is_deleted_is_made_again_in_the_first_size(built: World) -> None:
    """Its nodes are there until Batch has removed them, and the pool after it is a new one."""
    pool = in_the_second_size(built)
    [there] = built.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    there.properties["provisioningState"] = "Deleting"
    build = built.start(pools_only("r2", a_pool("dev", **pool)))
    built.engine.advance(15)
    assert built.show(build)["steps"][-1]["note"] == "the old pool is being deleted"
    built.services.azure.batch.pool.begin_delete("images", ACCOUNT, "dev", polling=False)
    built.engine.run_until_complete(build)
    assert (built.show(build)["state"], shown(built)["vmSize"]) == ("succeeded", SIZES[0])


def test_a_pool_whose_time_is_over_is_made_again_in_the_first_size(built: World) -> None:
    """The sweep has marked it and could not delete it: the build does that."""
    pool = in_the_second_size(built)
    [there] = built.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    there.properties["metadata"].append({"name": names.TAG_EXPIRED, "value": "true"})
    assert ask(built, "r2", **pool)["writes"] == ["DELETE", "PUT"]
    assert shown(built)["vmSize"] == SIZES[0]
