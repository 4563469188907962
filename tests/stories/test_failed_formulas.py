"""An update in place that fails leaves a pool that scales itself its formula."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_failed_updates import ACCOUNT, BAD, NO_CHANGE
from tests.stories.test_pool_updates import shown
from tests.world import World, a_pool, pools_only

FORMULA = "$TargetDedicatedNodes = 1;"
NIGHT = "$TargetDedicatedNodes = 0;"
OTHER = "$TargetDedicatedNodes = 2;"
LONG = FORMULA + "\n// a comment" * 100


def of(formula: str, **fields: Any) -> dict[str, Any]:
    """A pool that scales itself."""
    pool = a_pool("dev", autoscaleFormula=formula, autoscaleEvaluationInterval="PT5M", **fields)
    return {name: value for name, value in pool.items() if name != "nodes"}


def scale(world: World) -> dict[str, Any]:
    """How the pool is scaled now."""
    found: dict[str, Any] = shown(world)["scaleSettings"]
    return found


@pytest.mark.parametrize(
    "asked",
    [
        of(FORMULA, checks=[BAD]),
        of(OTHER, checks=[BAD]),
        a_pool("dev", nodes=2, checks=[BAD]),
    ],
    ids=["the same formula", "another formula", "a fixed scale"],
)
def test_a_pool_keeps_the_formula_that_it_had(built: World, asked: dict[str, Any]) -> None:
    """Its nodes go on coming and going as before; the record says so, and when the pool ends."""
    built.build(pools_only("r1", of(FORMULA, ttlHours=100)))
    until, before = built.pool(ACCOUNT, "dev")["expiresAt"], scale(built)
    built.engine.advance(900)

    assert built.build(pools_only("r2", asked))["state"] == "failed"

    assert scale(built) == before
    record = built.pool(ACCOUNT, "dev")
    assert (record["state"], record["expiresAt"]) == ("failed", until)
    assert "keeps the formula that it had before" in record["error"]["nextAction"]
    built.engine.advance(1800)
    assert shown(built)["currentDedicatedNodes"] == 1
    assert built.sweep()["shrunk"] == []


def test_a_pool_that_is_empty_at_the_moment_keeps_its_formula_too(built: World) -> None:
    """Its nodes come back with its tasks."""
    built.build(pools_only("r1", of(NIGHT, ttlHours=100)))
    until, before = built.pool(ACCOUNT, "dev")["expiresAt"], scale(built)
    built.build(pools_only("r2", a_pool("dev", checks=[BAD])))
    assert (scale(built), built.pool(ACCOUNT, "dev")["expiresAt"]) == (before, until)


def test_a_resume_that_fails_again_and_the_sweep_give_it_back(built: World) -> None:
    """The pool's metadata holds it until another build has shaped the pool."""
    built.build(pools_only("r1", of(FORMULA)))
    before = scale(built)
    build = built.build(pools_only("r2", a_pool("dev", nodes=2, checks=[BAD])))["buildId"]
    assert built.resume(build)["state"] == "failed"
    assert scale(built) == before

    again = built.start(pools_only("r3", a_pool("dev", nodes=2, checks=[BAD])))
    built.engine.advance(150)
    built.fault({**NO_CHANGE, "code": "AuthorizationFailed", "times": 99})
    built.engine.run_until_complete(again)
    built.azure.faults.clear()
    assert (built.pool(ACCOUNT, "dev")["nodesLeft"], scale(built) == before) == (True, False)
    assert len(built.sweep()["shrunk"]) == 1
    record = built.pool(ACCOUNT, "dev")
    assert (record["nodesLeft"], scale(built)) == (False, before)
    assert "keeps the formula that it had before" in record["error"]["nextAction"]
    assert built.sweep()["shrunk"] == []


@pytest.mark.parametrize("resumed", [False, True])
def test_a_long_formula_is_kept_where_it_stays_and_else_the_loss_is_told(
    built: World, resumed: bool
) -> None:
    """Azure does not say how much metadata a pool may have."""
    built.build(pools_only("r1", of(LONG)))
    built.engine.advance(900)
    before = scale(built)
    assert built.build(pools_only("r2", of(LONG, checks=[BAD])))["state"] == "failed"
    assert scale(built) == before

    build = built.build(pools_only("r3", a_pool("dev", nodes=2, checks=[BAD])))["buildId"]
    if resumed:
        assert built.resume(build)["state"] == "failed"
    assert scale(built)["fixedScale"]["targetDedicatedNodes"] == 1
    advice = built.pool(ACCOUNT, "dev")["error"]["nextAction"]
    assert "as many nodes as it had before: 1. Its formula is lost" in advice


def test_a_pool_that_scales_itself_from_now_on_does_not_if_its_build_fails(built: World) -> None:
    """It had a fixed scale before."""
    built.build(pools_only("r1", a_pool("dev", nodes=1)))
    built.build(pools_only("r2", of(OTHER, checks=[BAD])))
    assert scale(built)["fixedScale"]["targetDedicatedNodes"] == 1
