"""The app's tables: two calls at once, and rows that cannot be read, disable nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.memory_tables import MemoryTable
from shared.base import names
from shared.model import parsing
from shared.model.requests import Mode
from tests.world import World, a_pool, a_request, image_only, pools_only, world_after
from triggers import builds, health, images, intake, leftovers, pools, recipes

Json = dict[str, Any]
NOW = "2026-01-01T00:00:00.000000Z"
REMOVES = ["delete_entity"]
CHANGES = ["update_entity", "upsert_entity"]


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, methods: list[str], other: Callable[[], object]
) -> None:
    """Directly before a change of a build's row takes effect, another call does its work."""
    pending = [other]

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def patched(self: MemoryTable, *args: Any, **options: Any) -> Any:
            if pending and self._name == "batchprepBuilds":
                pending.pop()()
            return call(self, *args, **options)

        return patched

    for method in methods:
        monkeypatch.setattr(MemoryTable, method, around(getattr(MemoryTable, method)))


def everything_works(world: World) -> None:
    """List, leftovers, sweep, and a build of its own."""
    assert world.ask(builds.list_builds).status == 200
    assert world.ask(leftovers.list_leftovers).status == 200
    assert world.sweep().get("error") is None
    assert world.build(image_only("after", name="other"))["state"] == "succeeded"


# -- two calls at once ----------------------------------------------------------------------------


def test_a_refusal_that_meets_a_cancel_withdraws_the_whole_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another build has the image, so the row of the second is withdrawn while it is cancelled."""
    world.start(image_only("holder"))
    second = names.build_id("second")
    meanwhile(monkeypatch, REMOVES, lambda: world.ask(builds.cancel_build, id=second))
    assert world.ask(builds.start_build, image_only("second")).status == 409
    assert world.ask(builds.show_build, id=second).status == 404
    world.engine.run_until_idle()
    everything_works(world)


def test_a_cancel_that_meets_a_refusal_leaves_no_half_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same two calls in the other order."""
    world.start(image_only("holder", name="one"))
    second = names.build_id("second")
    wanted = image_only("second", name="one")
    request = parsing.parse_build(wanted, world.services.azure.config).as_stored()
    world.records.accept_build(second, Mode.IMAGE_ONLY, request, NOW)
    answers = []
    refusal = lambda: answers.append(world.ask(builds.start_build, wanted))  # noqa: E731
    meanwhile(monkeypatch, CHANGES, refusal)
    assert world.ask(builds.cancel_build, id=second).status == 404
    assert [answer.status for answer in answers] == [409]
    assert world.ask(builds.show_build, id=second).status == 404
    assert len(world.ask(builds.list_builds).body["builds"]) == 1
    world.engine.run_until_idle()
    everything_works(world)


def test_a_build_that_has_its_image_is_not_withdrawn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same request twice at once, while the image becomes free: one call is refused, the other
    is accepted, and its build keeps its record.
    """
    holder = world.start(image_only("holder"))

    def become_free() -> None:
        world.engine.run_until_complete(holder)
        assert world.ask(builds.start_build, image_only("second")).status == 202

    meanwhile(monkeypatch, REMOVES, become_free)
    answer = world.ask(builds.start_build, image_only("second"))
    assert answer.status == 202, answer.body
    world.engine.run_until_idle()
    assert world.show(answer.body["buildId"])["state"] == "succeeded"


def test_a_cancel_is_not_lost_to_the_begin_of_the_build(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both change one row."""
    build = world.start(image_only())
    cancel = lambda: world.ask(builds.cancel_build, id=build)  # noqa: E731
    meanwhile(monkeypatch, CHANGES, cancel)
    world.engine.run_until_complete(build)
    assert world.show(build)["state"] == "cancelled"


# -- rows that cannot be read ---------------------------------------------------------------------

BAD: list[tuple[str, Json]] = [
    ("batchprepBuilds", {"Cancel": True}),
    (
        "batchprepBuilds",
        {"State": "succeeded", "Mode": "full", "Request": "{}", "Request_Parts": 1},
    ),
    ("batchprepBuilds", {"State": "running", "Mode": "full", "Request_Parts": 3, "Request": "{"}),
    ("batchprepBuilds", {"State": "running", "Mode": "fu", "Request": "{}", "Request_Parts": 1}),
    ("batchprepClaims", {"Name": 5}),
    ("batchprepImages", {"Image": "{}", "Image_Parts": 1}),
    ("batchprepPools", {"Pool": "[]", "Pool_Parts": 1}),
    ("batchprepRecipes", {"Recipe": '{"enabled": true, "request": 5}', "Recipe_Parts": 1}),
    ("batchprepRefused", {"Message": "x"}),
    ("batchprepSteps", {"State": "running", "StartedAt": "yesterday", "SeenAt": ""}),
    ("batchprepPace", {"Seconds": '{"pool": "long"}', "Seconds_Parts": 1}),
]
PLACES = {
    "batchprepBuilds": ("build", names.build_id("bad")),
    "batchprepClaims": ("pool", "bad"),
    "batchprepImages": (names.image_partition("images", "batchImageGallery", "bad"), "bad"),
    "batchprepPools": ("mybatch12345", "bad"),
    "batchprepRecipes": ("recipe", "bad"),
    "batchprepRefused": (names.POOL_REQUESTS_QUEUE, "bad"),
    "batchprepPace": ("pace", "all"),
}


@pytest.mark.parametrize(("table", "columns"), BAD)
def test_a_row_that_cannot_be_read_hides_nothing(table: str, columns: Json) -> None:
    """It is left out and named in the answer of the health check; everything else works."""
    built = world_after(image_only("image"), pools_only("r1", a_pool("dev", ttlHours=1)))
    build = names.build_id("r1")
    partition, row = PLACES.get(table, (build, "bad"))
    client = built.table_service.create_table_if_not_exists(table)
    client.upsert_entity({"PartitionKey": partition, "RowKey": row, **columns})
    built.engine.advance(2 * 3600)

    for route, params in {
        builds.show_build: {"id": names.build_id("bad")},
        builds.cancel_build: {"id": names.build_id("bad")},
        builds.resume_build: {"id": names.build_id("bad")},
        pools.show_pool: {"account": "mybatch12345", "pool": "bad"},
        recipes.show_recipe: {"name": "bad"},
        images.show_image: {"gallery": "batchImageGallery", "name": "bad", "version": "latest"},
    }.items():
        assert built.ask(route, **params).status == 404
    assert built.ask(builds.start_build, image_only("bad")).status in {202, 409}
    assert built.ask(builds.show_build, id=build).body["pools"]
    assert built.ask(builds.plan_build, a_request()).status == 200
    for route in (pools.list_pools, images.list_images, recipes.list_recipes):
        assert built.ask(route).status == 200
    assert built.ask(intake.list_refused).body["refused"] == []
    swept = built.sweep()
    assert [each.rpartition("/")[2] for each in swept["deleted"]] == ["dev"]
    assert built.ask(recipes.put_recipe, RECIPE, name="weekly").status == 200
    built.begin_rebuild()
    built.engine.run_until_idle()
    everything_works(built)

    # A claim and the durations are written anew when they are needed.
    healed = [True] * (table not in {"batchprepClaims", "batchprepPace"})
    unreadable_rows = built.ask(health.show_health).body["unreadableRows"]
    assert [table in each and row in each for each in unreadable_rows] == healed


def test_a_row_that_is_gone_is_named_no_more(built: World) -> None:
    """Somebody has removed it, and the app has asked for it since."""
    client = built.table_service.create_table_if_not_exists("batchprepPools")
    client.upsert_entity({"PartitionKey": "mybatch12345", "RowKey": "bad", "Pool": "no JSON"})

    def unreadable() -> list[str]:
        pool = built.ask(pools.show_pool, account="mybatch12345", pool="bad")
        assert pool.status == 404
        return list(built.ask(health.show_health).body["unreadableRows"])

    assert ["RowKey bad" in each for each in unreadable()] == [True]
    client.delete_entity("mybatch12345", "bad")
    assert unreadable() == []


RECIPE = {"enabled": True, "request": {"mode": "image-only", "image": {"name": "weekly"}}}


def test_a_claim_without_a_holder_is_free(built: World) -> None:
    """It is written anew by the next build that wants the name."""
    client = built.table_service.get_table_client("batchprepClaims")
    for row in list(client.list_entities()):
        client.delete_entity(row["PartitionKey"], row["RowKey"])
        client.create_entity({"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]})
    assert built.build(image_only("r2"))["state"] == "succeeded"


def test_a_dead_build_whose_request_is_refused_by_now_is_closed(world: World) -> None:
    """Rules become stricter; the sweep goes on."""
    request = {"mode": "full", "image": {"os": "minix"}, "pools": [{"id": "dev", "nodes": -1}]}
    client = world.table_service.create_table_if_not_exists("batchprepBuilds")
    world.records.accept_build("bold", Mode.FULL, request, NOW)
    client.upsert_entity({"PartitionKey": "build", "RowKey": "bold", "State": "running"})
    assert world.sweep()["closed"] == ["bold"]
    assert world.show("bold")["state"] == "failed"
