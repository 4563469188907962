"""A proxy that stands between the app and the simulator, and writes down what passes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class RecordingProxy:
    """Forwards everything to what `target()` names, with the caller's own Host."""

    def __init__(self, target: Callable[[], str]) -> None:
        self.seen: list[tuple[str, str, int]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _forward(self) -> None:
                proxy._forward(self, target())

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _forward  # noqa: N815

            def log_message(self, *_: object) -> None:
                """What passes is in `seen`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, call: BaseHTTPRequestHandler, target: str) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        place = urlsplit(target)
        onward = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        onward.request(call.command, call.path, body, dict(call.headers))
        answer = onward.getresponse()
        data = answer.read()
        onward.close()
        self.seen.append((call.command, call.path, answer.status))
        call.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                call.send_header(name, value)
        if answer.status != 204:
            call.send_header("Content-Length", str(len(data)))
        call.end_headers()
        if call.command != "HEAD":
            call.wfile.write(data)
