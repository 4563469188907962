"""Azure takes Spot nodes at any moment: what is left proves the pool, and the record says so."""

from __future__ import annotations

from typing import Any

import pytest

from activities.verification_job import read_node_reports
from local.azure_simulator.batch import planes
from shared.base.wire import replace
from shared.engine import activity_runner
from shared.model import parsing, planning, pool_records
from shared.model.plans import ReportPlan
from shared.model.results import NodeReport
from shared.model.verification import PREEMPTED, CheckResult
from tests.world import CONFIG, World, a_pool, pools_only

FIVE = ["system", "docker", "gpu", "images", "container"]

START_TASK = {"effect": "preempt", "operation": "nodes.startTask"}
TASK = {"effect": "preempt", "operation": "tasks.run"}


def made(world: World, **pool: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The build of a pool with two Spot nodes, and the pool's record."""
    spots = {"nodes": 0, "lowPriorityNodes": 2, "verify": True, **pool}
    build = world.build(pools_only("r1", a_pool("spots", **spots)))
    (record,) = build["pools"]
    return build, record


def states(world: World) -> list[str]:
    nodes = world.azure.store.of_type("simulator.batchNode")
    return sorted(node.document["state"] for node in nodes)


@pytest.mark.parametrize("back", [600, None])
def test_a_node_that_goes_during_its_start_task_fails_nothing(
    built: World, back: int | None
) -> None:
    """Whether it comes back or not."""
    built.fault({**START_TASK, "times": 1, "retryAfter": back})
    build, record = made(built)

    assert (build["state"], record["verified"]) == ("succeeded", True), build["error"]
    assert (record["nodes"], record["lowPriorityNodes"]) == (0, 1)
    assert "preempted 1 of its 2 nodes" in record["note"]
    assert "PoolDiffers" in {warning["code"] for warning in build["warnings"]}
    assert states(built) == ["idle", "preempted"]
    built.engine.advance(3600)
    built.azure.settle()
    assert states(built) == (["idle", "idle"] if back else ["idle", "preempted"])


def test_dedicated_nodes_prove_a_pool_whose_spot_nodes_are_away(built: World) -> None:
    """They are no part of the failure of anything."""
    built.fault({**START_TASK, "times": 2, "retryAfter": None})
    build, record = made(built, nodes=1)
    assert (build["state"], record["verified"]) == ("succeeded", True), build["error"]
    assert (record["nodes"], record["lowPriorityNodes"]) == (1, 0)


def test_the_only_node_is_waited_for(built: World) -> None:
    """Nothing else can prove the pool."""
    built.fault({**START_TASK, "times": 1})
    build, record = made(built, lowPriorityNodes=1)
    assert (build["state"], record["verified"]) == ("succeeded", True), build["error"]
    assert (record["lowPriorityNodes"], record.get("note")) == (1, None)


def test_a_pool_whose_nodes_all_stay_away_says_so(built: World) -> None:
    """Half an hour after Azure took the last one, and not at the end of the step's two hours."""
    built.fault({**START_TASK, "times": 2, "retryAfter": None})
    began = built.clock.now()
    build, _ = made(built)

    assert (build["state"], build["resumable"]) == ("failed", True)
    assert build["error"]["code"] == "NodesPreempted"
    assert "preempted all 2 nodes of pool spots" in build["error"]["message"]
    assert "vmSizes" in build["error"]["nextAction"]
    assert built.clock.now() - began < 3600
    assert states(built) == []


def test_a_failed_pool_has_the_size_that_was_tried_last(built: World) -> None:
    """That is the size of the pool on Azure, which its owner looks for."""
    built.fault({**START_TASK, "times": 4, "retryAfter": None})
    sizes = ["Standard_D2s_v5", "Standard_D4s_v5"]
    build, record = made(built, vmSize=None, vmSizes=sizes)

    assert build["error"]["code"] == "NodesPreempted"
    (pool,) = built.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    there = pool.document["properties"]["vmSize"]
    assert record["vmSize"].lower() == there.lower() == sizes[-1].lower()


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_task_of_the_verification_runs_again_elsewhere(built: World, nodes: int) -> None:
    """On another node, or on the same one when it is back."""
    built.fault({**TASK, "times": 1})
    build, record = made(built, lowPriorityNodes=nodes)
    assert (build["state"], record["verified"]) == ("succeeded", True), build["error"]


def test_a_preempted_node_costs_nothing(built: World) -> None:
    """Azure has its machine back."""
    built.fault({**START_TASK, "times": 2, "retryAfter": None})
    made(built, nodes=1)
    (pool,) = built.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    price = 0.096  # of a Standard_D2s_v5
    assert 0 < pool.cost_per_hour < 1.3 * price


def reports_of(world: World, nodes: list[str]) -> dict[str, Any]:
    """What the activity replies that reads the reports of the nodes' start tasks."""
    request = pools_only("r1", a_pool("spots", nodes=0, lowPriorityNodes=2))
    (pool,) = planning.plan_build(parsing.parse_build(request, CONFIG), CONFIG).pools
    (account,) = world.azure.store.of_type("Microsoft.Batch/batchAccounts")
    pool = replace(pool, endpoint=f"127.0.0.1/{planes.data_plane_host(account)}")
    plan = ReportPlan(pool=pool, nodes=nodes)
    payload = {"plan": plan.to_wire(), "tick": {"now": "2026-01-01T00:00:00Z"}}
    return activity_runner.perform(read_node_reports, world.services, payload)


def test_a_node_that_goes_before_its_report_is_read_proves_nothing(built: World) -> None:
    """And disproves nothing: only where all are away is there something to wait for."""
    made(built)
    nodes = built.azure.store.of_type("simulator.batchNode")
    names = [node.name for node in nodes]
    for number, node in enumerate(nodes, 1):
        built.azure.schedule(node, "preempt", 0, {"returnsAfter": None})
        built.azure.settle()
        reply = reports_of(built, names)
        if number == 1:
            checks = [(c["node"], c["status"], c.get("code")) for c in reply["result"]["checks"]]
            assert [check for check in checks if check[0] == node.name] == [
                (node.name, "skip", "PREEMPTED")
            ]
            assert {status for name, status, _ in checks if name != node.name} <= {"pass", "skip"}
    assert (reply["state"], reply["error"]["code"]) == ("wait", "NodesPreempted")


def test_the_record_says_that_nodes_went_during_the_verification() -> None:
    """What is proved is proved by the others."""
    request = pools_only("r1", a_pool("spots", nodes=0, lowPriorityNodes=2, verify=True))
    (plan,) = planning.plan_build(parsing.parse_build(request, CONFIG), CONFIG).pools
    passed = [CheckResult(id=name, status="pass", node="a") for name in FIVE]
    gone = CheckResult(id="system", status="skip", code=PREEMPTED, node="b")
    report = NodeReport(checks=[*passed, gone])
    record = pool_records.verified(pool_records.ready(plan, "n"), plan, [report], "n")
    assert record.verified
    assert record.note is not None
    assert "preempted 1 of its nodes" in record.note
