"""One build, with a crash or a fault at every point: a sample of what `--exhaustive` tries."""

from __future__ import annotations

from tests.simulation.command import simulate


def test_a_build_survives_every_single_crash_and_fault() -> None:
    """Every 41st point; all of them with --exhaustive alone."""
    ran = simulate("--exhaustive", "--every", "41", "--from", "5")
    assert ran.returncode == 0, ran.stdout + ran.stderr
