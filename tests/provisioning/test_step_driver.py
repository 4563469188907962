"""The driver: pinned, built for every kernel that boots, from sources that are proved."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable

import pytest
import step_machine
import vendors

VERSION = vendors.DRIVER_VERSION
GRID_URL = (
    "https://download.microsoft.com/download/2a04ca6a-9eec-40d9-9564-9cdea1ab795f/"
    "NVIDIA-Linux-x86_64-570.211.01-grid-azure.run"
)
GRID_FILE = "echo a driver installer"


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """An Ubuntu machine that reaches NVIDIA and builds modules."""
    vendors.serve_keys(machine)
    vendors.build_modules(machine, "apt-get")
    return machine


def test_the_driver_comes_pinned_from_nvidia(world: step_machine.Machine) -> None:
    """The pinning package first: from then on every NVIDIA package has this version."""
    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    asked = world.asked("apt-get").splitlines()
    assert outcome.exit_code == 0
    assert outcome.data == {"driverVersion": VERSION, "driverKind": "datacenter-open"}
    assert outcome.result["rebootRequired"] is True
    pin = next(i for i, call in enumerate(asked) if f"nvidia-driver-pinning-{VERSION}" in call)
    driver = next(i for i, call in enumerate(asked) if "nvidia-open" in call)
    assert pin < driver
    assert f"linux-headers-{step_machine.KERNEL} nvidia-open" in asked[driver]


def test_nouveau_is_shut_out_of_the_initial_ram_disk(world: step_machine.Machine) -> None:
    """It would hold the GPU before the driver comes."""
    world.run_step("driver", DRIVER_KIND="datacenter-open")

    conf = world.root / "etc/modprobe.d/batch-prep-nouveau.conf"
    assert conf.read_text() == "blacklist nouveau\noptions nouveau modeset=0\n"
    assert world.calls("update-initramfs") == [["-u", "-k", "all"]]


def test_services_are_enabled_and_not_started(world: step_machine.Machine) -> None:
    """Without a GPU they fail; the builder may have none."""
    world.run_step("driver", DRIVER_KIND="datacenter-open", FABRIC_MANAGER="true")

    assert world.calls("systemctl") == [
        ["enable", "nvidia-persistenced.service"],
        ["enable", "nvidia-fabricmanager.service"],
    ]
    assert "nvidia-open nvidia-fabricmanager" in world.asked("apt-get")


def test_persistence_mode_is_on_from_the_start(world: step_machine.Machine) -> None:
    """The unit of Ubuntu's packages turns it off."""
    world.run_step("driver", DRIVER_KIND="datacenter-open")

    unit = (world.root / "etc/systemd/system/nvidia-persistenced.service").read_text()
    assert "ExecStart=/usr/bin/nvidia-persistenced --persistence-mode" in unit
    assert "no-persistence-mode" not in unit


def test_the_fabric_manager_is_for_switches_only(world: step_machine.Machine) -> None:
    """Elsewhere its service fails at every boot."""
    world.run_step("driver", DRIVER_KIND="datacenter-open")

    assert "fabricmanager" not in world.asked("apt-get") + world.asked("systemctl")


def test_volta_gets_proprietary_modules(world: step_machine.Machine) -> None:
    """The open ones do not know it."""
    outcome = world.run_step("driver", DRIVER_KIND="datacenter-proprietary")

    assert outcome.exit_code == 0
    assert "cuda-drivers" in world.asked("apt-get")


@pytest.mark.parametrize(
    ("system", "release", "kind", "stream", "packages"),
    [
        (
            "almalinux-9",
            9,
            "datacenter-open",
            "nvidia-driver:580-open",
            f"kmod-nvidia-open-dkms-{VERSION} nvidia-open-{VERSION} nvidia-driver-cuda-{VERSION}",
        ),
        (
            "rocky-8",
            8,
            "datacenter-proprietary",
            "nvidia-driver:580-dkms",
            f"kmod-nvidia-latest-dkms-{VERSION} cuda-drivers-{VERSION}",
        ),
    ],
)
def test_the_driver_on_el(
    make_machine: Callable[[str], step_machine.Machine],
    system: str,
    release: int,
    kind: str,
    stream: str,
    packages: str,
) -> None:
    """A module stream, the headers of the very kernel, DKMS from EPEL for this one command."""
    machine = make_machine(system)
    vendors.serve_keys(machine)
    vendors.build_modules(machine, "dnf")

    outcome = machine.run_step("driver", DRIVER_KIND=kind)

    asked = machine.asked("dnf")
    epel = (machine.root / "etc/yum.repos.d/batch-prep-epel.repo").read_text()
    assert outcome.exit_code == 0
    assert f"module enable {stream}" in asked
    assert f"--enablerepo=batch-prep-epel kernel-devel-{step_machine.KERNEL} {packages}" in asked
    assert f"/{release}/Everything/x86_64\nenabled=0\ngpgcheck=1" in epel
    locked = machine.asked("dnf").partition("versionlock add")[2]
    assert all(f"{name}-1.el" in locked for name in packages.split())


def test_a_second_run_changes_nothing(world: step_machine.Machine) -> None:
    """And asks for no restart: the orchestration would never end."""
    world.run_step("driver", DRIVER_KIND="datacenter-open")
    step_machine.boot_again(world)

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.result["rebootRequired"] is False


@pytest.mark.parametrize(
    ("system", "kind"),
    [
        ("ubuntu-24.04", "grid"),
        ("almalinux-9", "grid"),
        ("almalinux-9", "datacenter-open"),
        ("rocky-8", "datacenter-proprietary"),
    ],
)
def test_a_kernel_that_waits_for_a_restart_is_no_ground_to_build_on(
    make_machine: Callable[[str], step_machine.Machine], system: str, kind: str
) -> None:
    """The nodes would boot the other kernel, which has no module."""
    machine = make_machine(system)
    machine.write("root/boot/vmlinuz-6.8.0-9999-azure", "")

    outcome = machine.run_step("driver", DRIVER_KIND=kind)

    assert outcome.exit_code == 40
    assert "6.8.0-9999-azure will boot" in outcome.result["message"]
    assert machine.calls("apt-get") + machine.calls("dnf") == []


def test_a_kernel_without_a_module_fails_the_step(machine: step_machine.Machine) -> None:
    """Packages that installed well prove nothing: DKMS may have failed for one kernel."""
    vendors.serve_keys(machine)

    outcome = machine.run_step("driver", DRIVER_KIND="datacenter-open")

    assert outcome.exit_code == 40
    assert step_machine.KERNEL in outcome.result["message"]


def test_a_module_of_another_version_fails_the_step(machine: step_machine.Machine) -> None:
    """The pinned version is asserted, not mere presence."""
    vendors.serve_keys(machine)
    vendors.build_modules(machine, "apt-get", "535.0.1")

    assert machine.run_step("driver", DRIVER_KIND="datacenter-open").exit_code == 40


# GRID


@pytest.fixture
def grid_world(machine: step_machine.Machine) -> step_machine.Machine:
    """A machine that reaches Microsoft's download of the GRID driver."""
    machine.serves(GRID_URL, GRID_FILE)
    machine.write(
        "root/etc/nvidia/gridd.conf.template", "# licence\nFeatureType=0\nIgnoreSP=TRUE\n"
    )
    machine.fake(
        "sh",
        'grep -q installer "$1"\n'
        'echo 570.211.01 >"$MACHINE/modules/$(cat "$MACHINE/running_kernel")"',
    )
    return machine


def test_the_grid_driver_needs_its_checksum(grid_world: step_machine.Machine) -> None:
    """Nobody publishes it: better no driver than an unproved one that runs as root."""
    outcome = grid_world.run_step("driver", DRIVER_KIND="grid")

    assert outcome.exit_code == 11
    assert "DRIVER_SHA256" in outcome.result["message"]
    assert grid_world.calls("sh") == []


def test_the_grid_driver_is_built_and_licensed(grid_world: step_machine.Machine) -> None:
    """By DKMS, with proprietary modules, and without the setting that turns licensing off."""
    checksum = hashlib.sha256(GRID_FILE.encode()).hexdigest()

    outcome = grid_world.run_step("driver", DRIVER_KIND="grid", DRIVER_SHA256=checksum)

    [installer] = grid_world.calls("sh")
    conf = (grid_world.root / "etc/nvidia/gridd.conf").read_text()
    assert outcome.exit_code == 0
    assert outcome.data == {"driverVersion": "570.211.01", "driverKind": "grid"}
    assert installer[1:4] == ["--silent", "--dkms", "--kernel-module-type=proprietary"]
    assert conf == "# licence\nIgnoreSP=FALSE\nEnableUI=FALSE\n"
    assert not (grid_world.root / "var/lib/batch-prep/grid").exists()


def test_the_download_of_the_grid_driver_trusts_microsofts_own_root(
    grid_world: step_machine.Machine,
) -> None:
    """Some front ends of the host leave out a certificate; the system's own roots stay trusted."""
    grid_world.write("root/etc/ssl/certs/ca-certificates.crt", "the system's certificates\n")
    grid_world.precede(
        "curl",
        "for ((i = 1; i < $#; i++)); do [[ ${!i} != --cacert ]] || { i=$((i + 1)); "
        'cp "${!i}" "$MACHINE/trusted"; }; done',
    )
    checksum = hashlib.sha256(GRID_FILE.encode()).hexdigest()

    grid_world.run_step("driver", DRIVER_KIND="grid", DRIVER_SHA256=checksum)

    system, _, root = (grid_world.home / "trusted").read_text().partition("\n")
    assert system == "the system's certificates"
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(root)).hexdigest()
    assert digest == "6a170583db584151e1c454eeca2a64cc5d8e484a5bd1156e720b4458654ee9e5"
    assert not list(grid_world.root.glob("usr/local/share/ca-certificates/*"))


def test_blackwell_gets_the_newer_grid_driver_with_open_modules(
    grid_world: step_machine.Machine,
) -> None:
    """The catalogue knows its checksum, and no parameter is needed; this file has another one."""
    outcome = grid_world.run_step("driver", DRIVER_KIND="grid-open")

    assert outcome.exit_code == 24
    assert "NVIDIA-Linux-x86_64-595.58.03-grid-azure.run" in grid_world.asked("curl")


def test_open_modules_do_not_depend_on_the_version(grid_world: step_machine.Machine) -> None:
    """Blackwell knows no others."""
    grid_world.serves(GRID_URL, GRID_FILE)
    checksum = hashlib.sha256(GRID_FILE.encode()).hexdigest()

    grid_world.run_step(
        "driver", DRIVER_KIND="grid-open", DRIVER_VERSION="570.211.01", DRIVER_SHA256=checksum
    )

    [installer] = grid_world.calls("sh")
    assert "--kernel-module-type=open" in installer


def test_a_grid_driver_with_another_checksum_is_not_run(grid_world: step_machine.Machine) -> None:
    """The download is not what was promised."""
    outcome = grid_world.run_step("driver", DRIVER_KIND="grid", DRIVER_SHA256="0" * 64)

    assert outcome.exit_code == 24
    assert grid_world.calls("sh") == []


# Parameters


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"DRIVER_KIND": "newest"},
        {"DRIVER_KIND": "datacenter-open", "DRIVER_VERSION": "580; reboot"},
        {"DRIVER_KIND": "datacenter-proprietary", "DRIVER_VERSION": "620.10.01"},
        {"DRIVER_KIND": "grid", "DRIVER_URL": "https://example.org/x.run"},
        {"DRIVER_KIND": "grid", "DRIVER_VERSION": "999.1.1", "DRIVER_SHA256": "0" * 64},
        {"DRIVER_KIND": "grid", "FABRIC_MANAGER": "true", "DRIVER_SHA256": "0" * 64},
        {"DRIVER_KIND": "datacenter-open", "FABRIC_MANAGER": "maybe"},
    ],
    ids=str,
)
def test_impossible_wishes_are_refused(
    world: step_machine.Machine, parameters: dict[str, str]
) -> None:
    """Before anything is downloaded."""
    outcome = world.run_step("driver", **parameters)

    assert outcome.exit_code == 11
    assert world.calls("curl") == []


def test_debian_builds_no_gpu_image(make_machine: Callable[[str], step_machine.Machine]) -> None:
    """No pool could use it."""
    outcome = make_machine("debian-12").run_step("driver", DRIVER_KIND="datacenter-open")

    assert outcome.exit_code == 10
