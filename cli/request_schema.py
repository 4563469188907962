"""The JSON schema of requests, docs/request.schema.json: what editors use, and what this program
knows of the service's fields.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "docs" / "request.schema.json"
Json = dict[str, Any]
_NUMBERS = {"integer", "number", "boolean"}


@functools.cache
def document() -> Json:
    """The schema as plain JSON."""
    content: Json = json.loads(FILE.read_text(encoding="utf-8"))
    return content


def show() -> None:
    """Print the JSON schema of request files, for editors."""
    sys.stdout.write(FILE.read_text(encoding="utf-8"))


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """What may stand at a place of a request: the schemas of which a value must fit one."""

    options: tuple[Json, ...]

    def below(self, name: str | int) -> Place:
        """The place of a member, or of a list's item."""
        found: list[Json] = []
        for option in self.options:
            if "not" in option:
                found.append(option)  # what is refused is so with all its parts
            if isinstance(name, int):
                inner = option.get("items")
            else:
                inner = option.get("properties", {}).get(name) or _of_any_name(option)
            if isinstance(inner, dict):
                found += _resolved(inner)
        return Place(tuple(found))

    @property
    def exists(self) -> bool:
        """Whether requests have such a field."""
        return any("not" not in option for option in self.options)

    @property
    def why_refused(self) -> str | None:
        """The reason of a field of Azure that requests do not have on purpose."""
        for option in self.options:
            if "not" in option:
                return str(option["description"]).removeprefix("Refused: ").rstrip(".")
        return None

    @property
    def is_text(self) -> bool:
        """Whether a text belongs there. The schema lets such a field be a number, too, because YAML
        makes one of a text without quotes.
        """
        types = [_types(option) for option in self.options]
        has_numbers = any(each & _NUMBERS and "string" not in each for each in types)
        return any("string" in each for each in types) and not has_numbers

    @property
    def is_list(self) -> bool:
        """Whether a list belongs there."""
        return any(option.get("type") == "array" for option in self.options)


def root() -> Place:
    """The place of a whole request."""
    return Place((document(),))


def at(path: tuple[str | int, ...]) -> Place:
    """The place at a path of names and numbers."""
    return functools.reduce(Place.below, path, root())


def _of_any_name(option: Json) -> Any:
    """The schema of the members of a map."""
    by_pattern = list(option.get("patternProperties", {}).values())
    return by_pattern[0] if by_pattern else option.get("additionalProperties")


def _resolved(schema: Json) -> list[Json]:
    """The alternatives of a schema, without references."""
    if "$ref" in schema:
        return _resolved(document()["$defs"][schema["$ref"].rpartition("/")[2]])
    parts = schema.get("anyOf") or schema.get("oneOf")
    if parts:
        return [found for part in parts for found in _resolved(part)]
    return [schema]


def _types(option: Json) -> set[str]:
    types = option.get("type", [])
    found = set(types) if isinstance(types, list) else {types}
    values = [*option.get("enum", []), *([option["const"]] if "const" in option else [])]
    return found | {"string" for value in values if isinstance(value, str)}
