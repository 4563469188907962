"""Durations as Batch writes them."""

from __future__ import annotations

import pytest

from shared.base import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1M30S", 90),
        ("PT1H30M", 5400),
        ("P2D", 172_800),
        ("P1DT2H3M4S", 93_784),
        ("PT0S", 0),
        ("P", None),
        ("PT", None),
        ("90", None),
    ],
)
def test_a_duration_in_seconds(text: str, seconds: int | None) -> None:
    """So that PT90S and PT1M30S are one."""
    assert durations.seconds(text) == seconds
