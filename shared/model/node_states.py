"""What the states of nodes mean for a pool that should become ready. Pure.

A node is here as the Batch service describes it.
"""

from __future__ import annotations

from typing import Any

from shared.base import durations
from shared.base.errors import Bug
from shared.model import simulation_marks
from shared.model.simulation_marks import Marks

Json = dict[str, Any]

_COMING = {
    "creating", "starting", "waitingforstarttask", "rebooting", "reimaging", "unknown",
    "upgradingos", "deallocating", "leavingpool", "offline", "preempted", "deallocated",
}  # fmt: skip
_READY = {"idle", "running"}
_LOST = {"unusable", "starttaskfailed"}
PREEMPTED = "preempted"  # Azure has taken a Spot node, and gives one back when it can


def state_of(node: Json) -> str:
    """A node's state in lower case. Raises Bug for a state that is not in the sets above."""
    state = str(node.get("state", "unknown")).lower()
    if state not in _COMING | _READY | _LOST:
        raise Bug(f"Batch says node state {state!r}, which is not known here")
    return state


def is_coming(node: Json) -> bool:
    """Whether the node only needs time."""
    return state_of(node) in _COMING


def is_ready(node: Json) -> bool:
    """Whether the node can run tasks."""
    return state_of(node) in _READY


def marks(nodes: list[Json]) -> Marks:
    """How real the start tasks of the nodes were."""
    tasks = (node.get("startTaskInfo") or {} for node in nodes)
    return simulation_marks.combine([simulation_marks.read(task) for task in tasks])


def lost(nodes: list[Json]) -> list[Json]:
    """The nodes that waiting will not make usable."""
    return [n for n in nodes if state_of(n) in _LOST]


# Seconds that a node spends in each state on its way to idle: two thirds of the usual time. A node
# that takes half the usual time is idle at the first poll. For any other node, the states that are
# left hardly take less than this, so an earlier poll would show nothing new.
_WAY = {"creating": 20.0, "starting": 100.0, "waitingforstarttask": 13.0}


def left(nodes: list[Json], at: str | None) -> float | None:
    """The least seconds until all nodes are idle; None where one is in an unusual state. `at` is
    the time by the clock that also noted when each node entered its state, which is not the app's.
    """
    coming = [n for n in nodes if is_coming(n)]
    if any(state_of(n) not in _WAY for n in coming):
        return None
    return max(way_of(state_of(n), _seconds_in_state(n, at)) for n in coming)


def way_of(state: str, spent: float = 0.0) -> float:
    """The seconds until a node is idle that has `spent` some in this state."""
    states = list(_WAY)
    after = sum(_WAY[s] for s in states[states.index(state) + 1 :])
    return after + min(max(0.0, _WAY[state] - spent), _WAY[state])


def _seconds_in_state(node: Json, at: str | None) -> float:
    since = node.get("stateTransitionTime")
    if since is None or at is None:
        return 0.0
    return durations.between(since, at)


def only_preempted_away(nodes: list[Json]) -> bool:
    """Whether the nodes that Azure has not taken back are ready, and there are some: they prove
    the pool, and for how long the others stay away is open.
    """
    states = [state_of(n) for n in nodes]
    away = states.count(PREEMPTED)
    return 0 < away < len(states) and all(s in _READY for s in states if s != PREEMPTED)


def preempted_seconds(nodes: list[Json], at: str | None) -> float:
    """For how long Azure has had all nodes back; 0 where it has not. `at` as for `left`."""
    if not nodes or any(state_of(n) != PREEMPTED for n in nodes):
        return 0.0
    return min(_seconds_in_state(n, at) for n in nodes)


def counted(nodes: list[Json]) -> str:
    """How many nodes are in each state, in words."""
    states = [state_of(n) for n in nodes]
    return ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states)))
