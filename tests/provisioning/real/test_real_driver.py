"""The driver: NVIDIA's open kernel modules, really compiled by DKMS for a kernel that does not run.

The root is Debian 12 in Ubuntu's clothes (local/machines/driver_root.py), entered with chroot and
without a network. A step's text is changed in one place: `add_apt_repository` adds nothing, because
the root's own repository stands for NVIDIA's.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builder as builders
import pytest
import step_assembler
import tracer

from local.machines import driver_root, shell

pytestmark = pytest.mark.root

INSTALL = ("prepare", "leave_rolling_kernel", "install_driver")
PARAMETERS = {
    "BUILDER_USER": builders.USER,
    "GPU": "true",
    "DRIVER_KIND": "datacenter-open",
    "DRIVER_VERSION": driver_root.DRIVER,
}
NO_REPOSITORY = (
    "add_apt_repository() { install_missing ca-certificates curl gnupg; refresh_packages; }"
)
SMI = """#!/bin/bash
# Stands in for nvidia-smi of a machine with a GPU.
case $* in
  *persistence_mode*) cat /srv/persistence ;;
  *--query-gpu=index*) echo "0, Tesla T4, GPU-0, VERSION, 15360, Disabled, [N/A]" ;;
  *) exit 1 ;;
esac
"""
SET_UP = """
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t tmpfs tmpfs "$0/proc/driver"
mkdir -p "$0/proc/driver/nvidia"
[ ! -e "$0/srv/module" ] || cp "$0/srv/module" "$0/proc/driver/nvidia/version"
exec chroot "$0" /bin/bash /srv/command
"""
NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A root file system of its own."""

    home: Path

    def step(self, name: str, *functions: str, **parameters: str) -> builders.Outcome:
        """Run functions of a step."""
        files = step_assembler.steps()[name]["files"]
        text = step_assembler.assemble_files(name, files, list(functions), NO_REPOSITORY)
        (self.home / "srv/step.sh").write_text(tracer.traced(text))
        given = {"NONCE": "n", "BUILD_ID": builders.BUILD_ID, **parameters}
        lines = [f"export {name}='{value}'" for name, value in given.items()]
        lines += ["bash /srv/step.sh >/srv/stdout 2>/srv/stderr", "echo $? >/srv/code"]
        self.run("\n".join(lines))
        tracer.collect(self.home)
        last = (self.home / "srv/stdout").read_text().splitlines()[-1]
        result: dict[str, Any] = json.loads(last.removeprefix(builders.MARKER))
        builders.durations.append((name, result["seconds"]))
        return builders.Outcome(
            exit_code=int((self.home / "srv/code").read_text()),
            result=result,
            stderr=(self.home / "srv/stderr").read_text(errors="replace"),
        )

    def run(self, script: str) -> str:
        """What a script prints inside."""
        (self.home / "srv/command").write_text(f"cd /; export HOME=/root\n{script}\n")
        return shell.run(*NAMESPACES, "sh", "-ec", SET_UP, str(self.home), timeout=3600)

    def kernels(self) -> list[str]:
        return sorted(
            file.name.removeprefix("vmlinuz-") for file in self.home.glob("boot/vmlinuz-*")
        )


@pytest.fixture(scope="module")
def make_root(kits_or_skip: Path, place_for_machines: Path) -> Callable[[str], Root]:
    """Makes roots whose long-term kernel is the one named."""
    archive = driver_root.find(kits_or_skip)
    if archive is None:
        pytest.skip(f"{kits_or_skip} has no root for drivers: make test-provisioning")

    def make(kernel: str) -> Root:
        home = place_for_machines / f"driver-{kernel}"
        home.mkdir()
        shell.run("tar", "-xpf", str(archive), "-C", str(home))
        driver_root.write_long_term_kernel(home / driver_root.REPOSITORY, kernel)
        driver_root.index(home)
        return Root(home=home)

    return make


# --- a kernel for which it compiles ---------------------------------------------------------


@pytest.fixture(scope="module")
def root(make_root: Callable[[str], Root]) -> Root:
    return make_root(driver_root.GOOD)


@pytest.fixture(scope="module")
def installed(root: Root) -> builders.Outcome:
    return root.step("install-gpu-driver", *INSTALL, **PARAMETERS)


def test_the_driver_is_compiled_for_a_kernel_that_does_not_run(
    root: Root, installed: builders.Outcome
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


def test_nouveau_is_not_in_the_initial_ram_disk(root: Root, installed: builders.Outcome) -> None:
    """It would take the GPU before the driver comes."""
    listed = root.run(f"lsinitramfs /boot/initrd.img-{driver_root.GOOD}")
    assert "etc/modprobe.d/batch-prep-nouveau.conf" in listed


def test_kernel_and_driver_are_held(root: Root, installed: builders.Outcome) -> None:
    """An upgrade would bring a kernel without a module."""
    held = set(root.run("apt-mark showhold").split())
    assert {f"linux-image-{driver_root.GOOD}", f"linux-headers-{driver_root.GOOD}"} <= held
    assert "nvidia-open" in held


def test_persistence_mode_is_on(root: Root, installed: builders.Outcome) -> None:
    """The unit is enabled, and systemd finds no mistake in it."""
    unit = "/etc/systemd/system/nvidia-persistenced.service"
    assert "--persistence-mode" in root.run(f"cat {unit}")
    assert root.run("systemctl is-enabled nvidia-persistenced.service").strip() == "enabled"


def test_a_second_run_changes_nothing(root: Root, installed: builders.Outcome) -> None:
    """Activities run at least once."""
    again = root.step("install-gpu-driver", *INSTALL, **PARAMETERS | {"BUILD_ID": "another"})
    assert again.exit_code == 0, again.words
    assert not again.result["changed"]


def check(root: Root, expected: str = "1") -> dict[str, Any]:
    """The verdict on the GPU."""
    outcome = root.step("seal", "check_image", EXPECT_GPU=expected)
    return next(dict(each) for each in outcome.data["checks"] if each["id"] == "gpu")


def test_a_builder_without_a_gpu_has_the_driver_at_least(
    root: Root, installed: builders.Outcome
) -> None:
    """Its module is looked for in every kernel that can boot."""
    verdict = check(root, "driver-only")
    assert (verdict["status"], verdict["code"]) == ("pass", "")
    assert driver_root.DRIVER in verdict["message"]


def test_a_size_with_a_gpu_and_no_gpu(root: Root, installed: builders.Outcome) -> None:
    """No PCI device of NVIDIA's is here."""
    assert check(root)["code"] == "GPU_ABSENT"


@pytest.fixture(scope="module")
def with_gpu(root: Root, installed: builders.Outcome) -> Root:
    """A PCI device in a stand-in for /sys."""
    device = root.home / "sys/bus/pci/devices/0000:00:01.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030200\n")
    return root


def test_a_gpu_with_a_driver_for_another_kernel(with_gpu: Root) -> None:
    """The running kernel is this computer's."""
    assert check(with_gpu)["code"] == "GPU_MODULE_MISSING"


def test_a_module_that_the_running_kernel_refuses(with_gpu: Root) -> None:
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
def test_what_a_gpu_would_answer(with_gpu: Root, module: str, persistence: str, code: str) -> None:
    """With stand-ins for the loaded module and for nvidia-smi; the libraries are NVIDIA's."""
    (with_gpu.home / "sys/module/nvidia").mkdir(parents=True, exist_ok=True)
    (with_gpu.home / "srv/module").write_text(f"NVRM version: Open Kernel Module {module}\n")
    (with_gpu.home / "srv/persistence").write_text(f"{persistence}\n")
    smi = with_gpu.home / "usr/local/bin/nvidia-smi"
    smi.write_text(SMI.replace("VERSION", driver_root.DRIVER))
    smi.chmod(0o755)
    assert check(with_gpu)["code"] == code


# --- a kernel for which it does not compile -------------------------------------------------


@pytest.fixture(scope="module")
def newer(make_root: Callable[[str], Root]) -> Root:
    return make_root(driver_root.NEWEST)


@pytest.fixture(scope="module")
def without_older(newer: Root) -> builders.Outcome:
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


def test_an_older_kernel_is_tried(newer: Root, without_older: builders.Outcome) -> None:
    """The step is sent again when the archive has one: the machine is as the failure left it."""
    last_good = {"LAST_GOOD_KERNEL": driver_root.GOOD}
    outcome = newer.step("install-gpu-driver", *INSTALL, **PARAMETERS, **last_good)

    assert outcome.exit_code == 0, outcome.words
    assert outcome.data["kernel"] == driver_root.GOOD
    assert outcome.data["kernelInsteadOf"] == driver_root.NEWEST
    assert newer.kernels() == [driver_root.GOOD]
