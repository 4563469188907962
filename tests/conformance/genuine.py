"""The app on Microsoft's own Durable extension, with the simulator and Azurite, on free ports.

`durable-host`, one of the tools that `make conformance` uses, runs the extension in one process and
the app in another. Both can be killed. The extension's timers go off in real time, so the app gets
the simulator's time as a setting.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from local import clock
from local.stack import layout, storage, supervisor
from local.stack.child import Child
from tests.conformance.app import App

_PARTS = ("function_app.py", "activities", "orchestrators", "provisioning", "shared", "triggers")
KEY = "conformance"


class Genuine:
    """A running app that can be killed, stopped and started with another host.json."""

    def __init__(self, tools: Path, state: Path, ports: layout.Ports, app: App) -> None:
        self.app = app
        self._tools, self._state, self._ports = tools, state, ports
        self._folder = state / "app"
        self._child: Child | None = None
        self._settings = _settings(state, ports, app.time_scale)
        self._folder.mkdir()
        for part in _PARTS:
            (self._folder / part).symlink_to(layout.ROOT / part)
        self.host_json = json.loads((layout.ROOT / "host.json").read_text())

    def start(self) -> None:
        """Start the extension and the app; whatever ends by itself is started again."""
        (self._folder / "host.json").write_text(json.dumps(self.host_json))
        line = (str(self._tools / "durable-host" / "run.py"), str(self._folder), str(self._state))
        service = layout.Service(
            name="durable-host",
            command=(sys.executable, *line, str(self._ports.host), KEY, "--restart"),
            log=self._state / "logs" / "durable-host.log",
            environment={**os.environ, **self._settings},
            ready_urls=(f"{self.app.url}/api/health",),
            ready_headers={"x-functions-key": KEY},
            grace_seconds=45.0,  # its own for each of the two
        )
        self._child = Child(service)
        self._child.wait_ready(lambda: False)
        while not (self._state / "client.json").exists():  # the extension starts after the app
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop both as a deployment does."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self, which: str) -> None:
        """SIGKILL to `app` or `extension`; it is started again at once."""
        pid = int((self._state / f"{which}.pid").read_text())
        with contextlib.suppress(ProcessLookupError):  # it has not been started again yet
            os.kill(pid, signal.SIGKILL)

    def set_version(self, version: str) -> None:
        """Stop, set `defaultVersion` in host.json, start."""
        self.stop()
        self.host_json["extensions"]["durableTask"]["defaultVersion"] = version
        self.start()

    def log(self) -> str:
        """The end of each log."""
        logs = sorted((self._state / "logs").glob("*.log"))
        return "\n".join(f"{each.name}:\n{each.read_text()[-2000:]}" for each in logs)


@contextlib.contextmanager
def running(tools: Path, state: Path, scale: float, record: Path | None) -> Iterator[Genuine]:
    """Azurite, the simulator and the app on the extension. `record` gets what is sent."""
    ports = supervisor.any_free_ports()
    options = layout.Options(state=state, time_scale=scale, record=record)
    services = layout.services(
        options, ports, function_key=KEY, identity_secret="secret", surrounding=os.environ
    )
    with contextlib.ExitStack() as undo:
        children = supervisor.start_all(services[:2], undo, lambda _: None, threading.Event())
        children[-1].wait_ready(lambda: False)
        connection = layout.storage_connection_string(ports)
        storage.prepare(connection)
        app = App(
            layout.url(ports.host), KEY, connection, layout.url(ports.simulator), time_scale=scale
        )
        genuine = Genuine(tools, state, ports, app)
        undo.callback(genuine.stop)
        genuine.start()
        yield genuine


def _settings(state: Path, ports: layout.Ports, scale: float) -> dict[str, str]:
    """The app's settings. The simulator's clock was at real time when it was made."""
    made = clock.ScaledClock.open(state / "clock.json", scale)
    since = dt.datetime.fromtimestamp(made.real_start, dt.UTC).isoformat()
    return {
        **layout.app_settings(layout.Options(state=state), ports, "secret"),
        "BATCH_PREP_TIME_SCALE": f"{scale:g}@{since}",
        "KEEP_HOURS": "0.4",
        "WEEKLY_REBUILD_SCHEDULE": "0 0 3 * * 0",
        "SWEEP_SCHEDULE": "0 */30 * * * *",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }
