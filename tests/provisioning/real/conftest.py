"""Real machines for the tests: made, booted, and removed whatever happens.

They need root on Linux and what `make test-provisioning` makes. Where that is missing they fail if
they were asked for by name, and are skipped otherwise, and the report says so and why. The report
also says what the machines only imitate.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import builder as builders
import chroots
import tracer

from local.machines import (
    cgroups,
    driver_root,
    el_root,
    features,
    kit,
    shell,
    stand_ins,
    volume_root,
)

PREFIX = "batch-prep-machines-"
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 1024**3
VARIABLE = "BATCH_PREP_ROOTS"


@functools.cache
def obstacles() -> tuple[str, ...]:
    """Why no machine can be had here; empty where one can."""
    if VARIABLE not in os.environ:
        return ("real machines were not asked for, they take minutes: make test-provisioning",)
    missing = tuple(features.missing())
    if not missing and kit.find(kits()) is None:
        return (f"{kits()} has nothing to make machines from: make test-provisioning",)
    return missing


def kits() -> Path:
    return Path(os.environ[VARIABLE]).resolve()


def place_for_disks() -> Path:
    """In memory where there is room: what is thrown away need not be written to a disk."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    return MEMORY if has_room else kits()


def remove_leftovers() -> None:
    """Of test runs that were killed: their machines died with them, their disks did not."""
    cgroups.remove_unused()
    for folder in [*MEMORY.glob(f"{PREFIX}*"), *kits().glob(f"{PREFIX}*")]:
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        if not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def kits_or_skip() -> Path:
    """The directory of kits. Where no machine can be had the test is skipped, or fails if machines
    were asked for by name.
    """
    if obstacles():
        give_up = pytest.fail if VARIABLE in os.environ else pytest.skip
        give_up("; ".join(obstacles()))
    return kits()


@pytest.fixture(scope="module")
def place_for_machines(kits_or_skip: Path) -> Iterator[Path]:
    """A directory for the machines of one module, removed with all that is left in it."""
    remove_leftovers()
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place_for_disks()))
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def make_builder(
    kits_or_skip: Path, place_for_machines: Path
) -> Iterator[Callable[..., builders.Builder]]:
    """Makes machines that have just been created, with a user; removes them at the end."""
    made: list[builders.Builder] = []

    def make(name: str, el: el_root.ElRoot | None = None) -> builders.Builder:
        builder = builders.Builder(place_for_machines / name, kits_or_skip, el)
        made.append(builder)
        builder.machine.make(*((el.archive, el.sites) if el else ()))
        builder.boot(name, user=builders.USER)
        return builder

    try:
        yield make
    finally:
        for builder in made:
            builder.machine.remove()


@pytest.fixture(scope="module")
def boot_with_volumes(kits_or_skip: Path, place_for_machines: Path) -> Callable[..., list[str]]:
    """Runs a script as the first process of a machine with the disk of RHEL's image and an empty
    one, and returns the lines on its serial console. What the script printed as `function NAME` has
    been executed.
    """

    def boot(script: str, *, second_disk_gib: int) -> list[str]:
        if missing := volume_root.missing():
            pytest.skip(missing)
        home = volume_root.find(kits_or_skip)
        if home is None:
            pytest.skip(f"{kits_or_skip} has no disk with LVM: make test-provisioning")
        text = volume_root.boot(
            home, script, second_disk_gib=second_disk_gib, folder=place_for_machines
        )
        lines = text.replace("\r", "").splitlines()
        tracer.executed.update(line.split()[1] for line in lines if line.startswith("function "))
        return lines

    return boot


@pytest.fixture(scope="module")
def make_root(kits_or_skip: Path, place_for_machines: Path) -> Callable[[str], chroots.Root]:
    """Makes roots in Ubuntu's clothes whose long-term kernel is the one named."""
    archive = driver_root.find(kits_or_skip)
    if archive is None:
        pytest.skip(f"{kits_or_skip} has no root for drivers: make test-provisioning")

    def make(kernel: str) -> chroots.Root:
        home = place_for_machines / f"driver-{kernel}"
        home.mkdir()
        shell.run("tar", "-xpf", str(archive), "-C", str(home))
        driver_root.write_long_term_kernel(home / driver_root.REPOSITORY, kernel)
        driver_root.index(home)
        return chroots.Root(home=home)

    return make


LAST = "test_real_share.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What judges all the others comes after them."""
    items.sort(key=lambda item: item.path.name == LAST)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Neither a skipped test nor an imitation goes unsaid."""
    terminalreporter.section("real machines")
    if obstacles():
        terminalreporter.line("No step was really executed here.")
        return
    shown = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in builders.durations)
    terminalreporter.line(
        f"Really executed, in Debian 12 under systemd{': ' if shown else ''}{shown}"
    )
    for line in tracer.report():
        terminalreporter.line(line)
    terminalreporter.line("Not the real thing:")
    for line in stand_ins.WORDS:
        terminalreporter.line(f"  - {line}")
