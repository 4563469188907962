"""Dead nodes cost nothing, even where Azure cannot be reached when they should go."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from local.functions_host.store import Query
from shared.azure import batch_bodies
from shared.base.names import Orchestrator
from shared.model.outcomes import PoolRecord
from shared.model.plans import SweepPlan
from tests.world import World, a_pool, pools_only
from triggers import builds, leftovers, pools

ACCOUNT = "mybatch12345"
HOUR = 3600.0
BAD_NODES = {"effect": "allocation", "operation": "nodes.start", "code": "DiskFull", "times": 9}
NO_SHRINKING = {"effect": "status", "status": 503, "method": "PATCH", "path": "/pools/dev"}
POOL = "dev"


def of_pools(request_id: str = "pools", *pools: dict, **changes: Any) -> dict:
    """A request for pools from the image that is there."""
    return pools_only(request_id, *(pools or [a_pool(POOL, **changes)]))


def nodes(world: World, pool: str = POOL) -> int:
    """The nodes that the pool is paid for."""
    found = azure_pool(world, pool)["properties"]
    return int(found.get("currentDedicatedNodes") or 0)


def azure_pool(world: World, pool: str = POOL) -> dict:
    """The pool as Azure has it."""
    return dict(world.services.azure.batch.pool.get("images", ACCOUNT, pool).as_dict())


def said(world: World) -> list[tuple[str, str]]:
    """What a dry run says of pools: verdict and reason."""
    listed = world.ask(leftovers.list_leftovers).body["leftovers"]
    return [(f["verdict"], f["why"]) for f in listed if f["type"].endswith("/pools")]


def refuse_shrinking(world: World) -> None:
    """From now on Azure answers no change of the pool."""
    world.fault({**NO_SHRINKING, "times": 1000})


def with_dead_nodes(world: World) -> dict:
    """The failed build of a pool whose node is broken and could not be removed for half an hour."""
    world.fault(BAD_NODES)
    refuse_shrinking(world)
    build = world.build(of_pools())
    assert build["error"]["code"] == "NodesUnusable", build["error"]
    assert nodes(world) == 1
    return build


# -- Azure would not remove them ------------------------------------------------------------------


def test_the_sweep_removes_what_azure_would_not_for_an_hour(built: World) -> None:
    """The first sweep is refused like the build was; the next one is not, as the record says."""
    build = with_dead_nodes(built)
    assert "the sweep goes on" in build["error"]["nextAction"].lower()
    assert built.pool(ACCOUNT, POOL)["nodesLeft"] is True
    assert said(built) == [
        ("shrink", f"its build {build['buildId']} failed and could not remove its nodes")
    ]

    refused = built.sweep()
    assert (refused["shrunk"], len(refused["failed"]), nodes(built)) == ([], 1, 1)
    assert built.pool(ACCOUNT, POOL)["nodesLeft"] is True

    built.azure.faults.clear()
    swept = built.sweep()

    assert [each.rpartition("/")[2] for each in swept["shrunk"]] == [POOL]
    assert nodes(built) == 0
    record = built.pool(ACCOUNT, POOL)
    assert (record["state"], record["nodesLeft"], record["nodes"]) == ("failed", False, 0)
    assert record["error"]["code"] == "NodesUnusable"
    assert "may still cost money" not in record["error"]["nextAction"]
    assert "zero nodes" in record["error"]["nextAction"]
    assert said(built) == []
    assert built.sweep()["shrunk"] == []


def test_a_dry_run_changes_nothing(built: World) -> None:
    """The list costs nothing, and has the pool also while Azure does not answer."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    record, before = built.pool(ACCOUNT, POOL), azure_pool(built)
    assert [verdict for verdict, _ in said(built)] == ["shrink"]
    built.fault({"effect": "status", "status": 403, "method": "GET", "path": "/pools/dev$"})
    ((verdict, why),) = said(built)
    assert verdict == "shrink"
    assert "injected" in why
    assert (built.pool(ACCOUNT, POOL), azure_pool(built)) == (record, before)


def test_only_pools_that_are_on_record_are_asked_for(built: World) -> None:
    """A sweep does not scan the subscription's pools, and asks for none where none was left."""
    built.build(of_pools())
    before = len(built.ledger())
    built.sweep()
    assert [r for r in built.ledger()[before:] if "/pools" in r["url"]] == []


def test_a_pool_that_is_gone_is_left_at_that(built: World) -> None:
    """A person has deleted it in the meantime."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    built.services.azure.batch.pool.begin_delete("images", ACCOUNT, POOL, polling=False)
    built.engine.advance(HOUR)
    built.azure.settle()
    assert said(built) == []
    assert built.sweep()["shrunk"] == []
    assert built.pool(ACCOUNT, POOL)["nodesLeft"] is False


def test_what_an_older_version_has_recorded_is_read(built: World) -> None:
    """It said nothing of nodes; nothing is taken for left."""
    build = built.build(of_pools())
    (pool,) = build["pools"]
    old = {key: value for key, value in pool.items() if key not in {"nodesLeft", "error"}}
    built.records.put_pool(PoolRecord.from_wire({**old, "state": "failed"}))
    assert said(built) == []
    assert (built.sweep()["shrunk"], nodes(built)) == ([], 1)


# -- somebody has taken the pool over -------------------------------------------------------------


def test_a_pool_that_another_build_has_made_its_own_is_left_alone(built: World) -> None:
    """It is recorded for that build, too, and has good nodes by now."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    assert built.build(of_pools("again"))["state"] == "succeeded"
    assert built.sweep()["shrunk"] == []
    assert (nodes(built), built.pool(ACCOUNT, POOL)["state"]) == (1, "ready")


@pytest.mark.parametrize("seconds", [1, 60])
def test_a_pool_that_a_build_is_at_work_on_is_left_alone(built: World, seconds: float) -> None:
    """Its claim says so, before and after it has shaped the pool."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    again = built.start(of_pools("again"))
    built.engine.advance(seconds)
    assert said(built) == [("keep", f"build {again} is at work on it")]
    assert built.sweep()["shrunk"] == []
    built.engine.run_until_complete(again)
    assert (built.show(again)["state"], nodes(built)) == ("succeeded", 1)


def test_a_resumed_build_keeps_its_own_pool(built: World) -> None:
    """It goes on with the nodes that it could not remove."""
    build = with_dead_nodes(built)["buildId"]
    built.azure.faults.clear()
    assert built.ask(builds.resume_build, id=build).status == 202
    built.engine.advance(30)
    assert built.sweep()["shrunk"] == []
    built.engine.run_until_complete(build)
    assert built.show(build)["state"] == "succeeded"
    record = built.pool(ACCOUNT, POOL)
    assert (nodes(built), record["state"], record["nodesLeft"]) == (1, "ready", False)


def test_a_build_that_may_not_have_the_pool_does_not_hide_it(built: World) -> None:
    """`ifExists: fail` is refused and touches nothing: what was left is still left."""
    first = with_dead_nodes(built)["buildId"]
    built.azure.faults.clear()
    assert built.build(of_pools("other", ifExists="fail"))["error"]["code"] == "PoolExists"
    assert built.pool(ACCOUNT, POOL)["buildId"] == first
    assert len(built.sweep()["shrunk"]) == 1
    assert nodes(built) == 0


def test_a_build_that_could_not_make_the_pool_its_own_does_not_hide_it(built: World) -> None:
    """Azure refuses its change, so the pool is still what the first build has left."""
    first = with_dead_nodes(built)
    refusal = {"effect": "status", "status": 409, "method": "PATCH", "path": "/pools/dev"}
    built.azure.faults.clear()
    built.fault({**refusal, "times": 1000})
    assert built.build(of_pools("second", nodes=2))["state"] == "failed"
    assert built.pool(ACCOUNT, POOL)["buildId"] == first["buildId"]

    built.azure.faults.clear()
    built.sweep()
    assert nodes(built) == 0


def test_a_pool_that_a_person_resizes_is_left_alone(built: World) -> None:
    """While it is resized and afterwards: a person who asks for nodes keeps them."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    answer = built.ask(pools.resize_pool, {"nodes": 2}, account=ACCOUNT, pool=POOL)
    change = answer.body["buildId"]
    assert said(built) == [("keep", f"build {change} is at work on it")]
    assert built.sweep()["shrunk"] == []
    built.engine.run_until_complete(change)
    assert (nodes(built), said(built)) == (2, [])
    assert built.sweep()["shrunk"] == []
    assert nodes(built) == 2
    assert "may still cost money" not in built.pool(ACCOUNT, POOL)["error"]["nextAction"]


def test_a_pool_that_a_person_resized_on_azure_is_left_alone(built: World) -> None:
    """batch-prep was not asked; the number of nodes is neither that of its build nor zero."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    resize(built, 3)
    built.engine.advance(HOUR)
    assert said(built) == [("keep", "somebody has resized it since")]
    assert built.sweep()["shrunk"] == []
    assert nodes(built) == 3
    assert said(built) == []


def resize(world: World, number: int) -> None:
    """What a person does in Azure's portal."""
    scale = {"fixedScale": batch_bodies.fixed_scale(number, 0)}
    body = {"properties": {"scaleSettings": scale}}
    world.services.azure.batch.pool.update("images", ACCOUNT, POOL, body)  # type: ignore[arg-type]


def test_who_comes_between_the_sweeps_look_and_its_request_wins(built: World) -> None:
    """The request depends on the pool that was seen; the next look sees whose it is."""
    with_dead_nodes(built)
    built.azure.faults.clear()
    handle = built.azure.handle
    raced: list[int] = []

    def race(request: Any) -> Any:
        if request.method == "PATCH" and request.path.endswith(f"/pools/{POOL}") and not raced:
            scale = {"fixedScale": batch_bodies.fixed_scale(3, 0)}
            body = json.dumps({"properties": {"scaleSettings": scale}}).encode()
            headers = {k: v for k, v in request.headers.items() if k != "if-match"}
            person = dataclasses.replace(request, headers=headers, body=body)
            raced.append(handle(person).status)
            answer = handle(request)
            raced.append(answer.status)
            return answer
        return handle(request)

    built.azure.handle = race  # type: ignore[method-assign]
    swept = built.sweep()
    assert raced == [200, 412]
    assert swept["shrunk"] == []
    built.engine.advance(HOUR)
    assert nodes(built) == 3


# -- what made the pool died ----------------------------------------------------------------------


def die(world: World, build: str, *, whole: bool = True) -> None:
    """The build's orchestration is lost; with all that it had begun, where it is the whole hub."""
    everything = world.engine.store.select(Query(prefix=build))
    for each in everything:
        if (whole or each.id == build) and not each.status.is_final:
            world.engine.terminate(each.id, "the host was lost")
    world.engine.run_ready()


def test_an_unproved_pool_of_a_dead_build_is_shrunk(built: World) -> None:
    """Its nodes came and no build was left to prove them: as if the proof had failed."""
    build = built.start(of_pools(verify=True))
    built.engine.advance(180)
    die(built, build)
    built.engine.advance(HOUR)
    assert nodes(built) == 1

    swept = built.sweep()

    assert (swept["closed"], len(swept["shrunk"])) == ([build], 1)
    assert nodes(built) == 0
    shown = built.show(build)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "Bug")
    assert [(p["poolId"], p["state"]) for p in shown["pools"]] == [(POOL, "failed")]
    record = built.pool(ACCOUNT, POOL)
    assert (record["error"]["code"], record["nodesLeft"]) == ("Bug", False)
    assert "zero nodes" in record["error"]["nextAction"]


def test_a_dead_build_is_closed_when_nothing_of_it_runs_any_more(built: World) -> None:
    """Its children go on without it: what they make is proved and recorded, and stays."""
    build = built.start(of_pools(verify=True))
    built.engine.advance(60)
    die(built, build, whole=False)
    assert built.sweep()["closed"] == []
    assert built.show(build)["state"] == "running"
    built.engine.advance(HOUR)

    swept = built.sweep()

    assert (swept["closed"], swept["shrunk"]) == ([build], [])
    assert (nodes(built), built.pool(ACCOUNT, POOL)["verified"]) == (1, True)
    assert [p["state"] for p in built.show(build)["pools"]] == ["ready"]


def test_a_dead_build_loses_nothing_that_it_had_told(built: World) -> None:
    """One pool is ready and recorded, the other one's nodes were still coming."""
    slow = {"effect": "slow", "operation": "pools.allocate", "path": "/pools/late", "factor": 9}
    built.fault({**slow, "times": 9})
    build = built.start(of_pools("pools", a_pool("early"), a_pool("late")))
    built.engine.advance(600)
    assert built.pool(ACCOUNT, "early")["state"] == "ready"
    die(built, build)
    built.engine.advance(HOUR)
    built.sweep()
    assert (nodes(built, "early"), nodes(built, "late")) == (1, 0)
    states = {p["poolId"]: p["state"] for p in built.show(build)["pools"]}
    assert states == {"early": "ready", "late": "failed"}


def test_a_dead_build_takes_nothing_that_was_anothers(built: World) -> None:
    """It died before it began with the pool: the older pool and its record stay as they are."""
    built.build(of_pools())
    before = built.pool(ACCOUNT, POOL)
    built.fault({"effect": "status", "status": 503, "method": "GET", "times": 100})
    build = built.start(of_pools("again"))
    built.engine.advance(60)
    die(built, build)
    built.azure.faults.clear()
    swept = built.sweep()
    assert (swept["closed"], swept["shrunk"]) == ([build], [])
    assert (nodes(built), built.pool(ACCOUNT, POOL)) == (1, before)


def test_a_resumed_build_that_died_has_not_told_of_its_new_nodes(built: World) -> None:
    """What is on record of its pool is older than what it did last."""
    built.fault({**BAD_NODES, "times": 3})
    build = built.build(of_pools())["buildId"]
    assert (nodes(built), built.pool(ACCOUNT, POOL)["nodesLeft"]) == (0, False)
    built.engine.advance(HOUR)
    assert built.ask(builds.resume_build, id=build).status == 202
    built.engine.advance(60)
    die(built, build)
    built.engine.advance(HOUR)
    assert nodes(built) == 1
    assert len(built.sweep()["shrunk"]) == 1
    assert (nodes(built), built.pool(ACCOUNT, POOL)["error"]["code"]) == (0, "Bug")


def test_a_resumed_build_that_died_early_takes_nothing_back(built: World) -> None:
    """Another build has made its pool in the moment of the resume."""
    built.fault({**BAD_NODES, "times": 3})
    build = built.build(of_pools())["buildId"]
    assert built.build(of_pools("again"))["state"] == "succeeded"
    before = built.pool(ACCOUNT, POOL)
    assert built.records.reopen_build(build, built.services.now())
    built.engine.advance(600)
    assert built.sweep()["shrunk"] == []
    assert built.show(build)["state"] == "failed"
    assert (nodes(built), built.pool(ACCOUNT, POOL)) == (1, before)


def test_a_pool_whose_own_orchestration_died_is_the_sweeps(built: World) -> None:
    """The build goes on and records it; nothing else looked after the pool's nodes."""
    build = built.start(of_pools())
    built.engine.advance(60)
    for each in (f"{build}:pool-{POOL}:nodes", f"{build}:pool-{POOL}"):
        built.engine.terminate(each, "the host was lost")
    built.engine.run_until_complete(build)
    shown = built.show(build)
    assert (shown["state"], shown["pools"][0]["nodesLeft"]) == ("failed", True)
    built.engine.advance(HOUR)
    assert len(built.sweep()["shrunk"]) == 1
    assert (nodes(built), built.pool(ACCOUNT, POOL)["nodesLeft"]) == (0, False)


def test_a_build_that_ended_while_the_sweep_looked_keeps_its_pool(built: World) -> None:
    """The sweep took it for dead; it had recorded its pool before."""
    build = built.build(of_pools())["buildId"]
    plan = SweepPlan(dead=[build]).to_wire()
    built.engine.start(Orchestrator.CLEAN_UP.value, plan, "late-sweep")
    built.engine.run_until_complete("late-sweep")
    assert (nodes(built), built.pool(ACCOUNT, POOL)["state"]) == (1, "ready")
