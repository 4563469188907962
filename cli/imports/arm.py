"""Resource Manager templates, as exported, written, or compiled from Bicep: the pools in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli.imports import pools
from cli.imports.arm_expressions import Scope
from cli.imports.draft import Path, Unresolved, shown

POOL = "microsoft.batch/batchaccounts/pools"
_ACCOUNT = "microsoft.batch/batchaccounts"
Json = dict[str, Any]


def pools_of(template: Json, given: Mapping[str, Any]) -> tuple[list[pools.Found], dict[str, str]]:
    """The pools of a template, and its other resources with the reason why they are left out."""
    found: list[pools.Found] = []
    left: dict[str, str] = {}
    locations: dict[str, tuple[Any, Path]] = {}
    for path, resource in _resources(template, given, ()):
        kind = str(resource.get("type", "")).lower()
        if kind == POOL:
            found.append(of_resource(resource, path))
        elif kind == _ACCOUNT:
            locations[str(resource.get("name"))] = (resource.get("location"), (*path, "location"))
            left[shown(path)] = "an account that does not exist is created with its defaults"
        else:
            left[shown(path)] = f"it is no pool: {resource.get('type')}"
    for pool in found:
        name, _ = pool.account.get("name", (None, ()))
        if name in locations and isinstance(locations[name][0], str):
            pool.account["location"] = locations[name]
    return found, left


def of_resource(resource: Json, path: Path) -> pools.Found:
    """A pool as a resource: `{"name": "account/pool", "properties": {...}}`."""
    account: dict[str, tuple[Any, Path]] = {}
    id_ = str(resource.get("id") or "")
    if found := re.search(
        r"/resourceGroups/([^/]+)/.*/batchAccounts/([^/]+)/pools/([^/]+)", id_, re.IGNORECASE
    ):
        account = {"name": (found[2], (*path, "id")), "resourceGroup": (found[1], (*path, "id"))}
    name = resource.get("name") or (found[3] if found else None)
    if isinstance(name, Unresolved):
        account.setdefault("name", (name, (*path, "name")))
    elif name and "/" in name:
        above, _, name = str(name).rpartition("/")
        account["name"] = (above, (*path, "name"))
    return pools.Found(
        document=resource,
        place=path,
        account=account,
        name=name,
        table=pools.RESOURCE,
        properties=("properties",),
    )


def _resources(template: Json, given: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Json]]:
    """Every resource with its expressions filled in, also those of nested templates."""
    scope = scope_of(template, given)
    yield from _below(template.get("resources") or [], scope, (*path, "resources"), "", "")


def scope_of(template: Json, given: Mapping[str, Any]) -> Scope:
    """What the expressions of a template may name; an empty default is a value to be given. A
    secure one has no value here.
    """
    parameters = template.get("parameters") or {}
    values = {
        name: about["defaultValue"]
        for name, about in parameters.items()
        if "defaultValue" in about and about["defaultValue"] not in (None, "")
    }
    secure = {
        name.lower()
        for name, about in parameters.items()
        if str(about.get("type")).lower() in {"securestring", "secureobject"}
    }
    known = {name: each for name, each in {**values, **given}.items() if name.lower() not in secure}
    return Scope(known, template.get("variables") or {})


def _below(
    resources: Any, scope: Scope, path: Path, kind: str, name: str
) -> Iterator[tuple[Path, Json]]:
    """Resources inside others have a part of the type and of the name only."""
    items = resources.items() if isinstance(resources, dict) else enumerate(resources)
    for key, raw in items:
        place: Path = (*path, key)
        resource = {
            field: value if field in {"resources", "properties"} else scope.filled(value)
            for field, value in raw.items()
        }
        if kind and "/" not in str(resource.get("type")):
            resource["type"] = f"{kind}/{resource.get('type')}"
            resource["name"] = f"{name}/{resource.get('name')}"
        inner = (resource.get("properties") or {}).get("template")
        if isinstance(inner, dict):
            passed = scope.filled(resource["properties"].get("parameters") or {})
            values = {
                each: about["value"]
                for each, about in passed.items()
                if isinstance(about, dict) and "value" in about
            }
            yield from _resources(inner, values, (*place, "properties", "template"))
            continue
        nested = resource.pop("resources", None) or []
        resource["properties"] = scope.filled(resource.get("properties"))
        yield place, resource
        yield from _below(
            nested,
            scope,
            (*place, "resources"),
            str(resource.get("type")),
            str(resource.get("name")),
        )
