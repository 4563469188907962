"""The simulator itself: `Simulator.handle(request) -> response`, on a clock, without threads.

Time moves only with the clock. Each request first lets everything happen that is due, in
order of its due time (`settle`), then authenticates, meets injected faults and throttling, runs the
handler of its route, writes the ledger and commits.

Handlers take `(azure, request)` and return a response or raise `model.Refusal`; they validate
before they change anything. Events take `(azure, resource, data)`; while one runs, `azure.now` is
the time it was due. docs/simulator.md has an example of a resource type.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from local import clock as clocks
from local.azure_simulator import (
    context,
    durations,
    faults,
    model,
    operations,
    providers,
    recording,
    resource_ids,
    router,
    store,
    throttling,
    times,
    tokens,
)
from local.azure_simulator.identity import authorization
from local.azure_simulator.machine import interface, scripted

LOCAL_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
LOCAL_TENANT = "00000000-0000-0000-0000-000000000002"
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+|\.\d+\.\d+)?")


class Simulator:
    """One simulated Azure: a subscription, its resources, and the time.

    skew            seconds by which Azure's clock is ahead of `clock`
    machine_skew    seconds by which the clocks of VMs and nodes are ahead of Azure's
    seed            decides every duration and every chance
    duration_band   replaces the band of every duration; `(1, 1)` makes all typical
    path            SQLite file that holds the state; None keeps it in memory
    machine         what a script does inside a VM; None is `machine.scripted.ScriptedMachine`
    throttled       whether Azure's token buckets apply
    authorization   who may do what (`identity.authorization`); None lets every caller do everything
    retry_after     whether answers carry Azure's Retry-After values, or the one that all carry
    signed_urls     whether monitor URLs carry a signature of Azure's length
    page_size       items per page of a list
    storage         connection string for logs of scripts, or who takes URI and text; None: no one
    record          file that gets every request with a body to Resource Manager; None: no file
    stopwatch       real seconds, for the ledger's `seconds`; none by default, so that runs repeat
    """

    def __init__(
        self,
        *,
        clock: model.Clock,
        skew: float = 0.0,
        machine_skew: float = 0.0,
        seed: int = 1,
        duration_band: tuple[float, float] | None = None,
        path: pathlib.Path | None = None,
        machine: interface.Machine | None = None,
        subscription: str = LOCAL_SUBSCRIPTION,
        tenant: str = LOCAL_TENANT,
        throttled: bool = True,
        authorization: authorization.Check | None = None,
        retry_after: bool | int = True,
        signed_urls: bool = True,
        page_size: int = 100,
        storage: str | Callable[[str, str], None] | None = None,
        record: pathlib.Path | None = None,
        stopwatch: Callable[[], float] = lambda: 0.0,
        modules: Iterable[context.Provider] | None = None,
    ) -> None:
        self.clock = clocks.SkewedClock(clock, skew) if skew else clock
        self.store = store.Store(path)
        self.now = min(self.clock.now(), self.store.next_due() or self.clock.now())
        self._machine_skew = machine_skew
        self.durations = durations.Durations(seed, duration_band)
        self.subscription = subscription
        self.tenant = tenant
        self.retry_after = retry_after
        self.signs_urls = signed_urls
        self.page_size = page_size
        self.types: list[str] = []  # that can be read, by their whole names
        self.storage = storage
        self._recording = None if record is None else recording.Recording(record)
        self._stopwatch = stopwatch
        self.throttle = throttling.Throttle(enabled=throttled)
        self._authorization = authorization
        self._router: router.Router[context.Handler] = router.Router()
        self._events: dict[tuple[str, str], context.Event] = {}
        self._shows: dict[str, context.Show] = {}
        self.machine: interface.Machine = machine or scripted.ScriptedMachine(self.durations)
        self.faults = faults.Faults(self)
        self.operations = operations.Operations(self)
        for module in providers.MODULES if modules is None else modules:
            module.register(self)
        self.store.commit()

    # --- what providers register -----------------------------------------------------------

    def route(
        self,
        method: str,
        template: str,
        handler: context.Handler,
        *,
        plane: model.Plane = model.ARM,
        operation: str = "",
    ) -> None:
        """Answer `method template` with `handler`; `operation` names it for faults."""
        self._router.add(
            router.Route(
                method=method,
                template=template,
                handler=handler,
                plane=plane,
                operation=operation,
            )
        )

    def on(self, type_name: str, event: str, handler: context.Event) -> None:
        """Run `handler` when `event`, scheduled on a resource of this type, is due."""
        self._events[(type_name.lower(), event)] = handler

    def shows(self, type_name: str, show: context.Show) -> None:
        """Let `show` make the document that answers carry for resources of this type."""
        self._shows[type_name.lower()] = show

    # --- serving ---------------------------------------------------------------------------

    def handle(self, request: model.Request) -> model.Response:
        """Answer one request. Raises `model.ConnectionDropped` where a fault cuts the line."""
        began = self._stopwatch()
        self.settle()
        found = self._router.find(request.method, request.path)
        plane = model.ARM if found is None else found[0].plane
        status = 0
        if self._recording is not None and plane is model.ARM:
            self._recording.add(request)
        try:
            response = self._answer(request, found)
            status = response.status
        except model.Refusal as refusal:
            response = _refused(refusal, request, plane)
            status = response.status
        finally:
            headers = self._common_headers()
            seconds = self._stopwatch() - began
            self._write_ledger(request, plane, status, seconds)
            self.store.commit()
        return response.with_headers(headers)

    def settle(self) -> None:
        """Let everything happen that is due, earliest first."""
        until = max(self.now, self.clock.now())
        while (due := self.store.pop_due(until)) is not None:
            resource, item = due
            self.now = max(self.now, item["at"])
            self._events[(resource.type.lower(), item["event"])](self, resource, item["data"])
        self.now = until

    def close(self) -> None:
        self.store.commit()
        self.store.close()

    @property
    def machine_now(self) -> float:
        """`now` by the clock of a VM or node: what it and its agent write down."""
        return self.now + self._machine_skew

    # --- what handlers use -----------------------------------------------------------------

    def show(self, resource: store.Resource, request: model.Request) -> model.JsonObject:
        """The document of a resource as an answer carries it."""
        show = self._shows.get(resource.type.lower())
        return resource.document if show is None else show(self, resource, request)

    def schedule(
        self,
        resource: store.Resource,
        event: str,
        seconds: float,
        data: model.JsonObject | None = None,
    ) -> None:
        """Let an event happen to a resource after so many simulated seconds."""
        self.store.schedule(resource, event, self.now + seconds, data)

    def emit(
        self, resource: store.Resource, event: str, data: model.JsonObject | None = None
    ) -> None:
        """Let an event happen to a resource now, if anything is registered for it."""
        handler = self._events.get((resource.type.lower(), event))
        if handler is not None:
            handler(self, resource, data or {})

    def duration(self, operation: str, resource: store.Resource) -> float:
        """True seconds of an operation that begins now, slowed where a fault says so."""
        occasion = self.store.count(f"{operation}|{resource.key}")
        sampled = self.durations.sample(operation, resource.key, occasion)
        return sampled * self.faults.slowness(operation, resource)

    def dispatch(self, method: str, url: str, body: model.JsonObject) -> model.Response:
        """Answer a request that Azure itself makes, for a client who was let in already.

        Raises model.Refusal.
        """
        request = model.Request.from_url(method, url, body=json.dumps(body).encode())
        found = self._router.find(request.method, request.path)
        if found is None:
            _refuse_unknown(request)
        route, parameters = found
        self._check_subscription(parameters)
        fault = self.faults.on_request(request, route.operation)
        if fault is not None and fault["effect"] != "drop":
            faults.answer(fault)
        return route.handler(self, dataclasses.replace(request, parameters=parameters))

    def setting(self, name: str, default: Any = None) -> Any:
        """A fact about this simulated Azure that `/_simulator/settings` may change, by name."""
        found = self.store.find(f"/simulator/settings/{name}")
        return default if found is None else found.document["value"]

    def digest(self, *what: object) -> bytes:
        """32 bytes that depend on the seed, the arguments and how often these were given."""
        text = "|".join(str(item) for item in what)
        number = self.store.count(f"digest|{text}")
        return hashlib.sha256(f"{self.durations.seed}|{text}|{number}".encode()).digest()

    def new_guid(self, *what: object) -> str:
        """A GUID made like `digest`."""
        return str(uuid.UUID(bytes=self.digest(*what)[:16]))

    # --- inside ----------------------------------------------------------------------------

    def _answer(self, request: model.Request, found: _Found | None) -> model.Response:
        if found is None:
            _refuse_unknown(request)
        route, parameters = found
        tokens.check(self, request, route.plane)
        _check_api_version(request, route.plane)
        self._check_subscription(parameters)
        if self._authorization is not None:
            self._authorization.check(self, request, route.plane)
        asked = dataclasses.replace(request, parameters=parameters)
        if route.plane is model.CONTROL:
            return route.handler(self, asked)
        fault = self.faults.on_request(request, route.operation)
        if fault is not None:
            faults.answer(fault)
        left = self.throttle.check(request, self.now)
        response = route.handler(self, asked)
        if fault is not None:
            raise model.ConnectionDropped(after_effect=True)
        return response.with_headers(left)

    def _check_subscription(self, parameters: Mapping[str, str]) -> None:
        subscription = parameters.get("subscription", self.subscription)
        if subscription.lower() != self.subscription.lower():
            message = f"The subscription '{subscription}' could not be found."
            model.refuse(404, "SubscriptionNotFound", message)

    def _write_ledger(
        self, request: model.Request, plane: model.Plane, status: int, seconds: float
    ) -> None:
        """Status 0: the connection was dropped. In simulated time every answer is immediate."""
        if plane is not model.CONTROL:
            self.store.record(
                {
                    "time": self.now,
                    "method": request.method,
                    "url": request.url,
                    "status": status,
                    "seconds": round(seconds, 6),
                }
            )

    def _common_headers(self) -> dict[str, str]:
        number = self.store.count("requests")
        request_id = str(uuid.UUID(int=(self.durations.seed << 64) + number))
        return {
            "Date": times.http_date(self.now),
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": request_id,
        }


_Found = tuple[router.Route[context.Handler], dict[str, str]]


def _refused(refusal: model.Refusal, request: model.Request, plane: model.Plane) -> model.Response:
    return model.json_response(refusal.status, plane.render(refusal, request), refusal.headers)


def _refuse_unknown(request: model.Request) -> NoReturn:
    type_name = resource_ids.type_of(request.resource_id) or request.path
    message = f"The resource type or path '{type_name}' is not known here ({request.method})."
    model.refuse(404, "InvalidResourceType", message)


def _check_api_version(request: model.Request, plane: model.Plane) -> None:
    if not plane.api_version_required:
        return
    version = request.query.get("api-version", "")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        model.refuse(400, "MissingApiVersionParameter", message)
    if not _API_VERSION.fullmatch(version):
        message = f"The api-version '{version}' is invalid."
        model.refuse(400, "InvalidApiVersionParameter", message)
