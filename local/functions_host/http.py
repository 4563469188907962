"""Everything the host serves over HTTP: functions, the admin endpoints, the Durable HTTP API.

Where it refuses a request itself, it says why as JSON. Azure's host says less: it answers 401, 404
and 500 without a body.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web
from azure.functions import AuthLevel, meta

from local.functions_host import durable_api, links, logs
from local.functions_host.functions import Function
from local.functions_host.routes import Match, Router

_BODY_BYTES_MAX = 100 << 20  # of a request; the limit of Azure Functions
_KEY_HEADER = "x-functions-key"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Call = Callable[[Function, meta.Datum], Awaitable[meta.Datum | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """`function` opens functions and the admin endpoints, `system` the Durable webhooks."""

    function: str
    system: str


def _refusal(status: int, code: str, message: str) -> web.Response:
    """In the form in which the app refuses, too."""
    error = {"code": code, "message": message, "details": []}
    return web.json_response({"error": error}, status=status)


def _no_key(what: str) -> web.Response:
    message = (
        f"The {what} key is missing or wrong: send it in the header {_KEY_HEADER} or the query "
        "parameter code."
    )
    return _refusal(401, "KeyMissing", message)


@web.middleware
async def _in_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What aiohttp itself refuses, such as a body beyond the limit."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        message = f"The request cannot be read: {refused.reason}. Correct it and send it again."
        return _refusal(refused.status, refused.reason.replace(" ", ""), message)
    except (ValueError, LookupError) as unreadable:  # of a body or header in another encoding
        logs.log.info("a request cannot be read: %s", logs.describe(unreadable))
        return _refusal(400, "Unreadable", "The request cannot be read. Send it in UTF-8.")


class HttpApp:
    """The handlers. `call` runs a function; `run_now` is the admin's way to start a trigger."""

    def __init__(
        self,
        router: Router,
        api: durable_api.DurableApi,
        keys: Keys,
        *,
        call: Call,
        run_now: Callable[[str, object], bool],
    ) -> None:
        self._router = router
        self._api = api
        self._keys = keys
        self._call = call
        self._run_now = run_now

    def application(self) -> web.Application:
        server = web.Application(client_max_size=_BODY_BYTES_MAX, middlewares=[_in_json])
        add = server.router.add_route
        add("GET", "/admin/host/status", self._host_status)
        add("POST", "/admin/functions/{name}", self._admin_invoke)
        add("*", links.RPC_PATH + "/{path:.*}", self._rpc)
        add("*", links.WEBHOOK_PATH + "/{path:.*}", self._webhook)
        add("*", "/{path:.*}", self._function)
        return server

    async def _host_status(self, request: web.Request) -> web.Response:
        if not _has_key(request, self._keys.function):
            return _no_key("function")
        return web.json_response({"id": "local", "state": "Running", "version": "4.0"})

    async def _admin_invoke(self, request: web.Request) -> web.Response:
        """`{"input": ...}` runs a timer or queue function now; the answer does not wait for it."""
        if not _has_key(request, self._keys.function):
            return _no_key("function")
        text = await request.text()
        try:
            given = json.loads(text).get("input") if text else None
        except (ValueError, AttributeError):
            return _refusal(400, "NotJson", 'The body must be {"input": ...}, or empty.')
        name = request.match_info["name"]
        if not self._run_now(name, given):
            kinds = "Only functions with a timer or a queue can be run this way."
            return _refusal(404, "NoSuchFunction", f"There is no such function {name}. {kinds}")
        return web.json_response({"started": name}, status=202)

    async def _rpc(self, request: web.Request) -> web.Response:
        """Without a key, so only for programs on this machine: no browser, no other name for it."""
        if request.url.host not in _LOOPBACK or "Origin" in request.headers:
            return _refusal(403, "NotLocal", "Only programs on this machine may ask here.")
        return await self._durable(request, links.RPC_PATH)

    async def _webhook(self, request: web.Request) -> web.Response:
        if not _has_key(request, self._keys.system):
            return _no_key("system")
        return await self._durable(request, links.WEBHOOK_PATH)

    async def _durable(self, request: web.Request, base: str) -> web.Response:
        segments = request.rel_url.raw_path.removeprefix(base).split("/")
        reply = self._api.handle(
            durable_api.Request(
                method=request.method,
                path=tuple(unquote(segment) for segment in segments if segment),
                query=request.query,
                body=await request.text(),
                content_type=request.content_type,
                url=str(request.url),
                continuation=request.headers.get(durable_api.CONTINUATION, ""),
            ),
        )
        if reply.body is None:
            return web.Response(status=reply.status, headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)

    async def _function(self, request: web.Request) -> web.Response:
        found = self._router.find(request.method, request.rel_url.raw_path)
        if found is None:
            return _refusal(404, "NoSuchRoute", "No function has this route and method.")
        if not self._may_call(request, found.function):
            return _no_key("function")
        try:
            result = await self._call(found.function, await _http_datum(request, found))
        except Exception as error:  # noqa: BLE001 - whatever the app raised, the caller gets a 500
            logs.log.info("function %s failed: %s", found.function.name, logs.describe(error))
            return _refusal(500, "FunctionFailed", "The function failed; see the host's log.")
        return _response(result)

    def _may_call(self, request: web.Request, function: Function) -> bool:
        is_open = function.trigger.auth_level is AuthLevel.ANONYMOUS
        return is_open or _has_key(request, self._keys.function)


def _has_key(request: web.Request, key: str) -> bool:
    given = (request.headers.get(_KEY_HEADER, ""), request.query.get("code", ""))
    # A header may hold any bytes: aiohttp hands them over as surrogates.
    given_bytes = (each.encode(errors="surrogatepass") for each in given)
    return any(hmac.compare_digest(each, key.encode()) for each in given_bytes)


async def _http_datum(request: web.Request, match: Match) -> meta.Datum:
    """The request as the Functions host hands it to the worker."""

    def strings(values: dict[str, str]) -> dict[str, meta.Datum]:
        return {name: meta.Datum(value, "string") for name, value in values.items()}

    parts = {
        "method": meta.Datum(request.method, "string"),
        "url": meta.Datum(str(request.url), "string"),
        "headers": strings(dict(request.headers)),
        "query": strings(_query(request)),
        "params": strings(match.parameters),
        "body": meta.Datum(await request.read(), "bytes"),
    }
    return meta.Datum(parts, "http")


def _query(request: web.Request) -> dict[str, str]:
    """As Azure's host hands it to a Python worker: names in any case are one, all values of one are
    joined, and those that are empty are left out.
    https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script.Grpc/MessageExtensions/GrpcMessageConversionExtensions.cs
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for name, value in request.query.items():
        found.setdefault(name.lower(), (name, []))[1].append(value)
    return {
        name: text for name, values in found.values() if (text := ",".join(filter(None, values)))
    }


def _response(result: meta.Datum | None) -> web.Response:
    """Nothing becomes 204, a string 200."""
    if result is None:
        return web.Response(status=204)
    if result.type != "http":
        return web.Response(text=str(result.value))
    answer = result.value
    headers = {name: datum.value for name, datum in answer["headers"].items()}
    response = web.Response(
        status=int(answer["status_code"].value),
        headers={
            name: value for name, value in headers.items() if name.lower() != "content-length"
        },
        body=answer["body"].value,
    )
    for cookie in answer["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
