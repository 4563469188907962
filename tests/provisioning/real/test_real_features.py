"""Canonical's driver, DCGM and InfiniBand, one after another in one root (chroots.py).

The packages are stand-ins (vendor_packages.py); apt, dpkg, DKMS, the kernels and what a step leaves
on the disk are real. Last, a machine that boots locks memory and knows its size.
"""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import builder as builders
import chroots
import pytest
import step_assembler
import vendor_packages

from local.machines import driver_root, kit, machine, shell

pytestmark = pytest.mark.root

INSTALL = ("prepare", "leave_rolling_kernel", "install_driver")
GIVEN = {
    "BUILDER_USER": builders.USER,
    "GPU": "true",
    "DRIVER_KIND": "datacenter-open",
    "DRIVER_SOURCE": "canonical",
}
MODULES = f"linux-modules-nvidia-{vendor_packages.BRANCH}-server-open-"
SMALL = "MODULES=list\n"
"""Of initial RAM disks: nothing boots from these, and small is quick."""


def check(root: chroots.Root, step: str, name: str, **parameters: str) -> dict[str, Any]:
    """One of the verdicts."""
    function = {"seal": "check_image", "verify": "verify_node"}[step]
    outcome = root.step(step, function, **parameters)
    return next(dict(each) for each in outcome.data["checks"] if each["id"] == name)


def versions(root: chroots.Root, *patterns: str) -> dict[str, str]:
    """What dpkg has of these packages."""
    command = "dpkg-query -W -f '${Package} ${Version}\\n' " + " ".join(f"'{p}'" for p in patterns)
    return dict(line.split() for line in root.run(command).splitlines())


def held(root: chroots.Root) -> set[str]:
    return set(root.run("apt-mark showhold").split())


# --- Canonical's driver --------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(make_root: Callable[[str], chroots.Root]) -> chroots.Root:
    """Its long-term kernel is the newest, for which Canonical has no modules yet."""
    root = make_root(driver_root.NEWEST)
    root.write("etc/initramfs-tools/conf.d/small", SMALL)
    vendor_packages.offer(root, *vendor_packages.canonical_programs())
    return root


@pytest.fixture(scope="module")
def without_modules(root: chroots.Root) -> builders.Outcome:
    return root.step("install-gpu-driver", *INSTALL, **GIVEN)


@pytest.fixture(scope="module")
def driven(root: chroots.Root, without_modules: builders.Outcome) -> builders.Outcome:
    """The archive has modules of an older kernel."""
    vendor_packages.offer(root, vendor_packages.canonical_modules(driver_root.GOOD))
    return root.step("install-gpu-driver", *INSTALL, **GIVEN)


def test_an_archive_without_signed_modules_ends_the_step(
    root: chroots.Root, without_modules: builders.Outcome
) -> None:
    """The driver's programs alone are of no use."""
    assert without_modules.exit_code == 40, without_modules.words
    assert f"no package {MODULES}{driver_root.NEWEST}" in without_modules.result["message"]


def test_the_newest_kernel_with_signed_modules_stays(
    root: chroots.Root, driven: builders.Outcome
) -> None:
    """It takes the place of a newer one without."""
    assert driven.exit_code == 0, driven.words
    assert driven.data["kernel"] == driver_root.GOOD
    assert driven.data["kernelInsteadOf"] == driver_root.NEWEST
    assert driven.data["driverVersion"] == vendor_packages.DRIVER
    assert root.kernels() == [driver_root.GOOD]
    found = root.run(f"modinfo -k {driver_root.GOOD} -F version nvidia").strip()
    assert found == vendor_packages.DRIVER
    assert not (root.home / "var/lib/dkms/nvidia").exists()


def test_canonicals_packages_are_held(root: chroots.Root, driven: builders.Outcome) -> None:
    """An upgrade would bring programs that do not fit the module."""
    wanted = {
        f"linux-image-{driver_root.GOOD}",
        f"{MODULES}{driver_root.GOOD}",
        f"nvidia-utils-{vendor_packages.BRANCH}-server",
        f"libnvidia-encode-{vendor_packages.BRANCH}-server",
    }
    assert wanted <= held(root)


def test_the_same_driver_again_changes_nothing(
    root: chroots.Root, driven: builders.Outcome
) -> None:
    """Activities run at least once."""
    again = root.step("install-gpu-driver", *INSTALL, **GIVEN | {"BUILD_ID": "another"})
    assert again.exit_code == 0, again.words
    assert not again.result["changed"]


def test_a_driver_that_is_too_old_ends_the_step(
    root: chroots.Root, driven: builders.Outcome
) -> None:
    """What is asked for is the oldest to be taken; the archive has the newest."""
    newer = f"{vendor_packages.BRANCH}.999.1"
    outcome = root.step("driver", "install_driver", **GIVEN, DRIVER_VERSION=newer)
    assert outcome.exit_code == 40, outcome.words
    assert f"has driver {vendor_packages.DRIVER}, wanted is {newer}" in outcome.result["message"]


# --- DCGM ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def examined(root: chroots.Root, driven: builders.Outcome) -> builders.Outcome:
    vendor_packages.offer(root, *vendor_packages.dcgm())
    return root.step("features", "install_dcgm", DCGM="true")


def test_dcgm_comes_in_its_version_and_is_held(
    root: chroots.Root, examined: builders.Outcome
) -> None:
    """Its four packages, for the CUDA of the driver."""
    assert examined.exit_code == 0, examined.words
    assert examined.data["dcgmVersion"] == vendor_packages.DCGM
    wanted = {package.name: package.version for package in vendor_packages.dcgm()}
    assert versions(root, "datacenter-gpu-manager*") == wanted
    assert wanted.keys() <= held(root)


def test_dcgm_again_changes_nothing(root: chroots.Root, examined: builders.Outcome) -> None:
    """For another build."""
    again = root.step("features", "install_dcgm", DCGM="true", BUILD_ID="another")
    assert (again.exit_code, again.result["changed"]) == (0, False), again.words


def answer(status: str, *warnings: dict[str, Any]) -> str:
    """In the form of an answer of DCGM 4.2.3, recorded on a machine with a GPU."""
    result = {"entity_group": "GPU", "entity_group_id": 1, "entity_id": 0, "status": status}
    result |= {"warnings": list(warnings)} if warnings else {}
    test = {"name": "software", "results": [result], "test_summary": {"status": status}}
    categories = [{"category": "Deployment", "tests": [test]}]
    entities = [{"device_id": "2e12", "entity_id": 0}]
    groups = [{"entities": entities, "entity_group": "GPU", "entity_group_id": 1}]
    return json.dumps(
        {"DCGM Diagnostic": {"test_categories": categories}, "entity_groups": groups}, indent=1
    )


PERSISTENCE = {
    "error_category": 8,
    "error_id": 29,
    "error_severity": 5,
    "warning": "Persistence Mode: Persistence mode for GPU 0 is disabled.",
}


@pytest.mark.parametrize(
    ("said", "exit_code", "code", "data"),
    [
        (answer("Pass"), 0, "", {"level": 1, "passed": 1}),
        (answer("Fail", PERSISTENCE), 226, "DCGM_FAILED", {"level": 1, "failedTest": "software"}),
        ("Error: unable to establish a connection", 255, "DCGM_BROKEN", {}),
    ],
)
def test_what_dcgm_would_answer(
    root: chroots.Root,
    examined: builders.Outcome,
    said: str,
    exit_code: int,
    code: str,
    data: dict[str, Any],
) -> None:
    """With stand-ins for the GPU, nvidia-smi and dcgmi. No daemon runs without systemd."""
    root.show_gpu()
    root.write("sys/module/nvidia/version", vendor_packages.DRIVER)
    root.write("srv/module", f"NVRM version: Open Kernel Module {vendor_packages.DRIVER}\n")
    root.write("srv/persistence", "Enabled\n")
    root.write("srv/diagnosis/answer", said)
    root.write("srv/diagnosis/code", f"{exit_code}\n")
    running = root.home / "lib/modules" / platform.release()
    if not running.is_symlink():
        running.symlink_to(driver_root.GOOD)

    found = check(root, "verify", "dcgm", EXPECT_GPU="1", EXPECT_DCGM="1")

    assert (found["code"], found["data"]) == (code, data), found


# --- InfiniBand ----------------------------------------------------------------------------

INFINIBAND = {"INFINIBAND": "true"}
AGENT = "etc/waagent.conf"


@pytest.fixture(scope="module")
def infiniband_step(root: chroots.Root, driven: builders.Outcome, kits_or_skip: Path) -> str:
    """The text that installs it, in a root with the Azure agent's configuration and Docker."""
    root.write(AGENT, "Provisioning.Agent=auto\n# OS.EnableRDMA=n\n")
    found = kit.find(kits_or_skip)
    assert found is not None
    [archive] = found.docker.glob("pool/docker-ce_*.deb")
    with tempfile.TemporaryDirectory() as folder:
        shell.run("dpkg-deb", "--extract", str(archive), folder)
        for program in Path(folder).glob("usr/sbin/docker*"):
            shutil.copy2(program, root.home / "usr/bin" / program.name)
    vendor_packages.offer(root, *vendor_packages.infiniband())
    files = step_assembler.steps()["install"]["files"]
    text = step_assembler.assemble_files("install", files, ["install_infiniband"], chroots.REPLACED)
    sha256 = vendor_packages.serve_doca_host(root)
    return vendor_packages.pinned(text, sha256)


@pytest.fixture(scope="module")
def not_compiled(root: chroots.Root, infiniband_step: str) -> builders.Outcome:
    return root.run_text("install", infiniband_step, **INFINIBAND)


@pytest.fixture(scope="module")
def connected(
    root: chroots.Root, infiniband_step: str, not_compiled: builders.Outcome
) -> builders.Outcome:
    """The same step, once the module compiles."""
    (root.home / vendor_packages.MODULE_SOURCE).write_text(vendor_packages.GOOD_SOURCE)
    return root.run_text("install", infiniband_step, **INFINIBAND)


def test_an_image_without_the_stack_is_not_sealed(
    root: chroots.Root, not_compiled: builders.Outcome
) -> None:
    """The step ends with the compiler's words, and the check names the kernel."""
    assert not_compiled.exit_code == 42, not_compiled.words
    assert "of_another_kernel" in not_compiled.result["message"]
    found = check(root, "seal", "infiniband", EXPECT_INFINIBAND="true")
    assert found["code"] == "IB_MODULE_MISSING"
    assert driver_root.GOOD in found["message"]


def test_dkms_builds_the_stack_for_the_kernel_that_boots(
    root: chroots.Root, connected: builders.Outcome
) -> None:
    """Its module is found before the kernel's own."""
    assert connected.exit_code == 0, connected.words
    assert connected.data["infinibandVersion"] == vendor_packages.DOCA_VERSION.split("-")[0]
    file = root.run(f"modinfo -k {driver_root.GOOD} -F filename mlx5_ib")
    assert "/updates/dkms/mlx5_ib.ko" in file
    assert {"doca-host", "doca-ofed", "mlnx-ofed-kernel-dkms"} <= held(root)
    pins = (root.home / "etc/apt/preferences.d/batch-prep-doca").read_text()
    assert pins == "Package: dkms\nPin: release l=DOCA-HOST*\nPin-Priority: -1\n"
    assert root.run("systemctl is-enabled openibd.service").strip() == "enabled"


def test_agent_limits_and_docker_know_of_infiniband(
    root: chroots.Root, connected: builders.Outcome
) -> None:
    """Each in a file of its own; the agent's other settings stay."""
    assert (root.home / AGENT).read_text() == "Provisioning.Agent=auto\nOS.EnableRDMA=y\n"
    limits = root.home / "etc/security/limits.d/90-batch-prep-infiniband.conf"
    assert limits.read_text() == "* - memlock unlimited\nroot - memlock unlimited\n"
    docker = json.loads((root.home / "etc/docker/daemon.json").read_text())
    assert docker["default-ulimits"]["memlock"]["Hard"] == -1


def test_nccls_files_are_there(root: chroots.Root, connected: builders.Outcome) -> None:
    """Eight GPUs in each topology, and a unit in which systemd finds no mistake."""
    for name in ("ndv4", "ndv5"):
        system = ET.fromstring((root.home / f"opt/microsoft/{name}-topo.xml").read_text())
        assert len(system.findall(".//pci[@class='0x030200']")) == 8
    assert root.run("systemctl is-enabled batch-prep-rdma.service").strip() == "enabled"
    root.run("systemd-analyze verify batch-prep-rdma.service")


def test_infiniband_again_changes_nothing(
    root: chroots.Root, infiniband_step: str, connected: builders.Outcome
) -> None:
    """The stack that is there is found."""
    again = root.run_text("install", infiniband_step, **INFINIBAND, BUILD_ID="another")
    assert (again.exit_code, again.result["changed"]) == (0, False), again.words


@pytest.mark.parametrize(
    ("states", "code"),
    [([], "IB_ABSENT"), (["4: ACTIVE", "2: INIT"], "IB_PORT_DOWN"), (["4: ACTIVE"], "IB_MEMLOCK")],
)
def test_a_node_shows_its_ports(
    root: chroots.Root, connected: builders.Outcome, states: list[str], code: str
) -> None:
    """Ports in a stand-in for /sys. Without systemd no limit of Docker's is known."""
    shutil.rmtree(root.home / "sys/class/infiniband", ignore_errors=True)
    for number, state in enumerate(states):
        root.write(f"sys/class/infiniband/mlx5_{number}/ports/1/link_layer", "InfiniBand\n")
        root.write(f"sys/class/infiniband/mlx5_{number}/ports/1/state", f"{state}\n")
    found = check(root, "verify", "infiniband", EXPECT_INFINIBAND="true")
    assert (found["code"], found["data"]["ports"]) == (code, len(states)), found


# --- what only a machine that boots shows --------------------------------------------------


LIMITED = """
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\\nDefaultLimitMEMLOCK=65536\\n' >/etc/systemd/system.conf.d/10-limited.conf
"""
"""As a virtual machine has it; a container takes over the limit of the computer."""


@pytest.fixture(scope="module")
def booted(make_builder: Callable[..., builders.Builder]) -> builders.Builder:
    """With Docker."""
    builder = make_builder("infiniband")
    outcome = builder.step("install", "prepare", "install_docker", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    return builder


def test_memory_is_unlocked_once_systemd_reads_its_files_again(booted: builders.Builder) -> None:
    """What Docker starts may lock all of it, as after a restart of the machine."""
    booted.ask(f"{LIMITED}systemctl daemon-reexec")
    assert booted.step("verify", "memory_is_unlocked").exit_code != 0
    outcome = booted.step("install", "unlock_memory")
    assert outcome.exit_code == 0, outcome.words
    booted.ask("systemctl daemon-reexec")
    outcome = booted.step("verify", "memory_is_unlocked")
    assert outcome.exit_code == 0, outcome.words


def test_nccls_settings_follow_the_size(booted: builders.Builder) -> None:
    """The script of the boot asks the metadata service."""
    outcome = booted.step("install", "prepare_nccl")
    assert outcome.exit_code == 0, outcome.words
    sizes = {"Standard_ND96isr_H100_v5": "ndv5", "Standard_ND96asr_v4": "ndv4"}
    for size, name in sizes.items():
        booted.machine.surround(machine.Surroundings(vm_size=size))
        booted.ask("systemctl restart batch-prep-rdma.service")
        assert f"NCCL_TOPO_FILE=/opt/microsoft/{name}-topo.xml" in booted.read("etc/nccl.conf")
    booted.machine.surround(machine.Surroundings())
    booted.ask("systemctl restart batch-prep-rdma.service")
    assert not (booted.machine.root / "etc/nccl.conf").exists()
