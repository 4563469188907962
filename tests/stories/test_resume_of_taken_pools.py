"""A resume after another build has made a pool that the resumed one lacks."""

from __future__ import annotations

from typing import Any

from tests.stories.test_impact import start_a_task
from tests.stories.test_pool_updates import writes
from tests.world import World, a_pool, a_request, pools_only
from triggers import builds, pools

ACCOUNT = "mybatch12345"
BAD = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}


def failed(world: World, **pool: Any) -> str:
    """A build that failed at pool `dev` and can be resumed."""
    build = world.build(pools_only("r1", a_pool("dev", **{"checks": [BAD], **pool}), a_pool("two")))
    assert (build["state"], build["resumable"]) == ("failed", True)
    return str(build["buildId"])


def refused(world: World, build: str) -> str:
    """The message of a resume that is refused for the build that has pool `dev` now."""
    answer = world.ask(builds.resume_build, id=build)
    assert (answer.status, answer.body["error"]["code"]) == (409, "NotResumable")
    return str(answer.body["error"]["message"])


def test_a_pool_that_another_build_has_made_since_stays(built: World) -> None:
    """Its nodes run tasks; the resume would have emptied it, and failed again."""
    build = failed(built, taskSlotsPerNode=2)
    other = built.build(pools_only("r2", a_pool("dev")))
    assert other["state"] == "succeeded", other["error"]
    start_a_task(built)
    before = len(built.ledger())

    message = refused(built, build)

    assert f"build {other['buildId']}" in message
    built.engine.advance(3600)
    record = built.pool(ACCOUNT, "dev")
    assert (record["state"], record["buildId"], record["nodes"]) == ("ready", other["buildId"], 1)
    assert writes(built, before) == []
    assert built.show(build)["resumable"] is True


def test_a_pool_that_was_deleted_and_made_by_another_build_stays(built: World) -> None:
    """Its record is the other build's, with the other build's end."""
    build = failed(built)
    built.change(pools.delete_pool, ACCOUNT, "dev")
    built.build(pools_only("r2", a_pool("dev", ttlHours=100)))
    refused(built, build)
    built.change(pools.delete_pool, ACCOUNT, "dev")
    assert built.ask(builds.resume_build, id=build).status == 202  # now it is missing again


def test_a_pool_that_another_build_worked_on_stays(built: World) -> None:
    """The build failed because the other one was at work there; that one has ended since."""
    other = built.start(pools_only("r2", a_pool("dev", nodes=2)))
    built.engine.advance(30)
    build = built.build(pools_only("r1", a_pool("dev")))
    assert build["pools"][0]["error"]["code"] == "Conflict"
    built.engine.run_until_complete(other)
    assert f"build {other}" in refused(built, build["buildId"])


def test_a_pool_that_was_there_before_the_build_is_updated(built: World) -> None:
    """As the request wanted: nothing has happened to the pool since the build failed."""
    assert built.build(pools_only("r0", a_pool("dev")))["state"] == "succeeded"
    built.fault({"effect": "allocation", "operation": "galleryVersions.create", "times": 1})
    build = built.build(a_request(requestId="r1", pools=[a_pool("dev")]))
    assert (build["state"], build["resumable"], build["pools"]) == ("failed", True, [])

    resumed = built.resume(build["buildId"])

    assert resumed["state"] == "succeeded", resumed["error"]
    assert built.pool(ACCOUNT, "dev")["buildId"] == build["buildId"]
