"""A small world that behaves like Azure, in one thread and on a virtual clock.

The app's own orchestrations and activities run on the SDK's real replay engine; its real SDK
clients talk to the simulator in process; its tables are in memory. Nothing of the app is patched.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import activities
import orchestrators
from local.azure_simulator import model, storage_accounts
from local.azure_simulator.core import Simulator
from local.azure_simulator.identity import authorization
from local.azure_simulator.transport import SimulatorCredential, SimulatorTransport
from local.clock import VirtualClock
from local.functions_host import adapters
from local.functions_host import settings as host_settings
from local.functions_host.inline import InlineEngine
from local.functions_host.local_client import open_client
from local.memory_tables import MemoryTableService
from local.stack import layout
from shared.azure.clients import Azure
from shared.base import settings
from shared.engine.activity import Services
from shared.engine.polling_loop import iso
from shared.store.records import Records
from shared.store.tables import Row, Tables
from tests.memory_outbox import MemoryOutbox
from triggers import answering, beginning, builds, images, intake, pools, timers
from triggers.http import Answer, Call, Handler

Json = dict[str, Any]

SETTINGS = {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
    "AzureWebJobsStorage": "in memory",
}
CONFIG = settings.load(SETTINGS)
LOG_ACCOUNT = "batchpreplogs"
LOGS = f"https://{LOG_ACCOUNT}.blob.core.windows.net/step-logs"
WITH_LOGS = {
    "STEP_LOG_CONTAINER_URL": LOGS,
    "STEP_LOG_IDENTITY_ID": storage_accounts.log_identity_id(SETTINGS["AZURE_SUBSCRIPTION_ID"]),
    "STEP_LOG_IDENTITY_CLIENT_ID": storage_accounts.LOG_CLIENT_ID,
}
# What any role of the deployment permits: a request that needs more fails the story.
PERMITTED = {
    action
    for role in json.loads((layout.ROOT / "infra" / "role.json").read_text()).values()
    for action in (*role["actions"], *role["dataActions"])
}
_SKEW: dict[str, float] = json.loads(os.environ.get("BATCH_PREP_SKEW", "{}"))  # `tests/clocks`
OPENED: list[World] | None = None  # the worlds of a test that asks for them
_START = 1_767_225_600.0  # 1 January 2026
VISIBILITY = host_settings.read(layout.ROOT).visibility
_PUBLIC_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7"


class World:
    """Azure, the app, and a person who uses it."""

    def __init__(
        self,
        seed: int = 1,
        own_settings: dict[str, str] | Callable[[Simulator], dict[str, str]] | None = None,
        *,
        hub: Path | str = ":memory:",
        **simulator: Any,
    ) -> None:
        """`hub` is the file of the host's histories; `simulator` are the simulator's options. A
        function for `own_settings` deploys the app, and returns all its settings.
        """
        self._options = {"seed": seed, "own_settings": own_settings, **simulator}
        self.clock = VirtualClock(_START)
        self.began, self.repeats = _START, True  # whether the same test takes the same time again
        if OPENED is not None:
            OPENED.append(self)
        self.outbox = MemoryOutbox(self.clock)
        record = os.environ.get("BATCH_PREP_RECORD")  # what `make conformance` checks
        given = {
            "storage": self.outbox.append_log,
            "record": Path(record) if record else None,
            "authorization": authorization.Listed(PERMITTED),
            **_SKEW,
        }
        simulator = {**given, **simulator}
        self.azure = Simulator(clock=self.clock, seed=seed, **simulator)
        if callable(own_settings):
            config = settings.load(own_settings(self.azure))
        else:
            if "STEP_LOG_IDENTITY_ID" in (own_settings or {}):
                storage_accounts.deploy_log_account(self.azure, LOG_ACCOUNT)
            config = settings.load(SETTINGS | (own_settings or {}))
        credential = SimulatorCredential(self.azure, config.client_id)
        clients = Azure(config, credential, SimulatorTransport(self.azure))
        self._ids = 0
        self.table_service = MemoryTableService()
        self.services = Services(
            azure=clients,
            records=Records(Tables(self.table_service)),  # type: ignore[arg-type]
            outbox=self.outbox,  # type: ignore[arg-type]
            new_public_key=lambda: _PUBLIC_KEY,
            new_id=self._new_id,
            now=lambda: iso(datetime.fromtimestamp(self.clock.now(), UTC)),
        )
        self.records = self.services.records
        self.engine = InlineEngine(
            adapters.orchestrators(self.orchestrations()),
            adapters.activities(self.activities()),
            seed=seed,
            clock=self.clock,
            path=hub,
            visibility=VISIBILITY,
        )

    def copy(self) -> World:
        """A world of its own in the same state: what happens in one is not seen in the other.

        It takes a hundredth of the time of the build that led to that state.
        """
        return self.copies()()

    def copies(self) -> Callable[[], World]:
        """Makes such worlds in the state of this one, which must not change any more."""
        held = [pickle.dumps(vars(holder)) for holder in self._holders()]  # faster than `deepcopy`
        return functools.partial(self._copied, held)

    def _copied(self, held: list[bytes]) -> World:
        made = World(**self._options)
        made.clock.advance_to(self.clock.now())
        made.began = self.clock.now()
        made._ids = self._ids
        made.azure.now = self.azure.now
        made.table_service.copy_from(self.table_service)
        made.engine.copy_from(self.engine)
        for holder, data in zip(made._holders(), held, strict=True):
            vars(holder).update(pickle.loads(data))
        return made

    def _holders(self) -> tuple[object, ...]:
        """Whatever holds nothing but data."""
        app = self.services
        return self.azure.store, self.azure.throttle, self.outbox, app.cache, app.rate_limiter

    def orchestrations(self) -> dict[str, Callable[..., Any]]:
        """The app's orchestrations by name, as they would be registered."""
        return {name.value: orchestrators.bound(name) for name in orchestrators.ORCHESTRATORS}

    def activities(self) -> dict[str, Callable[[Json], Json]]:
        """The app's activities by name, as they would be registered."""
        return {
            name: activities.bound(name, lambda: self.services) for name in activities.ACTIVITIES
        }

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    # -- leaving off and going on -----------------------------------------------------------------

    def dump(self) -> Json:
        """What neither the host's file nor the simulator's holds, as JSON values, for `load`."""
        return {
            "now": self.clock.now(),
            "ids": self._ids,
            "rows": self.table_service.dump(),
            "outbox": self.outbox.dump(),
        }

    def load(self, dumped: Json) -> None:
        """Go on where another world left off; both files must be that world's."""
        self.clock.advance_to(dumped["now"])
        self._ids = dumped["ids"]
        self.table_service.load(dumped["rows"])
        self.outbox.load(dumped["outbox"])

    def as_owner(self, method: str, path: str, body: Json, version: str = "2025-06-01") -> Json:
        """What somebody does on Azure who needs none of the app's roles; `path` is below the
        subscription.
        """
        root = f"https://management.azure.com/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}"
        answer = self.azure.dispatch(method, f"{root}/{path}?api-version={version}", body)
        assert answer.status < 300, answer.body
        found: Json = json.loads(answer.body or b"{}")
        return found

    def given_package(self, account: str, group: str, *, active: bool) -> None:
        """The Batch account has an application package, `tool` 1.0."""
        place = f"resourceGroups/{group}/providers/Microsoft.Batch/batchAccounts/{account}"
        application = f"{place}/applications/tool"
        self.as_owner("PUT", application, {"properties": {"defaultVersion": "1.0"}})
        self.as_owner("PUT", f"{application}/versions/1.0", {})
        if active:
            self.as_owner("POST", f"{application}/versions/1.0/activate", {"format": "zip"})

    # -- using the API ----------------------------------------------------------------------------

    def ask(
        self,
        handler: Handler,
        body: object = None,
        url: str = "http://app/api/x",
        *,
        caller: str | None = None,
        **params: str,
    ) -> Answer:
        """One HTTP request, its orchestration started as the trigger would."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        call = Call(params=params, body=data, url=url, caller=caller, services=self.services)
        answer = answering.handle(handler, call)
        return answer if answer.begin is None else self._begun(answer)

    def _begun(self, answer: Answer) -> Answer:
        return asyncio.run(beginning.begun(open_client(self.engine), answer))

    def start_orchestration(self, begin: Any) -> None:
        """Start an orchestration as the trigger would."""
        asyncio.run(beginning.begin(open_client(self.engine), begin))

    def start(self, request: Json) -> str:
        """POST /api/builds; the build's id."""
        answer = self.ask(builds.start_build, request)
        assert answer.status == 202, answer.body
        return str(answer.body["buildId"])

    def build(self, request: Json) -> Json:
        """Start a build, let it end, and return its document."""
        build = self.start(request)
        self.engine.run_until_complete(build)
        return self.show(build)

    def show(self, build: str) -> Json:
        """GET /api/builds/{id}."""
        return self.ask(builds.show_build, id=build).body

    def every(self, handler: Handler, name: str) -> list[Json]:
        """The rows of all pages of a list."""
        rows: list[Json] = []
        url = "http://app/api/x"
        while url:
            page = self.ask(handler, url=url).body
            rows += page[name]
            url = page.get("nextLink", "")
        return rows

    def builds(self) -> list[Json]:
        """The documents of all builds, by id."""
        found = self.every(builds.list_builds, "builds")
        return [self.show(build) for build in sorted(each["buildId"] for each in found)]

    def build_rows(self) -> list[Row]:
        """The rows of all builds in the app's table, the newest first."""
        found = [self.records.build(small.key) for small in self.records.builds()]
        rows = [row for row in found if row is not None]
        return sorted(rows, key=lambda row: str(row.get("CreatedAt", "9")), reverse=True)

    def refused(self) -> list[Row]:
        """The rows of the refused messages in the app's table."""
        return self.records.list_refused(1000)[0]

    def images(self) -> list[Json]:
        """GET /api/images."""
        return self.every(images.list_images, "images")

    def pools(self) -> list[Json]:
        """GET /api/pools."""
        return self.every(pools.list_pools, "pools")

    def deliver(self, text: str, message_id: str = "m1") -> None:
        """A queue message reaches the app."""
        begin = intake.take_pool_request(self.services, message_id, text)
        if begin is not None:
            self.start_orchestration(begin)

    def pool(self, account: str, pool: str) -> Json:
        """GET /api/pools/{account}/{pool}."""
        return self.ask(pools.show_pool, account=account, pool=pool).body

    def change(self, handler: Handler, account: str, pool: str, body: object = None) -> Json:
        """PATCH or DELETE of a pool, until it has ended."""
        answer = self.ask(handler, body, account=account, pool=pool)
        assert answer.status == 202, answer.body
        self.engine.run_until_complete(answer.body["buildId"])
        return self.show(answer.body["buildId"])

    def resume(self, build: str) -> Json:
        """POST /api/builds/{id}/resume, until it has ended."""
        answer = self.ask(builds.resume_build, id=build)
        assert answer.status == 202, answer.body
        self.engine.run_until_complete(build)
        return self.show(build)

    def sweep(self) -> Json:
        """The timer fires; what the sweep did."""
        self.begin_sweep()
        return dict(self.engine.run_until_complete("clean_up").output)

    def begin_sweep(self) -> None:
        """The timer fires."""
        asyncio.run(timers.sweep(self.services, open_client(self.engine)))

    def begin_rebuild(self) -> None:
        """The weekly timer fires."""
        asyncio.run(timers.begin_rebuild(open_client(self.engine)))

    # -- looking at Azure -------------------------------------------------------------------------

    def resources(self, type_: str = "") -> list[Json]:
        """What exists on Azure, of a type whose name contains `type_`."""
        found = json.loads(self.azure.handle(_get("/_simulator/resources")).body)
        return [r for r in found if type_.lower() in r["type"].lower()]

    def ledger(self) -> list[Json]:
        """Every request that Azure got."""
        return list(json.loads(self.azure.handle(_get("/_simulator/ledger")).body))

    def fault(self, fault: Json) -> None:
        """Something goes wrong on Azure from now on."""
        self._set("POST", "faults", fault)

    def change_facts(self, facts: Json) -> None:
        """Facts about Azure, such as quotas, are others from now on."""
        self._set("PUT", "settings", facts)

    def _set(self, method: str, what: str, body: Json) -> None:
        data = json.dumps(body).encode()
        asked = model.Request(method=method, path=f"/_simulator/{what}", body=data)
        answer = self.azure.handle(asked)
        assert answer.status < 300, answer.body


def _get(path: str) -> model.Request:
    return model.Request(method="GET", path=path)


def a_request(**changes: Any) -> Json:
    """A full build of a CPU image with one pool; name only what matters."""
    request: Json = {
        "mode": "full",
        "requestId": "r1",
        "image": {"resourceGroup": "images", "location": "swedencentral"},
        "batchAccount": {"name": "mybatch12345", "resourceGroup": "images"},
        "pools": [a_pool("dev")],
    }
    return {**request, **changes}


def image_only(request_id: str = "r1", **image: Any) -> Json:
    """A request for an image and nothing else; name only what matters about the image."""
    return {"mode": "image-only", "requestId": request_id, "image": an_image(**image)}


def pools_only(request_id: str, *pools: Json, **image: Any) -> Json:
    """A request for pools from an image that is there."""
    wanted = {"mode": "batch-only", "requestId": request_id, "pools": list(pools)}
    return a_request(**wanted, image=an_image(**image))


def a_pool(pool: str, **changes: Any) -> Json:
    """A pool of one small node."""
    return {"id": pool, "vmSize": "Standard_D2s_v5", "nodes": 1, **changes}


def an_image(**changes: Any) -> Json:
    """A CPU image in the usual place."""
    return {"resourceGroup": "images", "location": "swedencentral", **changes}


def world_after(*requests: Json) -> World:
    """A world of its own in which these builds have succeeded, one after the other.

    A process runs them once; each test that asks for the same gets a copy of the result.
    """
    return _after(*(json.dumps(request) for request in requests))()


@functools.cache
def _after(*requests: str) -> Callable[[], World]:
    world = _after(*requests[:-1])() if len(requests) > 1 else World()
    build = world.build(json.loads(requests[-1]))
    assert build["state"] == "succeeded", build["error"]
    return world.copies()
