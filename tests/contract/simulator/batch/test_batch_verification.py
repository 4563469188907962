"""What batch-prep's verification finds on a node: judged from image and size, not executed."""

from __future__ import annotations

import base64
import gzip

import pytest
from azure_sandbox import result_line
from batch_sandbox import (
    BUSYBOX,
    CPU,
    CUDA,
    T4,
    BatchSandbox,
    as_preloaded,
    failed_codes,
    start_task,
    verified,
)

from local.azure_simulator.machine import interface

pytestmark = pytest.mark.usefixtures("account")


# --- verification -------------------------------------------------------------------------------


def test_a_good_gpu_node_passes_and_says_that_it_is_scripted(world):
    """The result line repeats the nonce and names each check."""
    environment = {
        "NONCE": "n7",
        "EXPECT_GPU": "auto",
        "EXPECT_IMAGES": f"{CUDA}\n{BUSYBOX}",
        "VERIFY_IMAGE": BUSYBOX,
    }
    state, result = verified(world, size=T4, environment=environment)
    assert state == "idle"
    assert (result["ok"], result["nonce"], result["scripted"], result["exitCode"]) == (
        True, "n7", True, 0,
    )  # fmt: skip
    assert [(check["id"], check["status"]) for check in result["data"]["checks"]] == [
        (name, "pass") for name in ("system", "kernel", "docker", "gpu", "images", "container")
    ]


def test_a_node_without_gpu_and_expectations_skips_the_gpu(world):
    """A plain pool is not asked for what it does not have."""
    state, result = verified(world, size=CPU, image=world.make_image())
    status = {check["id"]: check["status"] for check in result["data"]["checks"]}
    assert (state, status["gpu"], status["images"], status["container"]) == (
        "idle", "skip", "skip", "skip",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inside", "size", "environment", "code"),
    [
        ({"driver": ""}, T4, {"EXPECT_GPU": "1"}, "GPU_MODULE_MISSING"),
        ({"driverKernel": "6.8.0-1-azure"}, T4, {"EXPECT_GPU": "1"}, "GPU_MODULE_MISSING"),
        ({}, CPU, {"EXPECT_GPU": "1"}, "GPU_ABSENT"),
        ({}, T4, {"EXPECT_GPU": "2"}, "GPU_COUNT"),
        ({}, "Standard_NV6ads_A10_v5", {"EXPECT_GPU": "auto"}, "GPU_UNSUPPORTED"),
        ({}, "Standard_ND40rs_v2", {"EXPECT_GPU": "auto"}, "GPU_UNSUPPORTED"),
        ({}, T4, {"EXPECT_IMAGES": BUSYBOX}, "IMAGE_MISSING"),
        ({}, T4, {"VERIFY_IMAGE": BUSYBOX}, "CONTAINER_RUN"),
        ({"images": [as_preloaded(BUSYBOX)], "toolkit": ""}, T4, {"VERIFY_IMAGE": BUSYBOX},
         "GPU_CONTAINER"),
        ({"docker": ""}, CPU, {}, "DOCKER_DOWN"),
        ({"user": "builder"}, CPU, {}, "NOT_SEALED"),
    ],
)  # fmt: skip
def test_the_verification_finds_what_the_image_lacks(world, inside, size, environment, code):
    """The node is held back, and the code says whether image or size is to blame."""
    base = {"driver": "580.173.02", "driverKind": "datacenter-open"}
    image = world.make_image(inside={**base, **inside})
    state, result = verified(world, image=image, size=size, environment=environment)
    assert state == "starttaskfailed"
    assert (result["ok"], result["exitCode"]) == (False, 30)
    assert code in failed_codes(result)


def test_a_start_task_without_admin_rights_does_not_reach_docker(world):
    """The Docker socket belongs to root."""
    task = start_task()
    task["userIdentity"]["autoUser"]["elevationLevel"] = "NonAdmin"
    _, result = verified(world, size=T4, start_task=task)
    assert "DOCKER_DOWN" in failed_codes(result)


def test_secure_boot_keeps_an_unsigned_driver_from_loading(world):
    """A trusted-launch pool boots securely unless it says otherwise."""
    image = world.make_gpu_image(features={"SecurityType": "TrustedLaunch"})
    security = {"securityType": "trustedLaunch"}
    environment = {"EXPECT_GPU": "1"}
    options = {"image": image, "size": T4, "start_task": start_task(**environment)}
    world.make_pool("secure", security=security, **options)
    settings = {"uefiSettings": {"secureBootEnabled": False, "vTpmEnabled": True}}
    world.make_pool("open", security={**security, **settings}, **options)
    (secure,) = world.await_nodes("secure")
    (opened,) = world.await_nodes("open")
    assert failed_codes(result_line(world.node_output("secure", secure.id))) == ["GPU_SECURE_BOOT"]
    assert opened.state == "idle"


def test_the_pools_own_start_task_runs_at_the_end(world):
    """Its output is kept, its failure counts, and no check is to blame."""
    environment = {"USER_START_TASK": "echo mine; exit 4"}
    state, result = verified(world, size=T4, environment=environment)
    assert state == "starttaskfailed"
    assert failed_codes(result) == []
    assert result["message"] == "the pool's own start task ended with 4"


def test_the_step_is_found_however_it_was_packed():
    """Plain, base64 or compressed, in the command or in a variable."""
    text = b"#!/bin/bash\n# batch-prep step: verify\n" + b"true # padding\n" * 5
    packed = base64.b64encode(gzip.compress(text)).decode()
    forms = {
        "base64": start_task(f"/bin/bash -c 'echo {base64.b64encode(text).decode()} | bash'"),
        "gzip": start_task(f"/bin/bash -c 'echo {packed} | base64 -d | gunzip | bash'"),
        "variable": start_task("/bin/bash -c 'echo $S | base64 -d | gunzip | bash'", S=packed),
    }
    world = BatchSandbox()
    world.make_account()
    image = world.make_image()
    for name, task in forms.items():
        world.make_pool(name, image=image, start_task=task)
    for name in forms:
        (node,) = world.await_nodes(name)
        assert result_line(world.node_output(name, node.id))["step"] == "verify", name


def test_without_a_shell_the_step_does_not_run(world):
    """A script as the command itself is no program."""
    world.make_pool(start_task=start_task("# batch-prep step: verify"))
    (node,) = world.await_nodes()
    assert world.node_output("dev", node.id) == ""


@pytest.mark.parametrize(
    ("fault", "state", "has_line"),
    [
        ({"effect": "script", "exitCode": 30}, "starttaskfailed", True),
        ({"effect": "silent"}, "idle", False),
        ({"effect": "crash"}, "unusable", False),
    ],
)
def test_faults_meet_the_verification(world, fault, state, has_line):
    """Exit codes, a missing result line, a node that dies."""
    world.add_fault(step="verify", **fault)
    world.make_pool(image=world.make_image(), start_task=start_task())
    (node,) = world.await_nodes()
    assert node.state == state
    if state != "unusable":
        result = result_line(world.node_output("dev", node.id))
        assert bool(result) is has_line
        assert (result.get("ok"), result.get("exitCode")) in {(False, 30), (None, None)}


def test_a_step_that_is_too_long_for_one_argument_does_not_run(world):
    """It must travel compressed."""
    task = start_task(f"/bin/bash -c '# batch-prep step: verify {'x' * 140_000}'")
    world.make_pool(start_task=task)
    (node,) = world.await_nodes()
    assert node.start_task_info.exit_code == 126
    assert world.node_output("dev", node.id) == ""


class _RealMachine:
    """Executes nothing either, but answers as a machine that really runs scripts: later."""

    def __init__(self, *, looks: int) -> None:
        self.looks = looks

    def run(self, run):
        return self._outcome(run) if self.looks == 0 else None

    def look(self, run):
        self.looks -= 1
        return None if self.looks else self._outcome(run)

    def _outcome(self, run):
        return interface.Outcome(seconds=1, stdout=run.environment["NONCE"], exit_code=0)

    def stand_in(self, _vm):
        return "debian 12"

    def boot(self, vm): ...

    def kill(self, run): ...

    def destroy(self, vm): ...


@pytest.mark.parametrize("looks", [0, 1, 3])
def test_a_machine_that_really_executes_is_asked_until_it_is_done(looks):
    """The start task's outcome is then its own, not judged."""
    world = BatchSandbox(machine=_RealMachine(looks=looks))
    world.make_account()
    world.make_pool(image=world.make_image(), start_task=start_task(NONCE="n5"))
    (node,) = world.await_nodes()
    assert (node.state, world.node_output("dev", node.id)) == ("idle", "n5")
