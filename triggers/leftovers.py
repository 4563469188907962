"""HTTP: what builds left behind, and its removal before the timer comes."""

from __future__ import annotations

import dataclasses
import functools

from activities import cleanup_facts
from shared.azure import failures
from shared.model import cleanup
from shared.model.cleanup import Action, CleanupItem
from shared.model.documents import Leftover, LeftoverList, SweepAccepted
from triggers import http, timers
from triggers.http import Answer, Call


def list_leftovers(call: Call) -> Answer:
    """List the resources of builds that are over, and what a sweep does with each; remove none."""
    from azure.core.exceptions import AzureError

    from shared.store.outage import StorageUnavailable

    try:
        facts, now = cleanup_facts.of_builds(call.services)
        pools = cleanup_facts.of_pools(call.services, now)
    except StorageUnavailable:
        raise
    except AzureError as error:
        failure = failures.translate(error, attempted="list leftovers", resource="subscription")
        return http.error(502, failure.code, failure.message)
    items = cleanup.plan_cleanup(dataclasses.replace(facts, pools=pools), now)
    shown = [item for item in items if item.action is Action.KEEP or not item.is_done]
    return Answer(document=LeftoverList(at=now, leftovers=[_leftover(item) for item in shown]))


def _leftover(item: CleanupItem) -> Leftover:
    return Leftover(
        id=item.id,
        type=item.type,
        build_id=item.build_id,
        verdict=item.action.value,
        why=item.reason,
        until=item.until,
    )


def begin_sweep(call: Call) -> Answer:
    """Sweep now instead of at the next scheduled time; one sweep runs at a time."""
    return Answer(
        status=202,
        document=SweepAccepted(status_url=call.link("leftovers")),
        begin=functools.partial(timers.begin_sweep, call.services),
    )
