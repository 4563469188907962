"""Resizes: what quota and capacity leave of a pool, time-outs, stops, formulas."""

from __future__ import annotations

import pytest
from azure_sandbox import GROUP, refused
from batch_sandbox import (
    ACCOUNT,
    T4,
    BatchSandbox,
    fixed_scale,
    inner_error,
    patch_pool,
)

pytestmark = pytest.mark.usefixtures("account")


# --- quota and capacity -------------------------------------------------------------------------


def test_cores_beyond_the_familys_quota_show_as_a_resize_error(world):
    """The pool gets what fits: 16 T4 nodes of 64 cores."""
    world.make_pool(size=T4, nodes=20, image=world.make_gpu_image())
    (error,) = world.resize_errors()
    assert error.code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 16


def test_cores_beyond_the_accounts_quota_show_as_a_resize_error(world):
    """The smaller of the two quotas is the one that is named."""
    world.set(**{"batchQuota:dedicatedCores": 8})
    world.make_pool(nodes=3)
    (error,) = world.resize_errors()
    assert error.code == "AccountCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 2


def test_two_pools_share_one_quota(world):
    """Cores are taken when a resize begins, so two pools never get the same ones."""
    image = world.make_gpu_image()
    world.make_pool("one", size=T4, nodes=10, image=image)
    world.make_pool("two", size=T4, nodes=10, image=image)
    assert world.resize_errors("one") == []
    (error,) = world.resize_errors("two")
    assert error.code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool("two").current_dedicated_nodes == 6


def test_cores_come_back_with_a_deleted_pool(world):
    """A quota counts what exists."""
    image = world.make_gpu_image()
    world.make_pool("one", size=T4, nodes=16, image=image)
    world.await_steady("one")
    world.batch.pool.begin_delete(GROUP, ACCOUNT, "one").result()
    world.make_pool("two", size=T4, nodes=16, image=image)
    assert world.resize_errors("two") == []


def test_a_family_without_quota_gives_no_node(world):
    """Most of the 64 families have none."""
    world.make_pool(size="Standard_E4ds_v5")
    assert world.resize_errors()[0].code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 0


def test_low_priority_nodes_have_a_quota_of_their_own(world):
    """100 cores shared by all families."""
    world.make_pool(nodes=1, low_priority=26)
    (error,) = world.resize_errors()
    assert error.code == "AccountLowPriorityCoreQuotaReached"
    pool = world.pool()
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 25)


def test_capacity_that_runs_out_is_an_allocation_failure_with_its_reason_inside(world):
    """An injected failure of compute keeps its own code as the inner error."""
    world.add_fault(effect="allocation", operation="pools.allocate", code="SkuNotAvailable")
    world.make_pool()
    (error,) = world.resize_errors()
    assert (error.code, inner_error(error)["code"]) == ("AllocationFailed", "SkuNotAvailable")


def test_a_long_reason_is_truncated_and_says_so(world):
    """Azure cuts the inner error; it can then not be parsed."""
    fault = {"effect": "allocation", "operation": "pools.allocate", "code": "SkuNotAvailable"}
    world.add_fault(**fault, message="x" * 2000)
    world.make_pool()
    (error,) = world.resize_errors()
    values = {item.code: item.message for item in error.details}
    assert values["Provider Error Json Truncated"] == "True"
    assert len(values["Provider Error Json"]) == 1024


def test_an_injected_code_of_batch_is_told_as_it_is(world):
    """Faults may ask for any error of the resize."""
    world.add_fault(effect="allocation", operation="pools.allocate", code="AccountCoreQuotaReached")
    world.make_pool()
    assert world.resize_errors()[0].code == "AccountCoreQuotaReached"


def test_a_slow_allocation_meets_the_resize_timeout(world):
    """At its time-out a resize ends, without nodes and with AllocationTimedOut."""
    world.add_fault(effect="slow", operation="pools.allocate", factor=20)
    world.make_pool(resize_timeout="PT5M")
    began = world.now()
    (error,) = world.resize_errors()
    assert error.code == "AllocationTimedOut"
    assert 290 <= world.now() - began <= 320
    assert world.pool().current_dedicated_nodes == 0


def test_communicating_nodes_are_at_most_a_hundred(world):
    """The limit of pools with inter-node communication."""
    world.make_pool(size="Standard_D2s_v5", nodes=101, interNodeCommunication="Enabled")
    codes = [error.code for error in world.resize_errors()]
    assert "CommunicationEnabledPoolReachedMaxVMCount" in codes


def test_nodes_cost_money_from_allocation_to_removal(world):
    """What /_simulator/resources shows; low-priority nodes cost a fifth."""
    world.make_pool(nodes=1, low_priority=5)
    assert world.listed()["dev"]["costPerHour"] == 0
    world.await_steady()
    assert world.listed()["dev"]["costPerHour"] == pytest.approx(2 * 0.192)
    patch_pool(world, scaleSettings=fixed_scale(0))
    world.await_steady()
    assert world.listed()["dev"]["costPerHour"] == 0


def test_refusals_and_removals_are_quicker_than_allocations():
    """Typical seconds until a pool is steady again."""
    world = BatchSandbox(duration_band=(1, 1))
    world.make_account()

    def seconds(**changes: object) -> float:
        began = world.now()
        world.make_pool(**changes)
        world.await_steady()
        return world.now() - began

    assert seconds(nodes=2) == pytest.approx(150, abs=2)
    assert seconds(nodes=1) == pytest.approx(45, abs=2)
    world.set(**{"batchQuota:dedicatedCores": 4})
    assert seconds(nodes=2) == pytest.approx(45, abs=2)
    assert seconds(nodes=1) < 10


# --- resizing -----------------------------------------------------------------------------------


def test_a_resize_can_be_stopped(world):
    """Stopping, then Steady with ResizeStopped and no nodes."""
    world.make_pool()
    assert world.batch.pool.stop_resize(GROUP, ACCOUNT, "dev").allocation_state == "Stopping"
    (error,) = world.resize_errors()
    assert error.code == "ResizeStopped"
    assert world.pool().current_dedicated_nodes == 0
    assert refused(world.batch.pool.stop_resize, GROUP, ACCOUNT, "dev").status_code == 409


def test_a_formula_sizes_the_pool(world):
    """Evaluated when the pool is made, and again at each interval."""
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes = 2;", "evaluationInterval": "PT5M"}}
    pool = world.make_pool(scale=scale)
    assert "$TargetDedicatedNodes=2" in pool.auto_scale_run.results
    assert world.await_steady().current_dedicated_nodes == 2
    changed = {"autoScale": {**scale["autoScale"], "formula": "$TargetDedicatedNodes = 1 + 2;"}}
    patch_pool(world, scaleSettings=changed)
    assert world.await_steady().current_dedicated_nodes == 3


def test_a_formula_follows_the_tasks(world):
    """The usual formula: one node for each waiting task, up to a limit."""
    formula = (
        "maximum = 2; // nodes\n"
        "samples = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);\n"
        "pending = samples < 70 ? 1 : avg($PendingTasks.GetSample(180 * TimeInterval_Second));\n"
        "$TargetDedicatedNodes = min(maximum, pending); $NodeDeallocationOption = taskcompletion;"
    )
    world.make_pool(scale={"autoScale": {"formula": formula, "evaluationInterval": "PT5M"}})
    assert world.await_steady().current_dedicated_nodes == 0
    world.make_job()
    for number in range(3):
        world.add_task(f"t{number}")
    world.wait(400)
    assert world.await_steady().current_dedicated_nodes == 2


def test_a_formula_that_sets_one_target_keeps_the_other(world):
    """What it does not mention stays as it was."""
    world.make_pool(nodes=1)
    world.await_steady()
    scale = {"autoScale": {"formula": "$TargetLowPriorityNodes = 1;"}}
    patch_pool(world, scaleSettings=scale)
    pool = world.await_steady()
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 1)


def test_auto_scale_is_disabled_with_the_present_size(world):
    """The pool keeps its targets, and evaluates no more."""
    world.make_pool(scale={"autoScale": {"formula": "$TargetDedicatedNodes = 2;"}})
    world.await_steady()
    pool = world.batch.pool.disable_auto_scale(GROUP, ACCOUNT, "dev")
    assert pool.scale_settings.fixed_scale.target_dedicated_nodes == 2
    assert pool.scale_settings.auto_scale is None
    world.wait(3600)
    assert world.pool().allocation_state == "Steady"
