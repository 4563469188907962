"""Repair of nodes that do not become usable: one reboot, then one reimage. Pure.

A pool's `Care` is the memory of its reconciler: the faults of each node, identified by the time at
which Batch says that the node entered its state. A fault is remembered before its remedy is
requested. So a call that is repeated after a crash finds either the same fault, whose remedy has
not been requested yet, or a later fault, whose remedy is the next one: no remedy is requested
twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from shared.base import durations, script_exits
from shared.base.errors import Problem
from shared.base.wire import Wire, replace

Json = dict[str, Any]

REMEDIES: Final = ("reboot", "reimage")
NODES_MAX: Final = 20  # bad at once; more than that points to the image or the network
_ANSWER_SECONDS: Final = 900.0  # after that, a node in the same state ignores its remedy
_CAUSE_LENGTH: Final = 120


class Fault(Wire):
    """One time that a node became unusable."""

    since: str  # when it entered its state, ISO 8601, from Batch
    cause: str
    asked: str | None = None  # when its remedy was requested, ISO 8601


class Care(Wire):
    """The faults of a pool's nodes, oldest first, by node."""

    faults: dict[str, list[Fault]] = {}

    def noted(self, lost: Iterable[Json], now: str) -> Care:
        """This care with the faults that are new."""
        known = dict(self.faults)
        for node in lost:
            before = known.get(node["id"], [])
            if not before or _is_another(before[-1], node, now):
                fault = Fault(since=_since(node), cause=cause(node)[:_CAUSE_LENGTH])
                known[node["id"]] = [*before, fault]
        return Care(faults=known)

    def due(self, lost: Iterable[Json]) -> tuple[str, list[str]] | None:
        """The remedy that is due, and the nodes that need it; None where none is due."""
        waiting = [n["id"] for n in lost if self.faults[n["id"]][-1].asked is None]
        for number, remedy in enumerate(REMEDIES, 1):
            nodes = [n for n in waiting if len(self.faults[n]) == number]
            if nodes:
                return remedy, nodes
        return None

    def asked(self, nodes: Iterable[str], now: str) -> Care:
        """This care with the remedy for the last fault of these nodes recorded as requested."""
        known = dict(self.faults)
        for node in nodes:
            *before, last = known[node]
            known[node] = [*before, replace(last, asked=now)]
        return Care(faults=known)

    def given_up(self, lost: list[Json]) -> list[Json]:
        """The nodes that no remedy has helped, or all of them where there are too many for a chance
        fault. One such node is enough to give up the pool.
        """
        if len(lost) > NODES_MAX:
            return lost
        return [n for n in lost if len(self.faults.get(n["id"], [])) > len(REMEDIES)]

    def history(self, node: str) -> str:
        """The faults of a node and what each remedy led to, in words."""
        faults = self.faults.get(node, [])
        after = [f"after the {remedy}" for remedy in REMEDIES[: max(0, len(faults) - 1)]]
        if after and len({f.cause for f in faults}) == 1:
            return f"{faults[0].cause}; the same {' and '.join(after)}"
        helped = [f"{a}: {f.cause}" for a, f in zip(after, faults[1:], strict=False)]
        return "; ".join([*[f.cause for f in faults[:1]], *helped])

    def last_cause(self, node: Json) -> str:
        """The latest fault of a node, also of one that is just being repaired."""
        faults = self.faults.get(node["id"])
        return faults[-1].cause if faults else cause(node)


def _is_another(last: Fault, node: Json, now: str) -> bool:
    """Whether this is a later fault, or the same one long after its remedy was requested."""
    if last.since != _since(node):
        return True
    return last.asked is not None and durations.between(last.asked, now) > _ANSWER_SECONDS


def _since(node: Json) -> str:
    return str(node.get("stateTransitionTime") or "")


def code(node: Json) -> str:
    """Batch's error code for a node, or the node's state where it gives none."""
    errors_ = node.get("errors") or []
    if errors_:
        return str(errors_[0].get("code") or node["state"])
    failure = (node.get("startTaskInfo") or {}).get("failureInfo") or {}
    return str(failure.get("code") or node["state"])


def cause(node: Json) -> str:
    """Why a node cannot be used, in one line."""
    info = node.get("startTaskInfo") or {}
    reasons = []
    if info.get("exitCode"):
        reasons.append(f"its start task exited with {script_exits.named(info['exitCode'])}")
    elif failure := info.get("failureInfo"):
        reasons.append(f"its start task failed: {failure.get('code')}: {failure.get('message')}")
    for error in node.get("errors") or []:
        values = [str(d.get("value", "")) for d in error.get("errorDetails") or []]
        reasons.append(" ".join([f"{error.get('code')}: {error.get('message')}", *values]))
    return "; ".join(reasons) or str(node["state"])


def problem(node: Json, care: Care) -> Problem:
    """One node: its faults in order, the checks that failed, the last lines of its start task."""
    checks = ((node.get("report") or {}).get("data") or {}).get("checks") or []
    failed = [f"{c.get('code')}: {c.get('message')}" for c in checks if c["status"] == "fail"]
    said = str((node.get("report") or {}).get("message") or "")
    own = [said] if said and not failed else []  # of the owner's command, after good checks
    facts = "; ".join([care.history(node["id"]) or cause(node), *failed, *own])
    return Problem(
        field=f"nodes[{node['id']}]",
        code=code(node),
        message=f"{node['state']}: {facts}",
        log=node.get("log") or None,
    )
