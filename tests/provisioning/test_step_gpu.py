"""The GPU decision: the first answer that fits, from the device down to the container."""

from __future__ import annotations

import pytest
import step_assembler
import step_machine

VERSION = "580.173.02"
SMI_LINE = f"0, Tesla T4, GPU-1234, {VERSION}, 15360, Enabled, [N/A]"
# As a real one answered, and what /proc said of its module; both recorded.
H200_LINE = "0, NVIDIA H200, GPU-21e98147-3d5f, 580.159.04, 143771, Enabled, Disabled"
H200_MODULE = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
FILES = [file for file in step_assembler.STEPS["seal"]["files"] if not file.startswith("parts/")]
ASK = step_assembler.assemble_files(
    "seal",
    FILES,
    ["try_it"],
    "try_it() { VM_SIZE=${SIZE:-}; run_check gpu check_gpu; add_check_data; }",
)


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """A node with one GPU that works in every respect."""
    machine.attaches_gpu()
    machine.write(f"modules/{step_machine.KERNEL}", VERSION)
    machine.write("root/sys/module/nvidia/refcnt", "0")
    machine.write(
        "root/proc/driver/nvidia/version",
        f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release Build\n"
        "GCC version:  gcc version 13.3.0\n",
    )
    machine.write(f"root/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}", "")
    machine.fake("nvidia-smi", f"echo '{SMI_LINE}'")
    machine.write("active/nvidia-persistenced.service", "")
    return machine


def judged(machine: step_machine.Machine, **parameters: str) -> tuple[str, str]:
    """Status and code of the GPU check."""
    check = machine.run_text(ASK, **parameters).check("gpu")
    return check["status"], check["code"]


def test_a_gpu_that_works(world: step_machine.Machine) -> None:
    """With what it is."""
    outcome = world.run_text(ASK, EXPECT_GPU="1")

    assert outcome.check("gpu") | {"seconds": 0, "at": ""} == {
        "id": "gpu",
        "status": "pass",
        "code": "",
        "message": "",
        "seconds": 0,
        "at": "",
        "data": {"count": 1, "name": "Tesla T4", "driverVersion": VERSION},
    }


def test_the_answers_of_a_real_gpu(world: step_machine.Machine) -> None:
    """Its name has blanks, its driver a zero in front."""
    world.write(f"modules/{step_machine.KERNEL}", "580.159.04")
    world.write("root/proc/driver/nvidia/version", H200_MODULE)
    (world.root / f"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}").unlink()
    world.write("root/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.159.04", "")
    world.fake("nvidia-smi", f"echo '{H200_LINE}'")

    check = world.run_text(ASK, EXPECT_GPU="1").check("gpu")
    assert (check["status"], check["code"]) == ("pass", "")
    found = {"count": 1, "name": "NVIDIA H200", "driverVersion": "580.159.04"}
    assert check["data"] == found
    assert judged(world, EXPECT_GPU="2") == ("fail", "GPU_COUNT")


def test_none_expected_none_here(machine: step_machine.Machine) -> None:
    """A CPU node."""
    assert judged(machine, EXPECT_GPU="none") == ("skip", "")


def test_none_expected_one_here(world: step_machine.Machine) -> None:
    """Somebody pays for it."""
    assert judged(world, EXPECT_GPU="none") == ("warn", "GPU_UNEXPECTED")


def test_no_device(machine: step_machine.Machine) -> None:
    """The host attached none: no fault of the image."""
    assert judged(machine, EXPECT_GPU="1") == ("fail", "GPU_ABSENT")


def test_other_devices_are_no_gpu(machine: step_machine.Machine) -> None:
    """An NVIDIA bridge, or another vendor's display."""
    machine.attaches_gpu(0, device_class="0x068000")
    machine.attaches_gpu(1)
    machine.write("root/sys/bus/pci/devices/0001:00:00.0/vendor", "0x1414\n")

    assert judged(machine, EXPECT_GPU="1") == ("fail", "GPU_ABSENT")


def test_no_module_for_this_kernel(world: step_machine.Machine) -> None:
    """The kernel moved, or DKMS failed: a fault of the image."""
    world.run_kernel("6.8.0-9999-azure")

    assert judged(world, EXPECT_GPU="1") == ("fail", "GPU_MODULE_MISSING")


@pytest.mark.parametrize(
    ("answer", "driver", "code"),
    [
        ("could not insert nvidia: Key was rejected by service", "", "GPU_SECURE_BOOT"),
        ("could not insert nvidia: No such device", "nouveau", "GPU_NOUVEAU"),
        ("could not insert nvidia: No such device", "", "GPU_UNSUPPORTED"),
        ("could not insert nvidia: Exec format error", "", "GPU_MODULE_LOAD"),
    ],
)
def test_a_module_that_does_not_load(
    world: step_machine.Machine, answer: str, driver: str, code: str
) -> None:
    """The reason decides what to do: another setting, another driver, another size."""
    (world.root / "sys/module/nvidia/refcnt").unlink()
    (world.root / "sys/module/nvidia").rmdir()
    world.attaches_gpu(driver=driver)
    world.fake("modprobe", f"echo 'modprobe: ERROR: {answer}' >&2; exit 1")

    assert judged(world, EXPECT_GPU="1") == ("fail", code)


def test_a_module_that_loads_when_asked(world: step_machine.Machine) -> None:
    """Early in a boot it may simply not be loaded yet."""
    (world.root / "sys/module/nvidia/refcnt").unlink()
    (world.root / "sys/module/nvidia").rmdir()

    assert judged(world, EXPECT_GPU="1") == ("pass", "")
    assert world.calls("modprobe") == [["nvidia"]]


def test_module_and_library_of_different_versions(world: step_machine.Machine) -> None:
    """A partial upgrade: nothing works until a restart, or ever."""
    library = world.root / f"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}"
    library.rename(library.with_name("libnvidia-ml.so.570.1.2"))

    assert judged(world, EXPECT_GPU="1") == ("fail", "GPU_VERSION_MISMATCH")


def test_nvidia_smi_says_that_versions_differ(world: step_machine.Machine) -> None:
    """Where the libraries lie elsewhere."""
    world.fake(
        "nvidia-smi", "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18"
    )

    assert judged(world, EXPECT_GPU="1") == ("fail", "GPU_VERSION_MISMATCH")


def test_nvidia_smi_fails(world: step_machine.Machine) -> None:
    """With its exit code, which is its only precise word."""
    world.fake("nvidia-smi", 'echo "couldn\'t communicate with the NVIDIA driver"; exit 9')

    check = world.run_text(ASK, EXPECT_GPU="1").check("gpu")

    assert (check["status"], check["code"]) == ("fail", "GPU_NVML")
    assert "ended with 9" in check["message"]


def test_fewer_gpus_than_the_size_has(world: step_machine.Machine) -> None:
    """One fell off the bus."""
    assert judged(world, EXPECT_GPU="4") == ("fail", "GPU_COUNT")


def test_switches_without_a_fabric(world: step_machine.Machine) -> None:
    """CUDA fails on every GPU of such a node, though each answers."""
    world.attaches_gpu(5, device_class="0x068000")

    assert judged(world, EXPECT_GPU="1") == ("fail", "GPU_FABRIC")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("Completed", ("pass", "")), ("In Progress", ("fail", "GPU_FABRIC"))],
)
def test_a_fabric_is_up_when_it_is_complete(
    world: step_machine.Machine, state: str, verdict: tuple[str, str]
) -> None:
    """The manager runs long before it is done."""
    world.attaches_gpu(5, device_class="0x068000")
    world.write("active/nvidia-fabricmanager.service", "")
    world.fake(
        "nvidia-smi", f"[[ $1 != *fabric* ]] || {{ echo '{state}'; exit; }}\necho '{SMI_LINE}'"
    )

    assert judged(world, EXPECT_GPU="1") == verdict


@pytest.mark.parametrize(
    ("modes", "verdict"),
    [
        ("Enabled", ("pass", "")),
        ("[N/A]", ("pass", "")),
        ("Disabled", ("warn", "GPU_PERSISTENCE")),
        ("Enabled\nDisabled", ("warn", "GPU_PERSISTENCE")),
    ],
)
def test_no_persistence_is_slow_not_wrong(
    world: step_machine.Machine, modes: str, verdict: tuple[str, str]
) -> None:
    """The driver is asked: Ubuntu's daemon runs with the mode off."""
    world.precede("nvidia-smi", f"[[ $1 != *persistence_mode ]] || {{ echo '{modes}'; exit; }}")

    assert judged(world, EXPECT_GPU="1") == verdict


# How many there should be


@pytest.mark.parametrize(
    ("size", "verdict"),
    [
        ("Standard_NC4as_T4_v3", ("pass", "")),
        ("Standard_NV6ads_A10_v5", ("pass", "")),
        ("STANDARD_NC24ADS_A100_V4", ("pass", "")),
        ("Standard_NC64as_T4_v3", ("fail", "GPU_COUNT")),
        ("Standard_ND96isr_H100_v5", ("fail", "GPU_COUNT")),
        ("Standard_NC24lds_xl_RTXPRO6000BSE_v6", ("pass", "")),
        ("Standard_NC288ds_xl_RTXPRO6000BSE_v6", ("fail", "GPU_COUNT")),
        ("Standard_D4s_v5", ("warn", "GPU_UNEXPECTED")),
        ("Standard_NC999_v9", ("warn", "GPU_SIZE_UNKNOWN")),
        ("", ("warn", "GPU_SIZE_UNKNOWN")),
    ],
)
def test_the_size_says_how_many(
    world: step_machine.Machine, size: str, verdict: tuple[str, str]
) -> None:
    """Never "whatever is there": then a lost GPU would be no fault."""
    assert judged(world, EXPECT_GPU="auto", SIZE=size) == verdict


def test_a_broken_gpu_of_an_unknown_size_still_fails(world: step_machine.Machine) -> None:
    """What is there must work."""
    world.fake("nvidia-smi", "exit 9")

    assert judged(world, EXPECT_GPU="auto") == ("fail", "GPU_NVML")


# A builder without a GPU


@pytest.mark.parametrize(
    ("has_module", "size_has_gpu", "verdict"),
    [
        (True, "false", ("pass", "")),
        (False, "false", ("fail", "GPU_MODULE_MISSING")),
        (True, "true", ("fail", "GPU_ABSENT")),
    ],
)
def test_the_driver_alone(
    machine: step_machine.Machine, has_module: bool, size_has_gpu: str, verdict: tuple[str, str]
) -> None:
    """Every kernel that can boot needs the module, not only the one that runs."""
    if has_module:
        machine.write(f"modules/{step_machine.KERNEL}", VERSION)

    assert judged(machine, EXPECT_GPU="driver-only", SIZE_HAS_GPU=size_has_gpu) == verdict


def test_the_driver_alone_for_every_kernel(machine: step_machine.Machine) -> None:
    """The nodes boot the newest one."""
    machine.write(f"modules/{step_machine.KERNEL}", VERSION)
    machine.write("root/boot/vmlinuz-6.8.0-9999-azure", "")

    assert judged(machine, EXPECT_GPU="driver-only") == ("fail", "GPU_MODULE_MISSING")


# What a container sees


def a_container_sees(world: step_machine.Machine, body: str) -> dict[str, str]:
    """The verdict of the container check, on a machine with one GPU."""
    world.write("active/docker.service", "")
    world.precede("docker", body)
    world.write("container_gpus", "GPU 0: Tesla T4 (UUID: GPU-1234)\n")
    checks = "run_check gpu check_gpu; run_check container check_container; add_check_data"
    ask = f"try_it() {{ DOCKER_ANSWERS=true; {checks}; }}"
    text = step_assembler.assemble_files("seal", FILES, ["try_it"], ask)
    return world.run_text(text, EXPECT_GPU="1", VERIFY_IMAGE="busybox:1").check("container")


def test_a_container_sees_the_gpu(world: step_machine.Machine) -> None:
    """The toolkit works, not only the driver."""
    assert a_container_sees(world, "")["status"] == "pass"


def test_a_container_that_sees_none(world: step_machine.Machine) -> None:
    """Every task would fail, on a node that looks healthy."""
    blind = "[[ $* != *nvidia-smi* ]] || { echo 'No devices were found'; exit 6; }"

    assert a_container_sees(world, blind)["code"] == "GPU_CONTAINER"


def test_an_image_without_glibc_shows_its_devices(world: step_machine.Machine) -> None:
    """It cannot run nvidia-smi; its device files count."""
    tiny = (
        "[[ $* != *nvidia-smi* ]] || exit 127\n"
        "[[ $* != *'-1 /dev'* ]] || { printf 'null\\nnvidia-uvm\\nnvidia0\\nnvidiactl\\n'; exit; }"
    )

    assert a_container_sees(world, tiny)["status"] == "pass"
