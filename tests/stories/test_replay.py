"""Histories of finished builds, replayed by the code as it is now."""

from __future__ import annotations

import json

import azure.durable_functions as df
import pytest

import orchestrators
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


def replayed(world: World, instance: str, name: Orchestrator) -> dict:
    """What the SDK's replay engine answers today to the stored history of an instance."""
    history = [e | {"IsPlayed": True} for e in world.engine.history(instance)]
    body = {
        "history": history,
        "input": json.loads(history[1]["Input"]),
        "instanceId": instance,
        "isReplaying": True,
        "parentInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
    }
    return json.loads(df.Orchestrator.create(orchestrators.find(name))(json.dumps(body)))


def scheduled(history: list[dict]) -> list[tuple[str, str]]:
    """What a history says was started: activities and children, in order."""
    kinds = {4: "activity", 7: "child"}
    return [(kinds[e["EventType"]], e["Name"]) for e in history if e["EventType"] in kinds]


def planned(actions: list[dict]) -> list[tuple[str, str]]:
    """What a replay would start, in order."""
    found: list[tuple[str, str]] = []
    for action in actions:
        if "compoundActions" in action:
            found += planned(action["compoundActions"])
        elif action["actionType"] in {0, 2}:
            kind = "activity" if action["actionType"] == 0 else "child"
            found.append((kind, action["functionName"]))
    return found


def test_a_finished_build_replays_to_the_same_actions(finished: World) -> None:
    """A change of order in the code would break every build that runs during an upgrade."""
    build = finished.records.builds()[0].key
    told = {
        build: Orchestrator.BUILD,
        f"{build}:image": Orchestrator.BUILD_IMAGE,
        f"{build}:pool-dev": Orchestrator.CREATE_POOL,
        f"{build}:cleanup": Orchestrator.REMOVE_BUILDER,
        f"{build}:image:install": Orchestrator.RUN_OPERATION,
    }
    for instance, name in told.items():
        answer = replayed(finished, instance, name)
        assert answer["isDone"], instance
        assert planned(answer["actions"][0]) == scheduled(finished.engine.history(instance))
        assert answer["output"] == finished.engine.status(instance).output  # type: ignore[union-attr]


def test_no_instance_takes_more_than_a_hundred_steps(finished: World) -> None:
    """Replay costs grow with the square of a history's length."""
    for name in {b.key for b in finished.records.builds()}:
        for instance in (name, f"{name}:image"):
            assert len(scheduled(finished.engine.history(instance))) <= 100


def test_every_step_has_a_pace(finished: World) -> None:
    """A step without one is looked at as if it took ten seconds."""
    build = finished.records.builds()[0].key
    names = {row.key.rpartition("|")[2] for row in finished.records.steps(build)}
    assert names <= set(timing.known_steps())
