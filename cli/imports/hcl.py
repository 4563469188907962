"""HCL2 as plain values: variables, locals and references inside the files are filled in.

What is more than a reference, such as a call of a function, becomes `Unresolved`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from cli import errors
from cli.imports.draft import Unresolved

_REFERENCE = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[(?:\d+|\"[^\"]*\")\]|\.\d+)+")
_HEREDOC = re.compile(r"<<(-?)([\w.-]+)\r?\n(.*?)[ \t]*\2\s*", re.DOTALL)
_DEPTH_MAX = 20  # references in references; a circle has no end
Json = dict[str, Any]


def parse(text: str, name: str) -> Json:
    """The attributes and blocks of a file; a block is a list of objects. Raises Refused."""
    # They take half a second, which no other command should.
    import hcl2
    from hcl2.utils import SerializationOptions
    from lark.exceptions import LarkError

    values = SerializationOptions(
        with_comments=False,
        explicit_blocks=False,
        preserve_heredocs=True,  # without, quotes in those of <<- would be escaped
        strip_string_quotes=True,
    )
    try:
        return dict(hcl2.loads(text, serialization_options=values))
    except (LarkError, RuntimeError) as error:
        line = getattr(error, "line", 0)  # only some of them know it
        raise errors.Refused(f"{name}{f':{line}' if line else ''} is not HCL2") from None


def labelled(blocks: Any, count: int) -> list[tuple[tuple[str, ...], Any]]:
    """`[{"azure-arm": {"x": {...}}}]` as `[(("azure-arm", "x"), {...})]`, for `count` labels."""
    found: list[tuple[tuple[str, ...], Any]] = [((), block) for block in blocks or []]
    for _ in range(count):
        found = [
            ((*labels, str(label)), inner)
            for labels, block in found
            if isinstance(block, Mapping)
            for label, inner in block.items()
        ]
    return found


class Scope:
    """What references name: `look_up` gives the value of a path such as `["var", "size"]`, in which
    there may be references again. Raises KeyError.
    """

    def __init__(self, look_up: Callable[[list[str]], Any]) -> None:
        self._look_up = look_up

    def filled(self, value: Any, depth: int = 0) -> Any:
        """A value in which every reference is what it names."""
        if isinstance(value, Mapping):
            return {
                self._key(name, depth): self.filled(part, depth) for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.filled(part, depth) for part in value]
        if isinstance(value, str) and not isinstance(value, Unresolved):
            return self._text(value, depth)
        return value

    def _key(self, name: str, depth: int) -> str:
        return str(self._text(name.strip("()"), depth))

    def _text(self, text: str, depth: int) -> Any:
        if heredoc := _HEREDOC.fullmatch(text):
            # A text in quotes cannot begin so: it has no line ends of its own.
            text = textwrap.dedent(heredoc[3]) if heredoc[1] else heredoc[3]
        parts = _parts(text)
        if len(parts) == 1 and parts[0][0]:
            return self._expression(parts[0][1], depth)
        made = ""
        for is_expression, part in parts:
            value = self._expression(part, depth) if is_expression else part
            if isinstance(value, Unresolved | list | dict):
                return Unresolved(value if isinstance(value, Unresolved) else part)
            made += str(value).lower() if isinstance(value, bool) else str(value)
        return made

    def _expression(self, text: str, depth: int) -> Any:
        text = text.strip()
        while text.startswith("(") and text.endswith(")"):
            text = text[1:-1].strip()
        if not _REFERENCE.fullmatch(text):
            called = re.match(r"[\w:]+(?=\()", text)  # the rest of it may hold a secret
            return Unresolved(f"{called[0]}(...)" if called else "an expression")
        path = re.findall(r"[A-Za-z_][\w-]*|\d+", text)
        try:
            if depth > _DEPTH_MAX:
                raise KeyError(text)
            found = self._look_up(path)
        except (KeyError, IndexError, TypeError, ValueError):
            return Unresolved(text)
        return self.filled(found, depth + 1)


def defaults(document: Json) -> Json:
    """The values of `variable` blocks that have one."""
    return {
        labels[0]: body["default"]
        for labels, body in labelled(document.get("variable"), 1)
        if body.get("default") is not None
    }


def withheld(document: Json) -> Json:
    """The variables that the file calls sensitive: whatever their values are, none is filled in."""
    return {
        labels[0]: Unresolved(f"var.{labels[0]}, which is sensitive")
        for labels, body in labelled(document.get("variable"), 1)
        if _is_sensitive(body)
    }


def local_values(document: Json) -> Json:
    """Those of `locals` and `local` blocks; of a sensitive one, that it is."""
    found: Json = {}
    for block in document.get("locals") or []:
        found |= block
    for labels, body in labelled(document.get("local"), 1):
        secret = Unresolved(f"local.{labels[0]}, which is sensitive")
        found[labels[0]] = secret if _is_sensitive(body) else body.get("expression")
    return found


def _is_sensitive(body: Json) -> bool:
    return str(body.get("sensitive")).lower() == "true"


def member(value: Any, path: list[str]) -> Any:
    """What lies in a value at a path. Raises KeyError, IndexError or TypeError."""
    for name in path:
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def _parts(text: str) -> list[tuple[bool, str]]:
    """A template as texts (False) and the expressions in `${...}` (True)."""
    made: list[tuple[bool, str]] = []
    plain, index = "", 0
    while index < len(text):
        if text.startswith(("$${", "%%{"), index):
            plain, index = plain + text[index + 1 : index + 3], index + 3
        elif text.startswith(("${", "%{"), index):
            end = _closing(text, index + 2)
            made += [(False, plain)] if plain else []
            inner = text[index + 2 : end] if text[index] == "$" else "%{" + text[index + 2 : end]
            made.append((True, inner))
            plain, index = "", end + 1
        else:
            plain, index = plain + text[index], index + 1
    return made + ([(False, plain)] if plain or not made else [])


def _closing(text: str, start: int) -> int:
    """Where the brace ends that opened before `start`."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if not depth:
            return index
    return len(text)
