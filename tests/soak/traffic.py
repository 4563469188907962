"""What people and programs send to the app, in no order."""

from __future__ import annotations

import collections
import json
import random
from typing import Any

import httpx
from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from shared.base import names
from tests.mortal_stack import MortalStack

Json = dict[str, Any]
_ACCOUNT = "mybatch12345"
_GROUP = "batch-prep"  # of what all builds share
_RUNNING_MAX = 8
_IMAGES = 5
_LOOKED_AT = 5  # failed builds, the newest first
_GPU = {"gpu": True, "containerImages": ["docker.io/library/busybox:1.36"]}
_SOURCE = "https://example.org/app.git#main"
_AGAIN = {429, 502, 503}


class Traffic:
    """Sends one thing at a time. What got no answer is sent again, as clients do."""

    def __init__(self, stack: MortalStack, dice: random.Random) -> None:
        self._stack, self._dice = stack, dice
        self._numbers = 0
        self.sent: collections.Counter[str] = collections.Counter()
        self.answers: collections.Counter[str] = collections.Counter()
        self.accepted: dict[str, str] = {}  # build: what it was
        self.messages: dict[str, str] = {}  # build: the text
        self.own_groups: dict[str, str] = {}  # group: the build that alone uses it
        self._unanswered: list[tuple[str, str, str, Json | None]] = []

    def act(self) -> None:
        """Do one thing."""
        if self._unanswered and self._dice.random() < 0.5:
            self._send(*self._unanswered.pop(0))
            return
        acts = [self._build, self._own, self._pool_request, self._message, self._nonsense]
        acts += [self._cancel, self._resume, self._resize, self._sweep]
        weights = [4, 2, 2, 2, 1, 1, 2, 1, 1]
        self._dice.choices(acts, weights)[0]()

    def resend(self) -> None:
        """Everything that still has no answer."""
        waiting, self._unanswered = self._unanswered, []
        for each in waiting:
            self._send(*each)

    @property
    def has_unanswered(self) -> bool:
        return bool(self._unanswered)

    # -- one request of each kind -----------------------------------------------------------------

    def _build(self) -> None:
        number = self._next()
        image: Json = {"name": f"image{number % _IMAGES}", "resourceGroup": _GROUP}
        image |= self._dice.choice([{}, _GPU])
        body: Json = {"mode": "image-only", "requestId": f"soak-{number}", "image": image}
        if self._dice.random() < 0.6:
            size = "Standard_NC4as_T4_v3" if "gpu" in image else "Standard_D2s_v5"
            image["name"] += "-gpu" if "gpu" in image else ""
            pool = {"id": f"pool{number}", "vmSize": size, "nodes": 2, "verify": True}
            body |= {"mode": "full", "batchAccount": self._account(), "pools": [pool]}
        self._begin("build", body)

    def _own(self) -> None:
        """A build that shares nothing: if it makes no image, nothing of it may stay."""
        number = self._next()
        group = f"own{number}"
        build = {"source": _SOURCE, "image": "app:v1.0"}
        image = {
            "name": f"image-own{number}", "resourceGroup": group, "gallery": f"gallery{number}",
            "registry": {"name": f"registryown{number}", "build": build},
        }  # fmt: skip
        body = {"mode": "image-only", "requestId": f"soak-{number}", "image": image}
        self.own_groups[group] = names.build_id(f"soak-{number}")
        self._begin("build of its own", body)

    def _pool_request(self) -> None:
        self._send("pool request", "POST", "/api/pools", self._a_pool(self._next()))

    def _message(self) -> None:
        number = self._next()
        text = json.dumps(self._a_pool(number))
        self.sent["message"] += 1
        try:
            with QueueClient.from_connection_string(
                self._stack.storage, names.POOL_REQUESTS_QUEUE
            ) as queue:
                queue.send_message(text)
        except (AzureError, AssertionError):
            self.answers["message: not taken"] += 1
            return
        self.messages[names.build_id(f"soak-{number}")] = text

    def _nonsense(self) -> None:
        self._send("nonsense", "POST", "/api/builds", {"mode": "full", "pools": [{"id": "?"}]})

    def _cancel(self) -> None:
        if running := self._builds("running"):
            build = self._dice.choice(running)["buildId"]
            self._send("cancel", "DELETE", f"/api/builds/{build}", None)

    def _resume(self) -> None:
        for build in [b["buildId"] for b in self._builds("failed")][:_LOOKED_AT]:
            if self._one(f"builds/{build}").get("resumable"):
                self._send("resume", "POST", f"/api/builds/{build}/resume", None)
                return

    def _resize(self) -> None:
        pools = [p for p in self._listed("pools") if p["state"] == "ready"]
        if pools:
            pool = self._dice.choice(pools)["poolId"]
            body = {"nodes": self._dice.randrange(3)}
            self._send("resize", "PATCH", f"/api/pools/{_ACCOUNT}/{pool}", body)

    def _sweep(self) -> None:
        self._send("sweep", "POST", "/api/leftovers/sweep", None)

    # -- sending ----------------------------------------------------------------------------------

    def _begin(self, what: str, body: Json) -> None:
        if len(self._builds("running")) < _RUNNING_MAX:
            self._send(what, "POST", "/api/builds", body)

    def _send(self, what: str, method: str, path: str, body: Json | None) -> None:
        self.sent[what] += 1
        try:
            answer = self._stack.send(method, path, json=body)
        except (httpx.HTTPError, AssertionError):
            self.answers[f"{what}: none"] += 1
            self._unanswered.append((what, method, path, body))
            return
        self.answers[f"{what}: {answer.status_code}"] += 1
        if answer.status_code in _AGAIN:
            self._unanswered.append((what, method, path, body))
        elif answer.status_code == 202 and "buildId" in answer.json():
            self.accepted[answer.json()["buildId"]] = what

    def _builds(self, state: str) -> list[Json]:
        return self._listed("builds", state=state)

    def _listed(self, name: str, **query: str) -> list[Json]:
        return list(self._one(name, limit="1000", **query).get(name, []))

    def _one(self, path: str, **query: str) -> Json:
        """A document, or nothing where the app does not answer now."""
        try:
            answer = self._stack.send("GET", f"/api/{path}", params=query)
        except (httpx.HTTPError, AssertionError):
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _account(self) -> Json:
        return {"name": _ACCOUNT, "resourceGroup": _GROUP}

    def _a_pool(self, number: int) -> Json:
        """From the newest image of a name, which may not be there."""
        image = {"name": f"image{number % _IMAGES}", "resourceGroup": _GROUP}
        pool = {"id": f"pool{number}", "vmSize": "Standard_D2s_v5", "nodes": 1}
        return {
            "requestId": f"soak-{number}", "image": image, "batchAccount": self._account(),
            "pool": pool,
        }  # fmt: skip
