"""What the timers begin."""

from __future__ import annotations

import asyncio
import functools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.base import names
from shared.base.errors import RequestRefused
from shared.engine.activity import NoInput, Services
from shared.model.plans import SweepPlan
from shared.model.requests import Mode
from shared.store import acceptance
from shared.store.row_checks import RUNNING
from triggers import beginning, retention
from triggers.http import Begin

if TYPE_CHECKING:
    from shared.store.tables import Row

_BEGINNING = timedelta(minutes=5)  # longer than a request lasts


async def begin_rebuild(client: Any) -> None:
    """Rebuild every enabled recipe; one rebuild at a time."""
    name = names.Orchestrator.REBUILD_IMAGES.value
    await beginning.begin(client, Begin(orchestrator=name, instance=name, plan=NoInput()))


async def sweep(services: Services, client: Any) -> None:
    """Sweep, and remove what is older than the settings keep it."""
    await begin_sweep(services, client)
    await retention.apply_retention(services, client)


async def begin_sweep(services: Services, client: Any) -> None:
    """Take up what was accepted and never begun, then sweep; one sweep at a time."""
    dead: list[str] = []
    for build in await asyncio.to_thread(services.records.running):
        if await beginning.is_active(client, build.key):
            continue
        row = await asyncio.to_thread(services.records.build, build.key)
        if row is None or row["State"] not in RUNNING:  # unreadable, withdrawn, or over
            continue
        if await beginning.is_active(client, row.key):  # it has begun since it was looked at
            continue
        if row["State"] == "accepted" and await _taken_up(services, client, row):
            continue
        if not await _goes_on(client, row.key):
            dead.append(row.key)
    name = names.Orchestrator.CLEAN_UP.value
    await beginning.begin(
        client, Begin(orchestrator=name, instance=name, plan=SweepPlan(dead=dead))
    )


async def _goes_on(client: Any, build: str) -> bool:
    """Whether children of a dead build still run. They end by themselves; until then the sweep
    leaves alone what they make.
    """
    from azure.durable_functions import OrchestrationRuntimeStatus as Status

    running = [Status.Running, Status.Pending, Status.Suspended]
    prefix = names.child_instance(build, "")
    found = await client.get_status_by(runtime_status=running)  # version 2 knows no prefix
    return any(str(status.instance_id).startswith(prefix) for status in found)


def _is_recent(moment: str | None, now: str) -> bool:
    """Whether the request that wrote this time may still be beginning its orchestration."""
    if not moment:
        return False
    return datetime.fromisoformat(now) - datetime.fromisoformat(moment) < _BEGINNING


async def _taken_up(services: Services, client: Any, row: Row) -> bool:
    """The app died between accepting a request and beginning it. False where that cannot be made
    good: the sweep closes the record then.
    """
    if row.get("Outcome"):  # a resume that never began: the build is as resumable as before
        if not _is_recent(row.get("ReopenedAt"), services.now()):
            await asyncio.to_thread(services.records.close_again, row.key)
        return True
    if row["Mode"] in {Mode.RESIZE_POOL, Mode.DELETE_POOL}:
        return False  # a person asks again: the pool may have changed since
    request = acceptance.stored_request(row)
    if request is None:
        return False
    try:
        accepted = await asyncio.to_thread(
            functools.partial(acceptance.accept_parsed, now=services.now()),
            services.records,
            request,
            services.azure.config,
        )
    except acceptance.RequestConflict:
        return True  # another build has the image; this request is withdrawn
    except RequestRefused:
        return False
    plan = accepted.plan
    services.telemetry.triggered(plan.build_id, "sweep_leftovers", services.now())
    begin = Begin(orchestrator=names.Orchestrator.BUILD, instance=plan.build_id, plan=plan)
    await beginning.begin(client, begin)
    change = functools.partial(
        services.records.note_change,
        *(services.now(), services.new_id(), "POST /api/builds"),
        caller=str(row.get("RequestedBy") or "") or None,
        build=plan.build_id,
    )
    await asyncio.to_thread(change)
    return True
