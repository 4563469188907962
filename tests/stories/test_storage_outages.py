"""The app's own storage is gone for two hours: that costs time, and never a build."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from local.functions_host import adapters, inline
from shared.store import outage
from tests.simulation.flaky_tables import _CALLS
from tests.world import VISIBILITY, WITH_LOGS, MemoryOutbox, World, a_pool, a_request, image_only
from triggers import builds

Json = dict[str, Any]
HOURS = 2
RESOURCES = "Microsoft.Compute/galleries/images/versions"


class Outage:
    """Between two moments of the virtual clock, every call of tables and blobs fails."""

    def __init__(self, world: World, begin: float, end: float) -> None:
        self._world, self._begin, self._end = world, begin, end
        self.refused = 0
        service, client = world.table_service, world.table_service.get_table_client
        service.get_table_client = lambda name: _Proxy(client(name), self)  # type: ignore[method-assign, assignment, return-value]
        outbox = world.outbox
        for name in [n for n in vars(MemoryOutbox) if not n.startswith("_")]:
            call = outage.noticed(self.around(getattr(outbox, name)))
            setattr(outbox, name, call)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any, **options: Any) -> Any:
            if self._begin <= self._world.clock.now() < self._end:
                self.refused += 1
                raise ServiceRequestError("connection refused")
            return call(*args, **options)

        return asked


class _Proxy:
    def __init__(self, table: Any, down: Outage) -> None:
        self._table, self._down = table, down

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._table, name)
        return self._down.around(call) if name in _CALLS else call


def agree(world: World) -> None:
    """Records and Azure name the same versions and pools, and no builder is left."""
    versions = {r["id"] for r in world.resources(RESOURCES)}
    assert {image["imageId"] for image in world.images()} == versions
    pools = {r["id"].rpartition("/")[2] for r in world.resources("batchAccounts/pools")}
    assert {pool["poolId"] for pool in world.pools()} == pools
    assert world.resources("virtualMachines") + world.resources("Microsoft.Network") == []


@pytest.mark.parametrize("after", [1, 30, 100, 250, 500, 900, 1200, 1500, 1700, 1800, 1900])
def test_an_outage_of_two_hours_loses_no_build(after: int) -> None:
    """It begins at any moment of a build with a pool, beside another that fails."""
    world = World(own_settings=WITH_LOGS)
    now = world.clock.now()
    down = Outage(world, now + after, now + after + HOURS * 3600)
    build = world.start(a_request(pools=[a_pool("dev", verify=True)]))
    world.fault({"effect": "script", "step": "seal", "exitCode": 40, "message": "broken"})
    failing = world.start(image_only("r2", name="other"))
    for _ in range(8):  # the timer fires all the while
        world.engine.advance(1800)
        try:
            world.begin_sweep()
        except ServiceRequestError:
            continue
    world.engine.run_until_idle()

    assert down.refused > 0
    states = {b: world.show(b)["state"] for b in (build, failing)}
    assert sorted(states.values()) == ["failed", "succeeded"], [
        world.show(b)["error"] for b in states
    ]
    (failed,) = [world.show(b) for b, state in states.items() if state == "failed"]
    assert failed["error"]["code"] == "ScriptFailed"
    agree(world)
    puts = [r["url"] for r in world.ledger() if r["method"] == "PUT" and "/versions/" in r["url"]]
    assert len(puts) == len(set(puts))


def gone_at(world: World, moment: int) -> Callable[[inline.Moment], bool]:
    """The process dies at the moment of that number, with the task hub gone: it cannot start again
    before two hours are over.
    """
    moments = iter(range(moment + 1))

    def dies(_: inline.Moment) -> bool:
        if next(moments, None) != moment:
            return False
        world.clock.advance_to(world.clock.now() + HOURS * 3600)
        return True

    return dies


@pytest.mark.parametrize("moment", [20, 110, 200, 290, 360])
def test_without_a_task_hub_for_two_hours_no_build_is_lost(moment: int) -> None:
    """Durable keeps its histories in the same account: what an activity did on Azure when the
    account went away is not in the history, and Azure went on for two hours meanwhile.
    """
    world = World(own_settings=WITH_LOGS)
    world.engine = inline.InlineEngine(
        adapters.orchestrators(world.orchestrations()),
        adapters.activities(world.activities()),
        seed=moment,
        clock=world.clock,
        crash=gone_at(world, moment),
        visibility=VISIBILITY,
    )
    wanted = [world.start(a_request(pools=[a_pool("dev", verify=True), a_pool("test")]))]
    wanted += [
        world.start(image_only("r2", name="second")),
        world.start(image_only("r3", name="third")),
    ]
    world.engine.run_until_idle()

    assert world.engine.crashes == 1
    ended = [world.show(build) for build in wanted]
    assert [build["state"] for build in ended] == ["succeeded"] * 3, [b["error"] for b in ended]
    agree(world)
    assert world.sweep().get("error") is None
    agree(world)


def test_a_cancelled_build_and_a_sweep_survive_it_too() -> None:
    """What was asked before the outage is done after it."""
    world = World()
    build = world.start(a_request())
    world.engine.advance(300)  # before the version is published
    world.ask(builds.cancel_build, id=build)
    now = world.clock.now()
    Outage(world, now + 1, now + HOURS * 3600)
    world.engine.run_until_idle()
    assert world.show(build)["state"] == "cancelled"
    assert {r["type"] for r in world.resources("Microsoft.")} <= {
        "Microsoft.Resources/resourceGroups", "Microsoft.Batch/batchAccounts"
    }  # fmt: skip
    assert world.sweep().get("error") is None


def test_requests_during_it_are_refused_and_leave_nothing() -> None:
    """503, and the same request is accepted afterwards."""
    world = World()
    now = world.clock.now()
    Outage(world, now, now + HOURS * 3600)
    assert world.ask(builds.start_build, image_only()).status == 503
    world.engine.advance(HOURS * 3600 + 1)
    assert world.build(image_only())["state"] == "succeeded"


def test_a_missing_role_ends_a_step_instead_of_waiting() -> None:
    """It would stay unknown otherwise."""
    answer = type("Response", (), {"status_code": 403, "reason": "Forbidden", "headers": {}})()
    error = HttpResponseError(message="AuthorizationPermissionMismatch", response=answer)

    @outage.noticed
    def ask() -> None:
        raise error

    with pytest.raises(HttpResponseError):
        ask()


def test_a_wait_without_end_stays_within_two_minutes() -> None:
    """However often storage was asked."""
    from shared.base import timing

    assert timing.backoff(5000) == 120.0
    assert json.dumps(timing.backoff(5000, 7.0, 0.5)) == "180.0"
