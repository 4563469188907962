"""What a request says is its caller's: no other resource by a trick, and no secret on record."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.world import SETTINGS, World, a_pool, a_request, an_image, image_only, pools_only
from triggers import builds, intake, recipes

Json = dict[str, Any]
OWN = SETTINGS["AZURE_SUBSCRIPTION_ID"]
OTHER = "00000000-0000-0000-0000-00000000000f"
TOKEN = "ghp_verysecrettoken"
SOURCE = f"https://user:{TOKEN}@git.example.org/app.git#main"
REGISTRY = {"name": "imagesregistry1", "build": {"source": SOURCE, "image": "myapp:v1.0"}}


def problems(answer: Any) -> dict[str, str]:
    """What is wrong with a request, code by field."""
    assert answer.status == 400, answer.body
    return {p["field"]: p["code"] for p in answer.body["error"]["details"]}


# -- ids ------------------------------------------------------------------------------------------


def image_id(subscription: str, group: str = "images") -> str:
    """A version that exists under this name in the app's own subscription."""
    path = "galleries/batchImageGallery/images/batchCustomImage-ubuntu-24.04-cpu/versions/1.0.0"
    where = f"/subscriptions/{subscription}/resourceGroups/{group}/providers"
    return f"{where}/Microsoft.Compute/{path}"


def test_an_image_of_another_subscription_is_not_mistaken_for_ones_own(built: World) -> None:
    """The app has no clients for it, so it says so at every way in."""
    request = pools_only("r1", a_pool("dev"), id=image_id(OTHER))
    message = {"batchAccount": request["batchAccount"], "image": request["image"]}
    message["pool"] = a_pool("dev")
    for handler, body in [
        (builds.start_build, request),
        (builds.plan_build, request),
        (intake.request_pool, message),
    ]:
        assert problems(built.ask(handler, body)) == {"image.id": "OtherSubscription"}
    built.deliver(json.dumps(message))
    (refused,) = built.ask(intake.list_refused).body["refused"]
    assert refused["problems"][0]["code"] == "OtherSubscription"
    assert built.pools() == []

    own = pools_only("r2", a_pool("dev"), id=image_id(OWN.upper()))
    assert built.build(own)["state"] == "succeeded"


@pytest.mark.parametrize("group", ["..", ".", "a/../b", "images?x=1", "images#", "a b", "%2e%2e"])
def test_an_id_leads_where_it_says(built: World, group: str) -> None:
    """A part that is no name would make another path of it."""
    answer = built.ask(builds.start_build, pools_only("r1", a_pool("d"), id=image_id(OWN, group)))
    assert problems(answer) == {"image.id": "InvalidName"}


@pytest.mark.parametrize(
    ("network", "subscription", "code"),
    [
        ("..", OWN, "InvalidName"),
        ("net", OTHER, "OtherSubscription"),
        ("a%2fb", OWN, "InvalidName"),
    ],
)
def test_a_subnet_is_one_of_the_apps_subscription(
    built: World, network: str, subscription: str, code: str
) -> None:
    """Batch and compute insist on that; a builder's subnet is a subnet, too."""
    where = f"/subscriptions/{subscription}/resourceGroups/images/providers/Microsoft.Network"
    subnet = f"{where}/virtualNetworks/{network}/subnets/s"
    request = a_request(
        image=an_image(outbound={"subnetId": subnet}), pools=[a_pool("dev", subnetId=subnet)]
    )
    fields = ("image.outbound.subnetId", "pools[0].subnetId")
    assert problems(built.ask(builds.start_build, request)) == dict.fromkeys(fields, code)


# -- secrets --------------------------------------------------------------------------------------


def everything(world: World) -> str:
    """All that is stored: tables, queue, blobs, histories."""
    history = "\n".join(world.engine.store._db.iterdump())
    return json.dumps(world.dump()) + history


@pytest.mark.parametrize("source", [SOURCE, SOURCE.replace(".git", ".zip"), f" {SOURCE}"])
def test_a_token_in_a_url_is_refused_and_kept_nowhere(
    world: World, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    """By every way in; also where the URL is wrong in another way."""
    caplog.set_level(logging.DEBUG)
    registry = {**REGISTRY, "build": {**REGISTRY["build"], "source": source}}
    request = image_only(registry=registry)
    message = {"batchAccount": {"name": "mybatch12345"}, "image": request["image"]}
    message["pool"] = a_pool("dev")
    answers = [
        world.ask(builds.start_build, request),
        world.ask(builds.plan_build, request),
        world.ask(recipes.put_recipe, {"request": {**request, "requestId": None}}, name="w"),
        world.ask(intake.request_pool, message),
        world.ask(builds.start_build, image_only(containerImages=[source], name=source)),
        world.ask(builds.start_build, {**image_only(), SOURCE: 1}),
    ]
    for number, text in enumerate([json.dumps(message), f"x {json.dumps(message)}", SOURCE]):
        world.deliver(text, f"m{number}")
    intake.record_poison(world.services, "m9", json.dumps(message))
    answers.append(world.ask(intake.list_refused))
    for answer in answers:
        assert answer.status in {200, 400}
        assert TOKEN not in json.dumps(answer.body)
    assert len(answers[-1].body["refused"]) == 4
    assert world.records.recipes() == {}
    assert TOKEN not in everything(world)
    assert TOKEN not in caplog.text


def test_what_a_start_task_runs_is_repeated_in_no_message(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """People put passwords into commands, whatever the documentation says."""
    caplog.set_level(logging.DEBUG)
    bad = {
        "startTask": {"commandLine": f"mount -o password={TOKEN}\r\n"},
        "checks": [{"image": "busybox", "command": f"curl {TOKEN}\0"}],
        "autoscaleFormula": f"$x = '{TOKEN}'\0",
    }
    request = a_request(pools=[{"id": "dev", **bad}])
    answer = world.ask(builds.start_build, request)
    assert problems(answer) == {
        "pools[0].startTask.commandLine": "InvalidValue",
        "pools[0].checks[0].command": "InvalidValue",
        "pools[0].autoscaleFormula": "InvalidValue",
    }
    message = {"batchAccount": {"name": "mybatch12345"}, "image": {}, "pool": request["pools"][0]}
    world.deliver(json.dumps({**message, "colour": "red"}))
    listed = world.ask(intake.list_refused)
    for each in (answer, listed):
        assert TOKEN not in json.dumps(each.body)
    assert "colour" in listed.body["refused"][0]["message"]
    assert TOKEN not in caplog.text
    assert TOKEN not in everything(world)


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "a\0b"])
def test_a_blank_command_is_refused(world: World, blank: str) -> None:
    """It would do nothing on every node."""
    request = a_request(pools=[a_pool("dev", startTask={"commandLine": blank})])
    answer = world.ask(builds.start_build, request)
    assert list(problems(answer)) == ["pools[0].startTask.commandLine"]
    answer = world.ask(builds.start_build, image_only(osVersion=""))
    assert problems(answer) == {"image.osVersion": "InvalidValue"}
