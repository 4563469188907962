"""Marks the records of pools and image versions that are no longer on Azure. Once a day, because a
person may remove anything at any time, and each account and each image costs a request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from shared.azure import sdk
from shared.base.wire import replace
from shared.engine.activity import NoInput, NoResult, PollState, Services, short_activity
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.store.claims import pool_key

_EVERY = timedelta(days=1)
_FRESH = timedelta(hours=1)  # Azure's lists may lack what has just been made


@short_activity(
    NoInput, NoResult, verb="look for recorded pools and images", subject=lambda _: "records"
)
def reconcile_records(services: Services, _: NoInput, poll: PollState) -> NoResult:
    """Look at every recorded account and image, unless that was done within a day."""
    moment = datetime.fromisoformat(poll.now)
    last = services.records.reconciled_at()
    if last is None or moment - datetime.fromisoformat(last) >= _EVERY:
        before = (moment - _FRESH).isoformat()
        _pools(services, before, poll.now)
        _images(services, before, poll.now)
        services.records.put_reconciled(poll.now)  # at last: after a crash, the next sweep looks
    return NoResult()


def _pools(services: Services, before: str, now: str) -> None:
    at_work = services.records.pools_at_work()
    accounts: dict[tuple[str, str], list[PoolRecord]] = {}
    for record in services.records.pools():
        if record.state in {"ready", "failed"} and record.changed_at < before:
            place = (record.resource_group, record.batch_account)
            accounts.setdefault(place, []).append(record)
    for place, records in accounts.items():
        there = _names(services.azure.batch.pool.list_by_batch_account, *place)
        for record in records:
            key = pool_key(record.batch_account, record.pool_id)
            if there is None or key in at_work or record.pool_id.lower() in there:
                continue
            services.records.change_pool(
                record.batch_account, record.pool_id, lambda old: _gone(old, now)
            )


def _gone(record: PoolRecord, now: str) -> PoolRecord:
    return replace(record, state="gone", nodes=0, low_priority_nodes=0, changed_at=now)


def _images(services: Services, before: str, now: str) -> None:
    definitions: dict[tuple[str, str, str], list[ImageRecord]] = {}
    for image in services.records.images():
        if image.gone_at is None and image.created_at < before:
            place = (image.resource_group, image.gallery_name, image.image_name)
            definitions.setdefault(place, []).append(image)
    calls = services.azure.compute.gallery_image_versions
    for place, images in definitions.items():
        there = _names(calls.list_by_gallery_image, *place)
        for image in images:
            if there is not None and image.version.lower() not in there:
                services.records.change_image(image, lambda old: replace(old, gone_at=now))


def _names(call: Callable[..., Any], *place: str) -> set[str] | None:
    """The names that Azure lists: none where their holder is gone, None without an answer."""
    from azure.core.exceptions import AzureError, ResourceNotFoundError

    try:
        return {str(found["name"]).lower() for found in sdk.listed(call, *place)}
    except ResourceNotFoundError:
        return set()
    except AzureError:
        return None
