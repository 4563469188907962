"""What pydantic finds wrong with a field, in the words of the other problems. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel

_WORDS = {
    "missing": "it must be there",
    "greater_than": "it is too small: it must be more than {gt}",
    "greater_than_equal": "it is too small: the least is {ge}",
    "less_than": "it is too large: it must be less than {lt}",
    "less_than_equal": "it is too large: the most is {le}",
    "string_too_short": "it is too short: the least is {min_length} characters",
    "string_too_long": "it is too long: the most is {max_length} characters",
    "too_short": "there are too few: the least is {min_length}",
    "too_long": "there are too many: the most is {max_length}",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "string_type": "it must be a text",
    "list_type": "it must be a list",
    "dict_type": "it must be an object",
    "model_type": "it must be an object",
    "enum": "it must be {expected}",
    "literal_error": "it must be {expected}",
}


def said(model: type[BaseModel], error: Any) -> str:
    """The message for an error of pydantic's; `model` is what was parsed. No value is repeated."""
    if error["type"] == "extra_forbidden":
        *above, name = error["loc"]
        return f"there is no such field{near(str(name), _fields(model, above))}"
    words = _WORDS.get(error["type"])
    limits = {name: _number(value) for name, value in error.get("ctx", {}).items()}
    return words.format(**limits) if words else str(error["msg"])


def _number(value: Any) -> Any:
    """A limit as people write it: pydantic makes 8760.0 of the 8760 of a field that takes 0.5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def near(name: str, known: Iterable[str], most: int = 1) -> str:
    """`; did you mean A or B?`, or nothing where no known name is like this one."""
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=most, cutoff=0.7)
    *others, last = [by_lower[each] for each in found] or [""]
    named = f"{', '.join(others)} or {last}" if others else last
    return f"; did you mean {named}?" if last else ""


def _fields(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """The names that an object at a path may have, in any of its forms."""
    models = {model}
    for part in path:
        inner = {
            below
            for each in models
            for name, field in each.model_fields.items()
            if part in {name, field.alias}
            for below in _models(field.annotation)
        }
        models = inner or models  # a place in a list, or the tag of a form
    return [field.alias or name for each in models for name, field in each.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
