"""How a resume begins: between a build that has ended and the same build that goes on."""

from __future__ import annotations

import asyncio

import pytest

from local.functions_host.local_client import open_client
from tests.world import World, a_pool, a_request, image_only
from triggers import beginning, builds, http

VERSION = "galleryVersions.create"
NO_CAPACITY = {"effect": "allocation", "code": "InternalExecutionError", "message": "try later"}


def test_a_resume_that_never_began_can_be_asked_again(world: World) -> None:
    """The app died between reopening the build and starting it."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())["buildId"]
    assert world.records.reopen_build(failed, world.services.now())

    world.engine.advance(600)
    world.sweep()

    assert world.show(failed)["state"] == "failed"
    assert world.resume(failed)["state"] == "succeeded"


def test_a_resume_waits_until_durable_has_ended_the_build(world: World) -> None:
    """The record said `failed` a moment before Durable did: it refused to start the id again."""
    build = a_build_about_to_end(world)
    client = open_client(world.engine)
    look = client.get_status

    async def look_before_it_ends(instance: str) -> object:
        found = await look(instance)
        world.engine.run_until_complete(instance)
        return found

    client.get_status = look_before_it_ends
    answer = asyncio.run(beginning.begun(client, resumed(world, build)))

    assert answer.status == 202
    world.engine.run_until_complete(build)
    assert world.show(build)["state"] == "succeeded"


def test_a_resume_that_durable_refuses_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instance did not end while the request waited."""
    pauses = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    build = a_build_about_to_end(world)

    answer = asyncio.run(beginning.begun(open_client(world.engine), resumed(world, build)))

    assert (answer.status, answer.body["error"]["code"]) == (503, "NotBegun")
    assert pauses == list(beginning.ENDING_SECONDS)
    assert (world.show(build)["state"], world.show(build)["resumable"]) == ("failed", True)
    world.engine.run_until_complete(build)
    assert world.resume(build)["state"] == "succeeded"


def a_build_about_to_end(world: World) -> str:
    """A failed build that can be resumed, of which Durable has not noticed that it has ended."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    build = world.start(image_only())
    while world.show(build)["state"] != "failed":
        if not world.engine.step():
            world.clock.advance_to(world.clock.now() + 1)
    assert world.engine.status(build).runtime_status.name == "RUNNING"
    return build


def resumed(world: World, build: str) -> http.Answer:
    """The answer to POST /api/builds/{id}/resume before its orchestration has been started."""
    call = http.Call(params={"id": build}, url="http://app/api", services=world.services)
    answer = builds.resume_build(call)
    assert answer.status == 202
    return answer


def test_a_sweep_leaves_a_resume_alone_that_is_just_beginning(world: World) -> None:
    """Between the two steps of the request the build looks as if it had never begun."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())["buildId"]
    assert world.records.reopen_build(failed, world.services.now())

    world.sweep()

    assert world.show(failed)["state"] == "running"


def test_a_build_that_dies_when_it_is_resumed_for_its_pools_keeps_its_image(world: World) -> None:
    """The image is published; the build is resumed once more and makes the pool that is missing."""
    world.fault({"effect": "allocation", "operation": "nodes.start", "times": 9})
    failed = world.build(a_request(pools=[a_pool("dev")]))
    build, image = failed["buildId"], failed["image"]
    world.azure.faults.clear()
    assert world.ask(builds.resume_build, id=build).status == 202
    world.engine.advance(30)
    for each in (f"{build}:pool-dev", build):
        world.engine.terminate(each, "the host was lost")
    world.engine.run_until_idle()
    assert world.sweep()["closed"] == [build]

    died = world.show(build)
    assert (died["state"], died["image"], died["resumable"]) == ("failed", image, True)
    assert "Resume the build" in died["error"]["nextAction"]
    assert world.resume(build)["state"] == "succeeded"


def test_a_build_that_has_succeeded_is_not_asked_for_again(world: World) -> None:
    """The advice for one that failed would make a second image."""
    build = world.build(image_only())["buildId"]
    answer = world.ask(builds.resume_build, id=build)
    assert (answer.status, answer.body["error"]["code"]) == (409, "NotResumable")
    message = f"Build {build} has succeeded: nothing is left to do."
    assert answer.body["error"]["message"] == message
