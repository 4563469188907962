"""Enterprise Linux: really by dnf, rpm, their locks, module streams, dracut and DKMS.

The machine is Debian 12 in AlmaLinux's clothes (local/machines/el_root.py); its repositories are
signed and served by the names that the steps ask. The GPU's answers are scripted: none is here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import builder as builders
import pytest

from local.machines import el_packages, el_root, kit, machine

pytestmark = pytest.mark.root

DRIVER = kit.catalogue_value("CATALOGUE_DRIVER_VERSION")
TOOLKIT = kit.catalogue_value("CATALOGUE_TOOLKIT_VERSION")
SIZE = "Standard_NC4as_T4_v3"
SEAL_SECONDS_MAX = 120
INSTALL = {"BUILDER_USER": builders.USER, "GPU": "true"}
DATACENTER = {"DRIVER_KIND": "datacenter-open", "FABRIC_MANAGER": "true"}
PRELOAD = {
    "IMAGES": builders.IMAGE,
    "REGISTRY_LOGIN_SERVER": builders.REGISTRY,
    "IDENTITY_CLIENT_ID": builders.IDENTITY,
}
GPU = f"""#!/bin/bash
set -e
mount -o remount,rw /sys
mkdir -p /sys/module
for place in /sys/bus /sys/module /proc/driver; do mount -t tmpfs tmpfs $place; done
mkdir -p /sys/bus/pci/devices/gpu /sys/bus/pci/devices/switch /sys/module/nvidia /proc/driver/nvidia
for device in /sys/bus/pci/devices/*; do echo 0x10de >$device/vendor; done
echo 0x030200 >/sys/bus/pci/devices/gpu/class
echo 0x068000 >/sys/bus/pci/devices/switch/class
echo 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}  Release Build' \\
  >/proc/driver/nvidia/version
ln -s {el_packages.KERNEL} /usr/lib/modules/$(uname.debian -r) # modinfo asks the real kernel
touch /usr/lib64/libnvidia-ml.so.{DRIVER}
cat >/usr/local/bin/nvidia-smi <<'END'
#!/bin/bash
# Scripted, for want of a GPU: what one has answered.
case $* in
  *persistence_mode*) echo Enabled ;;
  *fabric.state*) cat /run/fabric ;;
  *--query-gpu=index*) echo '0, Tesla T4, GPU-1234, {DRIVER}, 15360, Enabled, [N/A]' ;;
  *) exit 1 ;;
esac
END
chmod 0755 /usr/local/bin/nvidia-smi
systemctl start nvidia-fabricmanager.service
"""


@pytest.fixture(scope="module")
def made(kits_or_skip: Path) -> el_root.ElRoot:
    found = el_root.find(kits_or_skip)
    if found is None:
        pytest.skip(f"{kits_or_skip} has no el root: make test-provisioning")
    return found


@pytest.fixture(scope="module")
def builder(
    make_builder: Callable[..., builders.Builder], made: el_root.ElRoot
) -> builders.Builder:
    return make_builder("el", made)


def restart(builder: builders.Builder) -> None:
    """The kernel that is newest then is the one that runs."""
    builder.machine.switch_off()
    builder.boot(builder.machine.home.name, user=builders.USER)


# --- install -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(builder: builders.Builder) -> builders.Runs:
    assert builder.ask("uname -r") == el_packages.OLD_KERNEL
    first = builder.step("install-gpu", **INSTALL)
    assert first.exit_code == 0, first.words
    return builder.repeat(first, "install-gpu", **INSTALL)


def test_dnf_brings_docker_the_toolkit_and_the_final_kernel(
    builder: builders.Builder, installed: builders.Runs
) -> None:
    """From repositories whose keys are compared with pinned fingerprints."""
    assert installed.first.data == {
        "os": el_root.SYSTEM,
        "osVersion": "9",
        "dockerVersion": builder.kit.docker_version,
        "toolkitVersion": TOOLKIT,
        "kernel": el_packages.KERNEL,
    }
    assert installed.first.result["rebootRequired"]
    assert builder.ask("docker info --format '{{.Runtimes.nvidia.Path}}'")


def test_a_second_install_changes_nothing(installed: builders.Runs) -> None:
    """Activities run at least once."""
    assert installed.run_again.exit_code == 0, installed.run_again.words
    assert not installed.run_again.result["changed"]


def test_kernel_docker_and_toolkit_are_locked(
    builder: builders.Builder, installed: builders.Runs
) -> None:
    """By dnf's own plugin, which every later update asks."""
    locked = builder.ask("dnf -q versionlock list")
    for name in ("kernel-core", "docker-ce", "containerd.io", "nvidia-container-toolkit"):
        assert f"{name}-" in locked, locked


# --- driver --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driven(builder: builders.Builder, installed: builders.Runs) -> builders.Runs:
    restart(builder)
    first = builder.step("driver", **DATACENTER)
    assert first.exit_code == 0, first.words
    return builder.repeat(first, "driver", **DATACENTER)


def test_dkms_builds_the_module_of_the_enabled_stream(
    builder: builders.Builder, driven: builders.Runs
) -> None:
    """For the kernel that runs; the older one is gone, or it could boot without a module."""
    assert driven.first.data["driverVersion"] == DRIVER
    assert builder.ask(f"modinfo -k {el_packages.KERNEL} -F version nvidia") == DRIVER
    assert [file.name for file in builder.machine.root.glob("boot/vmlinuz-*")] == [
        f"vmlinuz-{el_packages.KERNEL}"
    ]
    stream = f"{DRIVER.split('.')[0]}-open"
    assert f"{stream} [e]" in builder.ask("dnf -q module list --enabled nvidia-driver")
    assert builder.ask("systemctl is-enabled nvidia-fabricmanager") == "enabled"


def test_dracut_keeps_nouveau_out_of_the_initial_ram_disk(
    builder: builders.Builder, driven: builders.Runs
) -> None:
    """It would take the GPU before the driver comes."""
    listed = builder.ask(f"lsinitrd /boot/initrd.img-{el_packages.KERNEL} | grep modprobe.d")
    assert "etc/modprobe.d/batch-prep-nouveau.conf" in listed


def test_a_second_driver_step_changes_nothing(driven: builders.Runs) -> None:
    """It finds the module by its version."""
    assert driven.run_again.exit_code == 0, driven.run_again.words
    assert not driven.run_again.result["changed"]


# --- a GPU, scripted -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_gpu(builder: builders.Builder, driven: builders.Runs) -> builders.Builder:
    """With the image that a container is to run."""
    outcome = builder.step("preload", **PRELOAD)
    assert outcome.exit_code == 0, outcome.words
    builder.machine.surround(
        machine.Surroundings(
            vm_size=SIZE, identities=(builders.IDENTITY,), images={builders.IMAGE: "busybox"}
        )
    )
    ended = builder.command(GPU)
    assert ended.exit_code == 0, ended.stderr
    return builder


@pytest.mark.parametrize(("fabric", "code"), [("Completed", ""), ("In Progress", "GPU_FABRIC")])
def test_the_number_of_gpus_follows_from_the_size(
    with_gpu: builders.Builder, fabric: str, code: str
) -> None:
    """And a container is really started, which sees none: its check says so."""
    with_gpu.ask(f"echo '{fabric}' >/run/fabric")
    outcome = with_gpu.step("verify", EXPECT_GPU="auto", VERIFY_IMAGE=builders.IMAGE)
    checks: dict[str, dict[str, Any]] = {item["id"]: item for item in outcome.data["checks"]}
    assert checks["gpu"]["code"] == code, checks["gpu"]
    assert checks["container"]["code"] == "GPU_CONTAINER", checks["container"]
    assert outcome.exit_code == 30


# --- seal ----------------------------------------------------------------------------------


def test_the_finished_machine_is_sealed(
    builder: builders.Builder, with_gpu: builders.Builder
) -> None:
    """Its bill of materials lists what rpm knows; dnf's caches are gone."""
    builder.ask("rm /usr/local/bin/nvidia-smi /usr/lib64/libnvidia-ml.so.*")
    builder.ask("rm /usr/lib/modules/$(uname.debian -r)")
    restart(builder)
    outcome = builder.step(
        "seal",
        BUILDER_USER=builders.USER,
        SEAL_DELAY_SECONDS="1",
        EXPECT_GPU="driver-only",
        EXPECT_DRIVER=DRIVER,
        EXPECT_TOOLKIT=TOOLKIT,
        EXPECT_IMAGES=builders.IMAGE,
    )
    assert outcome.exit_code == 0, outcome.words
    assert outcome.data["packages"] > 0
    assert builder.machine.wait_until_off(SEAL_SECONDS_MAX)
    assert "batch-prep sealed" in builder.machine.console()
    assert list(builder.machine.root.glob("var/cache/dnf/*/packages/*")) == []


# --- GRID ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grid(make_builder: Callable[..., builders.Builder], made: el_root.ElRoot) -> builders.Builder:
    builder = make_builder("grid", made)
    outcome = builder.step("install", "prepare", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    restart(builder)
    return builder


def test_a_grid_installer_that_is_not_the_pinned_one_does_not_run(grid: builders.Builder) -> None:
    """It would run as root."""
    outcome = grid.step(
        "driver", DRIVER_KIND="grid", DRIVER_VERSION=el_packages.GRID, DRIVER_SHA256="0" * 64
    )
    assert outcome.exit_code == 24, outcome.words
    assert "not the file that is pinned" in outcome.result["message"]


def test_grids_installer_builds_for_the_kernel_that_runs(
    grid: builders.Builder, made: el_root.ElRoot
) -> None:
    """And the licence settings are Azure's."""
    given = {"DRIVER_KIND": "grid", "DRIVER_SHA256": made.grid_sha256}
    outcome = grid.step("driver", DRIVER_VERSION=el_packages.GRID, **given)
    assert outcome.exit_code == 0, outcome.words
    assert grid.ask(f"modinfo -k {el_packages.KERNEL} -F version nvidia") == el_packages.GRID
    configured = grid.read("etc/nvidia/gridd.conf").splitlines()
    assert {"IgnoreSP=FALSE", "EnableUI=FALSE"} <= set(configured)
    assert "FeatureType=0" not in configured
