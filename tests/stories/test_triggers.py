"""How builds begin besides HTTP: messages on the queue, the weekly timer; and how they are
cancelled.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter

import pytest

from local.functions_host.store import Query
from shared.base.names import Orchestrator
from shared.model import parsing
from shared.model.requests import Build
from tests.world import CONFIG, World, a_pool, an_image, image_only
from triggers import builds, health, intake, openapi, recipes

ACCOUNT = {"name": "mybatch12345", "resourceGroup": "images"}


def message(**changes: object) -> dict:
    """A pool request as it lies on the queue."""
    return {
        "requestId": "q1",
        "batchAccount": ACCOUNT,
        "image": an_image(),
        "pool": a_pool("dev"),
        **changes,
    }


def test_a_message_becomes_a_pool(world: World) -> None:
    """Other systems ask for pools without knowing HTTP."""
    world.build(image_only("image"))
    world.deliver(json.dumps(message()))
    world.engine.run_until_idle()
    assert world.pool("mybatch12345", "dev")["state"] == "ready"


def test_a_message_delivered_twice_makes_one_pool(world: World) -> None:
    """Queues deliver at least once."""
    world.build(image_only("image"))
    world.deliver(json.dumps(message()))
    world.deliver(json.dumps(message()))
    world.engine.run_until_idle()
    world.deliver(json.dumps(message()))
    world.engine.run_until_idle()
    creations = [r for r in world.ledger() if r["method"] == "PUT" and "/pools/" in r["url"]]
    assert len(creations) == 1


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("is_encoded", [True, False])
def test_a_message_may_be_in_base64_and_have_a_byte_order_mark(mark: str, is_encoded: bool) -> None:
    """The portal and older clients encode by default; .NET's writers put the mark in front."""
    text = mark + json.dumps(message())
    sent = base64.b64encode(text.encode()).decode() if is_encoded else text
    assert parsing.parse_pool_message(parsing.parse_message(sent), CONFIG).request_id == "q1"


@pytest.mark.parametrize("text", [r'{"requestId": "\ud800"}', r'{"\ud83d": 1}'])
def test_half_a_character_of_a_message_is_not_kept(world: World, text: str) -> None:
    """JSON can name it, but no text in UTF-8 has it: such a row could not be written."""
    world.deliver(text)
    (row,) = world.refused()
    assert "?" in str(row["Message"]).encode().decode()


def test_what_cannot_be_read_is_recorded_as_refused(world: World) -> None:
    """A message is never dropped in silence."""
    world.deliver("not json", "m1")
    world.deliver(json.dumps(message(colour="red")), "m2")
    intake.record_poison(world.services, "m3", "poison")
    refused = {r.key: [p["code"] for p in r["Problems"]] for r in world.refused()}
    assert refused == {"m1": ["NotJson"], "m2": ["UnknownField"], "m3": ["Poison"]}


def test_post_pools_puts_the_request_on_the_queue(world: World) -> None:
    """HTTP and queue are one way: what is put there is what the trigger takes."""
    world.build(image_only("image"))
    answer = world.ask(intake.request_pool, message())
    assert answer.status == 202
    world.deliver(world.outbox.messages[0])
    world.engine.run_until_idle()
    assert world.show(answer.body["buildId"])["state"] == "succeeded"


GUID = "5974b586-0df3-4e2d-ad0c-18e3892bfca2"


@pytest.mark.parametrize("taken", [f"message-{GUID}", "recipe-a-2026-01-01"])
def test_no_caller_takes_an_id_that_the_app_gives_itself(world: World, taken: str) -> None:
    """A later message, or the rebuild of a day, would find it used and build nothing."""
    world.build(image_only("image"))
    named = image_only(taken, name="other")
    for handler, body in (
        (builds.start_build, named),
        (builds.plan_build, named),
        (intake.request_pool, message(requestId=taken)),
    ):
        answer = world.ask(handler, body)
        fields = [each["field"] for each in answer.body["error"]["details"]]
        assert (answer.status, fields) == (400, ["requestId"])
    world.deliver(json.dumps(message(requestId=taken)), "m1")
    assert [row.key for row in world.refused()] == ["m1"]
    unnamed = {name: value for name, value in message().items() if name != "requestId"}
    world.deliver(json.dumps(unnamed), GUID)
    world.engine.run_until_idle()
    assert world.pool("mybatch12345", "dev")["state"] == "ready"
    for free in ("recipe-a", "message-1"):
        assert world.ask(builds.plan_build, image_only(free, name="other")).status == 200


def test_the_weekly_timer_builds_every_enabled_recipe(world: World) -> None:
    """Images get the week's security updates without anybody asking."""
    for name, enabled in [("a", True), ("b", True), ("off", False)]:
        recipe = {
            "enabled": enabled,
            "request": {"mode": "image-only", "image": an_image(name=name)},
        }
        assert world.ask(recipes.put_recipe, recipe, name=name).status == 200

    world.engine.start(Orchestrator.REBUILD_IMAGES.value, {}, "weekly")
    status = world.engine.run_until_complete("weekly")

    assert set(status.output["started"]) == {"a", "b"}
    assert {i.image_name for i in world.records.images()} == {"a", "b"}


def test_a_rebuild_of_many_recipes_goes_in_groups(world: World) -> None:
    """A history is told anew after each build: one for hundreds of recipes would only crawl."""
    recipe = {"enabled": True, "request": {"mode": "image-only", "image": an_image()}}
    for number in range(60):
        world.ask(recipes.put_recipe, recipe, name=f"recipe{number:02d}")

    world.engine.start(Orchestrator.REBUILD_IMAGES.value, {}, "weekly")
    told = world.engine.run_until_complete("weekly").output

    assert len(told["started"]) == 1  # all want one image: one of the first group gets it
    reasons = Counter(why.rpartition(" ")[2] for why in told["skipped"].values())
    assert reasons == {"running": 24, "1.0.0": 35}  # the others find that nothing has changed
    instances = world.engine.store.select(Query())
    groups = [i for i in instances if i.name == Orchestrator.REBUILD_GROUP.value]
    assert len(groups) == 3


def test_a_rebuild_twice_on_a_day_builds_once(world: World) -> None:
    """A timer that fires again after a crash must not pay twice."""
    recipe = {"enabled": True, "request": {"mode": "image-only", "image": an_image()}}
    world.ask(recipes.put_recipe, recipe, name="a")
    outputs = []
    for instance in ("first", "second"):
        world.engine.start(Orchestrator.REBUILD_IMAGES.value, {}, instance)
        outputs.append(world.engine.run_until_complete(instance).output)
    assert [i.version for i in world.records.images()] == ["1.0.0"]
    [build] = world.builds()
    assert outputs[1]["skipped"] == {"a": f"its build of today, {build['buildId']}, is succeeded"}


HPC = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"}
UNKNOWN = {"publisher": "Canonical", "offer": "ubuntu-minimal", "sku": "minimal"}
STEP = {"name": "setup", "inline": "true\n", "restart": False}


def of_pool(**fields: object) -> dict:
    """A request for an image and a pool that says no more than that."""
    pool = {"id": "dev", "vmSize": "Standard_D2s_v5", **fields}
    return {"image": an_image(), "batchAccount": ACCOUNT, "pools": [pool]}


# Each has a field beside which a default of another would be refused, if its owner had written it.
WRITTEN = {
    "formula": of_pool(autoscaleFormula="$TargetDedicatedNodes=1;"),
    "preset": of_pool(autoscale={"preset": "fixed", "nodes": 1}),
    "checks": of_pool(checks=[{"image": "busybox", "command": "true"}]),
    "marketplace": {"mode": "image-only", "image": an_image(base=HPC)},
    "defaults": {"mode": "image-only", "image": an_image(os="ubuntu", gpu=False, dcgm=False)},
    "nothing": {"mode": "image-only", "requestId": None, "image": an_image(osVersion=None)},
    "step": {"mode": "image-only", "image": an_image(steps=[STEP])},
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_recipe_is_built_as_its_owner_wrote_it(world: World, kind: str) -> None:
    """It is shown so, can be put again as it is shown, and is built as any such request."""
    answer = world.ask(recipes.put_recipe, {"request": WRITTEN[kind]}, name="weekly")
    assert answer.status == 200, answer.body
    shown = world.ask(recipes.show_recipe, name="weekly").body
    if kind != "step":  # which has the name of its text in the place of the text
        assert shown == {"name": "weekly", "enabled": True, "request": WRITTEN[kind]}
    assert world.ask(recipes.put_recipe, shown, name="weekly").body == shown
    assert world.ask(recipes.show_recipe, name="weekly").body == shown

    assert rebuilt(world)["skipped"] == {}
    assert [build["state"] for build in world.builds()] == ["succeeded"]
    assert rebuilt(world)["skipped"] == {"weekly": "nothing has changed since version 1.0.0"}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_recipe_that_an_earlier_version_stored_is_built(world: World, kind: str) -> None:
    """Those stored a request with all defaults, and what they built is not built again."""
    assert world.build({**WRITTEN[kind], "requestId": "r1"})["state"] == "succeeded"
    stored = Build.from_wire(WRITTEN[kind]).without_texts()[0].to_wire()
    keep(world, stored)
    assert rebuilt(world)["skipped"] == {"weekly": "nothing has changed since version 1.0.0"}

    stored["image"]["force"] = True
    keep(world, stored)
    assert rebuilt(world)["skipped"] == {}
    assert [build["state"] for build in world.builds()] == ["succeeded", "succeeded"]
    shown = world.ask(recipes.show_recipe, name="weekly").body
    assert world.ask(recipes.put_recipe, shown, name="weekly").status == 200


def test_a_recipe_has_the_name_of_its_address(world: World) -> None:
    """Another one may be a mistake: the text of one recipe at the address of another."""
    recipe = {"name": "Weekly", "enabled": 1, "request": {"mode": "image-only"}}
    answer = world.ask(recipes.put_recipe, recipe, name="weekly")
    problems = {each["field"]: each for each in answer.body["error"]["details"]}
    assert (answer.status, set(problems)) == (400, {"name", "enabled"})
    assert "'Weekly'" in problems["name"]["message"]
    assert "/api/recipes/weekly" in problems["name"]["message"]
    assert world.records.recipes() == {}


def test_an_earlier_recipe_keeps_the_system_that_nothing_else_names(world: World) -> None:
    """Neither a managed image says which one it has, nor any image of the marketplace."""
    assert world.build(image_only("r1", managedImage=True))["state"] == "succeeded"
    (managed,) = world.azure.store.of_type("Microsoft.Compute/images")
    for base in ({"id": managed.id}, UNKNOWN):
        asked = {"mode": "image-only", "image": an_image(base=base, os="ubuntu")}
        keep(world, Build.from_wire(asked).to_wire())
        assert world.ask(recipes.show_recipe, name="weekly").body["request"] == asked


def test_an_earlier_recipe_that_cannot_be_read_is_shown_as_it_is(world: World) -> None:
    """The weekly rebuild says what is wrong with it."""
    asked = {"mode": "image-only", "image": {"os": "ubuntu", "gone": True}}
    keep(world, asked)
    assert world.ask(recipes.show_recipe, name="weekly").body["request"] == asked
    assert "image.gone" in rebuilt(world)["skipped"]["weekly"]


def keep(world: World, request: dict) -> None:
    """The recipe is stored as earlier versions did."""
    row = {"Recipe": json.dumps({"enabled": True, "request": request}), "Recipe_Parts": 1}
    client = world.table_service.create_table_if_not_exists("batchprepRecipes")
    client.upsert_entity({"PartitionKey": "recipe", "RowKey": "weekly", **row})


def rebuilt(world: World) -> dict:
    """What the next weekly rebuild says."""
    world.engine.advance(7 * 86400)
    world.begin_rebuild()
    output: dict = world.engine.run_until_complete("rebuild_images").output
    return output


def test_a_cancelled_build_stops_and_cleans_up(world: World) -> None:
    """Nothing that costs money outlives a change of mind."""
    build = world.start(image_only("image"))
    world.engine.advance(300)
    assert world.resources("virtualMachines")

    assert world.ask(builds.cancel_build, id=build).status == 202
    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == "cancelled"
    assert world.resources("virtualMachines") == []
    assert world.records.images() == []


def test_health_tells_of_each_dependency(world: World) -> None:
    """What runs the app wants one answer."""
    answer = world.ask(health.show_health)
    assert (answer.status, answer.body["state"]) == (200, "ready")


def test_the_api_describes_itself(world: World) -> None:
    """Every route, and every field of a request, for whoever generates a client."""
    described = world.ask(openapi.describe).body
    assert set(described["paths"]["/api/builds"]) == {"get", "post"}
    assert "containerImages" in described["components"]["schemas"]["Image"]["properties"]
    told = json.dumps(described)
    for name in set(re.findall(r"#/components/schemas/(\w+)", told)):
        assert name in described["components"]["schemas"], name


@pytest.mark.parametrize("seed", range(4))
def test_requests_that_meet_at_a_new_account_all_get_their_pools(seed: int) -> None:
    """One makes the account; the others see its name taken, then the account half made."""
    world = World(seed=seed)
    world.build({"mode": "image-only", "requestId": "image", "image": an_image()})
    account = {"name": "mybatch12345", "resourceGroup": "images", "location": "swedencentral"}
    for number in range(8):
        request = {"requestId": f"q{number}", "batchAccount": account, "image": an_image()}
        asked = {**request, "pool": a_pool(f"p{number}")}
        world.deliver(json.dumps(asked), f"m{number}")
    world.engine.run_until_idle()
    assert {world.show(b.key)["state"] for b in world.build_rows()} == {"succeeded"}


def test_a_rebuild_leaves_a_build_alone_that_is_being_resumed(world: World) -> None:
    """Its record says `accepted` again for a moment, as that of a new build does."""
    request = {"mode": "image-only", "image": an_image(name="weekly")}
    keep(world, request)
    world.fault({"effect": "allocation", "operation": "galleryVersions.create", "times": 1})
    assert rebuilt(world)["skipped"] == {}
    [build] = [each["buildId"] for each in world.builds()]
    assert world.show(build)["resumable"]
    assert world.records.reopen_build(build, world.services.now())

    world.begin_rebuild()
    output = world.engine.run_until_complete("rebuild_images").output
    assert output["skipped"] == {"weekly": f"it was built already, as {build}"}
