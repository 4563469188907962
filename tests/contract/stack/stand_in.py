"""Stands in for a process of the stack: answers every GET, ends on SIGTERM, writes both down."""

from __future__ import annotations

import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

NAME, PORT, EVENTS = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])


def note(what: str) -> None:
    """One line per event, in the order of time across processes."""
    with EVENTS.open("a", encoding="utf-8") as events:
        events.write(f"{NAME} {what}\n")


class Handler(BaseHTTPRequestHandler):
    """200 for everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The tests read the events instead."""


def end(_: int, __: FrameType | None) -> None:
    """On SIGTERM."""
    note("ends")
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
server = HTTPServer(("127.0.0.1", PORT), Handler)
note("starts")
print(f"{NAME} listens", flush=True)
server.serve_forever()
