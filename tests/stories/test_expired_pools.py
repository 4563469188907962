"""A pool that was asked for with `ttlHours` goes when they are over, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ResourceModifiedError

import activities
from activities import cleanup_facts
from shared.engine.activity import PollState, Reconciler
from shared.engine.decisions import Start
from shared.model import cleanup, plan_updates, planning
from shared.model.cleanup import CleanupItem, Facts
from shared.model.plans import PoolPlan
from shared.model.requests import Build
from tests.world import World, a_pool, pools_only
from triggers import builds, leftovers, pools

ACCOUNT = "mybatch12345"
HOUR = 3600.0
NOON = "2026-01-01T12:00:00Z"


def of_pools(request_id: str = "pools", *pools: dict) -> dict:
    """A request for pools from the image that is there."""
    return pools_only(request_id, *(pools or [a_pool("dev", ttlHours=8)]))


def on_azure(world: World) -> list[str]:
    """The pools on Azure."""
    return sorted(r["id"].rpartition("/")[2] for r in world.resources("batchAccounts/pools"))


def said(world: World) -> list[tuple[str, str, str | None]]:
    """What a dry run says of pools: name, verdict, until when."""
    listed = world.ask(leftovers.list_leftovers).body["leftovers"]
    found = [f for f in listed if f["type"].endswith("/pools")]
    return [(f["id"].rpartition("/")[2], f["verdict"], f.get("until")) for f in found]


def expired(world: World) -> list[str]:
    """The pools that a sweep deletes."""
    return [id_.rpartition("/")[2] for id_ in world.sweep()["deleted"]]


def test_a_pool_goes_when_its_time_is_over(built: World) -> None:
    """Not before; and the one beside it, which has no end, stays."""
    build = built.build(of_pools("pools", a_pool("dev", ttlHours=8), a_pool("prod")))
    until = built.pool(ACCOUNT, "dev")["expiresAt"]
    assert until.startswith("2026-01-01T08:")
    assert "expiresAt" not in built.pool(ACCOUNT, "prod")
    assert said(built) == [("dev", "keep", until)]
    built.engine.advance(7 * HOUR)
    assert expired(built) == []

    built.engine.advance(2 * HOUR)
    ((name, verdict, _),) = said(built)
    assert (name, verdict) == ("dev", "remove")
    assert expired(built) == ["dev"]

    assert on_azure(built) == ["prod"]
    assert built.ask(pools.show_pool, account=ACCOUNT, pool="dev").status == 404
    steps = built.show(build["buildId"])["steps"]
    assert ("dev", "remove_pool") in {(s.get("pool"), s["name"]) for s in steps}
    assert said(built) == []
    assert expired(built) == []


def test_a_pool_that_is_made_again_lives_on(built: World) -> None:
    """The last request says how long; no hours are no end."""
    built.build(of_pools())
    built.engine.advance(7 * HOUR)
    built.build(of_pools("again", a_pool("dev")))
    built.engine.advance(24 * HOUR)
    assert expired(built) == []
    assert on_azure(built) == ["dev"]


def test_a_resized_pool_keeps_its_end(built: World) -> None:
    """More nodes are no more time."""
    built.build(of_pools())
    until = built.pool(ACCOUNT, "dev")["expiresAt"]
    built.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 2})
    assert built.pool(ACCOUNT, "dev")["expiresAt"] == until
    built.engine.advance(9 * HOUR)
    assert expired(built) == ["dev"]


def test_a_failed_pool_goes_too(built: World) -> None:
    """It has no nodes, but it counts against the account's quota of pools."""
    bad_nodes = {"operation": "nodes.start", "code": "DiskFull", "times": 9}
    built.fault({"effect": "allocation", **bad_nodes})
    build = built.build(of_pools())
    assert build["state"] == "failed"
    built.azure.faults.clear()
    built.engine.advance(9 * HOUR)
    assert expired(built) == ["dev"]
    assert on_azure(built) == []

    resumed = built.resume(build["buildId"])
    assert resumed["state"] == "succeeded", resumed["error"]
    assert on_azure(built) == ["dev"]


def test_a_pool_at_work_on_is_left_alone(built: World) -> None:
    """Its time is over while another build changes it: that one decides."""
    built.build(of_pools())
    built.engine.advance(9 * HOUR)
    build = built.start(of_pools("again", a_pool("dev", nodes=2)))
    built.engine.advance(5)
    assert said(built) == [("dev", "keep", None)]
    assert expired(built) == []
    built.engine.run_until_complete(build)
    assert built.show(build)["state"] == "succeeded"
    assert on_azure(built) == ["dev"]


def test_what_somebody_else_has_made_of_it_stays(built: World) -> None:
    """A person has deleted it and made another of that name: it is left alone for good."""
    built.build(of_pools())
    batch = built.services.azure.batch.pool
    found: dict[str, Any] = batch.get("images", ACCOUNT, "dev").as_dict()
    kept = ("vmSize", "deploymentConfiguration", "scaleSettings")
    theirs = {"properties": {key: found["properties"][key] for key in kept}}
    batch.begin_delete("images", ACCOUNT, "dev", polling=False)
    built.engine.advance(HOUR)
    built.azure.settle()
    batch.create("images", ACCOUNT, "dev", theirs)

    built.engine.advance(8 * HOUR)
    assert [verdict for _, verdict, _ in said(built)] == ["keep"]
    assert expired(built) == []
    assert on_azure(built) == ["dev"]
    before = len(built.ledger())
    built.sweep()
    assert [r for r in built.ledger()[before:] if "/pools/" in r["url"]] == []


def test_a_pool_that_is_gone_already_is_forgotten(built: World) -> None:
    """A person has deleted it in the portal."""
    built.build(of_pools())
    built.services.azure.batch.pool.begin_delete("images", ACCOUNT, "dev", polling=False)
    built.engine.advance(9 * HOUR)
    built.azure.settle()
    assert said(built) == []
    built.sweep()
    assert built.ask(pools.show_pool, account=ACCOUNT, pool="dev").status == 404


def test_what_azure_refuses_is_the_next_sweeps(built: World) -> None:
    """The pool stays on record until it is gone."""
    built.build(of_pools())
    built.engine.advance(9 * HOUR)
    forbidden = {"effect": "status", "status": 403, "code": "AuthorizationFailed"}
    built.fault({**forbidden, "method": "DELETE", "path": "/pools/dev", "times": 1})
    swept = built.sweep()
    assert (swept["deleted"], len(swept["failed"])) == ([], 1)
    assert built.pool(ACCOUNT, "dev")["state"] == "ready"
    assert expired(built) == ["dev"]


def test_a_build_that_dies_does_not_bring_an_expired_pool_back(built: World) -> None:
    """Its pool was deleted long before it was resumed and died."""
    built.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    wanted = [a_pool("dev", ttlHours=1), a_pool("test", ttlHours=1)]
    build = built.build(of_pools("pools", *wanted))["buildId"]
    assert built.show(build)["state"] == "failed"
    built.engine.advance(2 * HOUR)
    assert sorted(expired(built)) == ["dev", "test"]

    built.fault({"effect": "status", "status": 503, "method": "GET", "times": 100})
    assert built.ask(builds.resume_build, id=build).status == 202
    built.engine.advance(60)
    built.engine.terminate(build, "the host was lost")
    built.engine.advance(2 * HOUR)
    built.azure.faults.clear()
    assert built.sweep()["closed"] == [build]
    assert built.records.pools() == []


def test_a_pool_that_expired_meanwhile_is_made_again(built: World) -> None:
    """Who resumes a build wants all of its pools."""
    built.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    wanted = [a_pool("dev", ttlHours=1), a_pool("test", ttlHours=1)]
    build = built.build(of_pools("pools", *wanted))["buildId"]
    built.engine.advance(2 * HOUR)
    assert sorted(expired(built)) == ["dev", "test"]
    resumed = built.resume(build)
    assert resumed["state"] == "succeeded", resumed["error"]
    assert on_azure(built) == ["dev", "test"]


def test_what_is_to_be_deleted_is_told_once(built: World) -> None:
    """A failed pool whose nodes are still there has an end, too."""
    bad_nodes = {"operation": "nodes.start", "code": "DiskFull", "times": 9}
    built.fault({"effect": "allocation", **bad_nodes})
    refusal = {"effect": "status", "status": 503, "method": "PATCH", "path": "/pools/dev"}
    built.fault({**refusal, "times": 1000})
    built.build(of_pools())
    assert [verdict for _, verdict, _ in said(built)] == ["shrink"]
    built.engine.advance(9 * HOUR)
    assert [verdict for _, verdict, _ in said(built)] == ["remove"]


# -- who takes it over at this very moment --------------------------------------------------------


def seen_by(
    world: World, activity: str, plan: PoolPlan | CleanupItem
) -> tuple[Reconciler[Any, Any], Start[Any], PollState]:
    """An activity that has looked and judged, and not yet acted."""
    operation = activities.find(activity)
    assert isinstance(operation, Reconciler)
    poll = PollState(now=NOON)
    verdict = operation.decide(plan, operation.observe(world.services, plan, poll), poll)
    assert isinstance(verdict, Start), verdict
    return operation, verdict, poll.model_copy(update={"memory": verdict.memory or {}})


def plan_of(world: World, build: str) -> PoolPlan:
    """The plan of the build's one pool, as its orchestration has it."""
    row = world.records.build(build)
    assert row is not None
    (pool,) = planning.plan_build(
        Build.from_wire(row["Request"]), world.services.azure.config
    ).pools
    return plan_updates.with_image(pool, world.records.images()[0])


def item_of(world: World) -> CleanupItem:
    """The one pool on the list of cleanup at noon."""
    pools = cleanup_facts.of_pools(world.services, NOON)
    (item,) = cleanup.plan_cleanup(Facts(pools=pools), NOON)
    return item


def test_a_build_that_was_quicker_keeps_the_pool(built: World) -> None:
    """It changes the pool between the sweep's look and the sweep's mark."""
    built.build(of_pools())
    built.engine.advance(9 * HOUR)
    item = item_of(built)
    operation, mark, poll = seen_by(built, "remove_made", item)
    assert built.build(of_pools("again", a_pool("dev")))["state"] == "succeeded"
    with pytest.raises(ResourceModifiedError):
        operation.actions[mark.action](built.services, item, poll)
    assert expired(built) == []
    assert on_azure(built) == ["dev"]


def test_a_build_that_was_slower_makes_a_new_pool(built: World) -> None:
    """The sweep marks the pool between the build's look and the build's change."""
    built.build(of_pools())
    built.engine.advance(9 * HOUR)
    item = item_of(built)
    sweep, mark, poll = seen_by(built, "remove_made", item)
    again = built.start(of_pools("again", a_pool("dev", nodes=2)))
    ensure, change, seen = seen_by(built, "ensure_pool", plan_of(built, again))
    sweep.actions[mark.action](built.services, item, poll)
    with pytest.raises(ResourceModifiedError):
        ensure.actions[change.action](built.services, plan_of(built, again), seen)

    built.engine.run_until_complete(again)
    assert built.show(again)["state"] == "succeeded"
    deletions = [r for r in built.ledger() if r["method"] == "DELETE" and "/pools/dev" in r["url"]]
    assert [r["status"] for r in deletions] == [202]
    assert expired(built) == []
    assert on_azure(built) == ["dev"]


def test_many_pools_end_in_groups(built: World) -> None:
    """No history grows with their number."""
    build = built.build(of_pools())["buildId"]
    record = built.records.pool(ACCOUNT, "dev")
    assert record is not None
    for number in range(120):
        built.records.put_pool(record.model_copy(update={"pool_id": f"p{number}"}))
    built.engine.advance(9 * HOUR)
    assert expired(built) == ["dev"]  # the others are not on Azure: only their records go
    assert built.records.pools() == []
    assert built.engine.store.longest_history() < 200, build
