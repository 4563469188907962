"""Which of the scripts' functions all these tests together really executed; it runs last."""

from __future__ import annotations

from pathlib import Path

import pytest
import tracer

pytestmark = pytest.mark.root

HERE = Path(__file__).parent


@pytest.fixture
def whole_run(kits_or_skip: Path, request: pytest.FixtureRequest) -> None:
    """A part of the tests executes a part of the functions."""
    modules = {item.path for item in request.session.items}
    if left_out := sorted(file.stem for file in set(HERE.glob("test_*.py")) - modules):
        pytest.skip(f"these did not run: {', '.join(left_out)}")
    terminal = request.config.pluginmanager.getplugin("terminalreporter")
    if terminal and (skipped := terminal.stats.get("skipped")):
        pytest.skip(f"{len(skipped)} tests were skipped: {skipped[0].nodeid} and others")


def test_every_function_is_executed_or_says_why_not(whole_run: None) -> None:
    """A new function needs a real execution, or a reason in the table."""
    assert tracer.without_reason() == set()
    assert tracer.share() >= tracer.SHARE_MIN


def test_no_reason_is_out_of_date(whole_run: None) -> None:
    """It names a function that exists, and that was not executed."""
    assert tracer.NOT_EXECUTED.keys() - tracer.functions() == set()
    assert tracer.NOT_EXECUTED.keys() & tracer.executed == set()
