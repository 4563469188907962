"""Late failures, lost builds: what was made is used again or removed, never forgotten."""

from __future__ import annotations

import asyncio

import pytest

from local.functions_host.local_client import open_client
from shared.base.names import Orchestrator
from shared.model.plans import SweepPlan
from shared.model.requests import Mode
from tests.world import World, a_pool, a_request, image_only
from triggers import builds, leftovers, timers

VERSION = "galleryVersions.create"
NO_CAPACITY = {"effect": "allocation", "code": "InternalExecutionError", "message": "try later"}

UNREACHABLE = {
    "effect": "status",
    "status": 403,
    "code": "AuthorizationFailed",
    "method": "GET",
    "path": "batchAccounts/mybatch12345$",
}


def test_a_failed_install_removes_everything_and_says_why(world: World) -> None:
    """The script, its exit code's meaning and its last words; no VM that bills overnight."""
    world.fault({"effect": "script", "step": "driver", "exitCode": 40, "message": "no headers"})
    build = world.build(image_only(gpu=True))
    assert build["state"] == "failed"
    assert "driver" in build["error"]["message"]
    assert build["error"]["azureCode"] == "DRIVER_BUILD"
    assert build["error"]["nextAction"]
    assert world.resources("virtualMachines") + world.resources("Microsoft.Network") == []


def test_a_seal_that_fails_is_seen_soon_and_nothing_is_published(world: World) -> None:
    """The VM stays on then: its console says why, long before the step's limit of 20 minutes."""
    world.fault({"effect": "sealFails", "step": "seal", "message": "host keys remain"})
    build = world.build(image_only())
    assert (build["state"], build["error"]["code"]) == ("failed", "NotSealed")
    assert "host keys remain" in build["error"]["message"]
    [seal] = [step for step in build["steps"] if step["name"] == "seal"]
    assert seal["seconds"] < 150
    assert world.resources("versions") + world.resources("virtualMachines") == []


def test_the_copy_of_a_sealed_disk_is_kept_and_the_build_goes_on_from_it(world: World) -> None:
    """The version failed after 20 minutes of work: resume publishes from what is there."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())
    assert (failed["state"], failed["resumable"]) == ("failed", True), failed
    [snapshot] = world.resources("snapshots")
    assert failed["leftovers"] == [snapshot["id"]]

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    starts = [r for r in world.ledger() if r["method"] == "PUT" and "runCommands/" in r["url"]]
    assert len(starts) == len({r["url"] for r in starts})
    assert world.resources("snapshots") == []


def test_a_build_that_names_its_version_goes_on_with_that_version(world: World) -> None:
    """Its failed version is on Azure under that number; it is its own."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only(version="2.0.0"))
    assert failed["resumable"], failed["error"]

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["version"] == "2.0.0"


def test_what_stands_is_not_checked_again(world: World) -> None:
    """No size of the builder is to be had by now, and there may be a newer base image: the sealed
    disk needs neither, and the record names what it was made from.
    """
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())
    world.change_facts({"quota:cores": 0})
    before = len(world.ledger())

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["baseImageVersion"]
    assert [r for r in world.ledger()[before:] if "/vmimage/" in r["url"]] == []


def test_a_resume_that_cannot_begin_loses_nothing(world: World) -> None:
    """Azure refuses the account's look-up: the snapshot is still there, still on record, and kept
    no longer than was said at first.
    """
    world.build(a_request())
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(a_request(requestId="r2", pools=[a_pool("two")]))
    world.fault({**UNREACHABLE, "times": 1})
    again = world.resume(failed["buildId"])
    assert (again["state"], again["resumable"]) == ("failed", True), again
    assert again["error"]["azureCode"] == "AuthorizationFailed"
    cure, _, advice = again["error"]["nextAction"].partition("Resume")
    assert "role" in cure
    assert f"Resume{advice}" == failed["error"]["nextAction"]
    assert again["leftovers"] == failed["leftovers"]

    assert world.resume(failed["buildId"])["state"] == "succeeded"
    assert world.resources("snapshots") == []


def test_what_azure_refuses_with_a_conflict_is_no_reason_to_give_up(world: World) -> None:
    """Only a number that is another's by now is."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())["buildId"]
    conflict = {"effect": "status", "status": 409, "code": "Conflict", "times": 1}
    world.fault({**conflict, "method": "PUT", "path": "/versions/1.0.0"})
    again = world.resume(failed)
    assert (again["state"], again["resumable"]) == ("failed", True), again
    assert world.resume(failed)["state"] == "succeeded"


def test_late_advice_is_honest() -> None:
    """Nothing is kept beyond its expiry, also where that is over when the build fails."""
    world = World(own_settings={"KEEP_HOURS": "0"})
    world.fault({**NO_CAPACITY, "operation": VERSION})
    failed = world.build(image_only())
    assert "at once" in failed["error"]["nextAction"]
    assert world.resume(failed["buildId"])["state"] == "succeeded"


def test_pools_that_cannot_be_resumed_now_can_be_later(world: World) -> None:
    """The image and the good pool stay on record."""
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    failed = world.build(a_request(pools=[a_pool("one"), a_pool("two")]))
    world.fault({**UNREACHABLE, "times": 1})
    again = world.resume(failed["buildId"])
    assert (again["state"], again["resumable"]) == ("failed", True), again
    assert again["error"]["azureCode"] == "AuthorizationFailed"
    assert (again["image"], again["pools"]) == (failed["image"], failed["pools"])
    assert "Resume the build" in again["error"]["nextAction"]

    assert world.resume(failed["buildId"])["state"] == "succeeded"


def test_only_the_failed_pool_is_made_again(world: World) -> None:
    """The image and the good pool are there; resuming costs what is missing."""
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    failed = world.build(a_request(pools=[a_pool("one"), a_pool("two")]))
    assert sorted(p["state"] for p in failed["pools"]) == ["failed", "ready"]

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    assert [p["state"] for p in build["pools"]] == ["ready", "ready"]
    assert len(world.records.images()) == 1


def test_what_cannot_be_resumed_says_so(world: World) -> None:
    """A build that left nothing is simply started again."""
    world.fault({"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror"})
    failed = world.build(image_only())
    answer = world.ask(builds.resume_build, id=failed["buildId"])
    assert (answer.status, answer.body["error"]["code"]) == (409, "NotResumable")


def test_what_is_kept_goes_when_its_time_is_over(world: World) -> None:
    """Four hours by default; then the sweep removes it."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    world.build(image_only())
    assert world.sweep()["deleted"] == []

    world.engine.advance(9 * 3600)
    before = len(world.ledger())
    swept = world.sweep()

    assert len(swept["deleted"]) >= 4
    looks = [r for r in world.ledger()[before:] if "virtualMachines/" in r["url"]]
    assert len(looks) <= 6  # a VM takes its time to go
    assert world.resources("virtualMachines") + world.resources("Microsoft.Network") == []


def verdicts(world: World) -> dict[str, tuple[str, str | None]]:
    """What GET /api/leftovers says of each resource, by the end of its type's name."""
    answer = world.ask(leftovers.list_leftovers)
    assert answer.status == 200, answer.body
    listed = answer.body["leftovers"]
    return {r["type"].rpartition("/")[2]: (r["verdict"], r.get("until")) for r in listed}


def test_a_dry_run_says_what_a_sweep_would_do(world: World) -> None:
    """What stays, until when; what goes; and asking removes nothing."""
    world.fault({**NO_CAPACITY, "operation": VERSION})
    build = world.start(image_only())
    world.engine.advance(300)
    assert verdicts(world)["virtualMachines"] == ("keep", None)
    assert "disks" not in verdicts(world)  # a disk goes with its VM

    world.engine.run_until_complete(build)
    verdict, until = verdicts(world)["snapshots"]
    assert (verdict, until) == ("keep", "2026-01-01T08:00:00Z")
    assert {verdict for verdict, _ in verdicts(world).values()} == {"keep"}

    world.engine.advance(9 * 3600)
    before = world.resources()
    found = verdicts(world)
    assert {verdict for verdict, _ in found.values()} == {"remove"}
    assert {"galleries", "resourceGroups"} <= set(found)  # nothing came of the build
    assert world.resources() == before

    assert world.ask(leftovers.begin_sweep).status == 202
    world.engine.run_until_complete("clean_up")
    assert verdicts(world) == {}
    assert world.resources() == []


def test_a_dry_run_tells_what_is_not_ours(world: World) -> None:
    """A tag alone does not make a thing batch-prep's."""
    groups = world.services.azure.resources.resource_groups
    groups.create_or_update("theirs", {"location": "swedencentral"})
    body = {
        "location": "swedencentral",
        "tags": {"batch-prep-build": "copied", "batch-prep-expires": "2020-01-01T00:00:00Z"},
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}},
    }
    networks = world.services.azure.network.virtual_networks
    networks.begin_create_or_update("theirs", "net", body, polling=False)
    (found,) = world.ask(leftovers.list_leftovers).body["leftovers"]
    assert (found["verdict"], found["why"]) == ("keep", "no such build is on record")


def test_a_build_whose_orchestration_died_is_closed_and_cleaned_up(world: World) -> None:
    """A caller does not wait for ever for a build that does not run."""
    build = world.start(image_only())
    world.engine.advance(600)
    world.engine.terminate(build, "the host was lost")
    world.engine.run_ready()
    world.engine.advance(2 * 3600)  # its children end by themselves

    world.sweep()

    shown = world.show(build)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "Bug")
    assert world.resources("virtualMachines") + world.resources("Microsoft.Network") == []


def test_a_request_that_was_never_begun_is_taken_up(world: World) -> None:
    """The app died between its 202 and the start of the orchestration."""
    request = image_only()
    answer = builds.start_build(_call(world, request))
    build = answer.body["buildId"]
    assert world.engine.status(build) is None

    world.sweep()
    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == "succeeded"


def test_a_build_that_begins_while_the_sweep_looks_is_not_closed(world: World) -> None:
    """Durable knew no instance; a moment later the build ran, and its record said so."""
    begin = builds.start_build(_call(world, image_only())).begin
    client = open_client(world.engine)
    look = client.get_status

    async def look_before_it_begins(build: str) -> object:
        found = await look(build)
        if world.engine.status(build) is None:
            world.engine.start(begin.orchestrator, begin.plan.to_wire(), build)
            while world.records.build(build)["State"] == "accepted":
                world.engine.step()
        return found

    client.get_status = look_before_it_begins
    asyncio.run(timers.begin_sweep(world.services, client))

    assert world.engine.run_until_complete("clean_up").output["closed"] == []


def _call(world: World, body: dict) -> object:
    import json

    from triggers.http import Call

    return Call(body=json.dumps(body).encode(), url="http://app/api", services=world.services)


def test_the_sweep_touches_nothing_of_others_and_nothing_that_runs(world: World) -> None:
    """Only what carries our tag and an expiry, and whose build is over."""
    network = world.services.azure.network.virtual_networks
    groups = world.services.azure.resources.resource_groups
    groups.create_or_update("theirs", {"location": "swedencentral"})
    body = {
        "location": "swedencentral",
        "tags": {"batch-prep-build": "not-ours"},
        "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}},
    }
    network.begin_create_or_update("theirs", "net", body, polling=False)
    running = world.start(image_only())
    world.engine.advance(300)

    assert world.sweep()["deleted"] == []
    assert world.records.build(running)["Mode"] == Mode.IMAGE_ONLY  # type: ignore[index]
    assert len(world.resources("virtualNetworks")) == 2


def test_a_request_for_a_pool_that_scales_itself_is_taken_up_too(world: World) -> None:
    """What is stored has been parsed: it is not judged as a fresh request again."""
    world.build(image_only("image"))
    pool = {
        "id": "auto",
        "vmSize": "Standard_D2s_v5",
        "autoscaleFormula": "$TargetDedicatedNodes=1;",
    }
    request = a_request(mode="batch-only", requestId="auto", pools=[pool])
    build = builds.start_build(_call(world, request)).body["buildId"]

    world.sweep()
    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == "succeeded"


@pytest.mark.parametrize("asked", [{"infiniband": False}, {"driverSource": "nvidia"}, {}])
def test_a_refresh_that_was_never_begun_is_taken_up_as_it_was_asked(
    world: World, asked: dict
) -> None:
    """Also where the request says, of what its base has otherwise, what would be the default."""
    first = image_only("first", gpu=True, infiniband=True, driverSource="canonical")
    assert world.build(first)["state"] == "succeeded"
    (version,) = world.resources("galleries/images/versions")
    request = image_only("refresh", base={"id": version["id"]}, **asked)
    build = builds.start_build(_call(world, request)).body["buildId"]

    world.sweep()
    world.engine.run_until_complete(build)

    assert world.show(build)["state"] == ("failed" if asked else "succeeded")


def test_a_build_that_ends_while_the_sweep_looks_keeps_its_outcome(world: World) -> None:
    """The sweep read it as running and its instance as over: between the two it succeeded."""
    build = world.build(image_only())["buildId"]
    seen_before = SweepPlan(dead=[build])

    world.engine.start(Orchestrator.CLEAN_UP.value, seen_before.to_wire(), "late-sweep")
    world.engine.run_until_complete("late-sweep")

    assert world.show(build)["state"] == "succeeded"
