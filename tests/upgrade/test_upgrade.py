"""Builds that earlier code has begun end on the code as it is now, and end as they would have."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from local.azure_simulator import storage_accounts
from tests.upgrade import ending, record, scenarios
from tests.upgrade.snapshot import SUFFIX, Snapshot

SNAPSHOTS = Path(__file__).resolve().parent / "snapshots"
FILES = sorted(SNAPSHOTS.rglob(f"*{SUFFIX}"))


def named(path: Path) -> str:
    """A snapshot by its version and name."""
    return str(path.relative_to(SNAPSHOTS)).removesuffix(SUFFIX)


@pytest.fixture
def _builders_may_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """In some of these builds the builder logs as its own identity, which had the right then."""
    monkeypatch.setattr(storage_accounts, "may_write", lambda *_: True)


@pytest.mark.usefixtures("_builders_may_log")
@pytest.mark.parametrize("path", FILES, ids=named)
def test_what_was_begun_ends_as_it_would_have(path: Path, tmp_path: Path) -> None:
    """Every build has the outcome, every pool and image the record, and Azure the resources that
    the code left behind with which it was begun.
    """
    snapshot = Snapshot.read(path)
    with snapshot.restored(tmp_path) as world:
        ending.finish(world, snapshot.resumed)

        assert not (broken := ending.broken(world)), "\n".join(broken)
        told = ending.told(world)
    for kind, expected in snapshot.expected.items():
        assert ending.with_any_version(told[kind]) == ending.with_any_version(expected), kind


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_snapshot_holds_what_is_not_done(path: Path) -> None:
    """Something runs in it or waits to be resumed, and comes to an end."""
    snapshot = Snapshot.read(path)
    begun = ('INSERT INTO "inbox"', 'INSERT INTO "activities"')
    assert snapshot.resumed or [line for line in snapshot.hub if line.startswith(begun)]
    assert "running" not in {build["state"] for build in snapshot.expected["builds"].values()}


def test_a_changed_order_of_work_is_noticed(tmp_path: Path) -> None:
    """The same snapshot, as if its builds had been begun by code that begins otherwise."""
    snapshot = Snapshot.read(next(path for path in FILES if path.name.startswith("failed-pool")))
    hub = [line.replace('"begin_build"', '"start_build"') for line in snapshot.hub]
    assert hub != snapshot.hub
    with dataclasses.replace(snapshot, hub=hub).restored(tmp_path) as world:
        world.engine.run_until_idle()

        assert "Non-Deterministic" in "".join(ending.broken(world))


def test_the_next_version_can_be_recorded() -> None:
    """The scenario with the most settings: the checks let it pass, and its first moment comes."""
    full = next(each for each in scenarios.SCENARIOS if each.name == "full-build")

    ((_, snapshot),) = record.record(dataclasses.replace(full, moments=full.moments[:1]))

    assert {build["state"] for build in snapshot.expected["builds"].values()} == {"succeeded"}
