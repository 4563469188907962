"""Starting orchestrations, each under a deterministic instance id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from shared.azure import tracing
from shared.base import logs
from shared.model import traces
from triggers import http
from triggers.http import Answer, Begin

log = logs.get("http")
# The pauses of a request that waits for Durable to end what has ended on record.
ENDING_SECONDS = (0.2, 0.5, 1, 2, 4, 8, 8)
# Durable's states of an instance that will never go on.
_OVER = {"Completed", "Failed", "Terminated", "Canceled"}


async def begun(client: Any, answer: Answer) -> Answer:
    """The answer after its orchestration has been started, or why that was not possible."""
    if answer.begin is None:
        return answer
    try:
        await begin(client, answer.begin)
    except Exception:
        log.exception("an orchestration cannot be started")
        if answer.undo is not None:
            await asyncio.to_thread(answer.undo)
            return http.unavailable(
                "NotBegun",
                "Durable Functions or its storage does not answer, or has not ended the earlier "
                "try yet, so the work has not begun. Nothing was changed; send the request again.",
            )
        return http.unavailable(
            "NotBegun",
            "Durable Functions or its storage does not answer, so the work has not begun. A build "
            "is on record, and the next sweep starts it; send any other request again later.",
        )
    if answer.note is not None:
        await asyncio.to_thread(answer.note)
    return answer


async def begin(client: Any, what: Begin | Callable[[Any], Awaitable[None]]) -> None:
    """Start an orchestration; one that runs already under this id is the one that was meant, unless
    it is to run again.
    """
    if not isinstance(what, Begin):
        await what(client)
        return
    build = traces.build_of(what.plan)
    with logs.about(build=build), tracing.of_build(build):
        if what.again:
            await _ended(client, what.instance)
        try:
            await client.start_new(what.orchestrator, what.instance, what.plan.to_wire())
        except Exception:
            status = await client.get_status(what.instance)
            if what.again or not status:  # the SDK's answer for an unknown id is falsy
                raise
            log.info("instance=%s was started before", what.instance)


async def is_active(client: Any, instance: str) -> bool:
    """Whether Durable has an instance that goes on."""
    status = await client.get_status(instance)
    state = status.runtime_status.name if status and status.runtime_status else None
    return state is not None and state not in _OVER


async def _ended(client: Any, instance: str) -> None:
    """Wait until Durable has ended an instance: it refuses to start another of that id before."""
    for seconds in ENDING_SECONDS:
        if not await is_active(client, instance):
            return
        await asyncio.sleep(seconds)
