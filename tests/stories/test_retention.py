"""What is too old goes, in an order that survives a crash; what is needed stays."""

from __future__ import annotations

from typing import Any

import pytest

from local.functions_host.inline import Crash
from local.functions_host.store import Query
from local.memory_tables import MemoryTable
from shared.base import names
from tests import packed
from tests.stories.test_lists import as_of_010
from tests.world import WITH_LOGS, World, a_pool, image_only, pools_only
from triggers import builds, contexts, images, intake, recipes

Json = dict[str, Any]
DAY = 86_400.0
LOCKED = {"effect": "status", "status": 409, "code": "ScopeLocked", "times": 1000}


def rows_of(world: World, build: str) -> list[str]:
    """The tables that hold something of a build."""
    found = world.table_service.dump()["tables"].items()
    return sorted({name for name, rows in found if build in str(rows)})


def upload(world: World) -> str:
    return str(world.ask(contexts.upload_context, packed.context()).body["context"])


def with_context(context: str) -> Json:
    return {"registry": {"name": "imagesregistry1", "build": {"context": context, "image": "a:1"}}}


@pytest.fixture
def logged() -> tuple[World, str]:
    """A build that has published an image, with its logs."""
    world = World(own_settings=WITH_LOGS)
    build = world.build(image_only())["buildId"]
    return world, build


def test_the_record_of_a_build_goes_with_its_steps_and_logs(logged: tuple[World, str]) -> None:
    """What it made, and the documents of that, stay."""
    world, build = logged
    pools = world.build(pools_only("r2", a_pool("dev")))["buildId"]
    before = world.images(), world.pools(), world.resources()
    assert any(build in url for url in world.outbox.logs)

    world.engine.advance(89 * DAY)
    world.sweep()
    assert world.show(build)["steps"]
    assert any(build in url for url in world.outbox.logs)

    world.engine.advance(2 * DAY)
    world.sweep()
    assert rows_of(world, build) == ["batchprepClaims", "batchprepImages"]
    assert rows_of(world, pools) == ["batchprepClaims", "batchprepPools"]
    assert not any(build in url for url in world.outbox.logs)
    assert (world.images(), world.pools(), world.resources()) == before
    for gone in (build, pools):
        answer = world.ask(builds.show_build, id=gone)
        assert (answer.status, "BUILD_RETENTION_DAYS" in str(answer.body)) == (404, True)
    assert world.builds() == []
    name = world.images()[0]["imageName"]
    image = {"gallery": "batchImageGallery", "name": name, "version": "latest"}
    assert world.ask(images.show_bill_of_materials, **image).status == 200


def test_a_request_id_and_a_version_number_are_given_once(logged: tuple[World, str]) -> None:
    """Resources carry the id of the build that made them: another build must not think they are its
    own.
    """
    world, build = logged
    world.engine.advance(91 * DAY)
    world.sweep()

    answer = world.ask(builds.start_build, image_only())
    assert (answer.status, answer.body["error"]["code"]) == (409, "RequestIdUsed")
    assert answer.body["error"]["buildId"] == build
    message = {"requestId": "r1", "image": {"resourceGroup": "images"}, "pool": a_pool("dev")}
    message["batchAccount"] = {"name": "mybatch12345"}
    answer = world.ask(intake.request_pool, message)
    assert (answer.status, answer.body["error"]["buildId"]) == (409, build)
    assert world.build(image_only("r2"))["image"]["version"] == "1.0.1"


def test_what_is_needed_stays() -> None:
    """A build that runs, one that can be resumed, and one whose resources could not be removed."""
    world = World(own_settings={"BUILD_RETENTION_DAYS": "0.001", "KEEP_HOURS": "168"})
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    resumable = world.build(image_only("resumable"))["buildId"]
    world.azure.faults.clear()
    world.fault({"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror"})
    world.fault({**LOCKED, "method": "DELETE", "path": "publicIPAddresses/"})
    locked = world.build(image_only("locked", name="locked"))["buildId"]
    world.engine.advance(600)
    running = world.start(image_only("running", name="running"))
    world.engine.advance(60)

    world.sweep()
    assert world.show(locked)["leftovers"]
    assert {b["buildId"] for b in world.builds()} == {resumable, locked, running}
    assert world.show(running)["state"] == "running"
    world.azure.faults.clear()
    assert world.resume(resumable)["state"] == "succeeded"
    world.engine.run_until_complete(running)
    assert world.show(running)["state"] == "succeeded"

    world.engine.advance(8 * DAY)
    world.sweep()
    assert [b["buildId"] for b in world.builds()] == [locked]
    world.sweep()
    assert world.builds() == []
    assert not [r for r in world.resources() if "publicipaddresses" in r["type"].lower()]


def test_zero_keeps_everything(built: World) -> None:
    """For ever."""
    kept = World(
        own_settings={
            "BUILD_RETENTION_DAYS": "0",
            "CONTEXT_RETENTION_DAYS": "0",
            "HISTORY_RETENTION_DAYS": "0",
        }
    )
    build = kept.build(image_only())["buildId"]
    context = upload(kept)
    kept.deliver("no JSON")
    kept.engine.advance(4000 * DAY)
    kept.sweep()
    assert kept.show(build)["state"] == "succeeded"
    assert context in kept.outbox.contexts
    assert len(kept.refused()) == 1
    assert kept.engine.store.instance(build)


@pytest.mark.parametrize("number", range(1, 8))
def test_a_purge_that_was_cut_off_is_repeated(
    built: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Wherever the process ends."""
    (build,) = (row.key for row in built.build_rows())
    built.engine.advance(91 * DAY)
    delete, left = MemoryTable.delete_entity, [number]

    def dying(self: MemoryTable, *args: Any, **options: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise Crash
        delete(self, *args, **options)

    monkeypatch.setattr(MemoryTable, "delete_entity", dying)
    with pytest.raises(Crash):
        built.begin_sweep()
    assert built.ask(builds.start_build, image_only("image")).status in {202, 409}
    built.begin_sweep()
    assert rows_of(built, build) == ["batchprepClaims", "batchprepImages"]


def test_a_part_that_fails_stops_no_other(
    logged: tuple[World, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The container of the logs cannot be read; a context is removed all the same."""
    world, build = logged
    context = upload(world)
    world.engine.advance(91 * DAY)

    def refuse(*_: str) -> None:
        raise OSError("no way to the storage")

    monkeypatch.setattr(world.outbox, "remove_logs", refuse)
    world.sweep()
    assert world.show(build)["state"] == "succeeded"
    assert context not in world.outbox.contexts
    assert "old builds removed: failed; the next sweep tries again" in caplog.text
    assert "no way to the storage" in caplog.text


def test_contexts_go_once_nothing_names_them(world: World) -> None:
    """Neither a recorded build nor a recipe."""
    unused, of_build, of_recipe = upload(world), upload(world), upload(world)
    world.build(image_only(**with_context(of_build)))
    image = {"name": "weekly", **with_context(of_recipe)}
    recipe = {"enabled": False, "request": {"mode": "image-only", "image": image}}
    assert world.ask(recipes.put_recipe, recipe, name="weekly").status == 200
    world.engine.advance(29 * DAY)
    fresh = upload(world)
    world.sweep()
    assert set(world.outbox.contexts) == {unused, of_build, of_recipe, fresh}
    world.engine.advance(2 * DAY)
    world.sweep()
    assert set(world.outbox.contexts) == {of_build, of_recipe, fresh}
    world.engine.advance(90 * DAY)
    world.sweep()
    assert set(world.outbox.contexts) == {of_recipe}


def test_refused_messages_go(world: World) -> None:
    """Those of 0.1.0, which kept no time, count from the first sweep on."""
    world.deliver("no JSON", "old")
    world.deliver("no JSON", "older")
    rows = world.table_service._tables["batchprepRefused"][names.POOL_REQUESTS_QUEUE]
    del rows["older"]["At"]
    world.engine.advance(60 * DAY)
    world.sweep()
    world.deliver("no JSON", "new")
    assert {row.key for row in world.refused()} == {"old", "older", "new"}
    world.engine.advance(31 * DAY)
    world.sweep()
    assert {row.key for row in world.refused()} == {"older", "new"}
    world.engine.advance(60 * DAY)
    world.sweep()
    assert [row.key for row in world.refused()] == []


def test_histories_go_and_records_stay(built: World) -> None:
    """Of every orchestration that has ended, also more than one page of them."""
    (build,) = (row.key for row in built.build_rows())
    for number in range(110):
        built.engine.create("clean_up", '{"dead": []}', f"old-{number}", None)
    built.engine.run_until_idle()
    built.engine.advance(31 * DAY)
    running = built.start(image_only("r2", name="other"))
    built.engine.advance(300)
    built.sweep()
    left = {instance.id.partition(":")[0] for instance in built.engine.store.select(Query())}
    assert left == {running, "clean_up"}
    assert built.show(build)["steps"]
    built.engine.run_until_complete(running)
    assert built.show(running)["state"] == "succeeded"


def test_records_of_an_older_version_go_as_well(built: World) -> None:
    """They have none of the small columns."""
    (build,) = (row.key for row in built.build_rows())
    as_of_010(built)
    built.engine.advance(91 * DAY)
    built.sweep()
    assert rows_of(built, build) == ["batchprepClaims", "batchprepImages"]
