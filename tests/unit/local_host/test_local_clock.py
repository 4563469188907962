"""One time for several processes, and a time that stands still."""

import json
import time

import pytest

from local.clock import ScaledClock, VirtualClock


def test_processes_that_open_the_same_clock_agree(tmp_path):
    """Host and simulator would otherwise disagree on when an operation has ended."""
    first = ScaledClock.open(tmp_path / "clock.json", 60)
    second = ScaledClock.open(tmp_path / "clock.json", 60)

    assert first == second


def test_simulated_time_runs_scale_times_as_fast(tmp_path):
    """One simulated minute lasts 60/scale seconds."""
    (tmp_path / "clock.json").write_text(
        json.dumps({"realStart": time.time() - 10, "simulatedStart": 1000.0, "scale": 60}),
    )

    clock = ScaledClock.open(tmp_path / "clock.json", 60)

    assert clock.now() == pytest.approx(1600, abs=60)
    assert clock.real_seconds(90) == 1.5
    assert clock.real_seconds(-1) == 0


def test_another_scale_does_not_make_the_time_jump(tmp_path):
    """A stack restarted slower must not undo hours, nor skip them."""
    fast = ScaledClock.open(tmp_path / "clock.json", 3600)
    before = fast.now()
    slow = ScaledClock.open(tmp_path / "clock.json", 1)

    assert before <= slow.now() <= fast.now()
    assert slow.scale == 1


def test_the_first_time_is_the_real_time(tmp_path):
    """Tokens and certificates are checked against real time, so the two start together."""
    clock = ScaledClock.open(tmp_path / "new" / "clock.json", 1)

    assert clock.now() == pytest.approx(time.time(), abs=5)


def test_a_scale_of_zero_is_refused(tmp_path):
    """Time that stands still would hang every wait."""
    with pytest.raises(ValueError, match="positive"):
        ScaledClock.open(tmp_path / "clock.json", 0)


def test_virtual_time_moves_only_forward_and_only_when_told():
    """Tests decide what time it is."""
    clock = VirtualClock(100.0)
    clock.advance_to(250.0)

    assert clock.now() == 250.0
    assert clock.real_seconds(3600) == 0
    with pytest.raises(ValueError, match="backwards"):
        clock.advance_to(249.0)
