"""HTTP: what builds left behind, and its removal before the timer comes."""

from __future__ import annotations

import functools

from activities import dry_run
from shared.azure import failures
from triggers import http, timers
from triggers.http import Answer, Call


def list_leftovers(call: Call) -> Answer:
    """GET /api/leftovers: what a sweep would remove or shrink now, what it would keep, and why."""
    from azure.core.exceptions import AzureError

    try:
        return Answer(body=dry_run.of(call.services).to_wire())
    except AzureError as error:
        failure = failures.translate(error, attempted="list leftovers", resource="subscription")
        return http.error(502, failure.code, failure.message)


def begin_sweep(call: Call) -> Answer:
    """POST /api/leftovers/sweep: sweep now; one sweep runs at a time."""
    body = {"statusUrl": f"{call.origin}/api/leftovers"}
    return Answer(status=202, body=body, begin=functools.partial(timers.begin_sweep, call.services))
