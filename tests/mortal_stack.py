"""The real stack, with processes that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx

from local.stack import layout, record
from tests.waiting import soon

TIME_SCALE = "600"


class MortalStack:
    """Real processes that can be killed; started again, they go on at the same ports."""

    def __init__(self, state: Path, **settings: str) -> None:
        self._state = state
        self._settings = settings
        self._port = 0
        self._key = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        line = ["local", "up", "--port", str(self._port), "--state", str(self._state)]
        self._process = process = subprocess.Popen(
            [str(layout.ROOT / "batch-prep.sh"), *line, "--time-scale", TIME_SCALE],
            env=os.environ | self._settings,
        )
        assert soon(lambda: self._found() is not None or process.poll() is not None)
        assert process.poll() is None, "see the output above"
        running = self._running()
        assert self._key in ("", running.function_key), "a terminal in which it is exported"
        self._key = running.function_key
        self._port = int(running.app_url.rsplit(":", 1)[1])

    def _found(self) -> Any:
        return record.read(self._state)

    def _running(self) -> Any:
        found = self._found()
        assert found is not None
        return found

    def kill(self, *names: str) -> None:
        """SIGKILL; the supervisor ends what is left, Azurite last. Azurite always ends in order:
        else it would forget what it has answered, which Azure Storage does not.
        """
        assert self._process is not None
        for name in names:
            how = signal.SIGTERM if name == "azurite" else signal.SIGKILL
            os.kill(self._running().pids[name], how)
        assert self._process.wait(60) == 1

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """A request to the API that succeeds; its JSON."""
        answer = self.send(method, path, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to the API."""
        found = self._running()
        headers = {"x-functions-key": found.function_key}
        url = f"{found.app_url}{path}"
        return httpx.request(method, url, headers=headers, trust_env=False, timeout=30, **options)

    @property
    def storage(self) -> str:
        """The connection string of the app's storage."""
        return str(self._running().storage_connection_string)

    def simulator(self, what: str) -> list[dict[str, Any]]:
        """The ledger, the resources or the faults."""
        url = f"{self._running().simulator_url}/_simulator/{what}"
        return list(httpx.get(url, trust_env=False, timeout=30).json())

    def fault(self, *faults: dict[str, Any]) -> None:
        """These go wrong from now on; without any, none of the earlier ones does any more."""
        url = f"{self._running().simulator_url}/_simulator/faults"
        method, body = ("POST", list(faults)) if faults else ("DELETE", None)
        httpx.request(method, url, json=body, trust_env=False, timeout=30).raise_for_status()
