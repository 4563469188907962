"""Finds the handler of a request. Paths compare without case, as Azure Resource Manager does.

A template is a path with `{placeholders}`: `/subscriptions/{subscription}/resourceGroups/{group}`.
Literal segments win over placeholders. A template that begins with `{scope}` is an extension
resource: it applies to the id of any other resource, as role assignments do.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar
from urllib import parse

from local.azure_simulator import model

HandlerT = TypeVar("HandlerT")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Route(Generic[HandlerT]):
    method: str
    template: str
    handler: HandlerT
    plane: model.Plane
    operation: str
    """Name of what the route does, for faults and durations; may be empty for reads."""


@dataclasses.dataclass(kw_only=True, slots=True)
class _Node(Generic[HandlerT]):
    literals: dict[str, _Node[HandlerT]] = dataclasses.field(default_factory=dict)
    placeholders: dict[str, _Node[HandlerT]] = dataclasses.field(default_factory=dict)
    routes: dict[str, Route[HandlerT]] = dataclasses.field(default_factory=dict)


class Router(Generic[HandlerT]):
    """A tree of path segments."""

    def __init__(self) -> None:
        self._root: _Node[HandlerT] = _Node()
        self._extensions: dict[str, _Node[HandlerT]] = {}

    def add(self, route: Route[HandlerT]) -> None:
        """Add a route; the same method and template twice is a bug."""
        parts = _parts(route.template)
        node = self._root
        if parts[0] == ("scope", True):
            namespace, _ = parts[2]
            node = self._extensions.setdefault(namespace, _Node())
            parts = parts[3:]
        for key, is_placeholder in parts:
            branches = node.placeholders if is_placeholder else node.literals
            found = branches.get(key)
            if found is None:
                found = branches[key] = _Node()
            node = found
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.template} is registered twice")
        node.routes[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route[HandlerT], dict[str, str]] | None:
        """The route and what its placeholders matched; None when there is none."""
        segments = [parse.unquote(segment) for segment in _segments(path)]
        for node, parameters in self._matches(segments):
            route = node.routes.get(method)
            if route is not None:
                return route, parameters
        return None

    def _matches(self, segments: list[str]) -> Iterator[tuple[_Node[HandlerT], dict[str, str]]]:
        yield from _walk(self._root, segments, {})
        yield from self._extension_matches(segments)

    def _extension_matches(
        self, segments: list[str]
    ) -> Iterator[tuple[_Node[HandlerT], dict[str, str]]]:
        for index in range(len(segments) - 2, -1, -1):
            if segments[index].lower() == "providers":
                node = self._extensions.get(segments[index + 1].lower())
                if node is not None:
                    scope = "/" + "/".join(segments[:index])
                    yield from _walk(node, segments[index + 2 :], {"scope": scope})
                return


@functools.cache  # every simulator of a process has the same routes
def _parts(template: str) -> tuple[tuple[str, bool], ...]:
    """The segments of a template, ready to compare, and whether each is a placeholder."""
    return tuple(
        (segment.strip("{}"), True) if segment.startswith("{") else (segment.lower(), False)
        for segment in _segments(template)
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment] or [""]


def _walk(
    node: _Node[HandlerT], segments: list[str], parameters: Mapping[str, str]
) -> Iterator[tuple[_Node[HandlerT], dict[str, str]]]:
    if not segments:
        yield node, dict(parameters)
        return
    head, rest = segments[0], segments[1:]
    literal = node.literals.get(head.lower())
    if literal is not None:
        yield from _walk(literal, rest, parameters)
    for name, child in node.placeholders.items():
        yield from _walk(child, rest, {**parameters, name: head})
