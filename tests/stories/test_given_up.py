"""What was kept for a while goes at last, and then the record says so."""

from __future__ import annotations

import pytest

from activities import closing
from shared.base import names
from shared.base.names import Orchestrator
from shared.model.outcomes import BuildOutcome
from shared.model.plans import SweepPlan
from shared.store.tables import Row
from tests.happened import world_in_which
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds

NO_VERSION = {"effect": "allocation", "operation": "galleryVersions.create"}


def kept(world: World) -> str:
    """A build that is sealed, could not publish, and whose time to be resumed is over."""
    world.fault(NO_VERSION)
    build = world.build(image_only())
    assert build["resumable"]
    world.engine.advance(9 * 3600)
    return str(build["buildId"])


def test_what_nobody_has_resumed_goes_with_all_that_was_made(world: World) -> None:
    """Also the version that failed, the gallery and the group: nothing came of it."""
    build = kept(world)
    world.sweep()

    assert world.resources() == []
    shown = world.show(build)
    assert (shown["resumable"], shown["leftovers"]) == (False, [])
    assert "again" in shown["error"]["nextAction"]
    refused = world.ask(builds.resume_build, id=build)
    assert (refused.status, refused.body["error"]["code"]) == (409, "NotResumable")


def test_a_builder_that_was_kept_on_request_goes_at_its_expiry(world: World) -> None:
    """The advice on how to look at it would lead to nothing."""
    world.fault({"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror"})
    build = world.build(image_only(keepVm=True))
    assert "az vm start" in build["error"]["nextAction"]
    world.engine.advance(9 * 3600)
    world.sweep()

    shown = world.show(build["buildId"])
    assert (world.resources(), shown["leftovers"]) == ([], [])
    assert "az vm start" not in shown["error"]["nextAction"]


@pytest.mark.parametrize("steps", range(12))
def test_a_build_is_resumed_or_swept_and_never_both(steps: int) -> None:
    """Somebody resumes it while the sweep has begun already."""
    world, build = world_in_which(kept), names.build_id("r1")
    world.engine.start(Orchestrator.CLEAN_UP.value, SweepPlan().to_wire(), "clean_up")
    for _ in range(steps):
        world.engine.step()
    answer = world.ask(builds.resume_build, id=build)
    world.engine.run_until_idle()

    shown = world.show(build)
    if answer.status == 202:
        assert shown["state"] == "succeeded", shown["error"]
    else:
        assert (answer.status, shown["state"]) == (409, "failed")
        assert world.resources() == []


def test_a_resume_while_the_sweep_gives_the_build_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when the sweep has read the build's record, and reads those of all builds."""
    build, answers = kept(world), []
    read = closing.outcome_of

    def then_resume(row: Row) -> BuildOutcome | None:
        if found := read(row):
            answers.append(world.ask(builds.resume_build, id=build).status)
        return found

    monkeypatch.setattr(closing, "outcome_of", then_resume)
    swept = world.sweep()
    world.engine.run_until_idle()
    assert (answers, swept["deleted"]) == ([202], [])
    assert world.show(build)["state"] == "succeeded"


def test_what_the_sweep_cannot_remove_the_next_one_tries(world: World) -> None:
    """Somebody has locked the gallery, and unlocks it later."""
    build = kept(world)
    locked = {"effect": "status", "status": 409, "code": "ScopeLocked", "times": 1}
    world.fault({**locked, "method": "DELETE", "path": "galleries/batchImageGallery$"})
    swept = world.sweep()
    assert [i.rpartition("/")[2] for i in swept["failed"]] == ["batchImageGallery"]
    assert world.show(build)["leftovers"] == swept["failed"]

    assert world.sweep()["failed"] == []
    assert (world.resources(), world.show(build)["leftovers"]) == ([], [])


def test_a_group_that_azure_does_not_list_the_next_sweep_tries(world: World) -> None:
    """What the build made in it goes; directly before the group goes, Azure must show it empty."""
    build = kept(world)
    forbidden = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 99}
    world.fault({**forbidden, "method": "GET", "path": "resourceGroups/images/resources$"})
    refused = world.sweep()
    assert [i.rpartition("/")[2] for i in refused["failed"]] == ["images"]
    assert [r["type"] for r in world.resources()] == ["Microsoft.Resources/resourceGroups"]
    assert world.show(build)["leftovers"] == refused["failed"]

    world.azure.faults.clear()
    assert world.sweep()["failed"] == []
    assert (world.resources(), world.show(build)["leftovers"]) == ([], [])


def test_what_a_build_made_in_a_group_of_others_goes(world: World) -> None:
    """Also where Azure refuses to list that group; the group stays."""
    groups = world.services.azure.resources.resource_groups
    groups.create_or_update("images", {"location": "swedencentral"})
    build = kept(world)
    forbidden = {"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 99}
    world.fault({**forbidden, "method": "GET", "path": "resourceGroups/images/resources$"})
    assert world.sweep()["failed"] == []
    assert [r["type"] for r in world.resources()] == ["Microsoft.Resources/resourceGroups"]
    assert world.show(build)["leftovers"] == []


def test_a_gallery_that_was_left_to_a_build_that_failed_too_goes(world: World) -> None:
    """Each of two builds needed it when the other one failed."""
    world.fault(NO_VERSION)
    first = world.build(image_only("r1", name="one"))
    world.fault(NO_VERSION)
    second = world.build(image_only("r2", name="two"))
    assert first["resumable"]
    assert second["resumable"]
    world.engine.advance(9 * 3600)
    world.sweep()
    world.sweep()
    assert world.resources() == []


@pytest.mark.parametrize("published", [True, False])
def test_a_managed_image_goes_with_a_build_that_failed(world: World, published: bool) -> None:
    """It lasts as long as the version that was made with it; others in its group keep it not."""
    world.build(image_only("other", name="other"))
    if not published:
        world.fault(NO_VERSION)
    world.build(image_only("r1", managedImage=True))
    world.engine.advance(9 * 3600)
    world.sweep()
    world.sweep()
    images = [r for r in world.resources() if r["type"] == "Microsoft.Compute/images"]
    assert bool(images) is published


def test_an_image_that_another_build_published_there_stays(world: World) -> None:
    """The gallery is the first build's, which has failed; its image is not."""
    build = kept(world)
    assert world.build(image_only("r2", name="other"))["state"] == "succeeded"
    world.sweep()

    left = {r["type"].rpartition("/")[2] for r in world.resources()}
    assert {"galleries", "images", "versions"} <= left
    assert not world.show(build)["resumable"]


def test_the_pools_of_a_build_that_died_can_still_pull(world: World) -> None:
    """The build made the identity, and died; its ready pool is in use."""
    built = {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"}
    image = an_image(registry={"name": "imagesregistry1", "build": built})
    build = world.start(a_request(image=image, pools=[a_pool("one"), a_pool("two")]))
    while not any(pool.state == "ready" for pool in world.records.pools()):
        world.engine.advance(5)
    world.engine.terminate(build, "the host was lost")
    world.engine.advance(2 * 3600)
    world.sweep()

    assert world.show(build)["state"] == "failed"
    assert world.resources("userAssignedIdentities")
    assert world.resources("Microsoft.Network") == []
