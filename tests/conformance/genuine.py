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
from collections.abc import Callable, Iterator
from pathlib import Path

from local import clock
from local.stack import layout, storage, supervisor
from local.stack.child import Child
from tests.conformance.app import App

_PARTS = ("function_app.py", "activities", "orchestrators", "provisioning", "shared", "triggers")
KEY = "conformance"
_TRIES = 3
_START_SECONDS = 180.0  # both, on a busy machine
_STOP_SECONDS = 90.0


class Genuine:
    """A running app that can be killed, stopped and started with another host.json."""

    def __init__(self, tools: Path, state: Path, ports: layout.Ports, app: App) -> None:
        self.app = app
        self._tools, self._state, self._ports = tools, state, ports
        self._folder = state / "app"
        self._client = state / "client.json"  # the extension writes it once it runs, after the app
        self._child: Child | None = None
        self._settings = _settings(state, ports, app.time_scale)
        self._folder.mkdir()
        for part in _PARTS:
            (self._folder / part).symlink_to(layout.ROOT / part)
        self.host_json = json.loads((layout.ROOT / "host.json").read_text())

    def start(self) -> None:
        """Start the extension and the app; whatever ends by itself is started again, also before
        both run: the extension chooses a port that somebody else may take at the same moment.
        """
        (self._folder / "host.json").write_text(json.dumps(self.host_json))
        self._client.unlink(missing_ok=True)
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
        for _ in range(_TRIES):
            self._child = Child(service)
            if self._comes_up(self._child):
                return
            self._child.stop()
        raise AssertionError(self.log())

    def _comes_up(self, child: Child) -> bool:
        """Whether both run in the end; False as soon as they have ended instead."""
        with contextlib.suppress(layout.StackError):
            child.wait_ready(lambda: False)
            _until(lambda: self._client.exists() or child.exit_code() is not None, _START_SECONDS)
        return self._client.exists()

    def stop(self) -> None:
        """Stop both as a deployment does: the extension ends its calls of the app before that ends.
        `run.py`, which would start it again, is held meanwhile.
        """
        if self._child is None:
            return
        with self._held(self._child):
            self._signal(signal.SIGTERM, "extension")
            _until(lambda: not self._runs("extension"), _STOP_SECONDS)
        self._child.stop()
        self._child = None

    def kill(self, *which: str) -> None:
        """SIGKILL to `extension`, or to it and `app` at once: it would find no app otherwise. What
        is killed is started again, and then this returns.
        """
        assert self._child is not None
        with self._held(self._child):
            self._signal(signal.SIGKILL, *which)
            assert _until(lambda: not any(map(self._runs, which)), _STOP_SECONDS)
            self._client.unlink(missing_ok=True)
        assert _until(self._client.exists, _START_SECONDS), self.log()

    @contextlib.contextmanager
    def _held(self, child: Child) -> Iterator[None]:
        """Nothing is started again meanwhile."""
        os.kill(child.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(child.pid, signal.SIGCONT)

    def _signal(self, number: signal.Signals, *which: str) -> None:
        for each in which:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self._pid(each), number)

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


def _until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes to be so within that time."""
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_so()


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
