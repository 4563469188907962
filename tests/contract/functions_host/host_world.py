"""Hosts that run the small app beside this file, and clients of them."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from local.functions_host.host import Host

APP = Path(__file__).parent / "app"
KEY = "a-key-for-tests"
FINAL = ("Completed", "Failed", "Terminated")
PATIENCE_SECONDS = 60  # a limit that only a broken host reaches


class HostThread:
    """A host on a loop in a thread of its own, so that tests are plain functions."""

    def __init__(self, state: Path, *, app: Path = APP, time_scale: float = 1.0) -> None:
        self._host = Host(app, state=state, key=KEY, time_scale=time_scale)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> str:
        """Its URL."""
        self._thread.start()
        return self._run(self._host.__aenter__()).url

    def stop(self) -> None:
        self._run(self._host.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)


class Client(httpx.Client):
    """An HTTP client with the function key, and with what tests do again and again."""

    def __init__(self, url: str) -> None:
        super().__init__(
            base_url=url,
            headers={"x-functions-key": KEY},
            timeout=PATIENCE_SECONDS,
        )

    def begin(self, name: str, instance_id: str, data: object = None) -> dict:
        """Start an orchestration through the app; returns its management URLs."""
        answer = self.post(f"/api/start/{name}/{instance_id}", json=data)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def status(self, instance_id: str, **query: object) -> dict:
        answer = self.get(f"/durabletask/instances/{instance_id}", params=query)
        return answer.json() if answer.content else {}

    def until_ended(self, instance_id: str) -> dict:
        """Its status, once it has ended."""
        return self.until(lambda: self._final(instance_id))

    def until(self, found: Callable[[], object]):
        """What `found` returns, once that is something."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if result := found():
                return result
            time.sleep(0.005)
        raise AssertionError("it never happened")

    def _final(self, instance_id: str) -> dict | None:
        status = self.status(instance_id)
        return status if status.get("runtimeStatus") in FINAL else None
