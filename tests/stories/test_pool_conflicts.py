"""What is in the way of a request's pools: found before anything is made, and said by the plan."""

from __future__ import annotations

from typing import Any

from tests.world import World, a_pool, a_request, an_image, image_only, pools_only
from triggers import builds

Json = dict[str, Any]
ACCOUNT = "mybatch12345"
REGIONS = [{"name": "swedencentral"}, {"name": "westeurope"}]


def blockers(world: World, request: Json) -> dict[str, str]:
    """What the plan says is in the way: codes by field."""
    found = world.ask(builds.plan_build, request).body["blockers"]
    return {each["field"]: each["code"] for each in found}


def refused(world: World, request: Json) -> dict[str, str]:
    """The same of the build, which writes nothing to Azure."""
    before = len(world.ledger())
    error = world.build(request)["error"]
    writes = [r for r in world.ledger()[before:] if r["method"] in {"PUT", "PATCH", "DELETE"}]
    assert (error["code"], writes) == ("Blocked", [])
    return {each["field"]: each["code"] for each in error["details"]}


def anothers_pool(world: World, pool: str) -> None:
    """A pool that somebody else makes in the account."""
    image = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    machine = {
        "imageReference": {**image, "version": "latest"},
        "nodeAgentSkuId": "batch.node.ubuntu 24.04",
    }
    account = f"resourceGroups/images/providers/Microsoft.Batch/batchAccounts/{ACCOUNT}"
    properties = {
        "vmSize": "Standard_D2s_v5",
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0}},
    }
    world.as_owner("PUT", f"{account}/pools/{pool}", {"properties": properties})


def test_a_pool_of_somebody_else_stops_a_build_before_its_image(built: World) -> None:
    """Whatever the request says of pools that exist, batch-prep changes only its own."""
    built.build(pools_only("r1", a_pool("own")))
    anothers_pool(built, "theirs")
    for if_exists in ("update", "replace", "fail"):
        pools = [a_pool("own"), a_pool("Theirs", ifExists=if_exists)]
        request = a_request(requestId=if_exists, pools=pools)
        assert blockers(built, request) == {"pools[1].id": "Conflict"}
        assert refused(built, request) == {"pools[1].id": "Conflict"}
    assert len(built.records.images()) == 1


def test_an_account_of_another_region_stops_a_build_before_its_image(built: World) -> None:
    """The blocker says where the account is."""
    built.build(image_only("both", name="both", targetRegions=REGIONS))
    built.build(pools_only("r1", a_pool("dev")))
    account = {"name": ACCOUNT, "resourceGroup": "images", "location": "westeurope"}
    image = an_image(targetRegions=REGIONS)
    whole = {**a_request(requestId="r2"), "image": image, "batchAccount": account}
    only = {**pools_only("r3", a_pool("new"), name="both"), "batchAccount": account}
    for request in (whole, only):
        assert blockers(built, request) == {"batchAccount.location": "Conflict"}
        assert refused(built, request) == {"batchAccount.location": "Conflict"}
        (blocker,) = built.ask(builds.plan_build, request).body["blockers"]
        assert "is in swedencentral, not in westeurope" in blocker["message"]


def test_a_plan_names_the_build_that_is_at_work_on_a_pool(built: World) -> None:
    """The build would be refused at once, where its image is there already."""
    built.build(pools_only("r0", a_pool("other")))
    first = built.start(pools_only("r1", a_pool("dev")))
    built.engine.advance(60)
    again = pools_only("r2", a_pool("new"), a_pool("dev", nodes=2))
    (blocker,) = built.ask(builds.plan_build, again).body["blockers"]
    assert (blocker["field"], blocker["code"]) == ("pools[1].id", "BuildRunning")
    assert first in blocker["message"]
    assert blockers(built, pools_only("r1", a_pool("dev"))) == {}
    with_image = built.ask(builds.plan_build, a_request(requestId="r3")).body
    assert with_image["blockers"] == []
    assert [w["code"] for w in with_image["warnings"]] == ["BuildRunning"]
    built.engine.run_until_complete(first)
    assert blockers(built, again) == {}


def test_a_refused_build_records_nothing_of_a_pool_that_another_makes(built: World) -> None:
    """The pool has no record before its build ends."""
    first = built.start(pools_only("r1", a_pool("dev")))
    built.engine.advance(60)
    second = built.build(pools_only("r2", a_pool("dev", nodes=2)))
    assert second["error"]["code"] == "Conflict"
    assert [pool["state"] for pool in second["pools"]] == ["failed"]
    assert built.pools() == []
    built.engine.run_until_complete(first)
    assert [(p["poolId"], p["state"], p["nodes"]) for p in built.pools()] == [("dev", "ready", 1)]


def test_accounts_of_one_name_have_no_pools_of_one_id(built: World) -> None:
    """A second record would take the first one's place: its pool would never expire, and a deletion
    would meet the wrong one.
    """
    built.build(image_only("both", name="both", targetRegions=REGIONS))
    built.build(pools_only("r1", a_pool("dev", ttlHours=1)))
    there = {"name": ACCOUNT, "resourceGroup": "other", "location": "westeurope"}
    again = {**pools_only("r2", a_pool("own"), a_pool("DEV"), name="both"), "batchAccount": there}
    whole = {**a_request(requestId="r3"), "batchAccount": there}
    assert blockers(built, again) == refused(built, again) == {"pools[1].id": "Conflict"}
    assert blockers(built, whole) == refused(built, whole) == {"pools[0].id": "Conflict"}
    (blocker,) = built.ask(builds.plan_build, again).body["blockers"]
    assert "resource group images (swedencentral)" in blocker["message"]
    built.engine.advance(3 * 3600)
    assert len(built.sweep()["deleted"]) == 1
    assert blockers(built, again) == blockers(built, whole) == {}


def for_account(request_id: str, group: str) -> Json:
    """A request for a pool in an account that does not exist yet."""
    account = {"name": "mybatch67890", "resourceGroup": group}
    return {**pools_only(request_id, a_pool("dev")), "batchAccount": account}


def test_one_of_two_builds_gets_the_name_of_a_new_account(built: World) -> None:
    """Both pass the checks, in two groups. The other's error says what to ask for instead."""
    built.fault({"effect": "status", "status": 503, "method": "PUT", "path": "/one$", "times": 1})
    first, second = (built.start(for_account(group, group)) for group in ("one", "two"))
    for build in (first, second):
        built.engine.run_until_complete(build)
    assert built.show(second)["state"] == "succeeded"
    error = built.show(first)["error"]
    assert error["code"] == "Conflict"
    assert "mybatch67890 in resource group one: its name is not free" in error["message"]
    assert "Azure answered: An account named 'mybatch67890' is already in use." in error["message"]
    assert "give the resource group that the account is in" in error["nextAction"]
    (blocker,) = built.ask(builds.plan_build, for_account("r3", "one")).body["blockers"]
    assert "is already in use. Give another name" in blocker["message"]
    assert built.build(for_account("r4", "two"))["state"] == "succeeded"


def test_an_account_that_another_makes_at_the_same_moment_is_not_to_be_removed(
    built: World,
) -> None:
    """Azure refuses the creation itself, because the name was free directly before."""
    handle, theirs = built.azure.handle, []

    def race(request: Any) -> Any:
        if request.method == "PUT" and request.path.endswith("/mybatch67890") and not theirs:
            theirs.append("resourceGroups/two/providers/Microsoft.Batch/batchAccounts/mybatch67890")
            built.as_owner("PUT", theirs[0], {"location": "swedencentral"})
        return handle(request)

    built.as_owner("PUT", "resourceGroups/two", {"location": "swedencentral"})
    built.azure.handle = race  # type: ignore[method-assign]
    error = built.build(for_account("r1", "one"))["error"]
    assert (error["code"], error["azureCode"]) == ("Conflict", "AccountAlreadyExists")
    assert error["nextAction"].startswith("Choose another account name, or give the resource group")
