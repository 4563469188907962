"""Fixtures: few, and each a whole thing. At the end: what was not run, and why."""

from __future__ import annotations

import collections

import hypothesis
import pytest

from tests.world import World

# No test depends on timing: neither on how fast examples are made, nor on how fast they run.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture
def world() -> World:
    """A fresh Azure with the app beside it."""
    return World()


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
