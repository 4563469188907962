"""What the builder's scripts tell the app: why one failed, and what the image contains."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from shared.base.script_exits import ScriptExit
from tests.world import LOGS, WITH_LOGS, World, an_image
from triggers import images

BUSYBOX = "docker.io/library/busybox:1.36"
DEFINITION = "batchCustomImage-ubuntu-24.04-gpu"
PLACE = {"gallery": "batchImageGallery", "name": DEFINITION, "version": "latest"}
REQUEST = {
    "mode": "image-only",
    "requestId": "r1",
    "image": an_image(gpu=True, containerImages=[BUSYBOX]),
}


@pytest.fixture
def logging_world() -> World:
    """Where the scripts' output is kept."""
    return World(own_settings=WITH_LOGS)


# -- a script that fails --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "step", "code", "meaning"),
    [
        ("prepare", "install", ScriptExit.PACKAGE_MANAGER, "the package manager failed"),
        ("docker", "install", ScriptExit.DOWNLOAD, "a download failed or its checksum is wrong"),
        ("driver", "install", ScriptExit.DRIVER_BUILD, "the NVIDIA driver could not be installed"),
        ("preload", "preload", ScriptExit.IMAGE_PULL, "a container image could not be pulled"),
        ("check", "seal", ScriptExit.CHECK_FAILED, "the finished system did not pass its checks"),
        ("seal", "seal", ScriptExit.SEAL, "the system could not be sealed"),
    ],
)
def test_a_script_that_fails_is_told_in_full(
    logging_world: World, part: str, step: str, code: ScriptExit, meaning: str
) -> None:
    """Which script, what its exit code means, its last words, where all of it lies, what to do.
    What fails for its sake (no Docker to pull with) is not the reason.
    """
    words = "E: the mirror said $(no) to 'us'"
    logging_world.fault({"step": part, "effect": "script", "exitCode": int(code), "message": words})

    build = logging_world.build(REQUEST)

    error = build["error"]
    assert build["state"] == "failed"
    assert error["code"] == "ScriptFailed"
    assert f"exited with {int(code)} ({meaning})" in error["message"]
    assert f"Last lines of its log:\n{words}" in error["message"]
    assert error["azureCode"] == code.name
    assert error["nextAction"]
    assert error["logUrl"].startswith(f"{LOGS}/{build['buildId']}/{step}")
    assert words in logging_world.outbox.logs[error["logUrl"]].decode()
    failed = {s["name"]: s["error"] for s in build["steps"] if s["state"] == "failed"}
    needed_docker = {"preload"} if part in {"prepare", "docker"} else set()
    assert set(failed) == {step} | needed_docker
    assert failed[step]["logUrl"] == error["logUrl"]
    assert logging_world.resources("virtualMachines") == []


def test_without_a_container_for_logs_none_is_named(world: World) -> None:
    """A link that leads nowhere is worse than none."""
    world.fault({"step": "docker", "effect": "script", "exitCode": 24, "message": "no"})

    assert world.build(REQUEST)["error"]["logUrl"] is None


# -- what the image contains ----------------------------------------------------------------------


def test_the_bill_of_materials_is_served_with_the_image(logging_world: World) -> None:
    """Under the image's own name, by digest, valid, and marked as nobody's real machine."""
    build = logging_world.build(REQUEST)

    answer = logging_world.ask(images.show_bill_of_materials, **PLACE)
    about = answer.body["metadata"]
    assert build["state"] == "succeeded", build["error"]
    assert answer.status == 200
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(answer.body)) is None
    assert (about["component"]["name"], about["component"]["version"]) == (
        DEFINITION,
        "1.0.0",
    )
    assert {"name": "batch-prep:scripted", "value": "true"} in about["properties"]
    assert [s["scripted"] for s in build["steps"] if s["name"] == "bill_of_materials"] == [True]
    (container,) = [c for c in answer.body["components"] if c["type"] == "container"]
    assert container["version"] == build["image"]["containerImages"][0]["digest"]


def test_without_a_container_for_logs_the_record_says_why_there_is_none(world: World) -> None:
    """A run command's answer is too small for it."""
    image = world.build(REQUEST)["image"]

    answer = world.ask(images.show_bill_of_materials, **PLACE)
    assert "STEP_LOG_CONTAINER_URL" in image["billOfMaterialsNote"]
    assert (answer.status, answer.body["error"]["code"]) == (404, "NoBillOfMaterials")
    assert "STEP_LOG_CONTAINER_URL" in answer.body["error"]["message"]


def test_a_blob_that_never_comes_costs_the_document_only(logging_world: World) -> None:
    """The agent could not write, say: the image is published, and the record tells."""
    logging_world.azure.storage = None

    build = logging_world.build(REQUEST)

    assert build["state"] == "succeeded", build["error"]
    assert "the check's output holds none" in build["image"]["billOfMaterialsNote"]


def test_an_image_that_is_not_there_has_no_bill(world: World) -> None:
    """The same answer as for the image itself."""
    answer = world.ask(images.show_bill_of_materials, **PLACE)
    assert (answer.status, answer.body["error"]["code"]) == (404, "NotFound")


# -- what the builder could not prove -------------------------------------------------------------


def test_a_builder_without_a_gpu_leaves_its_proof_open(world: World) -> None:
    """The record says so, until each pool has proved it for itself."""
    plain = world.build({**REQUEST, "image": an_image(gpu=True, builderVmSize="Standard_D4s_v5")})
    proved = world.build({**REQUEST, "requestId": "r2"})

    assert plain["image"]["pending"] == ["gpu"]
    assert proved["image"]["pending"] == []


def test_the_size_that_was_had_decides_what_is_checked(world: World) -> None:
    """No GPU size had capacity: the check must not look for a GPU on the CPU size."""
    world.fault(
        {"resourceType": "Microsoft.Compute/virtualMachines", "effect": "allocation", "times": 1}
    )
    sizes = ["Standard_NC4as_T4_v3", "Standard_D4s_v5"]

    build = world.build({**REQUEST, "image": an_image(gpu=True, builderVmSizes=sizes)})

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["vmSize"] == "Standard_D4s_v5"
    assert build["image"]["pending"] == ["gpu"]


def test_a_seal_whose_report_is_lost_counts_by_its_mark(world: World) -> None:
    """The machine is off before its agent could tell: the mark says that all checks have passed,
    and what only the report would prove stays open.
    """
    lost = {"effect": "status", "status": 404, "code": "ResourceNotFound", "times": 99}
    world.fault({**lost, "method": "GET", "path": "runCommands/seal"})

    image = an_image(gpu=True, builderVmSize="Standard_D4s_v5", containerImages=[BUSYBOX])
    build = world.build({**REQUEST, "image": image})

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["pending"] == ["gpu"]
    assert build["image"]["kernel"]
    assert build["image"]["dockerVersion"]


# -- where the logs go ----------------------------------------------------------------------------


def test_the_place_of_the_logs_is_seen_to_before_a_script_writes_there(
    logging_world: World,
) -> None:
    """A container that nobody has made fails the first script, with a builder that costs money."""
    refusal = {"effect": "status", "status": 403, "code": "AuthorizationFailed"}
    logging_world.fault({**refusal, "method": "PUT", "path": "runCommands/install"})
    assert logging_world.build(REQUEST)["state"] == "failed"
    assert set(logging_world.outbox.log_containers) == {LOGS}


def test_a_log_that_no_identity_may_write_is_a_blocker() -> None:
    """The builder's own identity is new with each VM, so no script would ever start."""
    world = World(own_settings={"STEP_LOG_CONTAINER_URL": LOGS})

    build = world.build(REQUEST)

    assert build["state"] == "failed"
    assert [problem["code"] for problem in build["error"]["details"]] == ["StepLogIdentityMissing"]
    assert "STEP_LOG_IDENTITY_CLIENT_ID" in build["error"]["details"][0]["message"]
    assert world.azure.store.of_type("Microsoft.Compute/virtualMachines") == []


def test_an_identity_without_the_role_is_told_with_the_words_of_the_agent() -> None:
    """No script starts; the failed step says which blob could not be made, and why."""
    world = World(own_settings=WITH_LOGS)
    for role in world.azure.store.of_type("Microsoft.Authorization/roleAssignments"):
        world.azure.store.remove(role.id)

    build = world.build(REQUEST)

    assert build["state"] == "failed"
    assert build["error"]["code"] == "ScriptFailed"
    assert "AuthorizationPermissionMismatch" in build["error"]["message"]
    assert "step-logs/" in build["error"]["message"]


def test_who_keeps_no_logs_gets_no_container(world: World) -> None:
    """And a forecast makes nothing."""
    world.build(REQUEST)
    assert world.outbox.log_containers == []
