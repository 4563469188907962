"""Tables of fields: what each field of a source becomes in a request.

    "fixed_scale[].target_dedicated_nodes": to("nodes")
    "network.dns": left("Batch has its own")
    "etag": NOTHING

`[]` is any place of a list and `*` any name; a target has them in the same order. A `*` in a name
is any part of it. `left` and `NOTHING` hold for everything below, too. Names are compared in any
case.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cli.imports.draft import NO_FIELD, Draft, Path, Unresolved, leaves, set_at, shown


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """How a field is imported: to a target, or not at all, with a reason where one is printed."""

    target: str | None = None
    convert: Callable[[Any], Any] | None = None
    why: str | None = None


def to(target: str, convert: Callable[[Any], Any] | None = None) -> Rule:
    """The field is that one of the request."""
    return Rule(target=target, convert=convert)


def left(why: str) -> Rule:
    """The request has no such field, for this reason."""
    return Rule(why=why)


NOTHING = Rule()  # Azure's own remarks, and what is true of every build of batch-prep
Table = Mapping[str, Rule]


class Source:
    """A part of a document, and which of its values are still to be mapped. `prefix` is its place
    in the document; what was moved up from below, by its name, has the names on the way in `moved`.
    """

    def __init__(
        self, document: Any, prefix: Path = (), moved: Mapping[str, Path] | None = None
    ) -> None:
        self.document, self.prefix, self._moved = document, prefix, moved or {}
        self._open = dict(leaves(document))

    def take(self, *path: str | int) -> Any:
        """The value at a path, or None; it and everything below is mapped by the caller."""
        found = self.peek(*path)
        self._open = {each: v for each, v in self._open.items() if each[: len(path)] != path}
        return found

    def peek(self, *path: str | int) -> Any:
        """The value at a path, or None; it stays to be mapped."""
        found: Any = self.document
        for name in path:
            try:
                found = found[name]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def place(self, *path: str | int) -> Path:
        """The path in the whole document."""
        return (*self.prefix, *self._moved.get(str(path[0]) if path else "", ()), *path)

    def rest(self) -> Iterator[tuple[Path, Any]]:
        """What is still to be mapped; afterwards nothing is."""
        found, self._open = self._open, {}
        yield from found.items()


def follow(table: Table, source: Source, draft: Draft, *, below: Path, same_names: bool) -> None:
    """Map the rest of a source by a table. Of what no rule knows, a field of the same name `below`
    is taken with `same_names`; the others are named.
    """
    rules = [(re.compile(_pattern(text), re.IGNORECASE), rule) for text, rule in table.items()]
    for path, value in source.rest():
        rule, wild = _rule(rules, path)
        place = source.place(*path)
        if rule is None:
            if not same_names:
                draft.leave(place, NO_FIELD)
            else:
                draft.put((*below, *path), value, place)
        elif rule.why:
            draft.leave(place, rule.why)
        elif rule.target:
            convert = rule.convert if not isinstance(value, Unresolved) else None
            wanted = convert(value) if convert else value
            draft.put((*below, *_filled(rule.target, wild)), wanted, place)


def renamed(table: Table, source: Source, draft: Draft) -> tuple[dict[str, Any], dict[str, Path]]:
    """The rest of a source with the names of a table's targets, and by these where each was."""
    rules = [(re.compile(_pattern(text), re.IGNORECASE), rule) for text, rule in table.items()]
    made: dict[str, Any] = {}
    origins: dict[str, Path] = {}
    for path, value in source.rest():
        rule, wild = _rule(rules, path)
        if rule is None or rule.why:
            draft.leave(source.place(*path), (rule and rule.why) or NO_FIELD)
        elif rule.target:
            target = _filled(rule.target, wild)
            set_at(made, target, value)
            origins[shown(target)] = source.place(*path)
    return made, origins


def _rule(rules: list[tuple[re.Pattern[str], Rule]], path: Path) -> tuple[Rule | None, list[Any]]:
    """The rule of a path, or of what it is part of, the longest first."""
    for length in range(len(path), 0, -1):
        text = _joined(path[:length])
        for pattern, rule in rules:
            if (length == len(path) or not rule.target) and (found := pattern.fullmatch(text)):
                return rule, [int(each) if each.isdigit() else each for each in found.groups()]
    return None, []


# Unlike `draft.shown`, every part has its own sign, so that names with dots stay whole.
def _joined(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f"\0{part}" for part in path)


def _pattern(text: str) -> str:
    made = ""
    for name in text.split("."):
        bare, lists = name.removesuffix("[]"), name.endswith("[]")
        made += "\0"
        made += r"([^\0]*?)" if bare == "*" else re.escape(bare).replace(r"\*", r"[^\0\[]*")
        made += r"\[(\d+)\]" if lists else ""
    return made


def _filled(target: str, wild: list[Any]) -> Path:
    made, rest = list[str | int](), list(wild)
    for name in target.split("."):
        made.append(str(rest.pop(0)) if name.startswith("*") else name.removesuffix("[]"))
        if name.endswith("[]"):
            made.append(rest.pop(0))
    return tuple(made)
