"""What a template makes inside a storage account through Resource Manager: services, and their
containers, queues and tables. Neither a firewall nor switched-off keys stand in its way.
"""

from __future__ import annotations

from local.azure_simulator import (
    arm,
    context,
    model,
    resource_ids,
    resource_types,
    storage_accounts,
)

SERVICES = {"blobServices": "containers", "queueServices": "queues", "tableServices": "tables"}


def register(azure: context.Azure) -> None:
    for service, content in SERVICES.items():
        for kind in (service, f"{service}/{content}"):
            type_name = f"{storage_accounts.TYPE}/{kind}"
            resource_types.register_reads(azure, type_name)
            azure.route("PUT", arm.path_of(type_name), put)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201, or 200 for one that is there. These have no location, and no operation."""
    arm.check_writable(azure, request.resource_id)
    body = request.json({"properties": dict})
    existing = azure.store.find(request.resource_id)
    type_name = resource_ids.type_of(request.resource_id)
    made = arm.file(azure, request, type_name, body, existing)
    return model.json_response(201 if existing is None else 200, made.document)
