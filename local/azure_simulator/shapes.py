"""What a request's body must look like before a handler reads it.

A shape is `str`, `bool`, `int`, `float` or `dict` (any object); a list with the shape of its items;
or an object with the shapes of its members. Members that a shape does not name may be anything. A
name that ends in `!` must be there. The shape `{"*": …}` is that of every member.

A member that is null counts as absent, as Resource Manager and Batch read it.
"""

from __future__ import annotations

import re
from typing import Any

ANY: dict[str, Any] = {}

TAGS = {"*": str}
IDENTITY = {"type": str, "userAssignedIdentities": {"*": dict}}
PLAN = {"name": str, "publisher": str, "product": str}
REFERENCE = {"id!": str}
ENVELOPE = {
    "location": str,
    "tags": TAGS,
    "sku": {"name": str},
    "plan": PLAN,
    "zones": [str],
    "identity": IDENTITY,
    "properties": dict,
}
"""What every resource of Resource Manager has around its properties."""

_WORDS = {str: "a string", bool: "a Boolean", int: "an integer", float: "a number"}


class MisshapenError(ValueError):
    """The text says where the body is wrong, in the words of a deserializer."""


def resource(properties: Any) -> dict[str, Any]:
    """The shape of a resource with these properties."""
    return {**ENVELOPE, "properties": properties}


def without_nulls(value: Any) -> Any:
    """The value without the members of objects that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def shaped(value: Any, shape: Any, path: str = "") -> Any:
    """The value, numbers that were sent as text being numbers.

    Raises MisshapenError for the first place that has another shape.
    """
    if isinstance(shape, list):
        _expect(value, list, "an array", path)
        return [shaped(item, shape[0], f"{path}[{index}]") for index, item in enumerate(value)]
    if shape is dict:
        _expect(value, dict, "an object", path)
        return value
    if isinstance(shape, dict):
        _expect(value, dict, "an object", path)
        return _shaped_members(value, shape, path)
    if shape is int and isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
        return int(value)
    _expect(value, int | float if shape is float else shape, _WORDS[shape], path)
    return value


def _shaped_members(value: dict[str, Any], shape: dict[str, Any], path: str) -> dict[str, Any]:
    found = dict(value)
    inner = dict.fromkeys(value, shape["*"]) if "*" in shape else {}
    for marked, each in shape.items():
        name = marked.removesuffix("!")
        if name in value:
            inner[name] = each
        elif marked != name:
            text = f"Required property '{name}' not found in JSON. Path '{path}'."
            raise MisshapenError(text)
    for name, each in inner.items():
        found[name] = shaped(value[name], each, f"{path}.{name}" if path else name)
    return found


def _expect(value: Any, kind: Any, words: str, path: str) -> None:
    is_number_as_flag = isinstance(value, bool) and kind is not bool
    if is_number_as_flag or not isinstance(value, kind):
        raise MisshapenError(f"Error converting value {value!r} to {words}. Path '{path}'.")
