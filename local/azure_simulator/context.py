"""The simulator as the modules that answer requests see it; only types.

`core.Simulator` implements `Azure`, `operations.Operations` implements `Operations`, and
`faults.Faults` implements `Faults`. Those modules import this one, and so does every resource type.
This one imports none of them, so the imports of the package form no cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from local.azure_simulator import durations, model, store
from local.azure_simulator.machine import interface

Resource = store.Resource
"""Named here because `Azure.store` hides the module inside the class."""

Handler = Callable[["Azure", model.Request], model.Response]
"""Answers a request, or raises `model.Refusal` before it has changed anything."""
Event = Callable[["Azure", store.Resource, model.JsonObject], None]
"""Called with the resource and the event's data; `azure.now` is the time the event was due."""
Show = Callable[["Azure", store.Resource, model.Request], model.JsonObject]
"""Makes the document that an answer carries for a resource."""
Succeeded = Callable[["Azure", store.Resource, store.Resource], model.JsonObject | None]
"""Called with the resource and the operation when it ends; may still return an error object."""
Failed = Callable[["Azure", store.Resource, store.Resource, model.JsonObject], None]
"""Called with the resource, the operation and the error object."""


class Azure(Protocol):
    """The simulator as handlers and events use it. `core.Simulator` describes each member."""

    clock: model.Clock
    now: float
    subscription: str
    tenant: str
    store: store.Store
    durations: durations.Durations
    machine: interface.Machine
    page_size: int
    types: list[str]
    retry_after: bool | int
    signs_urls: bool
    storage: str | Callable[[str, str], None] | None

    @property
    def machine_now(self) -> float: ...

    @property
    def operations(self) -> Operations: ...

    @property
    def faults(self) -> Faults: ...

    def route(
        self,
        method: str,
        template: str,
        handler: Handler,
        *,
        plane: model.Plane = model.ARM,
        operation: str = "",
    ) -> None: ...

    def on(self, type_name: str, event: str, handler: Event) -> None: ...

    def shows(self, type_name: str, show: Show) -> None: ...

    def show(self, resource: Resource, request: model.Request) -> model.JsonObject: ...

    def schedule(
        self,
        resource: Resource,
        event: str,
        seconds: float,
        data: model.JsonObject | None = None,
    ) -> None: ...

    def emit(
        self, resource: Resource, event: str, data: model.JsonObject | None = None
    ) -> None: ...

    def duration(self, operation: str, resource: Resource) -> float: ...

    def dispatch(self, method: str, url: str, body: model.JsonObject) -> model.Response: ...

    def setting(self, name: str, default: Any = None) -> Any: ...

    def digest(self, *what: object) -> bytes: ...

    def new_guid(self, *what: object) -> str: ...


class Operations(Protocol):
    """Long-running operations. `operations.Operations` describes each method."""

    def register(
        self,
        name: str,
        takes: durations.Duration,
        succeeded: Succeeded,
        failed: Failed = ...,
    ) -> None: ...

    def begin(
        self,
        name: str,
        resource: store.Resource,
        *,
        seconds: float | None = None,
        error: model.JsonObject | None = None,
        data: model.JsonObject | None = None,
        retry_after: tuple[int, ...] = (),
        is_open_ended: bool = False,
        occupies: bool = True,
    ) -> store.Resource: ...

    def running(self, resource: store.Resource) -> store.Resource | None: ...

    def preempt(self, resource: store.Resource, by: str) -> None: ...

    def end_now(self, operation: store.Resource, error: model.JsonObject | None = None) -> None: ...


class Faults(Protocol):
    """The faults in force. `faults.Faults` describes each method."""

    def add(self, fault: model.JsonObject) -> model.JsonObject: ...

    def list(self) -> list[model.JsonObject]: ...

    def clear(self) -> None: ...

    def failure(self, operation: str, resource: store.Resource) -> model.JsonObject | None: ...

    def slowness(self, operation: str, resource: store.Resource) -> float: ...

    def on_operation(
        self, operation: str, resource: store.Resource, effect: str
    ) -> model.JsonObject | None: ...

    def on_script(self, names: Sequence[str], run: store.Resource) -> model.JsonObject | None: ...


class Provider(Protocol):
    """What a module in `providers.MODULES` has."""

    def register(self, azure: Azure) -> None: ...
