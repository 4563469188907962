"""The start of the app on the Durable extension, without the extension."""

from __future__ import annotations

from pathlib import Path

from local.stack import layout, supervisor
from tests.conformance.app import App
from tests.conformance.genuine import KEY, Genuine

_FAILS_ONCE = """
import http.server, pathlib, subprocess, sys, threading
state, port = pathlib.Path(sys.argv[2]), int(sys.argv[3])

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", port), Healthy)
if not (state / "tried").exists():
    (state / "tried").touch()
    server.handle_request()
    sys.exit("extension did not start")
threading.Thread(target=server.serve_forever, daemon=True).start()
extension = subprocess.Popen(["sleep", "60"])
(state / "extension.pid").write_text(str(extension.pid))
(state / "client.json").touch()
threading.Event().wait()
"""


def test_an_extension_that_does_not_start_is_started_again(tmp_path: Path) -> None:
    """Somebody had taken the port that it chose."""
    host = tmp_path / "tools" / "durable-host"
    host.mkdir(parents=True)
    (host / "run.py").write_text(_FAILS_ONCE)
    state = tmp_path / "state"
    state.mkdir()
    ports = supervisor.any_free_ports()
    genuine = Genuine(tmp_path / "tools", state, ports, App(layout.url(ports.host), KEY, ""))
    try:
        genuine.start()
        assert (state / "tried").exists()
    finally:
        genuine.stop()
