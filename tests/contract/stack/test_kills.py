"""Killed in the middle of its work and started again, the stack ends every build as if nothing had
happened. How many kills: `make test-kills KILLS=20`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mortal_stack import MortalStack
from tests.waiting import soon

pytestmark = pytest.mark.stack
KILLS = int(os.environ.get("BATCH_PREP_KILLS", "2"))
KILLS_A_BUILD = 4
REQUESTS_A_BUILD = 180  # about; a kill that comes after the end is none
ACCOUNT = "mybatch12345"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MortalStack]:
    """A fresh stack."""
    made = MortalStack(tmp_path / "state")
    yield made
    made.stop()


def a_build(name: str) -> dict[str, Any]:
    """The main job, smaller: a GPU image with a preloaded one, and two pools that are proved."""
    image = {"name": name, "gpu": True, "containerImages": ["docker.io/library/busybox:1.36"]}
    pool = {"vmSize": "Standard_NC4as_T4_v3", "nodes": 1, "verify": True}
    pools = [{"id": f"{name}-{n}", **pool} for n in ("dev", "test")]
    return {"image": image, "batchAccount": {"name": ACCOUNT}, "pools": pools}


@pytest.mark.parametrize("number", range(-(-KILLS // KILLS_A_BUILD)))
def test_a_build_survives_kills_at_random_moments(stack: MortalStack, number: int) -> None:
    """Of the host alone, and of host and simulator together. Each time the stack ends with exit
    code 1 and the same command goes on: with the same key, nothing made twice or left over.
    """
    dice = random.Random(number)
    kills = min(KILLS_A_BUILD, KILLS - number * KILLS_A_BUILD)
    moments = sorted(dice.sample(range(5, REQUESTS_A_BUILD), kills))
    build = stack.ask("POST", "/api/builds", json=a_build("image"))["buildId"]

    for moment in moments:
        assert soon(lambda moment=moment: is_over(stack, build, moment))  # type: ignore[misc]
        stack.kill(*dice.choice([("host",), ("host", "simulator")]))
        stack.start()
    assert soon(lambda: stack.ask("GET", f"/api/builds/{build}")["state"] != "running")

    ended = stack.ask("GET", f"/api/builds/{build}")
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    assert [p["state"] for p in ended["pools"]] == ["ready", "ready"]
    left = {r["type"].split("/")[-1] for r in stack.simulator("resources")}
    assert left & {"virtualMachines", "natGateways", "virtualNetworks", "disks"} == set()
    assert [r["id"] for r in stack.simulator("resources") if r["type"].endswith("/versions")] == [
        ended["image"]["imageId"]
    ]


def is_over(stack: MortalStack, build: str, moment: int) -> bool:
    """Whether so many requests were sent, or the build has ended before."""
    if len(stack.simulator("ledger")) >= moment:
        return True
    return bool(stack.ask("GET", f"/api/builds/{build}")["state"] != "running")
