"""The pools of a request: a value given once holds for all, several pair with them in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cli.flags import Flags


def problems(flags: Flags, *, counted: bool) -> Iterator[str]:
    """What cannot be paired or read; `counted` is false where no pools are made."""
    for name, values in (
        ("--nodes", flags.nodes),
        ("--low-priority-nodes", flags.low_priority_nodes),
    ):
        yield from (
            f"{name} {value}: give a whole number of nodes, 0 or more"
            for value in values or []
            if not re.fullmatch(r"\d{1,6}", value)
        )
    if flags.ttl_hours is not None and _hours(flags.ttl_hours) is None:
        yield f"--ttl-hours {flags.ttl_hours}: give hours, such as 8 or 0.5"
    if counted:
        yield from _pool_problems(flags)


def _hours(text: str | None) -> float | None:
    """The number; None where it is none."""
    is_number = text is not None and re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text)
    return float(text) if text and is_number else None


def _pool_problems(flags: Flags) -> Iterator[str]:
    ids = flags.pool_id or []
    for pool_id in sorted({pool_id for pool_id in ids if ids.count(pool_id) > 1}):
        yield f"--pool-id {pool_id} is given twice"
    pool_count = max(1, len(ids))
    for name, values in _paired_flags(flags).items():
        if len(values) not in {0, 1, pool_count}:
            yield (
                f"{name} is given {len(values)} times for {_pools(pool_count)}: "
                "give it once for all, or once for each in the order of --pool-id"
            )
    if flags.autoscale_formula and (flags.nodes or flags.low_priority_nodes):
        yield "--autoscale-formula decides the nodes: leave --nodes and --low-priority-nodes out"


def _pools(number: int) -> str:
    return "1 pool" if number == 1 else f"{number} pools"


def _paired_flags(flags: Flags) -> dict[str, list[str]]:
    return {
        "--vm-size": flags.vm_size or [],
        "--nodes": flags.nodes or [],
        "--low-priority-nodes": flags.low_priority_nodes or [],
        "--autoscale-formula": flags.autoscale_formula or [],
    }


def pools(flags: Flags, base: Any) -> list[dict[str, Any]] | None:
    """The pools that flags without problems mean; `None` leaves those of `base` alone.

    `base` is what a `--request` file says. Without it and without flags this is one pool of the
    service's defaults, as the old script made it.
    """
    shared = {
        "verify": flags.verify,
        "ifExists": flags.if_exists,
        "ttlHours": _hours(flags.ttl_hours),
        "interruptTasks": flags.yes or None,
        "interNodeCommunication": flags.inter_node_communication or None,
    }
    if flags.pool_id is None and base:
        return _changed(flags, base, shared)
    ids: list[str | None] = [*(flags.pool_id or [])] or [None]
    return [
        _given({"id": pool_id, **_own(flags, index, len(ids)), **shared})
        for index, pool_id in enumerate(ids)
    ]


def _changed(flags: Flags, base: Any, shared: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The pools of a request file, with what the flags say of all of them."""
    if not isinstance(base, list) or not all(isinstance(pool, dict) for pool in base):
        return None
    return [pool | _given(_own(flags, 0, 1) | shared) for pool in base]


def _own(flags: Flags, index: int, pool_count: int) -> dict[str, Any]:
    size, nodes, low_priority, formula = (
        _paired(values, index, pool_count) for values in _paired_flags(flags).values()
    )
    return {
        "vmSize": full_size(size),
        "nodes": None if nodes is None else int(nodes),
        "lowPriorityNodes": None if low_priority is None else int(low_priority),
        "autoscaleFormula": formula,
    }


def _paired(values: list[str], index: int, pool_count: int) -> str | None:
    if not values:
        return None
    return values[index] if len(values) == pool_count else values[0]


def _given(pool: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pool.items() if value is not None}


def full_size(size: str | None) -> str | None:
    """`NC6` as `Standard_NC6`, as the old script's users write it; a full name stays."""
    if size is None or re.match(r"(standard|basic)_", size, re.IGNORECASE):
        return size
    return f"Standard_{size}"
