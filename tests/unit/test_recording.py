"""What is sent to Azure Resource Manager can be written down, for those who check it elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

from tests.world import World, image_only


def test_every_body_to_resource_manager_is_written_down(tmp_path: Path) -> None:
    """As it was sent; requests without a body, and those to other services, are left out."""
    record = tmp_path / "requests.jsonl"
    world = World(record=record)
    world.build(image_only())

    lines = [json.loads(line) for line in record.read_text().splitlines()]
    (vm,) = [
        e
        for e in lines
        if "/virtualMachines/" in e["url"]
        and "api-version" in e["url"]
        and e["method"] == "PUT"
        and "/runCommands/" not in e["url"]
    ]
    assert json.loads(vm["body"])["properties"]["hardwareProfile"]["vmSize"]
    assert {e["method"] for e in lines} <= {"PUT", "PATCH", "POST"}
