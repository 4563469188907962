"""Azure behind a proxy that refuses nearly every third request."""

from __future__ import annotations

import collections
import json
import random

import pytest

from local.azure_simulator import model
from local.functions_host import inline
from tests.simulation import invariants
from tests.simulation.simulated_world import SimulatedWorld
from tests.simulation.stories import ACCOUNT, Act, Arrival, Climate, Story
from tests.world import a_pool, an_image

ANSWER_SECONDS = 2.0  # that Azure takes for a request: a slow day
ACTIVITY_SECONDS_MAX = 60.0
GPU_SIZE = "Standard_NC4as_T4_v3"
REQUEST = {
    "mode": "full",
    "requestId": "rude",
    "image": an_image(gpu=True, containerImages=["docker.io/library/busybox:1.36"]),
    "batchAccount": {"name": ACCOUNT, "resourceGroup": "images"},
    "pools": [
        a_pool("proved", vmSize=GPU_SIZE, nodes=2, verify=True),
        a_pool("plain", nodes=1),
    ],
}


class RudeWorld(SimulatedWorld):
    """One request in five gets 429 with Retry-After, one in ten 503; what each activity took is
    noted: its requests, and whatever it slept (which moves the virtual clock).
    """

    def __init__(self, seed: int) -> None:
        arrival = Arrival(at=0, act=Act.BUILD, body=REQUEST)
        story = Story(seed=seed, climate=Climate.TRANSIENT, arrivals=(arrival,))
        self.took: list[tuple[float, str]] = []
        self.refusals: collections.Counter[int] = collections.Counter()
        self._manners = random.Random(seed)
        self._requests = 0
        self._before = (0, 0.0)
        super().__init__(story, self._note)
        self._polite = self.azure.handle
        self.azure.handle = self._rude  # type: ignore[method-assign]

    def _rude(self, request: model.Request) -> model.Response:
        self._requests += 1
        roll = self._manners.random()
        if request.path.startswith("/_simulator") or roll > 0.3:
            return self._polite(request)
        status, headers = (429, {"Retry-After": "11"}) if roll < 0.2 else (503, {})
        self.refusals[status] += 1
        body = {"error": {"code": "Rude", "message": "Come back later."}}
        return model.Response(status=status, headers=headers, body=json.dumps(body).encode())

    def _note(self, moment: inline.Moment) -> bool:
        if moment.is_activity and moment.when is inline.When.BEFORE:
            self._before = (self._requests, self.clock.now())
        elif moment.is_activity:
            requests, began = self._before
            spent = (self._requests - requests) * ANSWER_SECONDS + self.clock.now() - began
            self.took.append((spent, moment.name))
        return False


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_full_build_succeeds_and_no_activity_waits(seed: int) -> None:
    """Waiting inside an activity is paid for, and ends with the function's time limit."""
    world = RudeWorld(seed)
    world.begin()
    world.engine.advance(24 * 3600)
    (build,) = world.accepted
    shown = world.show(build)
    assert shown["state"] == "succeeded", shown["error"]
    assert world.refusals[429] > 20
    assert world.refusals[503] > 10
    assert max(world.took) < (ACTIVITY_SECONDS_MAX,), max(world.took)
    world.be_calm()
    world.azure.handle = world._polite  # type: ignore[method-assign]
    assert invariants.broken(world) == []
