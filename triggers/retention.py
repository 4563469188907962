"""What the timer of the sweep removes besides resources: records of builds with their logs, refused
messages, changes, uploaded contexts, and Durable's histories, once they are older than the settings
allow.

Image and pool records, recipes and the numbers of image versions stay. A part that fails stops no
other. Each removes a limited number at a time, so that the function ends in time, and in an order
that a crash does not hurt: the next sweep goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from shared.base import logs, names
from shared.engine.activity import Services
from shared.store import build_rows

log = logs.get("retention")

_BUILDS_MAX = 500
_CONTEXTS_MAX = 500
_MESSAGES_MAX = 500
_CHANGES_MAX = 500
_HISTORIES_MAX = 1000


async def apply_retention(services: Services, client: Any) -> None:
    """Remove what is too old, and repair the list of builds."""
    config, now = services.azure.config, datetime.fromisoformat(services.now())

    def before(days: float) -> datetime | None:
        return now - timedelta(days=days) if days else None

    def real(moment: datetime | None) -> datetime | None:
        """By the clock of Durable and of the storage, which no time scale makes faster."""
        return config.time_scale.real_time(moment) if moment and config.time_scale else moment

    builds, contexts = before(config.build_retention_days), before(config.context_retention_days)
    histories = real(before(config.history_retention_days))
    parts: dict[str, Callable[[], Awaitable[int]]] = {
        "old builds removed": lambda: asyncio.to_thread(_remove_builds, services, builds),
        "old refused messages removed": lambda: asyncio.to_thread(
            _remove_refused, services, builds
        ),
        "old changes removed": lambda: asyncio.to_thread(_remove_changes, services, builds),
        "rows of the list of builds repaired": lambda: asyncio.to_thread(
            services.records.repair_list
        ),
        "old contexts removed": lambda: asyncio.to_thread(
            _remove_contexts, services, real(contexts)
        ),
        "old histories removed": lambda: _remove_histories(client, histories),
    }
    for what, part in parts.items():
        try:
            count = await part()
        except Exception:  # of storage or of Durable: the other parts have nothing to do with it
            log.exception("%s: failed; the next sweep tries again", what)
        else:
            log.log(logging.INFO if count else logging.DEBUG, "%s: %s", what, count)


def _remove_builds(services: Services, before: datetime | None) -> int:
    """Logs and documents go first, and last the build's own row, by which the next sweep finds what
    is left. The document of a recorded image stays.
    """
    records, outbox = services.records, services.outbox
    if before is None:
        return 0
    old = [row for row in records.builds() if build_rows.is_expired(row, before)][:_BUILDS_MAX]
    documents = {image.bill_of_materials for image in records.images()} if old else set()
    for row in old:
        if services.azure.config.step_log_container_url:
            outbox.remove_logs(services.azure.config.step_log_container_url, row.key)
        if (document := names.bill_of_materials(row.key)) not in documents:
            outbox.remove_document(document)
        records.purge_build(row)
    return len(old)


def _remove_refused(services: Services, before: datetime | None) -> int:
    return services.records.purge_refused(before, services.now(), _MESSAGES_MAX) if before else 0


def _remove_changes(services: Services, before: datetime | None) -> int:
    return services.records.purge_changes(before, _CHANGES_MAX) if before else 0


def _remove_contexts(services: Services, before: datetime | None) -> int:
    """The names are read after the list: a request that came in between names its context. One that
    was uploaded anew in between stays, too.
    """
    if before is None:
        return 0
    old = services.outbox.contexts_before(before)
    records = services.records
    recipes = [build_rows.of_request(recipe["request"]) for recipe in records.recipes().values()]
    rows = (*records.builds(), *recipes) if old else ()
    needed = {name for row in rows for name in build_rows.contexts_of(row)}
    unneeded = [name for name in old if name not in needed][:_CONTEXTS_MAX]
    for name in unneeded:
        services.outbox.remove_context(name, before)
    return len(unneeded)


async def _remove_histories(client: Any, before: datetime | None) -> int:
    """One instance after another: the client can also purge all that match at once, which takes
    the app's storage, and longer than a function may, where there are many.
    https://github.com/Azure/azure-functions-durable-extension/issues/2211
    """
    from azure.durable_functions import OrchestrationRuntimeStatus as Status

    ended = [Status.Completed, Status.Failed, Status.Terminated]
    count = 0
    while before and count < _HISTORIES_MAX:
        found = await client.get_status_by(created_time_to=before, runtime_status=ended)
        if not found:
            break
        for status in found[: _HISTORIES_MAX - count]:
            await client.purge_instance_history(status.instance_id)
            count += 1
    return count
