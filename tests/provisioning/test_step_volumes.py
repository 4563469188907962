"""Logical volumes grow before anything is installed: RHEL leaves most of the disk unused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import step_machine

PARTITIONS = [("/dev/sda4", ["/dev/sda", "4"]), ("/dev/nvme0n1p4", ["/dev/nvme0n1", "4"])]


@pytest.fixture
def rhel(make_machine: Callable[[str], step_machine.Machine]) -> step_machine.Machine:
    """A machine of the image RHEL:9-lvm-gen2, whose group has 10,000 free extents."""
    machine = make_machine("rhel-9")
    volumes_are(machine, {"/": "rootlv", "/usr": "usrlv", "/var": "varlv"})
    machine.write("free", "10000")
    machine.fake("lvs", "[[ ${*: -1} == /dev/mapper/* ]] && echo '  rootvg'")
    machine.fake("pvs", "echo '  /dev/sda4'")
    machine.fake("vgs", 'cat "$MACHINE/free"')
    machine.fake(
        "lvextend",
        'free=$(cat "$MACHINE/free"); share=${3#+}; share=${share%\\%FREE}\n'
        'echo $((free - free * share / 100)) >"$MACHINE/free"',
    )
    machine.fake("growpart", "")
    machine.fake("pvresize", "")
    return machine


def volumes_are(machine: step_machine.Machine, volumes: dict[str, str]) -> None:
    """Where each volume is mounted; other places are no mount points."""
    cases = "".join(
        f'"$ROOT{place}") echo /dev/mapper/rootvg-{name} ;;\n' for place, name in volumes.items()
    )
    machine.fake("findmnt", f"case ${{*: -1}} in\n{cases}*) exit 1 ;;\nesac")


def test_the_volumes_grow_before_anything_is_installed(rhel: step_machine.Machine) -> None:
    """Most of it goes to /var, where Docker keeps its images; / needs room for the checks."""
    outcome = rhel.run_step("install", "prepare", BUILDER_USER="builder")

    assert outcome.exit_code == 0, outcome.log
    assert outcome.result["changed"] is True
    assert [call[2:] for call in rhel.calls("lvextend")] == [
        ["+20%FREE", "/dev/mapper/rootvg-rootlv"],
        ["+25%FREE", "/dev/mapper/rootvg-usrlv"],
        ["+100%FREE", "/dev/mapper/rootvg-varlv"],
    ]
    assert all("--resizefs" in call for call in rhel.calls("lvextend"))
    asked = rhel.everything_asked()
    first = {
        name: next(i for i, call in enumerate(asked) if call.startswith(name))
        for name in ("growpart", "pvresize", "lvextend", "dnf")
    }
    assert first["growpart"] < first["pvresize"] < first["lvextend"] < first["dnf"]


@pytest.mark.parametrize(("volume", "arguments"), PARTITIONS)
def test_the_partition_grows_first(
    rhel: step_machine.Machine, volume: str, arguments: list[str]
) -> None:
    """The disk may be larger than the image's; v6 sizes name it otherwise."""
    rhel.fake("pvs", f"echo '  {volume}'")
    rhel.fake("growpart", "exit 1")  # NOCHANGE

    assert rhel.run_step("install", "prepare", BUILDER_USER="builder").exit_code == 0
    assert rhel.calls("growpart") == [arguments]
    assert rhel.calls("pvresize") == [[volume]]


def test_without_a_volume_of_its_own_for_var_root_gets_all(rhel: step_machine.Machine) -> None:
    """Then Docker's images lie on the root's volume."""
    volumes_are(rhel, {"/": "rootlv"})

    rhel.run_step("install", "prepare", BUILDER_USER="builder")

    assert [call[2] for call in rhel.calls("lvextend")] == ["+100%FREE"]


def test_volumes_that_have_grown_stay(rhel: step_machine.Machine) -> None:
    """A second run finds nothing free, and lvextend would fail on that."""
    rhel.write("free", "0")

    assert rhel.run_step("install", "prepare", BUILDER_USER="builder").exit_code == 0
    assert rhel.calls("lvextend") == []


def test_a_volume_that_cannot_grow_ends_the_step(rhel: step_machine.Machine) -> None:
    """Exit code 20 at once, not a failed check half an hour later."""
    rhel.fake("lvextend", "exit 5")

    outcome = rhel.run_step("install", "prepare", BUILDER_USER="builder")

    assert outcome.exit_code == 20
    assert "the volume of / cannot be grown" in outcome.result["message"]


def test_other_images_have_nothing_to_grow(machine: step_machine.Machine) -> None:
    """Their root is a partition, which cloud-init grows at the first boot."""
    machine.fake("findmnt", "echo /dev/sda1")
    machine.fake("lvs", "exit 5")

    assert machine.run_step("install", "prepare", BUILDER_USER="builder").exit_code == 0
    assert machine.calls("pvresize") == []
