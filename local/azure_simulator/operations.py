"""Long-running operations: their records, their headers, their monitors.

Forms, as recorded (`Form`):
- `ASYNC_PUT`: 201 (200 on an update) with the resource in the body and `Azure-AsyncOperation`.
- `ASYNC_202`: 202 without a body, `Azure-AsyncOperation` and `Location` (POST actions, DELETE).
- `LOCATION`: 202 without a body, `Location` only (resource groups, Batch accounts and pools).

The monitor behind `Azure-AsyncOperation` answers HTTP 200 while running and when failed; the one
behind `Location` answers 202 while running and fails with an HTTP status. Monitor URLs are
absolute, built from the request's own host, look signed, and change with each answer.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from urllib import parse

from local.azure_simulator import context, durations, model, resource_ids, store, times

TYPE = "simulator.operation"
EXPIRES_AFTER_SECONDS = 26 * 3600
"""Azure forgets an operation after a day or more; its URL then answers 404."""

_SUBSCRIPTION = "/subscriptions/{subscription}"
_REGIONAL = _SUBSCRIPTION + "/providers/{namespace}/locations/{location}"
_SIGNATURE_LENGTHS = {"c": 2700, "s": 344, "h": 43}
"""Recorded monitor URLs carry `t`, `c`, `s` and `h` and are nearly 4,000 characters long."""


def mark_failed(
    azure: context.Azure,
    resource: store.Resource,
    operation: store.Resource,
    error: model.JsonObject,
) -> None:
    resource.properties["provisioningState"] = "Failed"


class Operations:
    """Starts operations, ends them, answers for them."""

    def __init__(self, azure: context.Azure) -> None:
        self._azure = azure
        self._endings: dict[str, tuple[context.Succeeded, context.Failed]] = {}
        azure.on(TYPE, "finish", self._finish)
        azure.on(TYPE, "expire", _expire)
        for stem in (_SUBSCRIPTION, _REGIONAL):
            azure.route("GET", f"{stem}/operations/{{operation}}", answer_status)
            azure.route("GET", f"{stem}/operationResults/{{operation}}", answer_location)

    def register(
        self,
        name: str,
        takes: durations.Duration,
        succeeded: context.Succeeded,
        failed: context.Failed = mark_failed,
    ) -> None:
        """Say how long operations of this name take and what their end does to the resource."""
        if name in self._endings:
            raise ValueError(f"the operation '{name}' is registered twice")
        self._azure.durations.add({name: takes})
        self._endings[name] = (succeeded, failed)

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
    ) -> store.Resource:
        """Start the registered operation `name` on a filed resource.

        `error` makes it fail at its end, as an injected fault may. `retry_after` are Azure's values
        for the first, second, … answer, the last one repeating; none means the header is absent.
        An open-ended operation ends by `end_now` only. One that does not occupy the resource is
        not what `running` finds.
        """
        if name not in self._endings:
            raise LookupError(f"the operation '{name}' is not registered")
        azure = self._azure
        location = resource.location or resource.state.get("location") or "global"
        identifier = str(uuid.UUID(bytes=azure.digest("operation", resource.key, name)[:16]))
        operation = store.Resource(
            id=f"/simulator/operations/{identifier}",
            type=TYPE,
            document={"startTime": times.text(azure.now), "status": "InProgress"},
            state={
                "operation": name,
                "resource": resource.id,
                "number": resource.number,
                "namespace": resource_ids.type_of(resource.id).partition("/")[0],
                "subscription": resource_ids.part(resource.id, "subscriptions"),
                "location": location.replace(" ", "").lower(),
                "retryAfter": list(retry_after),
                "error": error or azure.faults.failure(name, resource),
                "data": data or {},
                "result": None,
            },
        )
        azure.store.add(operation)
        if not is_open_ended:
            taken = azure.duration(name, resource) if seconds is None else seconds
            azure.store.schedule(operation, "finish", azure.now + taken)
        if occupies:
            resource.state["operation"] = operation.id
        return operation

    def running(self, resource: store.Resource) -> store.Resource | None:
        """The operation that is at work on the resource, if any."""
        identifier = resource.state.get("operation")
        operation = self._azure.store.find(identifier) if identifier else None
        is_running = operation is not None and operation.document["status"] == "InProgress"
        return operation if is_running else None

    def preempt(self, resource: store.Resource, by: str) -> None:
        """Cancel what is at work on the resource, as a delete does."""
        operation = self.running(resource)
        if operation is not None:
            operation.cancel("finish")
            message = f"The operation has been preempted by a more recent operation: {by}."
            self._close(operation, "Canceled", model.error_object("OperationPreempted", message))

    def end_now(self, operation: store.Resource, error: model.JsonObject | None = None) -> None:
        """End a running operation at once, with an error or not, instead of at its due time."""
        operation.cancel("finish")
        if error is not None:
            operation.state["error"] = error
        self._finish(self._azure, operation, {})

    def _finish(
        self,
        azure: context.Azure,
        operation: store.Resource,
        data: model.JsonObject,  # noqa: ARG002
    ) -> None:
        resource = azure.store.find(operation.state["resource"])
        error = operation.state["error"]
        is_same = resource is not None and resource.number == operation.state["number"]
        if resource is not None and is_same:  # not gone, and not another one of the same name
            succeeded, failed = self._endings[operation.state["operation"]]
            if error is None:
                error = succeeded(azure, resource, operation)
            if error is not None:
                failed(azure, resource, operation, error)
        self._close(operation, "Succeeded" if error is None else "Failed", error)

    def _close(
        self, operation: store.Resource, status: str, error: model.JsonObject | None
    ) -> None:
        operation.document["status"] = status
        operation.document["endTime"] = times.text(self._azure.now)
        operation.state["error"] = error
        self._azure.store.schedule(operation, "expire", self._azure.now + EXPIRES_AFTER_SECONDS)


# --- answers that start an operation -------------------------------------------------------


def put_started(
    azure: context.Azure,
    request: model.Request,
    resource: store.Resource,
    operation: store.Resource,
    *,
    created: bool,
) -> model.Response:
    """`ASYNC_PUT`: the resource and where to ask for the operation."""
    headers = {"Azure-AsyncOperation": monitor_url(azure, request, operation)}
    headers.update(_retry_after(azure, operation))
    return model.json_response(201 if created else 200, azure.show(resource, request), headers)


def accepted(
    azure: context.Azure, request: model.Request, operation: store.Resource
) -> model.Response:
    """`ASYNC_202`: both headers, no body."""
    return model.empty_response(
        202,
        {
            "Azure-AsyncOperation": monitor_url(azure, request, operation),
            "Location": monitor_url(azure, request, operation, location=True),
            **_retry_after(azure, operation),
        },
    )


def accepted_at_location(
    azure: context.Azure, request: model.Request, operation: store.Resource
) -> model.Response:
    """`LOCATION`: 202 with Location and Retry-After, no body."""
    return model.empty_response(
        202,
        {
            "Location": monitor_url(azure, request, operation, location=True),
            **_retry_after(azure, operation),
        },
    )


# --- monitors ------------------------------------------------------------------------------


def answer_status(azure: context.Azure, request: model.Request) -> model.Response:
    """What `Azure-AsyncOperation` answers; with `monitor=true` (compute) what `Location` does."""
    if request.query.get("monitor", "").lower() == "true":
        return answer_location(azure, request)
    operation = _find(azure, request)
    status = operation.document["status"]
    document: model.JsonObject = {"status": status}
    if operation.state["namespace"].lower() != "microsoft.network":
        document = {**operation.document, "name": operation.name}
    if operation.state["error"] is not None and status != "InProgress":
        document["error"] = operation.state["error"]
    if operation.state["result"] is not None:
        document["properties"] = {"output": operation.state["result"]}
    headers = {}
    if status == "InProgress":
        headers = {"Azure-AsyncOperation": monitor_url(azure, request, operation)}
        headers.update(_retry_after(azure, operation))
    return model.json_response(200, document, headers)


def answer_location(azure: context.Azure, request: model.Request) -> model.Response:
    """202 while running; then the result, an empty 200, or the failure as an HTTP status."""
    operation = _find(azure, request)
    if operation.document["status"] == "InProgress":
        return accepted_at_location(azure, request, operation)
    error = operation.state["error"]
    if error is not None:
        model.refuse(409, error["code"], error["message"], details=error.get("details"))
    if operation.state["result"] is not None:
        return model.json_response(200, operation.state["result"])
    return model.empty_response(200)


def monitor_url(
    azure: context.Azure,
    request: model.Request,
    operation: store.Resource,
    *,
    location: bool = False,
) -> str:
    """An absolute URL of one of the two monitors, newly signed."""
    state = operation.state
    is_compute = state["namespace"].lower() == "microsoft.compute"
    is_group = state["namespace"].lower() == "microsoft.resources"
    kind = "operationResults" if location and not is_compute else "operations"
    stem = (_SUBSCRIPTION if is_group else _REGIONAL).format_map(state)
    path = f"{stem}/{kind}/{operation.name}"
    query = {"api-version": request.query.get("api-version", "2024-01-01")}
    if location and is_compute:
        query = {"p": str(uuid.UUID(int=operation.number)), "monitor": "true", **query}
    return f"{request.base_url}{path}?{parse.urlencode({**query, **_signature(azure, operation)})}"


def _find(azure: context.Azure, request: model.Request) -> store.Resource:
    identifier = request.parameters["operation"]
    operation = azure.store.find(f"/simulator/operations/{identifier}")
    if operation is None:
        model.refuse(404, "NotFound", f"The entity '{identifier}' was not found.")
    return operation


def _expire(
    azure: context.Azure,
    operation: store.Resource,
    data: model.JsonObject,
) -> None:
    azure.store.remove(operation.id)


def _retry_after(azure: context.Azure, operation: store.Resource) -> Mapping[str, str]:
    values: list[int] = operation.state["retryAfter"]
    if not isinstance(azure.retry_after, bool):
        return {"Retry-After": str(azure.retry_after)}
    if not azure.retry_after or not values:
        return {}
    answers = operation.state.get("answers", 0)
    operation.state["answers"] = answers + 1
    return {"Retry-After": str(values[min(answers, len(values) - 1)])}


def _signature(azure: context.Azure, operation: store.Resource) -> dict[str, str]:
    if not azure.signs_urls:
        return {}
    number = operation.state["signatures"] = operation.state.get("signatures", 0) + 1
    stem = hashlib.sha256(f"{operation.id}|{number}".encode()).hexdigest()
    filled = {
        name: (stem * (length // len(stem) + 1))[:length]
        for name, length in _SIGNATURE_LENGTHS.items()
    }
    return {"t": str(int(azure.now * 1e7)), **filled}
