"""The simulator's own API, `/_simulator/…`: what it saw, what it holds, what it should break.

GET    /_simulator/ledger      [{"time", "method", "url", "status", "seconds"}], oldest first
GET    /_simulator/resources   [{"id", "type", "tags", "state", "costPerHour"}]
GET    /_simulator/faults      the faults in force (see `faults`), with how often each struck
POST   /_simulator/faults      one fault, or a list
DELETE /_simulator/faults      all
GET    /_simulator/settings    {"name": value}, see `change_settings`
PUT    /_simulator/settings    changes those that are given
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import json

from local.azure_simulator import context, model, store

SETTING = "simulator.setting"


def register(azure: context.Azure) -> None:
    azure.route("GET", "/_simulator/ledger", ledger, plane=model.CONTROL)
    azure.route("GET", "/_simulator/resources", resources, plane=model.CONTROL)
    azure.route("GET", "/_simulator/faults", list_faults, plane=model.CONTROL)
    azure.route("POST", "/_simulator/faults", add_faults, plane=model.CONTROL)
    azure.route("DELETE", "/_simulator/faults", clear_faults, plane=model.CONTROL)
    azure.route("GET", "/_simulator/settings", list_settings, plane=model.CONTROL)
    azure.route("PUT", "/_simulator/settings", put_settings, plane=model.CONTROL)


def ledger(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, azure.store.ledger())


def resources(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, listed(azure))


def listed(azure: context.Azure) -> list[model.JsonObject]:
    """Everything that a subscription's owner would see and pay for."""
    return [
        {
            "id": resource.id,
            "type": resource.type,
            "tags": resource.tags,
            "state": resource.label,
            "costPerHour": round(resource.cost_per_hour, 6),
        }
        for resource in azure.store.everything()
        if resource.type.startswith("Microsoft.")
    ]


def list_faults(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, azure.faults.list())


def add_faults(azure: context.Azure, request: model.Request) -> model.Response:
    given = json.loads(request.body or b"[]")
    added = [azure.faults.add(fault) for fault in (given if isinstance(given, list) else [given])]
    return model.json_response(201, added)


def clear_faults(azure: context.Azure, request: model.Request) -> model.Response:
    azure.faults.clear()
    return model.empty_response(204)


def list_settings(azure: context.Azure, request: model.Request) -> model.Response:
    found = azure.store.of_type(SETTING)
    return model.json_response(200, {item.name: item.document["value"] for item in found})


def put_settings(azure: context.Azure, request: model.Request) -> model.Response:
    change_settings(azure, request.json())
    return list_settings(azure, request)


def change_settings(azure: context.Azure, settings: model.JsonObject) -> None:
    """Change facts about this Azure; handlers read them with `azure.setting(name, default)`.

    | name | value |
    |---|---|
    | quota:FAMILY, quota:cores, quota:lowPriorityCores | compute quota in every region |
    | restricted:SIZE | true: the size is not available for this subscription |
    | registryRoleAssignmentMode | of new registries that state none |
    """
    for name, value in settings.items():
        setting_id = f"/simulator/settings/{name}"
        azure.store.add(store.Resource(id=setting_id, type=SETTING, document={"value": value}))
