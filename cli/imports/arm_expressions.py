"""Expressions of Resource Manager templates: parameters, variables, concat, format and the like.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cli.imports.draft import Unresolved

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([()\[\],.]))")
_DEPTH_MAX = 20


_OF_ONE: dict[str, Callable[[Any], Any]] = {
    "tolower": str.lower,
    "toupper": str.upper,
    "int": int,
    "string": str,
}


class _Unknown(Exception):  # noqa: N818  it ends the reading of one expression
    """What the file cannot say."""


class Scope:
    """The parameters and variables of a template."""

    def __init__(self, parameters: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        self._named = {"parameters": _lower(parameters), "variables": _lower(variables)}

    def filled(self, value: Any, depth: int = 0) -> Any:
        """A value in which every expression is what it comes to, or Unresolved."""
        if isinstance(value, dict):
            return {
                str(self.filled(name, depth)): self.filled(part, depth)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.filled(part, depth) for part in value]
        if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
            return value
        if value.startswith("[["):
            return value[1:]
        try:
            return _Expression(value[1:-1], self, depth).value()
        except (_Unknown, KeyError, IndexError, TypeError, ValueError):
            # An argument of another function may be a secret.
            known = r"(?:parameters|variables)\('[\w-]+'\)|[A-Za-z.]+"
            called = re.match(known, value[1:-1].strip())
            return Unresolved(called[0] if called else "an expression")

    def named(self, kind: str, name: str, depth: int) -> Any:
        """A parameter's or a variable's value."""
        if depth > _DEPTH_MAX:
            raise _Unknown
        value = self.filled(self._named[kind][name.lower()], depth + 1)
        if isinstance(value, Unresolved):
            raise _Unknown
        return value


class _Expression:
    """One expression, read from left to right."""

    def __init__(self, text: str, scope: Scope, depth: int) -> None:
        self._tokens, self._scope, self._depth = list[tuple[str, Any]](), scope, depth
        index = 0
        while text[index:].strip():
            found = _TOKEN.match(text, index)
            if not found:
                raise _Unknown
            index = found.end()
            string, number, name, sign = found.groups()
            if string is not None:
                self._tokens.append(("value", string.replace("''", "'")))
            elif number is not None:
                self._tokens.append(("value", int(number)))
            else:
                self._tokens.append(("name", name) if name else ("sign", sign))

    def value(self) -> Any:
        """What the whole comes to. Raises _Unknown and what reading the wrong thing raises."""
        value = self._term()
        if self._tokens:
            raise _Unknown
        return value

    def _term(self) -> Any:
        kind, text = self._tokens.pop(0)
        if kind == "value":
            value = text
        elif kind == "name" and self._tokens and self._tokens.pop(0) == ("sign", "("):
            value = self._called(text.lower(), self._arguments())
        else:
            raise _Unknown
        while self._tokens and self._tokens[0] in {("sign", "."), ("sign", "[")}:
            _, sign = self._tokens.pop(0)
            if sign == ".":
                value = value[self._tokens.pop(0)[1]]
            else:
                value = value[self._term()]
                self._tokens.pop(0)
        return value

    def _arguments(self) -> list[Any]:
        made = []
        while self._tokens[0] != ("sign", ")"):
            made.append(self._term())
            if self._tokens[0] == ("sign", ","):
                self._tokens.pop(0)
        self._tokens.pop(0)
        return made

    def _called(self, name: str, arguments: list[Any]) -> Any:
        match name:
            case "parameters" | "variables":
                return self._scope.named(name, arguments[0], self._depth)
            case "concat" if all(isinstance(each, list) for each in arguments):
                return [item for each in arguments for item in each]
            case "concat":
                return "".join(str(each) for each in arguments)
            case "format":
                return re.sub(r"\{(\d+)\}", lambda m: str(arguments[1 + int(m[1])]), arguments[0])
            case "createarray":
                return arguments
            case _:
                return _OF_ONE[name](arguments[0])


def _lower(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in named.items()}
