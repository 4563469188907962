"""The check of the builder and the verification of a node: all is asked, all answers are kept."""

from __future__ import annotations

import json

import pytest
import step_machine

IMAGE = "docker.io/library/busybox:1.36"


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """A finished machine without a GPU, of a size that has none."""
    machine.has_docker()
    machine.offers_image(IMAGE, here=True)
    machine.fake("apt-mark", "echo linux-image-6.8.0-1067-azure")
    machine.serves("http://169.254.169.254/metadata/instance/compute/vmSize", "Standard_D4s_v5")
    return machine


def statuses(outcome: step_machine.Outcome) -> dict[str, str]:
    return {check["id"]: check["status"] for check in outcome.data["checks"]}


# The builder


def test_a_finished_image_passes(world: step_machine.Machine) -> None:
    """What it contains is part of the answer."""
    outcome = world.run_step("seal", "check_image", EXPECT_IMAGES=IMAGE)

    assert outcome.exit_code == 0
    assert statuses(outcome) == {
        "system": "pass",
        "kernel": "pass",
        "docker": "pass",
        "gpu": "skip",
        "versions": "pass",
        "images": "pass",
        "container": "skip",
    }
    assert outcome.data["kernel"] == step_machine.KERNEL
    assert outcome.data["dockerVersion"] == "29.7.2"
    assert outcome.data["images"][0]["name"] == IMAGE
    assert outcome.result["changed"] is False


def test_an_image_with_a_driver_names_its_version(world: step_machine.Machine) -> None:
    """On a builder without a GPU the module is all that can be asked."""
    world.write(f"modules/{step_machine.KERNEL}", "580.173.02")
    world.write("root/etc/docker/daemon.json", '{"runtimes": {"nvidia": {}}}')

    outcome = world.run_step("seal", "check_image", EXPECT_GPU="driver-only")

    assert outcome.exit_code == 0
    assert outcome.data["driverVersion"] == "580.173.02"
    assert "no GPU here" in outcome.check("gpu")["message"]


def test_every_fault_is_told_at_once(world: step_machine.Machine) -> None:
    """One round trip per fault would cost a build each."""
    world.write("free_mib", "100")
    world.write("root/boot/vmlinuz-6.8.0-9999-azure", "")
    (world.home / "enabled/docker.service").unlink()

    outcome = world.run_step("seal", "check_image", EXPECT_IMAGES="docker.io/library/other:1")

    assert outcome.exit_code == 30
    assert outcome.result["message"] == (
        "failed checks: DISK_LOW KERNEL_PENDING DOCKER_NOT_ENABLED IMAGE_MISSING"
    )
    assert len(outcome.data["checks"]) == 7


@pytest.mark.parametrize(
    ("fault", "check_id", "status", "code"),
    [
        ("root/var/run/reboot-required", "kernel", "warn", "KERNEL_PENDING"),
        ("failed_units", "system", "warn", "UNIT_FAILED"),
    ],
)
def test_small_faults_are_warnings(
    world: step_machine.Machine, fault: str, check_id: str, status: str, code: str
) -> None:
    """They are told, and stop nothing."""
    world.write(fault, "some.service loaded failed failed Something\n")

    outcome = world.run_step("seal", "check_image")

    assert outcome.exit_code == 0
    assert outcome.check(check_id)["status"] == status
    assert outcome.check(check_id)["code"] == code


def test_a_kernel_that_upgrades_may_replace_is_told(world: step_machine.Machine) -> None:
    """The driver would be gone after the next upgrade."""
    world.fake("apt-mark", "")

    assert world.run_step("seal", "check_image").check("kernel")["code"] == "KERNEL_NOT_HELD"


def test_an_engine_that_does_not_answer(world: step_machine.Machine) -> None:
    """What needs it is skipped, not blamed."""
    (world.home / "active/docker.service").unlink()

    outcome = world.run_step("seal", "check_image", EXPECT_IMAGES=IMAGE)

    assert outcome.exit_code == 30
    assert outcome.check("docker")["code"] == "DOCKER_DOWN"
    assert statuses(outcome)["images"] == "skip"


def test_a_gpu_image_without_the_runtime(world: step_machine.Machine) -> None:
    """Containers would not see the GPU that the machine sees."""
    world.write(f"modules/{step_machine.KERNEL}", "580.173.02")

    outcome = world.run_step("seal", "check_image", EXPECT_GPU="driver-only")

    assert outcome.check("docker")["code"] == "NVIDIA_RUNTIME_MISSING"


def test_an_image_for_another_processor(world: step_machine.Machine) -> None:
    """It is here, and would not run."""
    world.offers_image(IMAGE, here=True, architecture="arm64")

    outcome = world.run_step("seal", "check_image", EXPECT_IMAGES=IMAGE)

    assert outcome.check("images")["code"] == "IMAGE_ARCHITECTURE"


# The node


def test_a_good_node_passes(world: step_machine.Machine) -> None:
    """With its host's facts, and the whole document where Batch shows files."""
    folder = world.home / "wd"
    folder.mkdir()

    outcome = world.run_step(
        "verify", EXPECT_IMAGES=IMAGE, VERIFY_IMAGE=IMAGE, AZ_BATCH_TASK_WORKING_DIR=str(folder)
    )

    document = json.loads((folder / "batch-prep-verify.json").read_text())
    assert outcome.exit_code == 0
    assert outcome.result["step"] == "verify"
    assert statuses(outcome)["container"] == "pass"
    assert outcome.data["host"]["vmSize"] == "Standard_D4s_v5"
    assert outcome.data["host"]["memoryMib"] == 16000
    assert document == {"ok": True, "failed": [], **outcome.data}


@pytest.mark.parametrize(
    ("machine_has", "image_has", "status"),
    [("aarch64", "arm64", "pass"), ("aarch64", "amd64", "fail"), ("x86_64", "arm64", "fail")],
)
def test_images_are_for_the_nodes_processor(
    world: step_machine.Machine, machine_has: str, image_has: str, status: str
) -> None:
    """Nodes of Arm64 sizes run those for Arm64."""
    world.fake("uname", f"[[ $1 == -m ]] && echo {machine_has} || echo 6.11.0-1018-azure")
    world.offers_image(IMAGE, here=True, architecture=image_has)

    outcome = world.run_step("verify", EXPECT_IMAGES=IMAGE)

    assert statuses(outcome)["images"] == status


def test_a_container_proves_what_was_preloaded(world: step_machine.Machine) -> None:
    """Without pulling, without a network, and with an answer that nobody could have stored."""
    world.run_step("verify", VERIFY_IMAGE=IMAGE)

    run = next(call for call in world.calls("docker") if call[0] == "run")
    assert run[:6] == ["run", "--rm", "--pull", "never", "--network", "none"]


def test_a_container_that_does_not_run_fails_the_node(world: step_machine.Machine) -> None:
    """A kernel with AppArmor and no apparmor package shows only here."""
    world.precede("docker", "[[ $1 != run ]] || exit 125")

    outcome = world.run_step("verify", VERIFY_IMAGE=IMAGE)

    assert outcome.exit_code == 30
    assert outcome.check("container")["code"] == "CONTAINER_RUN"


def test_a_bad_node_does_not_run_the_owners_start_task(world: step_machine.Machine) -> None:
    """It is to take no work at all."""
    outcome = world.run_step("verify", EXPECT_GPU="1", USER_START_TASK='touch "$MACHINE/owner-ran"')

    assert outcome.exit_code == 30
    assert outcome.result["message"] == "failed checks: NVIDIA_RUNTIME_MISSING GPU_ABSENT"
    assert not (world.home / "owner-ran").exists()


def test_the_owners_start_task_runs_at_the_end(world: step_machine.Machine) -> None:
    """As they wrote it, quotes and all; what it prints does not hide the result line."""
    own = 'for word in "a b" c; do echo "<$word>"; done; echo "$((6 * 7))"'

    outcome = world.run_step("verify", USER_START_TASK=own)

    assert outcome.exit_code == 0
    assert outcome.stderr == "<a b>\n<c>\n42\n"
    assert len(outcome.stdout.splitlines()) == 1


def test_an_owners_start_task_that_fails_fails_the_node(world: step_machine.Machine) -> None:
    """As it would have without us, and the message says whose it was."""
    outcome = world.run_step("verify", USER_START_TASK="exit 3")

    assert outcome.exit_code == 30
    assert outcome.result["message"] == "the pool's own start task ended with 3"
    assert outcome.result["phase"] == "own-start-task"


def test_the_owners_variables_reach_the_owners_command_only(world: step_machine.Machine) -> None:
    """One such as PATH would change the checks, or end the script."""
    own = 'echo "$PATH|$LICENSE SERVER|${USER_ENV_PATH-}|$EXIT_CHECK_FAILED"'
    variables = {"PATH": "/usr/bin:/own", "LICENSE": "a b;$(id)", "EXIT_CHECK_FAILED": "0"}

    outcome = world.run_step(
        "verify",
        USER_START_TASK=own,
        **{f"USER_ENV_{name}": value for name, value in variables.items()},
    )

    assert outcome.exit_code == 0
    assert outcome.stderr == "/usr/bin:/own|a b;$(id) SERVER|/usr/bin:/own|0\n"


def test_the_owners_command_runs_as_the_owners_user(world: step_machine.Machine) -> None:
    """The checks before it do not; the directory with the resource files is that user's then."""
    world.fake("id", "exit 0")
    world.fake("chown", 'echo "$*" >>"$MACHINE/given"')
    world.fake("getent", 'echo "worker:x:1001:1001::/home/worker:/bin/bash"')
    world.fake("runuser", 'echo "$1 $2" >>"$MACHINE/given"; shift 3; exec "$@"')

    outcome = world.run_step(
        "verify",
        USER_START_TASK='echo "$HOME $A"',
        USER_START_TASK_AS="worker",
        USER_ENV_A="a",
        AZ_BATCH_TASK_WORKING_DIR=str(world.home),
    )

    assert outcome.exit_code == 0
    assert outcome.stderr == "/home/worker a\n"
    given = (world.home / "given").read_text().splitlines()
    assert given == [f"-R -- worker {world.home}", "-u worker"]


def test_a_user_that_is_not_there_fails_the_node(world: step_machine.Machine) -> None:
    """The command never runs as an administrator instead."""
    world.fake("id", "exit 1")

    outcome = world.run_step(
        "verify", USER_START_TASK='touch "$MACHINE/ran"', USER_START_TASK_AS="worker"
    )

    assert outcome.exit_code == 30
    assert outcome.result["message"] == "the node has no user worker"
    assert not (world.home / "ran").exists()


def test_a_blocked_metadata_service_is_a_warning(world: step_machine.Machine) -> None:
    """Some networks block it; the node is as good as any."""
    for answer in (world.home / "web").iterdir():
        answer.unlink()

    outcome = world.run_step("verify")

    assert outcome.exit_code == 0
    assert outcome.check("system")["code"] == "SIZE_UNKNOWN"


# What the steps before have left


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("EXPECT_DOCKER", "Docker is 29.7.2, not 9.9.9;"),
        ("EXPECT_TOOLKIT", "the toolkit is 1.20.0, not 9.9.9;"),
        ("EXPECT_DRIVER", "the driver is 580.173.02, not 9.9.9;"),
    ],
)
def test_a_version_that_changed_meanwhile_fails(
    world: step_machine.Machine, parameter: str, words: str
) -> None:
    """What the record says of the image was said before the restart."""
    world.write(f"modules/{step_machine.KERNEL}", "580.173.02")
    world.write("root/etc/docker/daemon.json", '{"runtimes": {"nvidia": {}}}')
    expected = {
        "EXPECT_DOCKER": "29.7.2",
        "EXPECT_TOOLKIT": "1.20.0",
        "EXPECT_DRIVER": "580.173.02",
    }

    good = world.run_step("seal", "check_image", EXPECT_GPU="driver-only", **expected)
    bad = world.run_step(
        "seal", "check_image", EXPECT_GPU="driver-only", **{**expected, parameter: "9.9.9"}
    )

    assert good.check("versions")["status"] == "pass"
    assert bad.exit_code == 30
    assert bad.check("versions")["message"] == words


def test_an_image_that_is_another_by_now_fails(world: step_machine.Machine) -> None:
    """A tag can move; what was pulled is what must be sealed."""
    digests = {"good": f"{IMAGE} sha256:{'ab' * 32}", "bad": f"{IMAGE} sha256:{'cd' * 32}"}

    good = world.run_step(
        "seal", "check_image", EXPECT_IMAGES=IMAGE, EXPECT_DIGESTS=digests["good"]
    )
    bad = world.run_step("seal", "check_image", EXPECT_IMAGES=IMAGE, EXPECT_DIGESTS=digests["bad"])

    assert good.check("images")["data"] == {"count": 1, "digests": [f"sha256:{'ab' * 32}"]}
    assert bad.check("images")["code"] == "IMAGE_DIGEST"


def test_what_a_builder_cannot_prove_is_said_to_be_open(world: step_machine.Machine) -> None:
    """A size without a GPU builds the driver, and hands the proof to the pools."""
    world.write(f"modules/{step_machine.KERNEL}", "580.173.02")
    world.write("root/etc/docker/daemon.json", '{"runtimes": {"nvidia": {}}}')

    assert world.run_step("seal", "check_image", EXPECT_GPU="driver-only").data["pending"] == [
        "gpu"
    ]
    assert "pending" not in world.run_step("seal", "check_image").data
