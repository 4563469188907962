"""What the timers begin."""

from __future__ import annotations

import asyncio
from typing import Any

from shared import acceptance, names
from shared.operations import Services
from shared.plans import Nothing, SweepPlan
from shared.requests import Mode
from triggers import http
from triggers.http import Begin

# Durable's states of an instance that will never go on.
_OVER = {"Completed", "Failed", "Terminated", "Canceled"}


async def begin_rebuild(client: Any) -> None:
    """Rebuild every enabled recipe; one rebuild at a time."""
    name = names.Orchestrator.REBUILD_IMAGES.value
    await http.begin(client, Begin(orchestrator=name, instance=name, plan=Nothing()))


async def begin_sweep(services: Services, client: Any) -> None:
    """Take up what was accepted and never begun, then sweep; one sweep at a time."""
    dead: list[str] = []
    for row in await asyncio.to_thread(services.records.builds):
        if row["State"] not in {"accepted", "running"}:
            continue
        status = await client.get_status(row.key)
        state = status.runtime_status.name if status and status.runtime_status else None
        if row["State"] == "accepted" and state is None:
            await _take_up(services, client, row)
        elif row["State"] == "running" and (state is None or state in _OVER):
            dead.append(row.key)
    name = names.Orchestrator.SWEEP_LEFTOVERS.value
    await http.begin(client, Begin(orchestrator=name, instance=name, plan=SweepPlan(dead=dead)))


async def _take_up(services: Services, client: Any, row: Any) -> None:
    """The app died between accepting a request and beginning it."""
    if row["Mode"] in {Mode.RESIZE_POOL, Mode.DELETE_POOL}:
        return  # a person asks again: the pool may have changed since
    try:
        accepted = await asyncio.to_thread(
            acceptance.accept, services.records, row["Request"], services.azure.config
        )
    except acceptance.Taken:
        return  # another build has the image; this request is withdrawn
    plan = accepted.plan
    begin = Begin(orchestrator=names.Orchestrator.BUILD, instance=plan.build_id, plan=plan)
    await http.begin(client, begin)
