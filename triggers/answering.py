"""What a route answers to a request. Every answer is a JSON document, also where the app's storage
cannot be reached, or the app has a defect.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import replace

import azure.functions as func

from shared.azure import failures
from shared.base import logs
from shared.base.errors import Problem, RequestRefused
from shared.base.settings import SettingsInvalid
from shared.engine.activity import Services
from shared.model import parsing
from triggers import caller, http
from triggers.http import Answer, Call, Handler
from triggers.route import Route

log = logs.get("http")


def handle(handler: Handler, call: Call) -> Answer:
    """Run a handler; what it refuses, or cannot do, becomes an answer."""
    from azure.core.exceptions import AzureError

    from shared.store.tables import TooLong

    try:
        parsing.parameters(call.url)  # also where the handler reads none
        return handler(call)
    except RequestRefused as refusal:
        return http.refused(refusal)
    except TooLong as too_long:
        problem = Problem(field="$", code="TooLarge", message=str(too_long))
        return http.refused(RequestRefused([problem]))
    except AzureError as failed:  # handlers answer themselves what Resource Manager refuses
        log.warning("storage cannot be reached: %s", failed)
        failure = failures.translate(
            failed, attempted="read or write the records", resource="the app's storage"
        )
        return http.unavailable(
            "StorageUnavailable",
            f"{failure.message}. Nothing was started. Send the request again later; "
            "GET /api/health shows whether the app reaches its storage.",
        )
    except Exception:
        log.exception("%s broke", getattr(handler, "__name__", handler))
        return http.error(500, "Bug", "This is a defect of batch-prep; its log has the details.")


def answer(route: Route, services: Callable[[], Services], request: func.HttpRequest) -> Answer:
    """What a route answers to a request; bad settings are an answer, too."""
    try:
        ready = services()
    except SettingsInvalid as invalid:
        return http.error(500, "SettingsInvalid", str(invalid))
    signed_in = caller.of(request.headers, ready.azure.config)
    if why := caller.denied(signed_in, route.role, ready.azure.config):
        return http.error(why.status, why.code, why.message)
    call = Call(
        method=request.method.upper(),
        params=dict(request.route_params),
        body=request.get_body(),
        url=request.url,
        caller=signed_in.id if signed_in else None,
        services=ready,
    )
    begun = ready.now()
    with logs.about(build=call.params.get("id")):
        found = handle(route.find_handler(), call)
    if not route.changes or found.status >= 300:
        return found
    if found.begin is not None:
        return replace(found, note=functools.partial(_note, call, route, found, begun))
    _note(call, route, found, begun)
    return found


def _note(call: Call, route: Route, done: Answer, begun: str) -> None:
    """Record who changed what, and report it. What was done is not undone for want of its record:
    the log has it, too.
    """
    what = f"{route.method} /api/{route.path.format_map(call.params)}"
    build = done.body.get("buildId")
    with logs.about(build=build):
        log.info("caller=%s %s", call.caller, what)
        try:
            call.services.records.note_change(
                call.services.now(), call.services.new_id(), what, caller=call.caller, build=build
            )
        except Exception:
            log.exception("caller=%s %s: this change is not on record", call.caller, what)
    if build:
        name = f"{route.method} /api/{route.path}"
        call.services.telemetry.triggered(build, name, begun, done.status)


def response(answer: Answer) -> func.HttpResponse:
    """An answer as Azure Functions sends it."""
    return func.HttpResponse(
        json.dumps(answer.body),
        status_code=answer.status,
        headers=answer.headers,
        mimetype="application/json",
    )
