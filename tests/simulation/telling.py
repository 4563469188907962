"""A failed run in words: the story, what broke, the last requests, the steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.simulation.simulated_world import SimulatedWorld

_LEDGER_TAIL = 25
_PREFIX = "/subscriptions/00000000-0000-0000-0000-000000000001"


def command(seed: int) -> str:
    """What repeats a seed."""
    return f"python -m tests.simulation --from {seed} --seeds 1"


def trace(world: SimulatedWorld, broken: list[str]) -> str:
    """Everything that one needs to begin looking for the cause."""
    return "\n".join(_lines(world, broken))


def _lines(world: SimulatedWorld, broken: list[str]) -> Iterator[str]:
    story = world.story
    yield f"seed {story.seed} ({story.climate}); repeat with: {command(story.seed)}"
    yield from (f"  BROKEN {each}" for each in broken)
    for arrival in story.arrivals:
        again = f", again after {[round(a) for a in arrival.again]}" if arrival.again else ""
        dies = f", dies after {arrival.dies_after} writes" if arrival.dies_after is not None else ""
        yield f"  {arrival.at:8.1f} s  {arrival.act} {json.dumps(arrival.body)}{again}{dies}"
    yield from (f"  fault {json.dumps(fault)}" for fault in world.azure.faults.list())
    if world.tables.errors:
        yield f"  {world.tables.errors} errors of the storage"
    yield from (f"  crash {each}" for each in world.crash_points)
    yield f"  answers: {', '.join(world.answers)}"
    yield from _builds(world)
    yield "  last requests:"
    yield from (f"    {_request(world, r)}" for r in world.azure.store.ledger()[-_LEDGER_TAIL:])


def _builds(world: SimulatedWorld) -> Iterator[str]:
    for row in world.build_rows():
        outcome = row.get("Outcome") or {}
        yield f"  build {row.key} {row['Mode']} is {row['State']}: {_error(outcome.get('error'))}"
        for pool in outcome.get("pools", []):
            yield f"    pool {pool['poolId']} {pool['state']}: {_error(pool.get('error'))}"
        for step in world.records.steps(row.key):
            if step["State"] != "succeeded":
                told = f"{step['Note'][:80]} {_error(step.get('Error'))}"
                yield f"    step {step.key} {step['State']} {told}"


def _error(error: Any) -> str:
    return f"{error['code']} {error['message'][:200]}" if error else "no error"


def _request(world: SimulatedWorld, request: dict[str, Any]) -> str:
    at = request["time"] - world.began
    path = urlsplit(request["url"]).path.removeprefix(_PREFIX)[:130]
    return f"{at:8.1f} s  {request['status']:3} {request['method']:6} {path}"
