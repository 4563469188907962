"""The JSON schema of a request file, made from the models: what editors complete and check by."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from shared.model import refused_fields
from shared.model.requests import Build

Json = dict[str, Any]

_REFUSED = {"Pool": refused_fields.FIELDS, "Image": refused_fields.IMAGE_FIELDS}
# What the command line uploads, and the service knows by another name.
_LOCAL = {
    ("RegistryBuild", "context"): "A folder with a Dockerfile, relative to this file. "
    "The command uploads it.",
    ("ImageStep", "upload"): "A file or a folder, relative to this file. The command uploads it.",
}


# YAML takes 24.04 for a number and true for a boolean; the command line sends the text.
_TEXT = ["string", "number", "boolean"]


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: pydantic's only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's name
        return False


def text() -> str:
    """The file's content."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> Json:
    """The schema as plain JSON."""
    made = Build.model_json_schema(schema_generator=_Untitled)
    _take_numbers(made)
    definitions: Json = made.pop("$defs")
    for (model, field), about in _LOCAL.items():
        if field in definitions.get(model, {}).get("properties", {}):
            definitions[model]["properties"][field] = {"type": "string", "description": about}
    for model, refused in _REFUSED.items():
        for field, (_, why) in refused.items():
            *above, name = field.split(".")
            about = {"not": {}, "description": f"Refused: {why}."}
            for holder in _holders(definitions, definitions[model], above):
                holder["properties"].setdefault(name, about)
    made["properties"]["$schema"] = {"type": "string", "description": "For editors only."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "A request to batch-prep",
        "$defs": definitions,
    }


def _take_numbers(schema: Any) -> None:
    """Let a text also be what YAML makes of it unquoted, unless it is one of some words, or the
    field takes numbers of its own.
    """
    if isinstance(schema, list):
        for item in schema:
            _take_numbers(item)
    if not isinstance(schema, dict):
        return
    types = {part.get("type") for part in schema.get("anyOf", []) if isinstance(part, dict)}
    if schema.get("type") == "string" and not {"enum", "const"} & schema.keys():
        schema["type"] = _TEXT
    for name, part in schema.items():
        if not (name == "anyOf" and types & {"integer", "number"}):
            _take_numbers(part)


def _holders(definitions: Json, schema: Json, path: list[str]) -> list[Json]:
    """The object schemas that lie at a path of names; lists are passed through."""
    if "$ref" in schema:
        return _holders(definitions, definitions[schema["$ref"].rpartition("/")[2]], path)
    found = []
    for part in schema.get("anyOf", []) + schema.get("oneOf", []):
        found += _holders(definitions, part, path)
    if "items" in schema:
        found += _holders(definitions, schema["items"], path)
    if "properties" in schema:
        if not path:
            found.append(schema)
        elif path[0] in schema["properties"]:
            found += _holders(definitions, schema["properties"][path[0]], path[1:])
    return found
