"""A world behind real HTTP, and the command line in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func
from typer.testing import CliRunner

from cli.app import app
from cli.surroundings import Surroundings
from local.functions_host.local_client import open_client
from tests.world import World
from triggers import answering, beginning, routes
from triggers.http import Answer
from triggers.route import Route


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Terminal:
    """Somebody types commands, and waits until what they began has ended."""

    world: World
    url: str

    def type(self, line: str) -> Ended:
        """`--image-only --gpu`: the words after ./batch-prep.sh."""
        around = Surroundings(
            environment={"BATCH_PREP_ENDPOINT": self.url, "BATCH_PREP_KEY": "key"},
            pause=lambda _: self.world.engine.advance(60),
        )
        ended = CliRunner().invoke(app, line.split(), obj=around, prog_name="batch-prep.sh")
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(code=ended.exit_code, out=ended.stdout, err=ended.stderr)


@contextlib.contextmanager
def terminal(world: World) -> Iterator[Terminal]:
    """The world answers as the Functions host would: by the app's own table of routes."""
    server = HTTPServer(("127.0.0.1", 0), _handler(world))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    world.repeats = False  # the command makes up ids of requests, on which durations depend
    try:
        yield Terminal(world=world, url=f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            answer = _answer(world, self.command, self.path, self.rfile.read(length))
            data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """The terminal's output is what counts."""

    return Handler


def _answer(world: World, method: str, url: str, body: bytes) -> Answer:
    parts = urlsplit(url)
    route, params = _route(method, parts.path.removeprefix("/api/"))
    request = func.HttpRequest(
        method=method,
        url=f"http://app{url}",
        params=dict(parse_qsl(parts.query)),
        route_params=params,
        body=body,
    )
    answer = answering.answer(route, lambda: world.services, request)
    return asyncio.run(beginning.begun(open_client(world.engine), answer))


def _route(method: str, path: str) -> tuple[Route, dict[str, Any]]:
    for route in routes.ROUTES:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)
        if route.method == method and (found := re.fullmatch(pattern, path)):
            return route, {name: unquote(text) for name, text in found.groupdict().items()}
    raise AssertionError(f"no route {method} {path}")
