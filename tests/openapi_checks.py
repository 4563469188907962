"""Is this answer the one that /api/openapi.json describes? A second reading, by jsonschema.

The description leaves room for fields that a newer app may add. Here there is no such room: a field
that is not described is a problem.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from triggers import openapi

Json = dict[str, Any]
_COMPONENTS = "#/components/schemas/"


def problems(method: str, path: str, status: int, body: object) -> list[str]:
    """What is wrong with an answer of `path`: a path below `/api/`, filled in or as a template."""
    operation = _operation(method, path)
    if operation is None:
        return [f"{method} {path} is not described"]
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
    if response is None:
        return [f"{method} {path}: the status {status} is not described"]
    if "content" not in response:
        return []
    name = response["content"]["application/json"]["schema"]["$ref"].removeprefix(_COMPONENTS)
    return [f"{method} {path} {status} {text}" for text in of_schema(name, body)]


def of_schema(name: str, body: object) -> list[str]:
    """What is wrong with a document that a schema of this name describes."""
    return [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(body)]


@cache
def described() -> Json:
    """The description, made once."""
    return openapi.document()


@cache
def closed_schemas() -> Json:
    """The described schemas, with no room for a field that they do not name."""
    schemas: Json = copy.deepcopy(described()["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return schemas


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = {"components": {"schemas": closed_schemas()}}
    return Draft202012Validator({"$ref": _COMPONENTS + name, **schemas})


def _operation(method: str, path: str) -> Json | None:
    """The described operation; a template without parameters wins over one with some."""
    for template, operations in sorted(described()["paths"].items(), key=_parameters):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, f"/api/{path}") and method.lower() in operations:
            return dict(operations[method.lower()])
    return None


def _parameters(path: tuple[str, Json]) -> int:
    return path[0].count("{")
