"""What a deployment does not allow is refused at every way in, with the name of the setting."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.base import allow_lists
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds, intake, recipes

Json = dict[str, Any]
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images/providers"
SUBNET = f"{GROUP}/Microsoft.Network/virtualNetworks/n/subnets/s"
IDENTITY = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/i"
SOURCE = {"source": "https://git.example.org/a.git", "image": "a:1"}
CASES = [
    ("ALLOWED_RESOURCE_GROUPS", "team-*", "IMAGES", {"image.resourceGroup"}),
    ("ALLOWED_LOCATIONS", "westeurope", "sweden*", {"image.location"}),
    ("ALLOWED_VM_SIZES", "*_NC*", "standard_d2*, *_NC*", {"pools[0].vmSize"}),
    ("ALLOWED_REGISTRIES", "other", "my*", {"image.registry.name"}),
    ("ALLOWED_GIT_HOSTS", "github.com", "*.example.org", {"image.registry.build.source"}),
    (
        "ALLOWED_IDENTITIES",
        "*/userassignedidentities/i",
        "*/userassignedidentities/*",
        {"image.identity"},
    ),
    ("ALLOWED_SCRIPT_HOSTS", "github.com", "*.example.org", {"image.steps[0].url"}),
    ("ALLOWED_SUBNETS", "*/other/*", "*/virtualnetworks/n/*", {"pools[0].subnetId"}),
    (
        "ALLOWED_IDENTITIES",
        "*/userassignedidentities/reader",
        "*/userassignedidentities/*",
        {"pools[0].identity.userAssignedIdentities[0]"},
    ),
]
READER = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
STEP = {"name": "setup", "url": "https://files.example.org/setup.sh", "sha256": "5e" * 32}
REQUEST = a_request(
    image=an_image(registry={"name": "myregistry", "build": SOURCE}, steps=[STEP], identity=READER),
    batchAccount={"name": "mybatch12345"},
    pools=[a_pool("dev", subnetId=SUBNET, identity={"userAssignedIdentities": {IDENTITY: {}}})],
)


# What the settings name is allowed anyway.
OTHERS = {"DEFAULT_LOCATION": "northeurope", "DEFAULT_VM_SIZE": "Standard_D4s_v5"}


@pytest.mark.parametrize(("setting", "narrow", "wide", "fields"), CASES)
def test_a_name_outside_a_list_is_refused(
    setting: str, narrow: str, wide: str, fields: set[str]
) -> None:
    """By HTTP, in a plan, in a recipe and from the queue."""
    world = World(own_settings={**OTHERS, setting: narrow})
    for handler, body, path in [
        (builds.start_build, REQUEST, {}),
        (builds.plan_build, REQUEST, {}),
        (recipes.put_recipe, {"request": {**REQUEST, "requestId": None}}, {"name": "weekly"}),
    ]:
        answer = world.ask(handler, body, **path)
        assert answer.status == 400, answer.body
        found = {p["field"].removeprefix("request."): p for p in answer.body["error"]["details"]}
        assert set(found) == fields
        assert {p["code"] for p in found.values()} == {"NotAllowed"}
        assert all(setting in p["message"] for p in found.values())
    message = {"batchAccount": {"name": "acc"}, "image": REQUEST["image"]}
    world.deliver(json.dumps({**message, "pool": REQUEST["pools"][0]}))
    (refused,) = world.ask(intake.list_refused).body["refused"]
    assert "NotAllowed" in {p["code"] for p in refused["problems"]}
    assert world.ledger() == []

    assert World(own_settings={setting: wide}).ask(builds.start_build, REQUEST).status == 202


@pytest.mark.parametrize("host", ["", "/evil.example", ":443", "%65vil.example", "evil.example:x"])
def test_a_git_source_without_a_plain_host_passes_no_list(host: str) -> None:
    """curl takes https:///HOST/ for https://HOST/, and a list that sees no host cannot judge it."""
    world = World(own_settings={"ALLOWED_GIT_HOSTS": "github.com"})
    build = {"source": f"https://{host}/a.git", "image": "a:1"}
    request = {"mode": "image-only", "image": {"registry": {"name": "myregistry", "build": build}}}
    answer = world.ask(builds.start_build, request)
    assert answer.status == 400
    found = {problem["code"] for problem in answer.body["error"]["details"]}
    assert found == {"NotAllowed", "InvalidValue"}
    assert World().ask(builds.start_build, request).status == 400


def test_what_the_settings_name_needs_no_place_on_a_list() -> None:
    """A request that leaves it out takes the operator's own choice, and may also name it."""
    lists = dict.fromkeys((case[0] for case in CASES), "none")
    world = World(own_settings=lists)
    request = {"mode": "image-only", "requestId": "r1", "image": {}}
    assert world.ask(builds.start_build, request).status == 202
    named = {"resourceGroup": "Batch-Images-RG", "location": "swedencentral"}
    request = image_only("r2", name="other", builderVmSize="Standard_D2s_v5", **named)
    assert world.ask(builds.start_build, request).status == 202
    refused = world.ask(builds.start_build, image_only("r3", location="westeurope"))
    assert {p["field"] for p in refused.body["error"]["details"]} == {
        "image.location",
        "image.resourceGroup",
    }


def test_a_list_holds_patterns() -> None:
    """In any case, with blanks around them."""
    assert allow_lists.allows(None, "anything")
    assert allow_lists.allows("a, B*", "bc")
    assert not allow_lists.allows("a,b*", "cb")


def test_no_more_builds_run_than_the_setting_allows() -> None:
    """Requests that were accepted before are answered as before, and there is room again later."""
    world = World(own_settings={"MAX_RUNNING_BUILDS": "2"})
    first = world.start(image_only("r1", name="one"))
    world.start(image_only("r2", name="two"))

    refused = world.ask(builds.start_build, image_only("r3", name="three"))
    assert (refused.status, refused.body["error"]["code"]) == (429, "TooManyBuilds")
    assert refused.headers == {"Retry-After": "60"}
    assert world.ask(builds.start_build, image_only("r3", os="plan9")).status == 400
    assert world.start(image_only("r1", name="one")) == first

    world.engine.run_until_complete(first)
    assert world.build(image_only("r3", name="three"))["state"] == "succeeded"


def test_a_build_is_resumed_when_there_is_room() -> None:
    """It runs as a new one does."""
    world = World(own_settings={"MAX_RUNNING_BUILDS": "1"})
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    failed = world.build(image_only("r1", name="one"))
    assert failed["resumable"]
    other = world.start(image_only("r2", name="two"))

    crowded = world.ask(builds.resume_build, id=failed["buildId"])
    assert (crowded.status, crowded.body["error"]["code"]) == (429, "TooManyBuilds")

    world.engine.run_until_complete(other)
    assert world.ask(builds.resume_build, id=failed["buildId"]).status == 202


def test_one_caller_does_not_take_the_place_of_all() -> None:
    """A colleague can still build, and the record says whose build it is."""
    world = World(own_settings={"MAX_RUNNING_BUILDS_PER_CALLER": "1"})
    first = world.ask(builds.start_build, image_only("r1", name="one"), caller="alice")
    assert first.status == 202
    assert world.show(first.body["buildId"])["requestedBy"] == "alice"

    refused = world.ask(builds.start_build, image_only("r2", name="two"), caller="alice")
    assert (refused.status, refused.body["error"]["code"]) == (429, "TooManyBuildsOfCaller")
    assert refused.headers == {"Retry-After": "60"}
    assert "cancel one" in refused.body["error"]["message"]
    again = world.ask(builds.start_build, image_only("r1", name="one"), caller="alice")
    assert again.body == first.body
    assert world.ask(builds.start_build, image_only("r3", name="three"), caller="bob").status == 202
    assert world.show(world.start(image_only("r4", name="four")))["requestedBy"] is None

    world.engine.run_until_complete(first.body["buildId"])
    later = world.ask(builds.start_build, image_only("r2", name="two"), caller="alice")
    assert later.status == 202


def test_the_weekly_rebuild_is_not_refused_for_the_number_of_builds() -> None:
    """It has a pace of its own."""
    world = World(own_settings={"MAX_RUNNING_BUILDS": "1"})
    recipe = {"enabled": True, "request": image_only(name="two")}
    del recipe["request"]["requestId"]
    assert world.ask(recipes.put_recipe, recipe, name="two").status == 200
    world.start(image_only("r1", name="one"))
    world.begin_rebuild()
    world.engine.run_until_idle()
    assert {image["imageName"] for image in world.images()} == {"one", "two"}


def test_the_queue_is_not_refused_for_the_number_of_builds() -> None:
    """Its messages wait there, and none may be lost."""
    world = World(own_settings={"MAX_RUNNING_BUILDS": "1"})
    world.start(image_only("r1", name="one"))
    message = {"requestId": "q1", "batchAccount": {"name": "mybatch12345"}, "image": {}}
    world.deliver(json.dumps({**message, "pool": a_pool("dev")}))
    assert world.ask(intake.list_refused).body["refused"] == []
    assert len(world.ask(builds.list_builds).body["builds"]) == 2
