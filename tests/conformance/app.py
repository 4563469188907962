"""An app that runs somewhere, as its users see it: HTTP, and the queue of its storage account."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

Json = dict[str, Any]
_ENDED = {"succeeded", "failed", "cancelled"}
_LOOK_SECONDS = 1.0
_DOWN_SECONDS = 90.0


@dataclasses.dataclass(frozen=True, kw_only=False, slots=True)
class App:
    """`storage` is a connection string; `simulator` the address of its Azure, where that is
    simulated; `time_scale` how many of Azure's seconds pass in one.
    """

    url: str
    key: str
    storage: str | None = None
    simulator: str | None = None
    time_scale: float = 1.0

    def ask(self, method: str, path: str, body: object = None, status: int | None = None) -> Any:
        """A request; its JSON. It is sent again while the app is down: a killed app comes back."""
        deadline = time.monotonic() + _DOWN_SECONDS
        while (answer := self._answer(method, path, body)) is None or answer.status_code >= 500:
            said = "nobody answers" if answer is None else f"{answer.status_code} {answer.text}"
            assert time.monotonic() < deadline, f"{method} {path}: {said}"
            time.sleep(_LOOK_SECONDS)
        is_expected = answer.status_code == status if status else answer.is_success
        assert is_expected, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def _answer(self, method: str, path: str, body: object) -> httpx.Response | None:
        try:
            return self._send(method, path, body)
        except httpx.TransportError:
            return None

    def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        data = None if body is None else json.dumps(body).encode()
        headers = {"x-functions-key": self.key}
        with httpx.Client(trust_env=False, timeout=60) as client:
            return client.request(method, f"{self.url}{path}", headers=headers, content=data)

    def start(self, request: Json) -> str:
        """POST /api/builds, with an id of its own, so that it may be sent again; the build's id."""
        named = {"requestId": f"conformance-{uuid.uuid4().hex}", **request}
        return str(self.ask("POST", "/api/builds", named, 202)["buildId"])

    def show(self, build: str) -> Json:
        """GET /api/builds/{id}."""
        return dict(self.ask("GET", f"/api/builds/{build}"))

    def ended(self, build: str, azure_minutes: float = 120) -> Json:
        """The build's document once it has ended."""
        return dict(
            self.until(
                lambda: self.show(build), lambda shown: shown["state"] in _ENDED, azure_minutes
            )
        )

    def until(
        self, look: Callable[[], Any], is_so: Callable[[Any], bool], azure_minutes: float = 120
    ) -> Any:
        """What `look` returns once it is so. Processes get two real minutes besides."""
        deadline = time.monotonic() + 120 + azure_minutes * 60 / self.time_scale
        while not is_so(seen := look()):
            assert time.monotonic() < deadline, f"still: {json.dumps(seen)[:3000]}"
            time.sleep(_LOOK_SECONDS)
        return seen

    def fire(self, timer: str) -> None:
        """Let a timer function go off now."""
        self._send("POST", f"/admin/functions/{timer}", {}).raise_for_status()

    def simulated(self, method: str, what: str, body: object = None) -> Any:
        """The simulator's own API."""
        assert self.simulator is not None
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.request(method, f"{self.simulator}/_simulator/{what}", json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None
