"""Running stories: one, or many beside each other."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

from local.functions_host.store import Query
from tests.simulation import invariants, outcomes, stories, telling
from tests.simulation.simulated_world import SimulatedWorld
from tests.simulation.stories import Climate, Story

_DAY = 24 * 3600.0
Json = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What became of a story."""

    seed: int
    climate: str
    broken: list[str]  # sentences: what did not hold
    trace: str  # to read; empty where all held
    digest: str  # the same for the same seed: of everything that was asked and recorded
    states: list[str]  # how the builds ended
    crashes: int
    requests: int  # to Azure
    seconds: float  # of the processor


def run(story: Story) -> Result:
    """Run a story to its end and check everything."""
    began = time.process_time()
    world = SimulatedWorld(story)
    broken = _told(world)
    return Result(
        seed=story.seed,
        climate=story.climate.value,
        broken=broken,
        trace=telling.trace(world, broken) if broken else "",
        digest=digest(world),
        states=[str(row["State"]) for row in world.build_rows()],
        crashes=len(world.crash_points),
        requests=len(world.azure.store.ledger()),
        seconds=time.process_time() - began,
    )


def _told(world: SimulatedWorld) -> list[str]:
    """What did not hold; something that raises is told like the rest."""
    try:
        finish(world)
        return [*invariants.broken(world), *_changed_by_crashes(world)]
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        world.be_calm()
        return [f"0 raised: {error!r}\n{traceback.format_exc()[-1500:]}"]


def finished(story: Story) -> SimulatedWorld:
    """The world after the story."""
    world = SimulatedWorld(story)
    finish(world)
    return world


def finish(world: SimulatedWorld) -> None:
    """Let the story happen, until all is idle and swept and what was kept has expired."""
    world.begin()
    world.engine.advance(_DAY)
    world.azure.settle()
    world.be_calm()
    world.problems += invariants.broken_at_rest(world)
    # The first sweep takes up and closes what was cut off; by the second, its pools have expired.
    for _ in range(2):
        world.begin_sweep()
        world.engine.advance(_DAY)
    world.azure.settle()


def _changed_by_crashes(world: SimulatedWorld) -> list[str]:
    """Invariant 5: the same story without crashes must end in the same way."""
    story = world.story
    if story.climate is not Climate.CRASHES or not story.is_steady:
        return []
    arrivals = tuple(dataclasses.replace(a, dies_after=None) for a in story.arrivals)
    calm = finished(dataclasses.replace(story, arrivals=arrivals, crashes_max=0))
    difference = outcomes.difference(outcomes.of(world), outcomes.of(calm))
    return [f"5 crashes: {difference}"] if difference else []


def digest(world: SimulatedWorld) -> str:
    """Of the ledger, the records and the orchestrations."""
    told = {
        "ledger": world.azure.store.ledger(),
        "records": [[name, sorted(row.items())] for name, row in world.tables.rows()],
        "instances": [[i.id, i.status, i.output] for i in world.engine.store.select(Query())],
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def run_seed(seed: int) -> Result:
    """The story of a seed."""
    return run(stories.draw(seed))


def run_many(seeds: Iterable[int], jobs: int) -> Iterator[Result]:
    """Each seed's result, as they come."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    with futures.ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run_seed, seeds, chunksize=1)


def processors() -> int:
    """How many processes work beside each other."""
    return os.cpu_count() or 1
