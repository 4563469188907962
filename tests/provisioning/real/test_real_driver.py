"""The driver: NVIDIA's open kernel modules, really compiled by DKMS for a kernel that does not run.

The root is Debian 12 in Ubuntu's clothes, entered with chroot (chroots.py).
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import builder as builders
import chroots
import pytest

from local.machines import driver_root

pytestmark = pytest.mark.root

INSTALL = ("prepare", "leave_rolling_kernel", "install_driver")
PARAMETERS = {
    "BUILDER_USER": builders.USER,
    "GPU": "true",
    "DRIVER_KIND": "datacenter-open",
    "DRIVER_VERSION": driver_root.DRIVER,
}

# --- a kernel for which it compiles ---------------------------------------------------------


@pytest.fixture(scope="module")
def root(make_root: Callable[[str], chroots.Root]) -> chroots.Root:
    return make_root(driver_root.GOOD)


@pytest.fixture(scope="module")
def installed(root: chroots.Root) -> builders.Outcome:
    return root.step("install-gpu-driver", *INSTALL, **PARAMETERS)


def test_the_driver_is_compiled_for_a_kernel_that_does_not_run(
    root: chroots.Root, installed: builders.Outcome
) -> None:
    """The rolling kernel is gone, and the module is there for the one that will boot."""
    assert installed.exit_code == 0, installed.words
    assert platform.release() != driver_root.GOOD
    assert root.kernels() == [driver_root.GOOD]
    assert installed.data["kernel"] == driver_root.GOOD
    assert installed.data["driverVersion"] == driver_root.DRIVER
    assert installed.result["rebootRequired"]
    found = root.run(f"modinfo -k {driver_root.GOOD} -F version nvidia").strip()
    assert found == driver_root.DRIVER


def test_nouveau_is_not_in_the_initial_ram_disk(
    root: chroots.Root, installed: builders.Outcome
) -> None:
    """It would take the GPU before the driver comes."""
    listed = root.run(f"lsinitramfs /boot/initrd.img-{driver_root.GOOD}")
    assert "etc/modprobe.d/batch-prep-nouveau.conf" in listed


def test_kernel_and_driver_are_held(root: chroots.Root, installed: builders.Outcome) -> None:
    """An upgrade would bring a kernel without a module."""
    held = set(root.run("apt-mark showhold").split())
    assert {f"linux-image-{driver_root.GOOD}", f"linux-headers-{driver_root.GOOD}"} <= held
    assert "nvidia-open" in held


def test_persistence_mode_is_on(root: chroots.Root, installed: builders.Outcome) -> None:
    """The unit is enabled, and systemd finds no mistake in it."""
    unit = "/etc/systemd/system/nvidia-persistenced.service"
    assert "--persistence-mode" in root.run(f"cat {unit}")
    assert root.run("systemctl is-enabled nvidia-persistenced.service").strip() == "enabled"


def test_a_second_run_changes_nothing(root: chroots.Root, installed: builders.Outcome) -> None:
    """Activities run at least once."""
    again = root.step("install-gpu-driver", *INSTALL, **PARAMETERS | {"BUILD_ID": "another"})
    assert again.exit_code == 0, again.words
    assert not again.result["changed"]


def check(root: chroots.Root, expected: str = "1") -> dict[str, Any]:
    """The verdict on the GPU."""
    outcome = root.step("seal", "check_image", EXPECT_GPU=expected)
    return next(dict(each) for each in outcome.data["checks"] if each["id"] == "gpu")


def test_a_builder_without_a_gpu_has_the_driver_at_least(
    root: chroots.Root, installed: builders.Outcome
) -> None:
    """Its module is looked for in every kernel that can boot."""
    verdict = check(root, "driver-only")
    assert (verdict["status"], verdict["code"]) == ("pass", "")
    assert driver_root.DRIVER in verdict["message"]


def test_a_size_with_a_gpu_and_no_gpu(root: chroots.Root, installed: builders.Outcome) -> None:
    """No PCI device of NVIDIA's is here."""
    assert check(root)["code"] == "GPU_ABSENT"


@pytest.fixture(scope="module")
def with_gpu(root: chroots.Root, installed: builders.Outcome) -> chroots.Root:
    root.show_gpu()
    return root


def test_a_gpu_with_a_driver_for_another_kernel(with_gpu: chroots.Root) -> None:
    """The running kernel is this computer's."""
    assert check(with_gpu)["code"] == "GPU_MODULE_MISSING"


def test_a_module_that_the_running_kernel_refuses(with_gpu: chroots.Root) -> None:
    """Really tried: the module belongs to another kernel."""
    (with_gpu.home / "lib/modules" / platform.release()).symlink_to(driver_root.GOOD)
    assert check(with_gpu)["code"] == "GPU_MODULE_LOAD"


@pytest.mark.parametrize(
    ("module", "persistence", "code"),
    [
        (driver_root.DRIVER, "Enabled", ""),
        (driver_root.DRIVER, "Disabled", "GPU_PERSISTENCE"),
    ],
)
def test_what_a_gpu_would_answer(
    with_gpu: chroots.Root, module: str, persistence: str, code: str
) -> None:
    """With stand-ins for the loaded module and for nvidia-smi; the libraries are NVIDIA's."""
    (with_gpu.home / "sys/module/nvidia").mkdir(parents=True, exist_ok=True)
    (with_gpu.home / "srv/module").write_text(f"NVRM version: Open Kernel Module {module}\n")
    (with_gpu.home / "srv/persistence").write_text(f"{persistence}\n")
    smi = with_gpu.home / "usr/local/bin/nvidia-smi"
    smi.write_text(chroots.SMI.replace("VERSION", driver_root.DRIVER))
    smi.chmod(0o755)
    assert check(with_gpu)["code"] == code


# --- a kernel for which it does not compile -------------------------------------------------


@pytest.fixture(scope="module")
def newer(make_root: Callable[[str], chroots.Root]) -> chroots.Root:
    return make_root(driver_root.NEWEST)


@pytest.fixture(scope="module")
def without_older(newer: chroots.Root) -> builders.Outcome:
    """No older kernel is to be had."""
    repository = newer.home / driver_root.REPOSITORY
    hidden = [*repository.glob(f"linux-image-{driver_root.GOOD}*")]
    for package in hidden:
        package.rename(package.with_suffix(".hidden"))
    driver_root.index(newer.home)
    outcome = newer.step("install-gpu-driver", *INSTALL, **PARAMETERS)
    for package in hidden:
        package.with_suffix(".hidden").rename(package)
    driver_root.index(newer.home)
    return outcome


def test_a_driver_that_does_not_compile_is_named_with_the_compilers_words(
    without_older: builders.Outcome,
) -> None:
    """Exit code 40, though apt-get is what fails."""
    assert without_older.exit_code == 40, without_older.words
    assert "error:" in without_older.result["message"]
    assert driver_root.NEWEST in without_older.result["message"]


def test_an_older_kernel_is_tried(newer: chroots.Root, without_older: builders.Outcome) -> None:
    """The step is sent again when the archive has one: the machine is as the failure left it."""
    last_good = {"LAST_GOOD_KERNEL": driver_root.GOOD}
    outcome = newer.step("install-gpu-driver", *INSTALL, **PARAMETERS, **last_good)

    assert outcome.exit_code == 0, outcome.words
    assert outcome.data["kernel"] == driver_root.GOOD
    assert outcome.data["kernelInsteadOf"] == driver_root.NEWEST
    assert newer.kernels() == [driver_root.GOOD]
