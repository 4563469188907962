"""HTTP in front of the simulator: one event loop, one request at a time, on the loopback address.

The core answers without waiting, so it is called in the loop itself. A dropped connection is really
reset. The server stops at once when asked: nothing is in flight that was not acknowledged.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import ssl
import time

from aiohttp import web

from local.azure_simulator import core, model, proxy

HOST = proxy.HOST
BODY_BYTES_MAX = 256 * 1024 * 1024
"""Build contexts are uploaded here too."""
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunningServer:
    """A server that listens; close it with `stop`."""

    port: int
    runner: web.AppRunner
    tls_port: int | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def stop(self) -> None:
        await self.runner.cleanup()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """A second port, on which the same simulator speaks https."""

    port: int
    context: ssl.SSLContext


async def start(azure: core.Simulator, port: int, tls: Tls | None = None) -> RunningServer:
    """Listen on a port of the loopback address; 0 takes a free one."""
    application = web.Application(client_max_size=BODY_BYTES_MAX)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(azure, request)

    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    if tls is not None:
        await web.TCPSite(runner, HOST, tls.port, ssl_context=tls.context).start()
    ports = [int(address[1]) for address in runner.addresses]
    return RunningServer(port=ports[0], runner=runner, tls_port=ports[1] if tls else None)


async def serve(
    azure: core.Simulator, port: int, tls: Tls | None = None, proxy_port: int | None = None
) -> None:
    """Listen until SIGTERM or SIGINT, then close the simulator."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    running = await start(azure, port, tls)
    also = f" and https://{HOST}:{running.tls_port}" if running.tls_port else ""
    print(f"azure simulator: {running.url}{also}", flush=True)
    through = None
    if proxy_port is not None and running.tls_port is not None:
        through = await proxy.start(proxy_port, running.tls_port)
    await stopped.wait()
    if through is not None:
        through.close()
    await running.stop()
    azure.close()


async def _answer(azure: core.Simulator, request: web.Request) -> web.StreamResponse:
    if request.path.startswith("/_simulator") and "Origin" in request.headers:
        # A page in a browser on this machine, which no key keeps from asking.
        refused = {"code": "BrowserRefused", "message": "Ask from a program, not from a web page."}
        return web.json_response({"error": refused}, status=403)
    asked = model.Request.from_url(
        request.method,
        f"{request.headers.get('X-Forwarded-Proto', request.scheme)}://{request.host}{request.raw_path}",
        headers=dict(request.headers),
        body=await request.read(),
    )
    started = time.perf_counter()
    try:
        answered = azure.handle(asked)
    except model.ConnectionDropped:
        return _reset(request)
    except Exception:
        _LOG.exception("%s %s", asked.method, asked.path)
        raise
    _LOG.debug(
        "%s %s %d in %.1f ms",
        asked.method,
        asked.path,
        answered.status,
        1000 * (time.perf_counter() - started),
    )
    return web.Response(status=answered.status, headers=answered.headers, body=answered.body)


def _reset(request: web.Request) -> web.StreamResponse:
    """Cut the line without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)
