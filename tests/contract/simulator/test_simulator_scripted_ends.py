"""The last two steps on the scripted machine: the check, and the sealing."""

from typing import Any

from azure_sandbox import GROUP, AzureSandbox
from scripted_steps import IMAGES, console, inside, prepared, restart, worlds_where_the_kernel

# --- check ---------------------------------------------------------------------------------


def failed_checks(result: dict[str, Any]) -> list[str]:
    return [check["code"] for check in result["data"]["checks"] if check["status"] == "fail"]


def test_a_finished_machine_passes(world: AzureSandbox) -> None:
    """With everything that a GPU image needs, built on a machine without a GPU."""
    world.make_vm()
    prepared(world)
    world.step("docker", GPU="true")
    world.step("driver", DRIVER_KIND="datacenter-open")
    world.step("preload", IMAGES=IMAGES)
    restart(world)

    result = world.step("check", EXPECT_GPU="driver-only", EXPECT_IMAGES=IMAGES)

    assert (result["ok"], failed_checks(result)) == (True, [])
    assert result["data"]["driverVersion"]


def test_an_image_for_hpc_comes_with_docker_and_driver(world: AzureSandbox) -> None:
    """Nothing to install, everything there."""
    image = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2404"}
    world.make_vm(image={**image, "version": "latest"})

    result = world.step("check", EXPECT_GPU="driver-only")

    assert (result["ok"], failed_checks(result)) == (True, [])
    assert result["data"]["dockerVersion"]


def test_an_empty_machine_fails_its_checks(world: AzureSandbox) -> None:
    """30, with every failure named."""
    world.make_vm()
    prepared(world)

    result = world.step("check", EXPECT_GPU="driver-only", EXPECT_IMAGES=IMAGES)

    assert result["exitCode"] == 30
    assert result["message"] == "failed checks: DOCKER_DOWN GPU_MODULE_MISSING IMAGE_MISSING"
    assert result["logTail"]
    assert failed_checks(result) == ["DOCKER_DOWN", "GPU_MODULE_MISSING", "IMAGE_MISSING"]


def test_a_waiting_kernel_fails_the_check(make_world) -> None:
    """Pool nodes would boot it."""
    world = worlds_where_the_kernel(make_world, changes=True)
    world.step("docker")

    assert failed_checks(world.step("check")) == ["KERNEL_PENDING"]


def test_a_toolkit_is_missed_where_a_gpu_is_expected(world: AzureSandbox) -> None:
    """Containers would not see the GPU."""
    world.make_vm()
    prepared(world)
    world.step("docker")
    world.step("driver", DRIVER_KIND="datacenter-open")

    result = world.step("check", EXPECT_GPU="driver-only")

    assert failed_checks(result) == ["NVIDIA_RUNTIME_MISSING"]


def test_a_gpu_is_missed_on_a_size_without_one(world: AzureSandbox) -> None:
    """A number means that it must be there."""
    world.make_vm()
    prepared(world)
    world.step("docker", GPU="true")
    world.step("driver", DRIVER_KIND="datacenter-open")
    restart(world)

    assert failed_checks(world.step("check", EXPECT_GPU="1")) == ["GPU_ABSENT"]


def test_a_driver_works_after_a_restart_only(world: AzureSandbox) -> None:
    """On a GPU size, where it can be tried."""
    world.make_vm(size="Standard_NC4as_T4_v3")
    prepared(world)
    world.step("docker", GPU="true")
    world.step("driver", DRIVER_KIND="datacenter-open")
    before = failed_checks(world.step("check", nonce="n1", EXPECT_GPU="1"))
    restart(world)
    after = failed_checks(world.step("check", nonce="n2", EXPECT_GPU="1"))

    assert (before, after) == (["GPU_MODULE_LOAD"], [])


# --- seal ----------------------------------------------------------------------------------


def test_sealing_powers_the_machine_off_and_leaves_its_mark(world: AzureSandbox) -> None:
    """Detached: the script returns first, and reports."""
    world.make_vm()

    result = world.step("seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="20")
    world.wait(60)

    assert result["data"] == {"scheduled": True, "sealAfterSeconds": 20}
    assert world.codes()[-1] == "PowerState/stopped"
    assert "batch-prep sealed b1 n1" in console(world)
    assert (inside(world)["sealed"], inside(world)["user"]) == (True, "")


def test_sealing_takes_its_delay(make_world) -> None:
    """Until then the machine runs."""
    world = make_world(duration_band=(1, 1))
    world.make_vm()
    world.step("seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="300")

    assert world.codes()[-1] == "PowerState/running"
    world.wait(330)
    assert world.codes()[-1] == "PowerState/stopped"


def test_a_user_that_remains_fails_the_sealing(world: AzureSandbox) -> None:
    """The machine stays on and says why on its console."""
    world.make_vm()
    world.step("seal", BUILDER_USER="somebody")
    world.wait(600)

    assert world.codes()[-1] == "PowerState/running"
    assert "batch-prep seal-failed b1 n1 user builder remains" in console(world)


def test_a_restart_prevents_the_sealing(world: AzureSandbox) -> None:
    """What was scheduled inside is lost."""
    world.make_vm()
    world.step("seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="300")
    restart(world)
    world.wait(900)

    assert world.codes()[-1] == "PowerState/running"
    assert "sealed" not in console(world)


def test_a_sealed_machine_that_boots_again_is_sealed_no_more(world: AzureSandbox) -> None:
    """It gets host keys and a machine id of its own."""
    world.make_vm()
    world.step("seal", BUILDER_USER="builder")
    world.wait(120)
    world.compute.virtual_machines.begin_start(GROUP, "builder").result()

    assert inside(world)["sealed"] is False
