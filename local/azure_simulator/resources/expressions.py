"""A part of the expressions in deployment templates: `"[concat(parameters('name'), '-nic')]"`.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<word>\w+)|(?P<text>'(?:[^']|'')*')|(?P<mark>[()\[\],.]))")

Functions = Mapping[str, Callable[..., Any]]
"""By name in lower case."""


_PROBLEMS = (AttributeError, LookupError, RecursionError, TypeError, ValueError)


class ExpressionError(ValueError):
    """The expression cannot be evaluated; the text says why."""


def evaluated(value: Any, functions: Functions) -> Any:
    """The value with every expression in it, at any depth, replaced by its result."""
    if isinstance(value, dict):
        return {name: evaluated(each, functions) for name, each in value.items()}
    if isinstance(value, list):
        return [evaluated(item, functions) for item in value]
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")):
        return value
    if value.startswith("[["):  # an escaped bracket
        return value[1:]
    try:
        return _Reader(value[1:-1], functions).whole()
    except _PROBLEMS as error:
        problem = f"Unable to evaluate template language expression '{value}': {error}"
        raise ExpressionError(problem) from error


class _Reader:
    """Reads and evaluates one expression from left to right."""

    def __init__(self, text: str, functions: Functions) -> None:
        self._functions = functions
        self._tokens: list[re.Match[str]] = []
        place = 0
        while place < len(text.rstrip()):
            token = _TOKEN.match(text, place)
            if token is None:
                raise ValueError(f"unexpected text at '{text[place:]}'")
            self._tokens.append(token)
            place = token.end()

    def whole(self) -> Any:
        value = self._value()
        if self._tokens:
            raise ValueError(f"unexpected '{self._tokens[0][0].strip()}'")
        return value

    def _value(self) -> Any:
        token = self._next()
        if token["text"] is not None:
            value: Any = token["text"][1:-1].replace("''", "'")
        elif token["word"] is None:
            raise ValueError(f"unexpected '{token['mark']}'")
        elif token["word"].isdigit():
            value = int(token["word"])
        else:
            value = self._call(token["word"])
        return self._followed(value)

    def _call(self, name: str) -> Any:
        function = self._functions.get(name.lower())
        if function is None:
            raise LookupError(f"the function '{name}' is not known here")
        self._expect("(")
        arguments = []
        while not self._is_next(")"):
            arguments.append(self._value())
            if not self._is_next(")"):
                self._expect(",")
        self._expect(")")
        return function(*arguments)

    def _followed(self, value: Any) -> Any:
        """`.member` and `[index]` behind a value."""
        while self._is_next(".") or self._is_next("["):
            if self._next()["mark"] == ".":
                value = value[self._next()["word"]]
            else:
                value = value[self._value()]
                self._expect("]")
        return value

    def _next(self) -> re.Match[str]:
        if not self._tokens:
            raise ValueError("the expression ends too early")
        return self._tokens.pop(0)

    def _is_next(self, mark: str) -> bool:
        return bool(self._tokens) and self._tokens[0]["mark"] == mark

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token["mark"] != mark:
            raise ValueError(f"'{mark}' is missing before '{token[0].strip()}'")
