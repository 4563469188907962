"""Every secret that the app gets to see, planted and then looked for in all that the app writes.

`NOWHERE`: credentials of callers, of the platform and of Azure. They are in nothing that the app
writes. `STORED`: what people put into start tasks and commands, whatever docs/api.md says. The app
has to keep it: in the build's request, in the histories, and on the queue; the command of a check
is the evidence of its verdict, too. It is in no log line, no span and no metric, and no answer and
no other row has a start task.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from shared.base import settings
from tests import packed
from tests.stories.test_every_answer import PLACES, send
from tests.traced import Traced
from tests.world import SETTINGS, World, a_pool, a_request, an_image
from triggers.routes import ROUTES, Route

Json = dict[str, Any]
FUNCTION_KEY = "planted-function-key-000000000000"
IDENTITY_HEADER = "planted-identity-header-00000000"
ACCOUNT_KEY = "cGxhbnRlZC1hY2NvdW50LWtleS0wMDAwMDAwMDAwMDA="
INSIGHTS_KEY = "99999999-2222-3333-4444-555555555555"
GIT_TOKEN = "ghp_plantedgittoken0000000"
SIGNATURE = "plantedsignature0000000000"
PASSWORD = "planted-password-000000000000000"
NOWHERE = [
    FUNCTION_KEY, IDENTITY_HEADER, ACCOUNT_KEY, INSIGHTS_KEY, GIT_TOKEN, SIGNATURE, PASSWORD,
]  # fmt: skip

COMMAND = "planted-in-the-command-0000000"
VARIABLE = "planted-in-a-variable-00000000"
CHECK = "planted-in-a-check-000000000000"
KEPT = {"batchprepBuilds", "history", "queue"}
EVIDENCE = {"batchprepPools", "batchprepSteps", "answer"}
STORED = {COMMAND: KEPT, VARIABLE: KEPT, CHECK: KEPT | EVIDENCE}

OWN = {
    "AzureWebJobsStorage": f"AccountName=mine;AccountKey={ACCOUNT_KEY};"
    "EndpointSuffix=core.windows.net;DefaultEndpointsProtocol=https",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={INSIGHTS_KEY}",
}
HEADERS = {"x-functions-key": FUNCTION_KEY, "x-identity-header": IDENTITY_HEADER}
POOL = a_pool(
    "dev",
    startTask={
        "commandLine": f"mount -o password={COMMAND} //host/share /mnt",
        "environmentSettings": [{"name": "SETTING", "value": VARIABLE}],
    },
    checks=[{"image": "busybox:1.36", "command": f"curl -H 'Authorization: {CHECK}' x"}],
    verify=True,
)


class Plant:
    """A world in which all of this has happened, and all that it has written."""

    def __init__(self) -> None:
        self.world = World(own_settings=OWN)
        self.traced = Traced(self.world)
        self.answers: list[str] = []
        self.credentials: set[str] = set()  # of the requests to Azure, and in its answers
        self._handle = self.world.azure.handle
        self.world.azure.handle = self._watched  # type: ignore[method-assign]

    def _watched(self, request: Any) -> Any:
        answer = self._handle(request)
        token = str(request.headers.get("Authorization", "")).removeprefix("Bearer ")
        signed = f"{request.query} {answer.body!r}"
        found = re.findall(r"sig['\"]?[=:]\s*['\"]?([\w%+/-]{16,})", signed)
        self.credentials |= {each for each in [token, *found] if each}
        return answer

    def ask(self, name: str, body: object = b"", **places: str) -> Json:
        """One request with a key, through the function that is registered for it."""
        route: Route = next(route for route in ROUTES if route.name == name)
        url = f"https://app.azurewebsites.net/api/{route.path}?code={FUNCTION_KEY}"
        params = {**PLACES, **places}
        response = send(self.world, route, body, headers=HEADERS, url=url, params=params)
        text = response.get_body().decode()
        self.answers.append(f"{dict(response.headers)} {text}")
        return dict(json.loads(text))

    def happen(self) -> None:
        """A build of everything, one that fails, what is refused, changes, and every list."""
        context = self.ask("upload_context", packed.context())["context"]
        image = an_image(
            registry={"name": "imagesregistry1", "build": {"context": context, "image": "app:v1"}},
            containerImages=["busybox:1.36"],
        )
        build = self.ask("start_build", a_request(image=image, pools=[POOL]))["buildId"]
        self.world.engine.run_until_complete(build)
        assert self.ask("show_build", id=build)["state"] == "succeeded"
        self.ask("resize_pool", {"nodes": 2})
        self.world.engine.run_until_idle()
        self._fails()
        self._is_refused()
        self.world.begin_sweep()
        self.world.engine.run_until_idle()
        for route in ROUTES:
            if route.method == "GET":
                self.ask(route.name, id=build)
        self.ask("plan_build", a_request(requestId="p", image=image, pools=[POOL]))

    def _fails(self) -> None:
        """Azure's own message repeats what it was asked."""
        message = f"cannot read https://u:{GIT_TOKEN}@example.org/?sig={SIGNATURE}"
        fault = {"effect": "status", "status": 400, "code": "Bad", "message": message}
        self.world.fault({**fault, "method": "PUT", "path": "batchAccounts/mybatch12345/pools"})
        request = {"mode": "batch-only", "requestId": "r2", "image": an_image()}
        pools = [{**POOL, "id": "second"}]
        build = self.ask("start_build", a_request(**request, pools=pools))["buildId"]
        self.world.engine.run_until_complete(build)
        assert self.ask("show_build", id=build)["state"] == "failed"

    def _is_refused(self) -> None:
        """By every way in."""
        source = f"https://user:{GIT_TOKEN}@git.example.org/app.git#main"
        build = {"source": source, "image": "app:v1"}
        image = an_image(registry={"name": "imagesregistry1", "build": build})
        message = {"batchAccount": {"name": "mybatch12345"}, "image": image, "pool": POOL}
        self.ask("start_build", a_request(requestId="r3", image=image))
        self.ask("request_pool", message)
        self.ask("request_pool", {**message, "image": {}})
        self.world.deliver(json.dumps(message))
        self.world.deliver(f"{source} {FUNCTION_KEY}", "m2")
        variables = [{"name": "DB_PASSWORD", "value": PASSWORD}]
        start = {"commandLine": "run", "environmentSettings": variables}
        pool = a_pool("third", startTask=start)
        self.ask("start_build", a_request(requestId="r4", pools=[pool]))
        self.world.deliver(json.dumps({**message, "image": {}, "pool": pool}), "m3")

    def written(self) -> Iterator[tuple[str, str]]:
        """Where, and what."""
        world = self.world
        for table, rows in world.table_service.dump()["tables"].items():
            for row, _ in rows:
                yield f"{table}", json.dumps(row)
        yield "history", "\n".join(world.engine.store._db.iterdump())
        yield "queue", json.dumps(world.outbox.dump()["messages"])
        yield "blobs", json.dumps(world.outbox.dump()["blobs"])
        for span in self.traced.spans:
            yield "span", span.to_json()
        yield "metrics", repr(self.traced.metrics())
        for answer in self.answers:
            yield "answer", answer


def holders(written: list[tuple[str, str]], secret: str) -> set[str]:
    """Where a secret is."""
    return {where for where, text in written if secret in text}


def test_a_planted_secret_is_found_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """And a text that has to be kept, only where it is kept. The log is that of everything at every
    level.
    """
    caplog.set_level(logging.DEBUG)
    made = Plant()
    made.happen()
    written = [*made.written(), ("log", caplog.text)]
    places = {where for where, _ in written}
    assert {"history", "span", "metrics", "answer", "log", "queue", "batchprepSteps"} <= places
    assert len(made.credentials) > 3  # tokens, and signatures of uploads and logs

    found = {each: holders(written, each) for each in [*NOWHERE, *made.credentials]}
    assert {secret: where for secret, where in found.items() if where} == {}
    assert {secret: holders(written, secret) for secret in STORED} == STORED


def test_a_setting_that_is_wrong_does_not_show_its_secret() -> None:
    """The answer of every route has the message."""
    with pytest.raises(settings.SettingsInvalid) as refused:
        settings.load({**SETTINGS, **OWN, "GRID_DRIVER_URL": f"https://x/?sig={SIGNATURE}"})
    assert SIGNATURE not in str(refused.value)
