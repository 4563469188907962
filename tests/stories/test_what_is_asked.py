"""What a request asks for is done or refused: nothing that it says is passed over in silence."""

from __future__ import annotations

import json

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only, pools_only, world_after
from triggers import builds, intake, pools, recipes

ACCOUNT = "mybatch12345"
SIZE = "Standard_NC4as_T4_v3"
FORMULA = {
    "id": "auto",
    "vmSize": "Standard_D2s_v5",
    "autoscaleFormula": "$TargetDedicatedNodes=1;",
}


@pytest.fixture
def built() -> World:
    """A world in which two versions of an image are there."""
    return world_after(image_only("image-0"), image_only("image-1"))


def problems(world: World, request: dict) -> dict[str, str]:
    """What is wrong with a request, by field."""
    answer = world.ask(builds.start_build, request)
    assert answer.status == 400, answer.body
    return {p["field"]: p["message"] for p in answer.body["error"]["details"]}


# -- which image ----------------------------------------------------------------------------------


def test_a_pool_gets_the_version_that_it_names(built: World) -> None:
    """By HTTP and from the queue, and not simply the newest."""
    build = built.build(pools_only("r1", a_pool("dev", image="1.0.0")))
    assert build["pools"][0]["imageId"].endswith("/versions/1.0.0")

    asked = {"requestId": "q1", "batchAccount": a_request()["batchAccount"], "image": an_image()}
    built.deliver(json.dumps({**asked, "pool": a_pool("queued", image="1.0.0")}))
    built.engine.advance(3600)
    assert built.pool(ACCOUNT, "queued")["imageId"].endswith("/versions/1.0.0")

    missing = built.build(pools_only("r2", a_pool("dev", image="9.9.9")))
    (detail,) = missing["error"]["details"]
    assert (detail["field"], detail["code"]) == ("image.version", "ImageNotFound")


def test_pools_of_one_request_use_one_version(built: World) -> None:
    """Two versions are two requests."""
    two = pools_only("r1", a_pool("one", image="1.0.0"), a_pool("two", image="latest"))
    assert "one version" in problems(built, two)["pools[1].image"]
    contradicts = pools_only("r1", a_pool("one", image="1.0.0"), version="1.0.1")
    assert "one version" in problems(built, contradicts)["pools[0].image"]


def test_a_gpu_that_the_image_does_not_serve_is_a_blocker() -> None:
    """The image that is named was built without a driver."""
    built = world_after(image_only("image-0", gpu=True, name="gpu"), image_only("1", name="cpu"))
    wanted = a_pool("dev", vmSize=SIZE, verify=True)
    build = built.build(pools_only("r1", wanted, gpu=True, name="cpu"))
    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("image.gpu", "ImageUnsuitable")
    assert built.build(pools_only("r2", wanted, gpu=True, name="gpu"))["state"] == "succeeded"


# -- which pool -----------------------------------------------------------------------------------


def test_a_pools_name_is_the_same_in_any_case(built: World) -> None:
    """As on Azure: no second record, and a caller who asks in another case gets an answer."""
    built.build(pools_only("r1", a_pool("Dev")))
    refused = built.build(pools_only("r2", a_pool("DEV", ifExists="fail")))
    assert refused["error"]["code"] == "PoolExists"
    listed = built.ask(pools.list_pools).body["pools"]
    assert [(p["poolId"], p["state"]) for p in listed] == [("Dev", "ready")]
    assert built.pool(ACCOUNT.upper(), "dEV")["poolId"] == "Dev"
    built.change(pools.delete_pool, ACCOUNT, "dev")
    assert built.ask(pools.list_pools).body["pools"] == []


def test_a_deleted_pool_is_told_as_deleted(built: World) -> None:
    """Pipelines read what to do from the answer."""
    built.build(pools_only("r1", a_pool("dev")))
    build = built.change(pools.delete_pool, ACCOUNT, "dev")
    assert [(p["state"], p["nodes"]) for p in build["pools"]] == [("deleted", 0)]


def test_nobody_pays_for_an_image_whose_pool_exists(built: World) -> None:
    """It is known before the builder is made."""
    built.build(pools_only("r1", a_pool("dev")))
    wanted = a_request(requestId="r2", pools=[a_pool("new"), a_pool("dev", ifExists="fail")])
    build = built.build(wanted)
    (detail,) = build["error"]["details"]
    assert (detail["field"], detail["code"]) == ("pools[1].id", "PoolExists")
    assert len(built.records.images()) == 2


def test_own_checks_are_run(built: World) -> None:
    """Who gives checks wants a verification; who also says no to it contradicts himself."""
    check = {"image": "docker.io/library/busybox:1.36", "command": "true", "exitCode": 7}
    build = built.build(pools_only("r1", a_pool("dev", checks=[check])))
    assert build["error"]["code"] == "VerificationFailed"
    assert build["error"]["message"].startswith("1 checks of pool dev failed")
    refused = problems(built, pools_only("r2", a_pool("dev", checks=[check], verify=False)))
    assert "verification" in refused["pools[0].checks"]


# -- changes of a pool ----------------------------------------------------------------------------


def test_a_formula_is_not_thrown_away_by_a_resize(built: World) -> None:
    """It decides the number of nodes, and a request that needs another number says so anew."""
    built.build(pools_only("r1", FORMULA))
    build = built.change(pools.resize_pool, ACCOUNT, "auto", {"nodes": 2})
    assert build["error"]["code"] == "PoolScalesItself"
    pool = built.services.azure.batch.pool.get("images", ACCOUNT, "auto").as_dict()
    assert (
        pool["properties"]["scaleSettings"]["autoScale"]["formula"] == FORMULA["autoscaleFormula"]
    )


def test_a_cancelled_resize_is_cancelled_and_its_nodes_are_on_record(built: World) -> None:
    """Azure finishes what it has begun."""
    built.build(pools_only("r1", a_pool("dev")))
    asked = built.ask(pools.resize_pool, {"nodes": 3}, account=ACCOUNT, pool="dev")
    built.engine.advance(20)
    built.records.cancel_build(asked.body["buildId"])
    built.engine.run_until_complete(asked.body["buildId"])
    assert built.show(asked.body["buildId"])["state"] == "cancelled"
    assert built.pool(ACCOUNT, "dev")["nodes"] == 3


def test_a_resize_that_azure_cannot_fulfil_tells_what_came_of_it(built: World) -> None:
    """Some of the nodes are there, and paid for."""
    built.build(pools_only("r1", a_pool("dev")))
    built.change_facts({"batchQuota:standardDSv5Family": 10, "batchQuota:dedicatedCores": 10})
    build = built.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 50})
    assert build["state"] == "failed"
    pool = built.services.azure.batch.pool.get("images", ACCOUNT, "dev").as_dict()
    there = pool["properties"]["currentDedicatedNodes"]
    assert 1 < there < 50
    assert built.pool(ACCOUNT, "dev")["nodes"] == there


# -- ids and forms --------------------------------------------------------------------------------


def test_a_used_request_id_is_told_at_once(built: World) -> None:
    """Otherwise the caller would watch another request's build."""
    body = {"requestId": "r1", "batchAccount": a_request()["batchAccount"], "image": an_image()}
    asked = {**body, "pool": a_pool("dev")}
    built.deliver(json.dumps(asked))
    assert built.ask(intake.request_pool, asked).status == 202
    other = built.ask(intake.request_pool, {**asked, "pool": a_pool("dev", nodes=2)})
    assert (other.status, other.body["error"]["code"]) == (409, "RequestIdUsed")


def test_a_request_id_of_a_newer_version_is_used(built: World) -> None:
    """What that version stored under it may have fields that this one does not know."""
    asked = pools_only("r1", a_pool("dev"))
    build = built.build(asked)["buildId"]
    column = {"Request": json.dumps({**asked, "newer": True}), "Request_Parts": 1}
    client = built.table_service.create_table_if_not_exists("batchprepBuilds")
    client.upsert_entity({"PartitionKey": "build", "RowKey": build, **column})

    parts = {name: asked[name] for name in ("requestId", "batchAccount", "image")}
    other = built.ask(intake.request_pool, {**parts, "pool": asked["pools"][0]})
    assert (other.status, other.body["error"]["code"]) == (409, "RequestIdUsed")


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a?b", "a#b", "a\nb"])
def test_what_can_be_no_name_is_not_found(world: World, name: str) -> None:
    """Azure's tables refuse to look for it."""
    assert world.ask(builds.show_build, id=name).status == 404
    assert world.ask(builds.resume_build, id=name).status == 404
    assert world.ask(pools.show_pool, account=name, pool="p").status == 404
    assert world.ask(pools.delete_pool, account="a", pool=name).status == 404


def test_fields_that_are_wrong_hide_no_others(world: World) -> None:
    """Both what is misspelt and what does not go together, in builds, messages and recipes."""
    wrong = {"image": {"os": "windows"}, "pools": [a_pool("a b")], "batchAccount": {"name": "acc"}}
    assert set(problems(world, wrong)) == {"image.os", "pools[0].id"}
    assert set(problems(world, {**wrong, "pools": 5})) == {"image.os", "pools"}

    message = {**wrong, "pool": a_pool("a b")}
    del message["pools"]
    answer = world.ask(intake.request_pool, message)
    assert {p["field"] for p in answer.body["error"]["details"]} == {"image.os", "pool.id"}

    request = {"mode": "image-only", "requestId": "x"}
    recipe = {"enabled": "yes", "request": request, "foo": 1}
    answer = world.ask(recipes.put_recipe, recipe, name="weekly")
    refused = {p["field"] for p in answer.body["error"]["details"]}
    assert refused == {"enabled", "foo", "request.requestId"}


def test_a_body_of_brackets_is_refused(world: World) -> None:
    """Deeper than any parser goes."""
    answer = world.ask(builds.start_build, b"[" * 60_000)
    assert (answer.status, answer.body["error"]["details"][0]["code"]) == (400, "NotJson")
    world.deliver("[" * 60_000)
    assert len(world.refused()) == 1


def test_a_mode_that_is_none_names_those_that_are(world: World) -> None:
    """Pools are changed at their own address."""
    for mode in ("resize-pool", "nope"):
        message = problems(world, {"mode": mode})["mode"]
        assert "batch-only" in message
        assert "delete-pool" not in message


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"mode": "batch-only", "pools": [a_pool("dev")]}, "request.mode"),
        ({"mode": "image-only", "image": {"version": "1.0.0"}}, "request.image.version"),
    ],
)
def test_a_recipe_is_something_to_build_again(world: World, request_: dict, field: str) -> None:
    """What could work once at most is refused when it is stored."""
    answer = world.ask(recipes.put_recipe, {"request": request_}, name="weekly")
    assert answer.status == 400, answer.body
    assert field in {p["field"] for p in answer.body["error"]["details"]}


def test_what_is_over_says_how(world: World) -> None:
    """In words that are English."""
    world.fault({"effect": "slow", "operation": "virtualMachines.create", "factor": 8})
    build = world.start({"mode": "image-only", "requestId": "r1", "image": an_image()})
    world.engine.advance(60)
    world.records.cancel_build(build)
    world.engine.run_until_complete(build)
    answer = world.ask(builds.cancel_build, id=build)
    assert answer.body["error"]["message"].endswith("it was cancelled.")
