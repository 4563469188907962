"""A plugin of pytest: `-p tests.clocks.recorded` writes `BATCH_PREP_MINUTES`, a JSON file.

    {"tests/stories/test_pools.py::test_a_pool": [25.1, 3.0]}

These are the minutes of each world of a test that passed, in the order in which they were made. A
world whose time depends on chance is left out.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests import world

_MINUTES: dict[str, list[float]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """From now on worlds are noted: those of the fixtures too."""
    world.OPENED = []


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """The test has ended, and so has the time of its worlds."""
    if call.when == "call" and call.excinfo is None and world.OPENED:
        _MINUTES[item.nodeid] = [
            (made.clock.now() - made.began) / 60 for made in world.OPENED if made.repeats
        ]


def pytest_sessionfinish() -> None:
    """Write down all of them."""
    Path(os.environ["BATCH_PREP_MINUTES"]).write_text(json.dumps(_MINUTES))
