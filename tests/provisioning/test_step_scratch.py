"""SCRATCH: what an image does at each boot with the local NVMe disks of its node."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
import step_machine

LOCAL, LOCAL_V2 = "Microsoft NVMe Direct Disk", "Microsoft NVMe Direct Disk v2"
REMOTE = "MSFT NVMe Accelerator v1.0"
GROUP = "batch_prep_scratch"
UNIT = "etc/systemd/system/batch-prep-scratch.service"
SCRIPT = "usr/local/sbin/batch-prep-scratch"
CHANGES = ("pvcreate", "vgcreate", "lvcreate", "mkfs.xfs", "mount")


@pytest.fixture
def node(machine: step_machine.Machine) -> step_machine.Machine:
    """A node whose image has the script, and as yet no disks."""
    outcome = machine.run_step("features", SCRATCH="true")
    assert outcome.exit_code == 0, outcome.log
    for command in (*CHANGES, "vgremove", "vgreduce", "pvremove", "udevadm"):
        machine.fake(command, "")
    machine.fake("vgs", "[[ -e $MACHINE/group ]]")
    machine.fake("vgchange", "[[ ! -e $MACHINE/incomplete ]]")
    machine.fake("pvs", 'echo "  /dev/nvme0n1"')
    machine.fake("wipefs", 'cat "$MACHINE/signatures/${*: -1}"')
    machine.precede("mount", 'mkdir -p "$ROOT/scratch" && touch "$ROOT/scratch/mounted"')
    return machine


def disk(node: step_machine.Machine, name: str, model: str, *, holds: str = "") -> None:
    """A disk as the kernel shows it; the model is padded as NVMe has it."""
    node.write(f"root/sys/class/block/{name}/device/model", f"{model:<40}\n")
    path = node.write(f"root/dev/{name}", "")
    node.write(f"signatures/{path}", holds)


def boot(node: step_machine.Machine) -> subprocess.CompletedProcess[str]:
    return node.run_file(node.root / SCRIPT)


def paths(node: step_machine.Machine, *names: str) -> list[str]:
    return [str(node.root / "dev" / name) for name in names]


def test_the_local_disks_become_one_file_system(node: step_machine.Machine) -> None:
    """Disks of the system and of data are NVMe disks as well: their model is another."""
    disk(node, "nvme0n1", REMOTE)
    disk(node, "nvme0n2", REMOTE)
    disk(node, "nvme1n1", LOCAL_V2)
    disk(node, "nvme2n1", LOCAL_V2)

    done = boot(node)

    assert done.returncode == 0, done.stderr
    two = paths(node, "nvme1n1", "nvme2n1")
    assert node.calls("pvcreate") == [["--yes", *two]]
    assert node.calls("vgcreate") == [[GROUP, *two]]
    (made,) = node.calls("lvcreate")
    assert made[made.index("--stripes") + 1] == "2"
    assert node.calls("mkfs.xfs")[0][-1] == f"/dev/{GROUP}/scratch"
    assert node.calls("mount")[0][-1] == str(node.root / "scratch")
    assert (node.root / "scratch").stat().st_mode & 0o7777 == 0o1777


def test_a_second_run_finds_it_mounted(node: step_machine.Machine) -> None:
    """The unit may be started by hand."""
    disk(node, "nvme0n1", LOCAL)
    boot(node)

    assert boot(node).returncode == 0
    assert [len(node.calls(command)) for command in CHANGES] == [1] * len(CHANGES)


def test_without_such_a_disk_nothing_happens(node: step_machine.Machine) -> None:
    """The same image runs on sizes that have none."""
    disk(node, "nvme0n1", REMOTE)
    disk(node, "sda", "Virtual Disk")

    assert boot(node).returncode == 0
    assert [node.calls(command) for command in CHANGES] == [[]] * len(CHANGES)
    assert not (node.root / "scratch").exists()


@pytest.mark.parametrize("holds", ["ext4", "gpt", "LVM2_member"])
def test_a_disk_that_holds_something_stays_as_it_is(node: step_machine.Machine, holds: str) -> None:
    """An ephemeral system disk, or what the owner has made of it."""
    disk(node, "nvme0n1", LOCAL_V2, holds=holds)
    disk(node, "nvme1n1", LOCAL_V2)

    assert boot(node).returncode == 0
    assert node.calls("pvcreate") == [["--yes", *paths(node, "nvme1n1")]]


@pytest.mark.parametrize("part", ["nvme0n1p1", "holders/dm-3"], ids=["partition", "holder"])
def test_a_disk_with_partitions_or_holders_stays_as_it_is(
    node: step_machine.Machine, part: str
) -> None:
    """The kernel knows them even where no signature is found."""
    disk(node, "nvme0n1", LOCAL_V2)
    node.write(f"root/sys/class/block/nvme0n1/{part}/start", "1")

    assert boot(node).returncode == 0
    assert node.calls("pvcreate") == []


def test_a_disk_that_cannot_be_read_stays_as_it_is(node: step_machine.Machine) -> None:
    """No answer is no proof that it is empty."""
    disk(node, "nvme0n1", LOCAL_V2)
    node.fake("wipefs", "exit 1")

    assert boot(node).returncode == 0
    assert node.calls("pvcreate") == []


def test_after_a_restart_its_files_are_there(node: step_machine.Machine) -> None:
    """Local disks keep what they hold through a restart of the node."""
    disk(node, "nvme0n1", LOCAL, holds="LVM2_member\n")
    node.write("group", "")

    assert boot(node).returncode == 0
    assert node.calls("vgchange") == [["--activate", "y", GROUP]]
    assert node.calls("mkfs.xfs") == []
    assert node.calls("mount")[0][-2:] == [f"/dev/{GROUP}/scratch", str(node.root / "scratch")]


def test_what_lost_a_disk_is_made_again(node: step_machine.Machine) -> None:
    """A stripe without one of its disks is worth nothing, and holds nothing that must last."""
    disk(node, "nvme1n1", LOCAL)
    node.write("group", "")
    node.write("incomplete", "")

    assert boot(node).returncode == 0
    assert node.calls("vgremove")[0][-1] == GROUP
    assert node.calls("pvremove")[0][-1] == "/dev/nvme0n1"
    assert node.calls("mkfs.xfs") != []


def test_a_file_system_that_cannot_be_made_fails_the_unit(node: step_machine.Machine) -> None:
    """The check of the node says so: tasks would fill the system's disk."""
    disk(node, "nvme0n1", LOCAL)
    node.fake("mkfs.xfs", "exit 1")

    assert boot(node).returncode != 0
    assert node.calls("mount") == []


@pytest.mark.parametrize("system", ["ubuntu-24.04", "debian-12", "almalinux-9"])
def test_the_unit_comes_before_docker_and_the_agent(
    make_machine: Callable[[str], step_machine.Machine], system: str
) -> None:
    """The Azure agent brings that of Batch. The tools are installed where they are missing."""
    machine = make_machine(system)

    outcome = machine.run_step("features", SCRATCH="true")

    assert outcome.result["changed"] is True, outcome.log
    unit = (machine.root / UNIT).read_text()
    before = next(line for line in unit.splitlines() if line.startswith("Before="))
    assert {"docker.service", "walinuxagent.service", "waagent.service"} <= {
        *before.removeprefix("Before=").split()
    }
    assert (machine.root / SCRIPT).stat().st_mode & 0o777 == 0o755
    assert (machine.home / "enabled/batch-prep-scratch.service").exists()
    manager = "dnf" if system == "almalinux-9" else "apt-get"
    assert "lvm2 xfsprogs" in machine.asked(manager)
    again = machine.run_step("features", SCRATCH="true", BUILD_ID="b-2")
    assert again.result["changed"] is False


def test_an_image_without_it_has_no_unit(machine: step_machine.Machine) -> None:
    """An owner's start task may format the disks itself."""
    assert machine.run_step("features").exit_code == 0
    assert not (machine.root / UNIT).exists()


def test_a_node_whose_unit_failed_takes_no_tasks(machine: step_machine.Machine) -> None:
    """Its tasks would write to the system's disk."""
    machine.write("failed_units", "batch-prep-scratch.service loaded failed failed x\n")

    check = machine.run_step("verify").check("system")

    assert (check["status"], check["code"]) == ("fail", "SCRATCH_FAILED")


def test_a_node_says_how_much_it_has(machine: step_machine.Machine) -> None:
    """In MiB, beside what the system's disk has."""
    machine.write("root/scratch/mounted", "")

    assert machine.run_step("verify").check("system")["data"]["scratchMib"] == 50000
