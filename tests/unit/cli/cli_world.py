"""A small real service that speaks the HTTP contract, and the command line in front of it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.app import app
from cli.surroundings import Surroundings
from tests import openapi_checks

KEY = "the-function-key"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    key: str | None
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


class FakeService:
    """Answers are queued per route, the last one stays; `None` drops the connection."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, list[tuple[int, Any]]] = {}
        self.on_call: Callable[[Call], None] = lambda _: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answers(self, route: str, *answers: tuple[int, Any] | None, described: bool = True) -> None:
        """`route` is such as `POST builds`; each answer is (status, JSON), as /api/openapi.json
        describes it unless `described` is false. Text stands for what is between here and there.
        """
        method, _, path = route.partition(" ")
        for status, body in filter(None, answers):
            if described and not isinstance(body, str):
                assert openapi_checks.problems(method, path, status, body) == []
        self._answers[route] = [(0, None) if answer is None else answer for answer in answers]

    def sent(self, route: str) -> list[Any]:
        """The bodies that arrived on a route."""
        method, _, path = route.partition(" ")
        return [call.body for call in self.calls if (call.method, call.path) == (method, path)]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, call: Call) -> tuple[int, Any]:
        self.calls.append(call)
        self.on_call(call)
        queued = self._answers.get(f"{call.method} {call.path}")
        if queued is None:
            return 404, {"error": {"code": "NotFound", "message": f"no {call.path}", "details": []}}
        return queued.pop(0) if len(queued) > 1 else queued[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                content = self.rfile.read(length)
                path = self.path.removeprefix("/api/")
                key = self.headers.get("x-functions-key")
                status, body = service.take(
                    Call(method=self.command, path=path, key=key, content=content)
                )
                if status:
                    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                    self.send_response(status)
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Tests read `calls` instead."""

        return Handler


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """`run("--image-only", ...)` in an empty folder, with the fake service in the environment."""

    def __init__(self, service: FakeService, folder: Path) -> None:
        self.folder = folder
        self.environment = {"BATCH_PREP_ENDPOINT": service.url, "BATCH_PREP_KEY": KEY}
        self.pauses: list[float] = []

    def run(self, *line: str) -> Ended:
        around = Surroundings(environment=self.environment, pause=self.pauses.append)
        ended = CliRunner().invoke(app, list(line), obj=around, prog_name="batch-prep.sh")
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return Ended(code=ended.exit_code, out=ended.stdout, err=ended.stderr)


def a_step(name: str, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "pool": None,
        "state": state,
        "startedAt": "2026-01-31T10:00:00Z",
        "seconds": 60,
        "percent": 100 if state == "succeeded" else 0,
        "note": None,
        "scripted": False,
        "scriptedParts": [],
        "logUrl": None,
        "standIn": None,
        "error": None,
        **more,
    }


def an_image(**more: Any) -> dict[str, Any]:
    return {
        "imageId": "/subscriptions/s/resourceGroups/images-rg/providers/Microsoft.Compute"
        "/galleries/batchImageGallery/images/batchCustomImage/versions/1.0.3",
        "nodeAgentSku": "batch.node.ubuntu 24.04",
        "galleryName": "batchImageGallery",
        "imageName": "batchCustomImage",
        "version": "1.0.3",
        "vmSize": "Standard_NC4as_T4_v3",
        "location": "westeurope",
        "baseOs": "ubuntu 24.04",
        "gpuEnabled": True,
        "resourceGroup": "images-rg",
        "buildId": "b1",
        "createdAt": "2026-01-31T10:24:00Z",
        **more,
    }


def a_pool(pool_id: str, **more: Any) -> dict[str, Any]:
    return {
        "batchAccount": "mybatch12345",
        "poolId": pool_id,
        "imageId": an_image()["imageId"],
        "vmSize": "Standard_NC4as_T4_v3",
        "nodes": 2,
        "state": "ready",
        "resourceGroup": "images-rg",
        "location": "westeurope",
        "buildId": "b1",
        "changedAt": "2026-01-31T10:24:00Z",
        "verified": True,
        "checks": [],
        "error": None,
        **more,
    }


def a_build(
    state: str = "succeeded", *, steps: Sequence[dict[str, Any]] = (), **more: Any
) -> dict[str, Any]:
    build = {
        **a_summary(state),
        "steps": list(steps),
        "image": None,
        "pools": [],
        "error": None,
        "leftovers": [],
        "resumable": False,
        **more,
    }
    assert openapi_checks.of_schema("BuildDocument", build) == []
    return build


def a_summary(state: str = "succeeded") -> dict[str, Any]:
    """A build as the list shows it."""
    return {
        "buildId": "b1",
        "mode": "full",
        "state": state,
        "createdAt": "2026-01-31T10:00:00Z",
        "seconds": 1453,
    }


def accepted(build_id: str) -> tuple[int, dict[str, Any]]:
    """The answer to what goes on as a build."""
    return 202, {"buildId": build_id, "statusUrl": f"http://app/api/builds/{build_id}"}
