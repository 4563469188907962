"""The form of every HTTP function: a call in, an answer out, and perhaps an orchestration to start.

Handlers are plain functions of a `Call`; only `respond` knows Azure Functions. Every answer is a
JSON document, also where storage or Durable cannot be reached, or the app has a defect.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import azure.functions as func

from shared.azure import failures, tracing
from shared.base import logs
from shared.base.errors import Problem, RequestRefused
from shared.base.settings import SettingsInvalid
from shared.base.wire import Wire
from shared.engine.activity import Services
from shared.model import parsing, queries, traces
from shared.model.documents import Error, ErrorDetail
from shared.model.queries import PageQuery, Place, Query
from triggers import caller

if TYPE_CHECKING:
    from triggers.route import Route

log = logs.get("http")
Json = dict[str, Any]
QueryT = TypeVar("QueryT", bound=Query)
BODY_BYTES_MAX = 1024 * 1024  # of a JSON request
# The pauses of a request that waits for Durable to end what has ended on record.
ENDING_SECONDS = (0.2, 0.5, 1, 2, 4, 8, 8)
# Durable's states of an instance that will never go on.
_OVER = {"Completed", "Failed", "Terminated", "Canceled"}
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, free of the framework."""

    method: str = "GET"
    params: dict[str, str] = field(default_factory=dict)  # from the route
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""  # of the request itself
    caller: str | None = None  # whom the platform has signed in
    services: Services

    def json(self) -> object:
        """The body as JSON. Raises RequestRefused."""
        if len(self.body) > BODY_BYTES_MAX:
            message = f"the body has {len(self.body)} bytes; {BODY_BYTES_MAX} are allowed"
            raise RequestRefused([Problem(field="$", code="TooLarge", message=message)])
        return parsing.parse_json(self.body, "body")

    def asked(self, model: type[QueryT]) -> QueryT:
        """The parameters of the URL. Raises RequestRefused."""
        return parsing.parse_query(model, self.query)

    def next_link(self, query: PageQuery, last: Place | None) -> Json:
        """The field of a list's answer that leads to the next page, if there is one."""
        if last is None:
            return {}
        asked = query.model_dump(mode="json", by_alias=True, exclude_unset=True)
        more = urlencode({**asked, "after": queries.token_of(last)})
        return {"next_link": f"{self.origin}{urlsplit(self.url).path}?{more}"}

    def link(self, path: str) -> str:
        """The URL of a path of the API."""
        return f"{self.origin}/api/{path}"

    @property
    def origin(self) -> str:
        """`https://host` for links. The host of the request, which its sender chooses, counts only
        where no setting names the app's.
        """
        scheme, _, rest = self.url.partition("://")
        return self.services.azure.config.origin or f"{scheme}://{rest.split('/', 1)[0]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Begin:
    """An orchestration to start under a deterministic id. With `again`, an earlier one of that id
    has ended, or is about to: its record says so before Durable does.
    """

    orchestrator: str
    instance: str
    plan: Wire
    again: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Status and document; `begin` is started before the answer is sent. Where that depends on
    what runs, `begin` is a function of the durable client. `note` records, once it has begun, that
    the request changed something; `undo` withdraws what was recorded where it cannot begin.
    """

    document: Wire
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    begin: Begin | Callable[[Any], Awaitable[None]] | None = None
    note: Callable[[], None] | None = None
    undo: Callable[[], None] | None = None

    @property
    def body(self) -> Json:
        """The document as plain JSON."""
        return self.document.to_wire()


Handler = Callable[[Call], Answer]


def error(status: int, code: str, message: str, build_id: str | None = None) -> Answer:
    """An error in the form of the contract; `build_id` is the build in the way, if one is."""
    in_the_way = {} if build_id is None else {"build_id": build_id}
    detail = ErrorDetail(code=code, message=message, details=[], **in_the_way)
    return Answer(status=status, document=Error(error=detail))


def refused(error_: RequestRefused) -> Answer:
    """400, with every problem."""
    detail = ErrorDetail(code="RequestRefused", message=str(error_), details=error_.problems)
    return Answer(status=400, document=Error(error=detail))


def again(status: int, code: str, message: str, seconds: int) -> Answer:
    """An error that time cures, and after how many seconds to send the request again."""
    return replace(error(status, code, message), headers={"Retry-After": str(seconds)})


def unavailable(code: str, message: str) -> Answer:
    """503: what the app depends on cannot be reached."""
    return again(503, code, message, 10)


def handle(handler: Handler, call: Call) -> Answer:
    """Run a handler; what it refuses, or cannot do, becomes an answer."""
    from azure.core.exceptions import AzureError

    from shared.store.tables import TooLong

    try:
        return handler(call)
    except RequestRefused as refusal:
        return refused(refusal)
    except TooLong as too_long:
        problem = Problem(field="$", code="TooLarge", message=str(too_long))
        return refused(RequestRefused([problem]))
    except AzureError as failed:  # handlers answer themselves what Resource Manager refuses
        log.warning("storage cannot be reached: %s", failed)
        failure = failures.translate(
            failed, attempted="read or write the records", resource="the app's storage"
        )
        return unavailable(
            "StorageUnavailable",
            f"{failure.message}. Nothing was started. Send the request again later; "
            "GET /api/health shows whether the app reaches its storage.",
        )
    except Exception:
        log.exception("%s broke", getattr(handler, "__name__", handler))
        return error(500, "Bug", "This is a defect of batch-prep; its log has the details.")


def answer(route: Route, services: Callable[[], Services], request: func.HttpRequest) -> Answer:
    """What a route answers to a request; bad settings are an answer, too."""
    try:
        ready = services()
    except SettingsInvalid as invalid:
        return error(500, "SettingsInvalid", str(invalid))
    signed_in = caller.of(request.headers, ready.azure.config)
    if why := caller.denied(signed_in, route.role, ready.azure.config):
        return error(why.status, why.code, why.message)
    call = Call(
        method=request.method.upper(),
        params=dict(request.route_params),
        query=dict(request.params),
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
        mimetype=_JSON,
    )


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
            return unavailable(
                "NotBegun",
                "Durable Functions or its storage does not answer, or has not ended the earlier "
                "try yet, so the work has not begun. Nothing was changed; send the request again.",
            )
        return unavailable(
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
