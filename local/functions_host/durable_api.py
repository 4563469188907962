"""The Durable HTTP API (`HttpApiHandler` of the extension), without a server.

The host serves it at two paths, and `local_client` calls it in the same process.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.functions_host import history, links, views
from local.functions_host.engine import AlreadyExists, Engine
from local.functions_host.store import Instance, Query, Status

# The extension's page. Clients that ignore the token, as the Python SDK does, see no more rows.
_PAGE_ROWS = 100
CONTINUATION = "x-ms-continuation-token"
_RETRY_AFTER_SECONDS = "5"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request; `path` is what follows the API's base, decoded, in segments."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = "application/json"
    url: str = ""
    continuation: str = ""

    def flag(self, name: str, *, default: bool = False) -> bool:
        return self.query.get(name, str(default)).lower() == "true"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """`body` is what becomes JSON; None for no body."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class DurableApi:
    """Routes to the engine."""

    def __init__(self, engine: Engine, urls: links.Links) -> None:
        self._engine = engine
        self._links = urls

    def handle(self, request: Request) -> Reply:
        """Answer as the extension does, also for what goes wrong."""
        try:
            return self._route(request)
        except ValueError as error:
            return _problem(400, "One or more of the arguments submitted is incorrect", error)
        except AlreadyExists as error:
            return _problem(500, "Something went wrong while processing your request", error)

    def _route(self, request: Request) -> Reply:
        match (request.method, *request.path):
            case ("POST", "orchestrators", name):
                return self._start(request, name, None)
            case ("POST", "orchestrators", name, instance_id):
                return self._start(request, name, instance_id)
            case ("GET", "instances"):
                return self._list(request)
            case ("DELETE", "instances"):
                return self._purge_many(request)
            case (_, "instances", instance_id, *rest):
                return self._of_instance(request, instance_id, rest)
            case (_, "entities", *_):
                return Reply(status=501, body={"Message": "This host does not run entities."})
            case _:
                return Reply(status=404)

    def _start(self, request: Request, name: str, instance_id: str | None) -> Reply:
        if request.body:
            json.loads(request.body)  # refuses what is not JSON
        version = request.query.get("version")
        started = self._engine.create(name, request.body or None, instance_id, version)
        return self._accepted(started)

    def _accepted(self, instance_id: str) -> Reply:
        urls = self._links.of_instance(instance_id)
        headers = {"Location": urls["statusQueryGetUri"], "Retry-After": "10"}
        return Reply(status=202, body=urls, headers=headers)

    def _list(self, request: Request) -> Reply:
        rows = self._engine.store.select(
            _query(request, after=_token_id(request.continuation), limit=_page(request) + 1),
        )
        page, more = rows[: _page(request)], rows[_page(request) :]
        show_input = request.flag("showInput", default=True)
        body = [views.status_body(row, show_input=show_input) for row in page]
        headers = {CONTINUATION: _token(page[-1].id)} if more else {}
        return Reply(status=200, body=body, headers=headers)

    def _purge_many(self, request: Request) -> Reply:
        if "createdTimeFrom" not in request.query:
            raise ValueError("Please provide value for 'createdTimeFrom' parameter.")
        rows = [row for row in self._engine.store.select(_query(request)) if row.status.is_final]
        for row in rows:
            self._engine.purge(row.id)
        return Reply(status=200 if rows else 404, body={"instancesDeleted": len(rows)})

    def _of_instance(self, request: Request, instance_id: str, rest: list[str]) -> Reply:
        instance = self._engine.store.instance(instance_id)
        match (request.method, *rest):
            case ("POST", "restart"):
                return self._restart(request, instance_id)
            case _ if instance is None:
                return Reply(status=404)
            case ("GET",):
                return self._status(request, instance)
            case ("DELETE",):
                self._engine.purge(instance_id)
                return Reply(status=200, body={"instancesDeleted": 1})
            case ("POST", "raiseEvent", name):
                return self._raise_event(request, instance_id, name)
            case ("POST", "terminate" | "suspend" | "resume" | "rewind" as verb):
                return self._control(request, instance_id, verb)
            case _:
                return Reply(status=404)

    def _status(self, request: Request, instance: Instance) -> Reply:
        body = views.status_body(instance, show_input=request.flag("showInput", default=True))
        if request.flag("showHistory"):
            body["historyEvents"] = views.history_body(
                self._engine.history(instance.id),
                show_input=request.flag("showInput", default=True),
                show_output=request.flag("showHistoryOutput"),
            )
        if not instance.status.is_final:
            headers = {"Location": request.url, "Retry-After": _RETRY_AFTER_SECONDS}
            return Reply(status=202, body=body, headers=headers)
        wants_error = request.flag("returnInternalServerErrorOnFailure")
        has_failed = instance.status is Status.FAILED
        return Reply(status=500 if has_failed and wants_error else 200, body=body)

    def _raise_event(self, request: Request, instance_id: str, name: str) -> Reply:
        if request.content_type != "application/json":
            return _problem(400, "Only application/json request content is supported")
        data = json.dumps(json.loads(request.body or "null"))
        return _gone_unless(self._engine.raise_event(instance_id, name, data))

    def _control(self, request: Request, instance_id: str, verb: str) -> Reply:
        reason = request.query.get("reason")
        verbs: Mapping[str, Callable[[], bool]] = {
            "terminate": lambda: self._engine.terminate(instance_id, reason),
            "suspend": lambda: self._engine.suspend(instance_id, reason),
            "resume": lambda: self._engine.resume(instance_id, reason),
            "rewind": lambda: self._engine.rewind(instance_id),
        }
        return _gone_unless(verbs[verb]())

    def _restart(self, request: Request, instance_id: str) -> Reply:
        with_new_id = request.flag("restartWithNewInstanceId", default=True)
        try:
            return self._accepted(self._engine.restart(instance_id, with_new_id=with_new_id))
        except KeyError:
            raise ValueError(f"An orchestration with the id {instance_id} was not found.") from None


def _gone_unless(is_running: bool) -> Reply:
    return Reply(status=202 if is_running else 410)


def _problem(status: int, message: str, error: Exception | None = None) -> Reply:
    body = {"Message": message}
    if error is not None:
        body |= {
            "ExceptionMessage": str(error),
            "ExceptionType": type(error).__name__,
            "StackTrace": "",
        }
    return Reply(status=status, body=body)


def _query(request: Request, *, after: str = "", limit: int = -1) -> Query:
    """Raises ValueError for times and statuses that are none."""
    names = [name for name in request.query.get("runtimeStatus", "").split(",") if name]
    return Query(
        created_from=_seconds(request.query.get("createdTimeFrom")),
        created_to=_seconds(request.query.get("createdTimeTo")),
        statuses=frozenset(Status(name.strip()) for name in names),
        prefix=request.query.get("instanceIdPrefix", ""),
        after=after,
        limit=limit,
    )


def _seconds(text: str | None) -> float | None:
    return history.seconds(text) if text else None


def _page(request: Request) -> int:
    return max(1, min(int(request.query.get("top") or _PAGE_ROWS), _PAGE_ROWS))


def _token(instance_id: str) -> str:
    return base64.urlsafe_b64encode(instance_id.encode()).decode()


def _token_id(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"The continuation token {token!r} is not valid.") from error
