"""What `--plan` shows: steps, names, warnings, blockers, minutes, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from cli import documents, summary, tables

# in tables and lists of their own
_SHOWN = {"steps", "names", "changes", "blockers", "warnings", "cost"}


def blockers(answer: Mapping[str, Any]) -> list[str]:
    """Why the request could not be carried out now; empty if it could."""
    return [documents.problem(blocker) for blocker in answer.get("blockers") or []]


def show(console: Console, answer: Mapping[str, Any]) -> None:
    """Print the plan; fields that this command does not know are shown as they are."""
    steps = [_step(step) for step in answer.get("steps") or []]
    tables.show(console, ("Step", "Minutes"), steps, nothing="No steps.")
    names = answer.get("names")
    if isinstance(names, Mapping):
        console.print("\nNames", style="bold")
        summary.facts_lines(console, {str(key): _value(value) for key, value in names.items()})
    changes = [change for change in answer.get("changes") or [] if isinstance(change, Mapping)]
    if changes:
        console.print("\nPools", style="bold")
    for change in changes:
        console.print(f"  {_change(change)}", markup=False, soft_wrap=True)
    totals = {
        str(key): _value(value)
        for key, value in answer.items()
        if key not in _SHOWN and value not in (None, [], {})
    }
    totals |= dict(_cost(answer.get("cost")))
    if totals:
        console.print("\nIn all", style="bold")
        summary.facts_lines(console, totals)
    warnings = answer.get("warnings") or []
    summary.show_warnings(console, [documents.problem(warning) for warning in warnings])
    found = blockers(answer)
    console.print(
        "\nBlockers" if found else "\nNothing stands in the way; nothing was started.", style="bold"
    )
    for blocker in found:
        console.print(f"  - {blocker}", style="red", markup=False, soft_wrap=True)


_MARKS = {"create": "+", "update": "~", "empty": "-/+", "replace": "-/+", "none": "="}
_MEANING = {
    "create": "is created",
    "update": "is changed in place",
    "empty": "loses all its nodes before it is changed",
    "replace": "is deleted and created again",
    "none": "stays as it is",
}


def _change(change: Mapping[str, Any]) -> str:
    """`-/+ dev loses all its nodes before it is changed: vmSize (...)`, as Terraform marks it."""
    action = str(change.get("action"))
    line = f"{_MARKS.get(action, '?'):<3} {change.get('pool')} {_MEANING.get(action, action)}"
    line += _nodes(change) if action == "update" else ""
    reasons = change.get("reasons") or {}
    line += ": " + ", ".join(f"{n} ({why})" for n, why in reasons.items()) if reasons else ""
    running = change.get("runningNodes")
    return f"{line}; tasks run on {running} of its nodes" if running else line


def _nodes(change: Mapping[str, Any]) -> str:
    """What becomes of the nodes of a pool that is changed in place; an older app does not say."""
    if "removedNodes" not in change:
        return ""
    removed = change["removedNodes"]
    if removed is None:
        return ", and its new formula decides how many nodes it has"
    if not removed:
        return ", and keeps its nodes"
    return f", and loses {removed} of its nodes" if removed > 1 else ", and loses a node"


def _cost(cost: Any) -> Iterator[tuple[str, str]]:
    """What the request costs once, what its pools cost from then on, and what is not in it."""
    if not isinstance(cost, Mapping):
        return
    currency = cost.get("currency", "")
    if "build" in cost:
        yield "builder", f"{_money(cost['build'])} {currency}"
    if "poolsPerHour" in cost:
        yield "pools", f"{_money(cost['poolsPerHour'])} {currency} an hour"
    if cost.get("note"):
        yield "cost", str(cost["note"])


def _money(amount: Any) -> str:
    """In cents, but never nothing for something."""
    if not isinstance(amount, int | float):
        return str(amount)
    return "under 0.01" if 0 < amount < 0.01 else f"{amount:,.2f}"


def _step(step: Any) -> tuple[Any, ...]:
    if not isinstance(step, Mapping):
        return step, None
    name = f"{step['pool']}: {step.get('name')}" if step.get("pool") else step.get("name")
    seconds = step.get("seconds")
    return name, round(seconds / 60, 1) if isinstance(seconds, int | float) else None


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(_value(part) for part in value)
    return str(value)
