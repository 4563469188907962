"""The example of a resource type in docs/simulator.md, executed as it stands there."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

import pytest
from azure_sandbox import AzureSandbox

from local.azure_simulator import durations, providers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "simulator.md"
VERSION = "?api-version=2024-01-01"


def the_example() -> types.ModuleType:
    """The one Python block of the page, as a module."""
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    module = types.ModuleType("kettles")
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


@pytest.fixture
def world(make_world: Any) -> AzureSandbox:
    made: AzureSandbox = make_world(modules=[*providers.MODULES, the_example()])
    made.make_group()
    return made


def poll(world: AzureSandbox, started: Any) -> dict[str, Any]:
    """Ask for the operation until it has ended; its document."""
    url = started.headers["Azure-AsyncOperation"]
    for _ in range(100):
        document = world.send("GET", url).json()
        if document["status"] != "InProgress":
            return document
        world.wait(5)
    raise AssertionError("the operation does not end")


def kettle_path(world: AzureSandbox) -> str:
    return world.id("Microsoft.Example/kettles", "red") + VERSION


def put_kettle(world: AzureSandbox, litres: float = 1.5) -> Any:
    body = {"location": "swedencentral", "properties": {"litres": litres}}
    return world.send("PUT", kettle_path(world), body)


def test_a_put_is_polled_to_its_end(world: AzureSandbox) -> None:
    """The resource is there at once and succeeds when its operation does."""
    started = put_kettle(world)
    assert started.status == 201
    assert started.json()["properties"]["provisioningState"] == "Creating"

    assert poll(world, started)["status"] == "Succeeded"

    found = world.send("GET", kettle_path(world)).json()
    assert found["properties"] == {"litres": 1.5, "provisioningState": "Succeeded"}
    assert (found["name"], found["type"]) == ("red", "Microsoft.Example/kettles")


def test_a_delete_is_polled_to_its_end(world: AzureSandbox) -> None:
    """Both operations come from the one call, and the second removes the resource."""
    poll(world, put_kettle(world))

    started = world.send("DELETE", kettle_path(world))
    assert started.status == 202
    assert poll(world, started)["status"] == "Succeeded"

    assert world.send("GET", kettle_path(world)).status == 404
    assert world.send("DELETE", kettle_path(world)).status == 204


def test_the_lists_show_the_resource(world: AzureSandbox) -> None:
    """In its group and in the subscription."""
    put_kettle(world)
    for path in (
        f"{world.group_id()}/providers/Microsoft.Example/kettles",
        f"/subscriptions/{world.azure.subscription}/providers/Microsoft.Example/kettles",
    ):
        listed = world.send("GET", path + VERSION).json()["value"]
        assert [item["name"] for item in listed] == ["red"]


def test_the_check_of_the_example_refuses(world: AzureSandbox) -> None:
    """And leaves nothing behind."""
    refused = put_kettle(world, litres=3)
    assert (refused.status, refused.json()["error"]["target"]) == (400, "litres")
    assert world.send("GET", kettle_path(world)).status == 404


def test_the_action_and_the_event_of_the_example(world: AzureSandbox) -> None:
    """An event comes when simulated time has reached it."""
    poll(world, put_kettle(world))
    path = kettle_path(world).replace("?", "/boil?")
    assert world.send("POST", path).status == 200
    assert world.send("GET", kettle_path(world)).json()["properties"]["water"] == "hot"
    world.wait(601)
    assert world.send("GET", kettle_path(world)).json()["properties"]["water"] == "cold"


def test_an_operation_is_registered_once(world: AzureSandbox) -> None:
    """A second one of the same name would silently replace how the first ends."""
    takes = durations.Duration(typical=1, source="estimate")
    with pytest.raises(ValueError, match=r"kettles\.write"):
        world.azure.operations.register("kettles.write", takes, lambda *_: None)


def test_an_operation_that_is_not_registered_does_not_begin(world: AzureSandbox) -> None:
    """Otherwise it would fail when it ends, far from the mistake."""
    put_kettle(world)
    kettle = world.azure.store.find(world.id("Microsoft.Example/kettles", "red"))
    with pytest.raises(LookupError, match=r"kettles\.boil"):
        world.azure.operations.begin("kettles.boil", kettle)
