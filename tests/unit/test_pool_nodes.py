"""How long nodes still take, by what is seen of them."""

from __future__ import annotations

import pytest

from activities import pool_nodes
from shared.engine.activity import PollState
from shared.engine.decisions import Decision, Done, Wait
from shared.model import parsing, planning
from tests.world import CONFIG, a_pool, a_request

NOW = "2026-01-01T00:10:00Z"


def node(state: str, since: str = "2026-01-01T00:10:00Z") -> dict:
    """A node that entered its state at a time."""
    return {"id": f"{state} {since}", "state": state, "stateTransitionTime": since}


def judged(*nodes: dict, **pool: object) -> Decision:
    """What follows when these are the pool's nodes, and it wants as many."""
    asked = parsing.parse_build(a_request(pools=[a_pool("dev", nodes=len(nodes) or 1)]), CONFIG)
    (plan,) = planning.plan_build(asked.with_request_id("r1"), CONFIG).pools
    seen = {"nodes": list(nodes), "properties": {"allocationState": "Resizing"}}
    poll = PollState(now="2026-01-01T02:10:00Z")  # the app's clock is another one
    return pool_nodes.decide_nodes(plan, {**seen, "at": NOW, **pool}, poll)


@pytest.mark.parametrize(
    ("state", "since", "left"),
    [
        ("creating", "2026-01-01T00:10:00Z", 133.0),
        ("creating", "2026-01-01T00:09:50Z", 123.0),
        ("creating", "2026-01-01T00:05:00Z", 113.0),
        ("starting", "2026-01-01T00:09:30Z", 83.0),
        ("starting", "2026-01-01T00:01:00Z", 13.0),
        ("waitingforstarttask", "2026-01-01T00:09:57Z", 10.0),
        ("waitingforstarttask", "2026-01-01T00:00:00Z", 0.0),
    ],
)
def test_what_is_left_of_a_nodes_way(state: str, since: str, left: float) -> None:
    """The states before it are over, those after it are still to come."""
    verdict = judged(node(state, since))
    assert isinstance(verdict, Wait)
    assert verdict.left == left


@pytest.mark.parametrize("since", ["2026-01-01T02:10:00Z", "2030-01-01T00:00:00Z"])
@pytest.mark.parametrize(("state", "left"), [("creating", 133.0), ("starting", 113.0)])
def test_a_time_to_come_foretells_no_more_than_the_whole_way(
    since: str, state: str, left: float
) -> None:
    """Two machines of Azure need not agree either."""
    verdict = judged(node(state, since))
    assert isinstance(verdict, Wait)
    assert verdict.left == left


def test_an_answer_without_a_date_foretells_the_whole_way() -> None:
    """The app's own clock cannot take the date's place."""
    verdict = judged(node("starting", "2026-01-01T00:09:30Z"), at=None)
    assert isinstance(verdict, Wait)
    assert verdict.left == 113.0


def test_the_last_node_counts() -> None:
    """A pool is ready when all its nodes are."""
    verdict = judged(node("idle"), node("waitingforstarttask"), node("creating"))
    assert isinstance(verdict, Wait)
    assert verdict.left == 133.0


def test_nodes_that_do_something_unusual_foretell_nothing() -> None:
    """Nobody knows how long a repair or an upgrade takes."""
    verdict = judged(node("starting"), node("reimaging"))
    assert isinstance(verdict, Wait)
    assert verdict.left is None


def test_machines_that_are_not_there_yet_have_their_whole_way_before_them() -> None:
    """Azure looks for machines; once it has them, they must be prepared, boot and start."""
    verdict = judged()
    assert isinstance(verdict, Wait)
    assert verdict.left == 133.0


def test_a_pool_whose_nodes_are_all_ready_is_ready() -> None:
    """Whatever the pool itself says of its last resize."""
    assert isinstance(judged(node("idle"), node("running")), Done)
