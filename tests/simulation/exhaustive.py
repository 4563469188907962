"""One full build with two pools, hurt at every single point: each crash, each request, each fault.

The build runs once. At each point the process forks: the child suffers the crash or the fault and
goes on to the end, the parent goes on unhurt to the next point. So all runs share their past.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from local.azure_simulator import model
from local.functions_host import inline
from tests.simulation import invariants, outcomes, telling
from tests.simulation.simulated_world import SimulatedWorld
from tests.simulation.stories import ACCOUNT, Act, Arrival, Climate, Story
from tests.world import a_pool, an_image

Json = dict[str, Any]
_DAY = 24 * 3600.0
KINDS: dict[str, Json] = {
    "throttled": {"effect": "throttle", "retryAfter": 17},
    "unavailable": {"effect": "status", "status": 503},
    "dropped before": {"effect": "drop", "when": "before"},
    "dropped after": {"effect": "drop", "when": "after"},
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """What became of one point."""

    point: str
    broken: list[str]
    trace: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Which points to try: every `every`-th, beginning with `first`; so many side by side."""

    every: int = 1
    first: int = 0
    jobs: int = 2


STORY = Story(
    seed=7,
    climate=Climate.TRANSIENT,
    arrivals=(
        Arrival(
            at=0,
            act=Act.BUILD,
            body={
                "mode": "full",
                "requestId": "exhaustive",
                "image": an_image(containerImages=["docker.io/library/busybox:1.36"]),
                "batchAccount": {"name": ACCOUNT, "resourceGroup": "images"},
                "pools": [a_pool("proved", verify=True), a_pool("plain", nodes=2)],
            },
        ),
    ),
)


def crashes(share: Share, *, episodes: bool = False) -> list[Branch]:
    """The process dies before and after each effect; or around each episode of the replay."""
    tree = _Tree(share)

    def on_moment(moment: inline.Moment) -> bool:
        if moment.is_activity == episodes:
            return False
        point = f"crash {moment.when} {moment.name} of {moment.instance_id}"
        return tree.is_child(point)

    world = SimulatedWorld(STORY, on_moment)
    return tree.grow(world)


def faults(share: Share) -> list[Branch]:
    """Each request to Azure fails once, in each way."""
    tree = _Tree(share)
    world = SimulatedWorld(STORY, lambda _: False)
    handle = world.azure.handle

    def on_request(request: model.Request) -> model.Response:
        if not request.path.startswith("/_simulator"):
            number = len(world.azure.store.ledger())
            for kind, fault in KINDS.items():
                point = f"request {number} {kind}: {request.method} {request.path[-90:]}"
                if tree.is_child(point):
                    world.fault(fault)
                    break
        return handle(request)

    world.azure.handle = on_request  # type: ignore[method-assign]
    return tree.grow(world)


class _Tree:
    """The points of one run, each tried in a process of its own."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._points = 0
        self._is_child = False
        self._began = False
        self._point = ""
        self._out: int = -1
        self._running: dict[int, tuple[str, int]] = {}
        self._told: list[tuple[str, Json]] = []

    def is_child(self, point: str) -> bool:
        """Fork, if this point is to be tried. True in the child, once."""
        if self._is_child or not self._began:
            return False
        self._points += 1
        if (self._points - 1 - self._share.first) % self._share.every:
            return False
        while len(self._running) >= self._share.jobs:
            self._gather()
        read, write = os.pipe()
        child = os.fork()
        if child:
            os.close(write)
            self._running[child] = (point, read)
            return False
        os.close(read)
        self._is_child, self._point, self._out = True, point, write
        self._running = {}
        return True

    def grow(self, world: SimulatedWorld) -> list[Branch]:
        """Run the story in all branches; returns what became of the branches."""
        self._began = True
        try:
            found, trace = _end(world)
        except Exception:  # noqa: BLE001  whatever it is, the branch is broken
            found, trace = ["it raised"], traceback.format_exc()
        if self._is_child:
            self._report(world, found, trace)
        assert not found, trace  # the unhurt build itself
        while self._running:
            self._gather()
        return self._compared(world)

    def _report(self, world: SimulatedWorld, found: list[str], trace: str) -> None:
        """The child's last act: what it found goes to the parent."""
        try:
            told = {"broken": found, "trace": trace, "outcomes": outcomes.of(world)}
            with os.fdopen(self._out, "w") as out:
                json.dump(told, out)
        finally:
            os._exit(0)

    def _gather(self) -> None:
        """Wait for the oldest child."""
        child, (point, read) = next(iter(self._running.items()))
        del self._running[child]
        with os.fdopen(read) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        told = json.loads(text or '{"broken": ["its process died"], "trace": "", "outcomes": {}}')
        self._told.append((point, told))

    def _compared(self, world: SimulatedWorld) -> list[Branch]:
        """Every branch must have come to the same outcome as the unhurt build."""
        wanted, branches = outcomes.of(world), []
        for point, told in self._told:
            broken = list(told["broken"])
            if difference := outcomes.difference(told["outcomes"], wanted):
                broken.append(f"5 outcome: {difference}")
            branches.append(Branch(point=point, broken=broken, trace=told["trace"]))
        return branches


def _end(world: SimulatedWorld) -> tuple[list[str], str]:
    world.begin()
    world.engine.advance(_DAY)
    world.azure.settle()
    world.be_calm()
    found = [*invariants.broken_at_rest(world), *invariants.broken(world), *_made_twice(world)]
    return found, telling.trace(world, found) if found else ""


def _made_twice(world: SimulatedWorld) -> Iterator[str]:
    """Nothing is created a second time because of what happened in between. A run command that is
    there already answers 200 to the same body, and starts nothing.
    """
    puts = collections.Counter(
        w.path
        for w in world.writes
        if w.method == "PUT" and not ("/runcommands/" in w.path and w.status == 200)
    )
    yield from (f"{path} was created {times} times" for path, times in puts.items() if times > 1)
    posts = collections.Counter(w.path for w in world.writes if w.method == "POST")
    for path, times in posts.items():
        if times > 1 and path.endswith(("/jobs", "/generalize", "/deallocate")):
            yield f"POST {path} took effect {times} times"


RUNS: dict[str, Callable[[Share], list[Branch]]] = {
    "a crash around every effect": crashes,
    "a crash around every episode": lambda share: crashes(share, episodes=True),
    "every request failing once in four ways": faults,
}
