"""Record what the next version of the app must be able to end: python -m tests.upgrade.record

Each scenario runs on the virtual clock up to each of its moments; what there is then becomes a
snapshot, and the code as it is now ends a copy of it: that is what later code is held to.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import tempfile
import tomllib
from pathlib import Path

from tests.upgrade import ending, scenarios
from tests.upgrade.scenarios import Moment, Scenario
from tests.upgrade.snapshot import SUFFIX, Json, Snapshot, close, take, world_in

HERE = Path(__file__).resolve().parent
_SEEDS = range(1, 4)  # the order of what runs side by side must not matter


def main() -> None:
    """Write the snapshots of the scenarios that are named, or of all."""
    asked = _arguments()
    logging.disable()
    folder = HERE / "snapshots" / asked.folder
    for scenario in scenarios.SCENARIOS:
        if asked.scenarios and scenario.name not in asked.scenarios:
            continue
        for moment, snapshot in record(scenario):
            path = folder / f"{scenario.name}-{moment.name}{SUFFIX}"
            snapshot.write(path)
            states = [f"{b['mode']} {b['state']}" for b in snapshot.expected["builds"].values()]
            print(f"{path.stat().st_size / 1000:6.0f} kB  {path.name}: {', '.join(states)}")


def record(scenario: Scenario) -> list[tuple[Moment, Snapshot]]:
    """Run a scenario; a snapshot for each of its moments."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = world_in(folder, scenario.settings)
        scenario.begin(world)
        for moment in scenario.moments:
            scenarios.reach(world, moment)
            resumed = scenarios.resumable(world) if moment.resumed else []
            snapshot = take(world, folder, scenario.settings)
            snapshot = dataclasses.replace(snapshot, resumed=resumed)
            found.append((moment, dataclasses.replace(snapshot, expected=expected(snapshot))))
        close(world)
    return found


def expected(snapshot: Snapshot) -> Json:
    """How the code as it is now ends a snapshot, whatever runs first."""
    ends = [_end(snapshot, seed) for seed in _SEEDS]
    for end in ends[1:]:
        differing = [(end[kind], ends[0][kind]) for kind in end if end[kind] != ends[0][kind]]
        assert not differing, f"the end is left to chance: {differing}"
    return ends[0]


def _end(snapshot: Snapshot, seed: int) -> Json:
    with tempfile.TemporaryDirectory() as name, snapshot.restored(Path(name), seed) as world:
        ending.finish(world, snapshot.resumed)
        assert not (broken := ending.broken(world)), broken
        return ending.told(world)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", help="default: all")
    parser.add_argument("--folder", default=_version(), help="default: the app's version")
    return parser.parse_args()


def _version() -> str:
    project = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text())
    return str(project["project"]["version"])


if __name__ == "__main__":
    main()
