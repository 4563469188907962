"""What is done for nodes that do not become usable: one reboot, then one reimage. Pure.

A pool's `Care` is what its orchestration remembers between looks: each fault of each node, told
apart by when the node itself says that it entered its state. A fault is remembered before anything
is done about it. So a call that is repeated after a crash meets either the same fault, which still
has its remedy to come, or a later one, whose remedy is the next: none is given twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from shared.base.wire import Wire, replace

Json = dict[str, Any]

REMEDIES: Final = ("reboot", "reimage")
NODES_MAX: Final = 20  # bad at once; more than that is the image's or the network's fault
_ANSWER_SECONDS: Final = 900.0  # a node that has not moved by then does not answer to its remedy
_CAUSE_LENGTH: Final = 120


class Fault(Wire):
    """One time that a node became unusable."""

    since: str  # when it entered its state, ISO 8601, as Batch tells
    cause: str
    asked: str | None = None  # when its remedy was asked for, ISO 8601


class Care(Wire):
    """The faults of a pool's nodes, oldest first, by node."""

    faults: dict[str, list[Fault]] = {}

    def noted(self, lost: Iterable[Json], now: str) -> Care:
        """With every fault that was not known yet."""
        known = dict(self.faults)
        for node in lost:
            before = known.get(node["id"], [])
            if not before or _is_another(before[-1], node, now):
                fault = Fault(since=_since(node), cause=cause(node)[:_CAUSE_LENGTH])
                known[node["id"]] = [*before, fault]
        return Care(faults=known)

    def due(self, lost: Iterable[Json]) -> tuple[str, list[str]] | None:
        """A remedy and the nodes that it is to be given to now."""
        waiting = [n["id"] for n in lost if self.faults[n["id"]][-1].asked is None]
        for number, remedy in enumerate(REMEDIES, 1):
            nodes = [n for n in waiting if len(self.faults[n]) == number]
            if nodes:
                return remedy, nodes
        return None

    def asked(self, nodes: Iterable[str], now: str) -> Care:
        """With the remedy for the last fault of these nodes asked for."""
        known = dict(self.faults)
        for node in nodes:
            *before, last = known[node]
            known[node] = [*before, replace(last, asked=now)]
        return Care(faults=known)

    def given_up(self, lost: list[Json]) -> list[Json]:
        """The nodes that nothing has helped; all of them where they are too many for chance. One is
        enough to give up the pool.
        """
        if len(lost) > NODES_MAX:
            return lost
        return [n for n in lost if len(self.faults.get(n["id"], [])) > len(REMEDIES)]

    def told(self, node: str) -> str:
        """What was tried for a node, in words."""
        faults = self.faults.get(node, [])
        helped = [f"after the {r}: {f.cause}" for r, f in zip(REMEDIES, faults[1:], strict=False)]
        return "; ".join([*[f.cause for f in faults[:1]], *helped])


def _is_another(last: Fault, node: Json, now: str) -> bool:
    """A later fault, or the same one although its remedy was asked for long ago."""
    if last.since != _since(node):
        return True
    return last.asked is not None and _seconds(last.asked, now) > _ANSWER_SECONDS


def _since(node: Json) -> str:
    return str(node.get("stateTransitionTime") or "")


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def code(node: Json) -> str:
    """Batch's word for what is wrong with a node, or the state itself."""
    errors_ = node.get("errors") or []
    if errors_:
        return str(errors_[0].get("code") or node["state"])
    failure = (node.get("startTaskInfo") or {}).get("failureInfo") or {}
    return str(failure.get("code") or node["state"])


def cause(node: Json) -> str:
    """Why a node cannot be used, in one line."""
    info = node.get("startTaskInfo") or {}
    told = []
    if info.get("exitCode"):
        told.append(f"its start task exited with {info['exitCode']}")
    elif failure := info.get("failureInfo"):
        told.append(f"its start task failed: {failure.get('code')}: {failure.get('message')}")
    for error in node.get("errors") or []:
        values = [str(d.get("value", "")) for d in error.get("errorDetails") or []]
        told.append(" ".join([f"{error.get('code')}: {error.get('message')}", *values]))
    return "; ".join(told) or str(node["state"])
