"""Registers a resource type: its routes, its operations and how long these take, in one call.

docs/simulator.md has a whole resource type as an example. What its handlers share is in `arm`.
"""

from __future__ import annotations

from collections.abc import Callable

from local.azure_simulator import arm, context, durations, model, operations, resource_ids, store

Check = Callable[[context.Azure, store.Resource], None]
"""Refuses while something still needs the resource."""


def register(
    azure: context.Azure,
    type_name: str,
    name: str,
    *,
    put: context.Handler,
    write: durations.Duration,
    delete: durations.Duration,
    patch: context.Handler | None = None,
    written: context.Succeeded = arm.succeed,
    check_delete: Check | None = None,
    delete_retry_after: tuple[int, ...] = (),
) -> None:
    """Serve GET, the lists, PUT, DELETE and, if given, PATCH for `type_name`.

    `write` and `delete` say how long the operations `{name}.write` and `{name}.delete` take; `put`
    and `patch` begin the former with `arm.start_write`, and `written` is called when it ends.
    """
    register_reads(azure, type_name)
    path, writing = arm.path_of(type_name), f"{name}.write"
    azure.route("PUT", path, put, operation=writing)
    if patch is not None:
        azure.route("PATCH", path, patch, operation=writing)
    azure.operations.register(writing, write, written)
    register_delete(
        azure, type_name, name, delete, check=check_delete, retry_after=delete_retry_after
    )


def register_reads(azure: context.Azure, type_name: str) -> None:
    """Serve GET of one, the list below its parent, and for top-level types the subscription's."""
    azure.types.append(type_name)
    azure.route("GET", arm.path_of(type_name), arm.get)
    collection = arm.path_of(type_name).rpartition("/")[0]

    def list_below(azure: context.Azure, request: model.Request) -> model.Response:
        parent_id = resource_ids.parent(request.resource_id + "/x")
        arm.require(azure, parent_id)
        return arm.page(azure, request, azure.store.children(parent_id, type_name))

    def list_all(azure: context.Azure, request: model.Request) -> model.Response:
        return arm.page(azure, request, azure.store.of_type(type_name))

    azure.route("GET", collection, list_below)
    if type_name.count("/") == 1:
        path = f"/subscriptions/{{subscription}}/providers/{type_name}"
        azure.route("GET", path, list_all)


def register_delete(
    azure: context.Azure,
    type_name: str,
    name: str,
    takes: durations.Duration,
    *,
    check: Check | None = None,
    retry_after: tuple[int, ...] = (),
) -> None:
    """Serve DELETE by the operation `{name}.delete`, which ends with `arm.vanish`."""
    operation_name = f"{name}.delete"
    handler = _delete(operation_name, check, retry_after)
    azure.route("DELETE", arm.path_of(type_name), handler, operation=operation_name)
    azure.operations.register(operation_name, takes, arm.vanish)


def _delete(
    operation_name: str, check: Check | None, retry_after: tuple[int, ...]
) -> context.Handler:
    def handler(azure: context.Azure, request: model.Request) -> model.Response:
        """204 when absent, else 202 with both headers; a delete under way is joined."""
        resource = azure.store.find(request.resource_id)
        if resource is None:
            arm.require_group(azure, request.resource_id)
            return model.empty_response(204)
        operation = azure.operations.running(resource)
        if operation is None or operation.state["operation"] != operation_name:
            if check is not None:
                check(azure, resource)
            azure.operations.preempt(resource, "delete")
            resource.properties["provisioningState"] = "Deleting"
            operation = azure.operations.begin(operation_name, resource, retry_after=retry_after)
        return operations.accepted(azure, request, operation)

    return handler
