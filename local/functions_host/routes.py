"""Route templates of HTTP functions: `images/{gallery}/{name}/{version?}`, matched as ASP.NET does.

Literals are not case-sensitive. Where several templates match, the function wins whose name comes
first, as on Azure: https://github.com/Azure/azure-functions-host/issues/9876. A path that only
templates of other methods match is not found: the Functions host answers 404, not 405.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from local.functions_host.functions import AppRefused, Function

_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)(?::(\w+)(?:\([^)]*\))?)?(\?)?\}")
_ANYTHING = "[^/]+"
_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "alpha": "[A-Za-z]+",
    "bool": "(?i:true|false)",
    "guid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A template and the function behind it."""

    function: Function
    methods: frozenset[str] | None
    """None: all."""
    pattern: re.Pattern[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The function to call, and the values in the path, decoded."""

    function: Function
    parameters: dict[str, str]


class Router:
    """All routes of an app."""

    def __init__(self, functions: Iterable[Function], prefix: str) -> None:
        ordered = sorted(functions, key=lambda function: function.name.lower())
        self._routes = [_route(function, prefix) for function in ordered]

    def find(self, method: str, raw_path: str) -> Match | None:
        """`raw_path`: as it came, still percent-encoded."""
        path = raw_path.strip("/")
        for route in self._routes:
            if route.methods is not None and method not in route.methods:
                continue
            if (found := route.pattern.fullmatch(path)) is not None:
                values = {k: unquote(v) for k, v in found.groupdict().items() if v is not None}
                return Match(function=route.function, parameters=values)
        return None


def _route(function: Function, prefix: str) -> Route:
    template = function.trigger.route or function.name
    segments = [each for each in f"{prefix}/{template}".split("/") if each]
    methods = function.trigger.methods
    return Route(
        function=function,
        methods=frozenset(str(method).upper() for method in methods) if methods else None,
        pattern=re.compile("".join(_segment(each, n == 0) for n, each in enumerate(segments))),
    )


def _segment(template: str, is_first: bool) -> str:
    """The expression for one segment, with the slash before it."""
    slash = "" if is_first else "/"
    whole = _PARAMETER.fullmatch(template)
    if whole and whole[1]:
        return f"(?:{slash}(?P<{whole[2]}>.*))?"
    if whole and whole[4]:
        return f"(?:{slash}{_parameter(whole)})?"
    return slash + _mixed(template)


def _mixed(template: str) -> str:
    """Literal text with parameters in it, as `v{version}`."""
    parts, end = [], 0
    for match in _PARAMETER.finditer(template):
        parts += [_literal(template[end : match.start()]), _parameter(match)]
        end = match.end()
    return "".join([*parts, _literal(template[end:])])


def _literal(text: str) -> str:
    return f"(?i:{re.escape(text)})" if text else ""


def _parameter(match: re.Match[str]) -> str:
    constraint = match[3]
    if constraint is not None and constraint not in _CONSTRAINTS:
        raise AppRefused(f"This host has no route constraint '{constraint}'.")
    return f"(?P<{match[2]}>{_CONSTRAINTS.get(constraint or '', _ANYTHING)})"
