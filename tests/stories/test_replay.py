"""Histories of finished builds, replayed by the code as it is now."""

from __future__ import annotations

import json

import pytest

import orchestrators
from local.functions_host import adapters, history, replay
from local.functions_host.history import Kind
from shared.base import timing
from shared.base.names import Orchestrator
from tests.world import World, a_pool, a_request, an_image


@pytest.fixture(scope="module")
def finished() -> World:
    """A full build with two pools, done."""
    world = World()
    image = an_image(gpu=True, containerImages=["docker.io/library/busybox:1.36"])
    pools = [a_pool("dev", verify=True), a_pool("test", nodes=2)]
    build = world.build(a_request(image=image, pools=pools))
    assert build["state"] == "succeeded", build["error"]
    return world


def replayed(world: World, instance: str, name: Orchestrator) -> tuple[replay.Played, object]:
    """What the code of today makes of the stored history of an instance, and what it returns."""
    engine = world.engine
    found = engine.store.instance(instance)
    assert found is not None
    *episodes, last = _episodes(engine.history(instance))
    past = [engine.protocol.event(event, history.stored(event)) for e in episodes for event in e]
    new = [event for event in last if Kind(event["EventType"]) not in _MADE_HERE]
    function = adapters.orchestrators({name.value: orchestrators.find(name)})[name.value]
    answer = engine.protocol.answer(function(engine.protocol.request(found, past, new)))
    marks = [history.mark(event) for episode in (*episodes, last) for event in episode]
    return answer.played(name.value, marks, strict=True), json.loads(answer.output)


_MADE_HERE = history.SCHEDULING | {Kind.EXECUTION_COMPLETED, Kind.ORCHESTRATOR_COMPLETED}


def _episodes(events: list[history.Event]) -> list[list[history.Event]]:
    found: list[list[history.Event]] = []
    for event in events:
        if event["EventType"] == Kind.ORCHESTRATOR_STARTED:
            found.append([])
        found[-1].append(event)
    return found


def scheduled(events: list[history.Event]) -> int:
    """How many activities and children a history says were started."""
    kinds = {Kind.TASK_SCHEDULED, Kind.SUB_ORCHESTRATION_CREATED}
    return sum(event["EventType"] in kinds for event in events)


def test_a_finished_build_replays_to_the_same_actions(finished: World) -> None:
    """A change of order in the code would break every build that runs during an upgrade."""
    build = finished.build_rows()[0].key
    orchestrations = {
        build: Orchestrator.BUILD,
        f"{build}:image": Orchestrator.BUILD_IMAGE,
        f"{build}:pool-dev": Orchestrator.CREATE_POOL,
        f"{build}:cleanup": Orchestrator.REMOVE_BUILDER,
        f"{build}:image:install": Orchestrator.RUN_OPERATION,
    }
    for instance, name in orchestrations.items():
        played, output = replayed(finished, instance, name)
        assert played.ended, instance
        assert played.new == (), "the history holds no such task"
        assert output == finished.engine.status(instance).output  # type: ignore[union-attr]


def test_no_instance_takes_more_than_a_hundred_steps(finished: World) -> None:
    """Replay costs grow with the square of a history's length."""
    for name in {b.key for b in finished.build_rows()}:
        for instance in (name, f"{name}:image"):
            assert scheduled(finished.engine.history(instance)) <= 100


def test_every_step_has_a_pace(finished: World) -> None:
    """A step without one is looked at as if it took ten seconds."""
    build = finished.build_rows()[0].key
    names = {row.key.rpartition("|")[2] for row in finished.records.steps(build)}
    assert names <= set(timing.known_steps())
