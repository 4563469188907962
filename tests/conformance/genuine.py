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
_START_SECONDS = 90.0
_STOP_SECONDS = 45.0


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
        client = self._state / "client.json"
        client.unlink(missing_ok=True)
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
        deadline = time.monotonic() + _START_SECONDS
        while not client.exists():  # the extension starts after the app
            assert time.monotonic() < deadline, f"the extension does not start\n{self.log()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop both as a deployment does: the extension ends its calls of the app before that ends.
        `run.py`, which would start it again, is held meanwhile.
        """
        if self._child is None:
            return
        os.kill(self._child.pid, signal.SIGSTOP)
        self._signal("extension", signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._runs("extension") and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(self._child.pid, signal.SIGCONT)
        self._child.stop()
        self._child = None

    def kill(self, which: str) -> None:
        """SIGKILL to `app` or `extension`; it is started again at once."""
        self._signal(which, signal.SIGKILL)

    def _signal(self, which: str, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has not been started again yet
            os.kill(self._pid(which), number)

    def _pid(self, which: str) -> int:
        return int((self._state / f"{which}.pid").read_text())

    def _runs(self, which: str) -> bool:
        """Whether the process is there and has not ended; its parent may not have noticed that."""
        try:
            stat = Path(f"/proc/{self._pid(which)}/stat").read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] != "Z"

    def set_version(self, version: str) -> None:
        """Stop, set `defaultVersion` in host.json, start."""
        self.stop()
        self.host_json["extensions"]["durableTask"]["defaultVersion"] = version
        self.start()

    def log(self) -> str:
        """The end of each log."""
        logs = sorted((self._state / "logs").glob("*.log"))
        return "\n".join(f"{each.name}:\n{each.read_text()[-4000:]}" for each in logs)


@contextlib.contextmanager
def running(
    tools: Path, state: Path, ports: layout.Ports, scale: float, record: Path
) -> Iterator[Genuine]:
    """Azurite, the simulator and the app on the extension. `record` gets what is sent."""
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
