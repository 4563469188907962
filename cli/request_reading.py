"""A request file as it was written: YAML or JSON, with the line of each field.

YAML is read as version 1.2 has it (`yes` and `on` are texts), and a value that looks like a number
is a text where the service wants one: `osVersion: 24.10` means "24.10". A field that is there twice
is refused; YAML's own readers would take the last.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cli import errors, request_schema
from cli.request_schema import Place

_VALUES_MAX = 20_000  # the service takes no more; aliases can make more of a short file
_UPLOADED = re.compile(r"contexts/[0-9a-f]{32}\.(?:tar\.gz|sh)")  # what the service calls an upload
SUFFIXES = (".yaml", ".yml", ".json")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RequestFile:
    """The content, with absolute paths of the folders and files to upload."""

    path: Path
    content: dict[str, Any]
    lines: Mapping[str, int]  # by field, such as `pools[0].vmSize`

    def place(self, field: str) -> str:
        """`request.yaml:12`, of the field or of what it would be in; the name alone for JSON."""
        while field and field not in self.lines:
            field = re.sub(r"(?:^|\.)[^.\[\]]*$|\[\d+\]$", "", field)
        line = self.lines.get(field)
        return f"{self.path}:{line}" if line else str(self.path)

    def place_in_recipe(self, field: str) -> str:
        """The same where the file is the request of a recipe; empty for what is not of the file,
        such as the recipe's name.
        """
        within, of, inner = field.partition("request.")
        return self.place(inner) if of and not within else ""


def read(path: Path) -> RequestFile:
    """Raises Refused where the file holds no request."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise errors.unreadable(path, error) from error
    content, lines = parse(text, path)
    if not isinstance(content, dict):
        raise errors.Refused(f"{path} must hold an object with the fields of a request")
    content.pop("$schema", None)
    try:  # YAML has more numbers and characters, and Python's JSON as well
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise errors.Refused(f"{path} holds what no request can: {error}") from None
    is_pipe = path.parent in {Path("/dev"), Path("/dev/fd")}  # which is in no folder
    folder = Path() if is_pipe else path.parent
    for request in (content, _object(content.get("request"))):  # or the one of a recipe
        _use_whole_paths(request, folder)
    return RequestFile(path=path, content=content, lines=lines)


def parse(text: str, path: Path) -> tuple[Any, dict[str, int]]:
    """The value of a YAML or JSON text, and its lines. Raises Refused."""
    reader = _YamlReader(path)
    try:
        if path.suffix == ".json" or text.lstrip().startswith("{"):
            return json.loads(text, object_pairs_hook=_once), {}
    except _Twice as error:
        raise errors.Refused(f"{path}: the field {error} is there twice in one object") from None
    except (ValueError, RecursionError) as error:
        if path.suffix == ".json":
            raise errors.Refused(f"{path} is not JSON: {error}") from None
    try:
        return reader.read(text), reader.lines
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise errors.Refused(f"{path}{line} is not YAML: {error.problem or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise errors.Refused(f"{path} is not YAML: {error}") from None


class _Twice(Exception):  # noqa: N818  it is no error until it has a file's name
    """A field that is there twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _Twice(name)
        made[name] = value
    return made


# -- YAML -----------------------------------------------------------------------------------------


# PyYAML has no types.
class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Knows the scalars of YAML 1.2's core schema: https://yaml.org/spec/1.2.2/#103-core-schema"""

    yaml_implicit_resolvers: dict[str, Any] = {}


_TAG = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)


class _YamlReader:
    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, dict[str, int]()
        self._open: set[int] = set()
        self._values = 0

    def read(self, text: str) -> Any:
        node = yaml.compose(text, Loader=_Loader)
        return {} if node is None else self._value(node, request_schema.root(), "")

    def _value(self, node: yaml.Node, place: Place, field: str) -> Any:
        self._values += 1
        if self._values > _VALUES_MAX:
            raise errors.Refused(f"{self.path} has more than {_VALUES_MAX} values")
        if id(node) in self._open:
            raise self._refused(node, "the anchor is part of what it names")
        self.lines.setdefault(field, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node.tag not in {f"{_TAG}seq", f"{_TAG}map"}:
            raise self._refused(node, f"the tag {node.tag} is not known here")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [
                    self._value(item, place.below(index), f"{field}[{index}]")
                    for index, item in enumerate(node.value)
                ]
            return self._mapping(node, place, field)
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.Node, place: Place, field: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] | None = None
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refused(key, "the name of a field must be a text")
            name = key.value
            if name == "<<" and key.style is None:
                if merged is not None:
                    message = "<< is there twice in one object: give one with a list of aliases"
                    raise self._refused(key, message)
                merged = {}
                for part in self._merged(value):
                    merged = {**self._value(part, place, field), **merged}
                continue
            if name in made:
                raise self._refused(key, f"the field {name} is there twice in one object")
            inner = f"{field}.{name}" if field else name
            self.lines[inner] = key.start_mark.line + 1
            is_recipe = inner == "request"  # which holds a whole request, and has no other place
            made[name] = self._value(value, place if is_recipe else place.below(name), inner)
        return {**(merged or {}), **made}

    def _merged(self, node: yaml.Node) -> Iterator[yaml.Node]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise self._refused(part, "<< takes an alias of an object")
            yield part

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "str" or (place.is_text and kind in {"int", "float", "bool"}):
            return text
        match kind:
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text)
            case _:
                raise self._refused(node, f"the tag {node.tag} is not known here")

    def _refused(self, node: yaml.Node, why: str) -> errors.Refused:
        return errors.Refused(f"{self.path}:{node.start_mark.line + 1}: {why}")


# -- files of this machine ------------------------------------------------------------------------


def _use_whole_paths(content: dict[str, Any], folder: Path) -> None:
    """Folders and files that a request names are relative to the `folder` of its file."""
    image = _object(content.get("image"))
    steps = image.get("steps")
    places = [(_object(_object(image.get("registry")).get("build")), "context")]
    places += [(_object(step), "upload") for step in (steps if isinstance(steps, list) else [])]
    for holder, name in places:
        named = holder.get(name)
        if isinstance(named, str) and named and not _UPLOADED.fullmatch(named):
            holder[name] = str(folder.absolute() / named)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
