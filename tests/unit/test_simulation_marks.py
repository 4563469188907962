"""What is told of results that did not come from Azure itself."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import simulation_marks
from shared.model.simulation_marks import Marks

REAL = {"scripted": False, "scriptedParts": [], "standIn": ""}
WHOLE = {"scripted": True, "scriptedParts": [], "standIn": ""}
HALF = {"scripted": True, "scriptedParts": ["kernel", "gpu"], "standIn": "debian 12"}
KERNEL = {"scripted": True, "scriptedParts": ["kernel"], "standIn": "debian 12"}
STAND_IN = {"scripted": False, "scriptedParts": [], "standIn": "debian 12"}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        pytest.param({"ok": True}, REAL, id="of Azure"),
        pytest.param({"scripted": True}, WHOLE, id="nothing was executed"),
        pytest.param({"scripted": ["kernel", "gpu"], "standIn": "debian 12"}, HALF, id="parts"),
        pytest.param({"standIn": "debian 12"}, STAND_IN, id="all of it, elsewhere"),
    ],
)
def test_a_result_tells_how_it_came_about(result: dict[str, Any], told: dict[str, Any]) -> None:
    """The fields are always there, so that nobody guesses."""
    assert simulation_marks.read(result) == Marks.from_wire(told)


@pytest.mark.parametrize(
    ("several", "told"),
    [
        pytest.param([], REAL, id="nothing"),
        pytest.param([REAL, REAL], REAL, id="of Azure"),
        pytest.param([HALF, KERNEL], HALF, id="parts add up"),
        pytest.param([KERNEL, STAND_IN], KERNEL, id="one part of one"),
        pytest.param([HALF, WHOLE], {**WHOLE, "standIn": "debian 12"}, id="one is wholly scripted"),
        pytest.param([{"scripted": True, "checks": []}], WHOLE, id="of an older history"),
    ],
)
def test_several_results_never_sound_more_real_than_the_least(
    several: list[dict[str, Any]], told: dict[str, Any]
) -> None:
    """A pool is proved by all of its nodes."""
    marks = [Marks.from_wire(each) for each in several]
    assert simulation_marks.combine(marks) == Marks.from_wire(told)
