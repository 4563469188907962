"""A deployment template, read: what each of its resources is, and what it waits for.

Parameters, variables and outputs, a part of the functions, `dependsOn` and nested resources; no
copies, conditions, modules or linked templates.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, NoReturn

from local.azure_simulator import model, resource_ids, shapes
from local.azure_simulator.resources import expressions

_RESOURCE = {
    "type!": str,
    "name!": str,
    "apiVersion!": str,
    "dependsOn": [str],
    "resources": [dict],
}
SHAPE = {
    "resources": [_RESOURCE],
    "parameters": {"*": {"type!": str}},
    "variables": dict,
    "outputs": {"*": dict},
}
_OUTSIDE_BODY = frozenset({"type", "name", "apiVersion", "dependsOn", "resources", "comments"})
_UNSUPPORTED = ("copy", "condition", "scope")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One resource of a template."""

    id: str
    api_version: str
    body: model.JsonObject
    waits_for: tuple[str, ...]
    """Keys of other parts' ids."""


def read(
    template: model.JsonObject, given: model.JsonObject, group_id: str, location: str
) -> list[Part]:
    """The parts, each after those that it waits for. Refuses with 400 `InvalidTemplate`."""
    try:
        functions = _functions(template, given, group_id, location)
        resources = _flattened(template.get("resources") or [])
        known = shapes.shaped(expressions.evaluated(resources, functions), [_RESOURCE])
        parts = [_part(item, group_id) for item in known]
        return _ordered([_linked(part, parts) for part in parts])
    except (expressions.ExpressionError, shapes.MisshapenError) as error:
        _refuse(str(error))


def outputs(
    template: model.JsonObject, given: model.JsonObject, group_id: str, location: str
) -> model.JsonObject:
    """The outputs; those that cannot be evaluated here are left out."""
    functions = _functions(template, given, group_id, location)
    found: model.JsonObject = {}
    for name, output in (template.get("outputs") or {}).items():
        try:
            found[name] = expressions.evaluated(output, functions)
        except expressions.ExpressionError:
            continue
    return found


def _functions(
    template: model.JsonObject, given: model.JsonObject, group_id: str, location: str
) -> expressions.Functions:
    subscription = resource_ids.part(group_id, "subscriptions")
    declared = template.get("parameters") or {}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        _refuse(f"The following parameters were supplied, but do not exist: '{unknown[0]}'.")

    def parameter(name: str) -> Any:
        if name in given:
            return given[name].get("value")
        if "defaultValue" not in declared.get(name, {}):
            _refuse(f"The value for the template parameter '{name}' is not provided.")
        return expressions.evaluated(declared[name]["defaultValue"], functions)

    def variable(name: str) -> Any:
        return expressions.evaluated(template["variables"][name], functions)

    def resource_id(*parts: str) -> str:
        kind = next((part for part in parts if "/" in part), None)
        if kind is None:
            raise ValueError("resourceId needs a resource type")
        names = parts[parts.index(kind) + 1 :]
        return f"{_scope(group_id, parts[: parts.index(kind)])}/providers/{_path(kind, names)}"

    functions: expressions.Functions = {
        "parameters": parameter,
        "variables": variable,
        "resourceid": resource_id,
        "concat": _concat,
        "format": lambda text, *values: str(text).format(*values),
        "tolower": lambda text: str(text).lower(),
        "toupper": lambda text: str(text).upper(),
        "uniquestring": _unique_string,
        "if": lambda condition, yes, no: yes if condition else no,
        "equals": lambda left, right: left == right,
        "not": lambda value: not value,
        "empty": lambda value: not value,
        "null": lambda: None,
        "subscription": lambda: {
            "id": f"/subscriptions/{subscription}",
            "subscriptionId": subscription,
        },
        "resourcegroup": lambda: {
            "id": group_id,
            "name": resource_ids.name(group_id),
            "location": location,
        },
    }
    return functions


def _scope(group_id: str, before: tuple[str, ...]) -> str:
    """Of `resourceId('subscription', 'group', type, …)`: both are optional."""
    subscription, group = (None, None, *before)[-2:]
    root = "/subscriptions/" + (subscription or resource_ids.part(group_id, "subscriptions"))
    return f"{root}/resourceGroups/{group or resource_ids.name(group_id)}"


def _concat(*values: Any) -> Any:
    if values and isinstance(values[0], list):
        return [item for value in values for item in value]
    return "".join(str(value) for value in values)


def _unique_string(*values: Any) -> str:
    """13 characters that depend on the values; not the ones that Azure would find."""
    digest = hashlib.sha256("|".join(map(str, values)).encode()).digest()
    letters = "abcdefghijklmnopqrstuvwxyz234567"  # pragma: allowlist secret
    return "".join(letters[byte % 32] for byte in digest[:13])


def _flattened(
    resources: list[model.JsonObject], above: model.JsonObject | None = None
) -> list[model.JsonObject]:
    """Nested resources beside those that they lie in, with whole types and names."""
    found: list[model.JsonObject] = []
    for given in resources:
        item = shapes.shaped(given, _RESOURCE)
        for name in _UNSUPPORTED:
            if name in item:
                _refuse(f"'{name}' of template resources is not available here.")
        whole = dict(item)
        if above is not None and item["type"].count("/") == 0:
            whole["type"] = f"{above['type']}/{item['type']}"
            whole["name"] = f"{above['name']}/{item['name']}"
            whole["dependsOn"] = [*item.get("dependsOn", []), f"{above['type']}/{above['name']}"]
        found += [whole, *_flattened(item.get("resources") or [], whole)]
    return found


def _part(item: model.JsonObject, group_id: str) -> Part:
    names = item["name"].split("/")
    if len(names) != item["type"].count("/"):
        _refuse(
            f"The template resource '{item['name']}' for type '{item['type']}' has incorrect "
            "segment lengths."
        )
    return Part(
        id=f"{group_id}/providers/{_path(item['type'], names)}",
        api_version=item["apiVersion"],
        body={name: value for name, value in item.items() if name not in _OUTSIDE_BODY},
        waits_for=tuple(item.get("dependsOn") or ()),
    )


def _path(kind: str, names: Any) -> str:
    """`Microsoft.Network/virtualNetworks/net/subnets/build`."""
    namespace, *kinds = kind.split("/")
    return "/".join([namespace, *(f"{k}/{n}" for k, n in zip(kinds, names, strict=True))])


def _linked(part: Part, parts: list[Part]) -> Part:
    """`dependsOn` names parts by id, by type and name, or by name alone."""
    keys = []
    for wanted in part.waits_for:
        key = resource_ids.key(wanted)
        found = [
            other
            for other in parts
            if resource_ids.key(other.id).endswith(key if key.startswith("/") else f"/{key}")
        ]
        if not found:
            _refuse(f"The resource '{wanted}' is not defined in the template.")
        keys.append(resource_ids.key(found[0].id))
    return dataclasses.replace(part, waits_for=tuple(keys))


def _ordered(parts: list[Part]) -> list[Part]:
    """Each after those that it waits for; refuses circles."""
    done: dict[str, Part] = {}
    left = list(parts)
    while left:
        ready = [part for part in left if all(key in done for key in part.waits_for)]
        if not ready:
            _refuse(f"Circular dependency detected on resource: '{left[0].id}'.")
        done.update({resource_ids.key(part.id): part for part in ready})
        left = [part for part in left if part not in ready]
    return list(done.values())


def _refuse(problem: str) -> NoReturn:
    message = f"Deployment template validation failed: '{problem}'."
    model.refuse(400, "InvalidTemplate", message)
