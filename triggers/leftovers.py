"""HTTP: what builds left behind, and its removal before the timer comes."""

from __future__ import annotations

import functools

from activities import dry_run
from shared.azure import failures
from shared.model.documents import LeftoverList, SweepAccepted
from triggers import http, timers
from triggers.http import Answer, Call


def list_leftovers(call: Call) -> Answer:
    """List the resources of builds that are over, and what a sweep does with each; remove none."""
    from azure.core.exceptions import AzureError

    try:
        found = dry_run.of(call.services)
        return Answer(document=LeftoverList.from_wire(found.to_wire()))
    except AzureError as error:
        failure = failures.translate(error, attempted="list leftovers", resource="subscription")
        return http.error(502, failure.code, failure.message)


def begin_sweep(call: Call) -> Answer:
    """Sweep now instead of at the next scheduled time; one sweep runs at a time."""
    return Answer(
        status=202,
        document=SweepAccepted(status_url=f"{call.origin}/api/leftovers"),
        begin=functools.partial(timers.begin_sweep, call.services),
    )
