"""Fixtures: few, and each a whole thing; in which order files run; what was not run, and why."""

from __future__ import annotations

import collections
import importlib
import os
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import azurite, memory

if TYPE_CHECKING:
    from tests.world import World

memory.use()

# No test depends on timing: neither on how fast examples are made, nor on how fast they run. Nor
# does one depend on chance, or on the examples of an earlier run.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


# The files that take longest, longest first. They run before all others, so that no core waits at
# the end for one of them.
_LONGEST = (
    "test_simulation.py",
    "test_durable2.py",
    "test_storage_outages.py",
    "test_step_infiniband.py",
    "test_real_paths.py",
    "test_kills.py",
    "test_refreshes.py",
    "test_triggers.py",
    "test_essential_lines.py",
    "test_host_process.py",
    "test_clocks.py",
    "test_undone.py",
    "test_compiler.py",
    "test_storage_gone.py",
    "test_any_body.py",
    "test_real_stack.py",
    "test_verification.py",
    "test_crashes.py",
    "test_step_install.py",
    "test_rows.py",
    "test_base_images.py",
    "test_unchanged.py",
    "test_image_builds.py",
    "test_telemetry.py",
    "test_typing.py",
    "test_pools.py",
    "test_copied_from_snapshots.py",
    "test_errors.py",
    "test_nodes_left.py",
    "test_nothing_is_lost.py",
    "test_infiniband.py",
    "test_architecture.py",
    "test_cleanup_list.py",
    "test_resume_finds_changes.py",
    "test_every_answer.py",
    "test_scripts.py",
    "test_given_up.py",
    "test_role.py",
    "test_ten_files.py",
    "test_step_seal.py",
    "test_stack.py",
    "test_upgrade.py",
    "test_step_preload.py",
)


@pytest.hookimpl(optionalhook=True)  # xdist's
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores: tests of real processes mostly wait for these."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; what is in a file, and all the others, keep their order."""
    ranks = {name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


def worlds() -> ModuleType:
    """The module `tests.world`. It imports the app and Azure's SDKs, which takes seconds: a process
    that runs no test of a world, such as the one that hands out the tests, need not wait for it.
    """
    return importlib.import_module("tests.world")


@pytest.fixture
def world() -> World:
    """A fresh Azure with the app beside it."""
    return worlds().World()


@pytest.fixture
def built() -> World:
    """A world in which an image is already there."""
    return worlds().world_after(worlds().image_only("image"))


@pytest.fixture
def built_gpu() -> World:
    """A world in which a GPU image with one preloaded container image is already there."""
    busybox = "docker.io/library/busybox:1.36"
    request = worlds().image_only("image", gpu=True, containerImages=[busybox])
    return worlds().world_after(request)


@pytest.fixture(scope="session")
def emulator() -> Iterator[azurite.Azurite]:
    """The one Azurite of this process."""
    with azurite.running() as started:
        yield started


@pytest.fixture
def storage_account(emulator: azurite.Azurite) -> azurite.Account:
    """A storage account of the test's own."""
    return emulator.account()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A skipped test does not go unsaid."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = collections.Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in skipped
    )
    if reasons:
        terminalreporter.section("NOT RUN")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count} tests: {reason}")
