"""A draft as the text of a request file: YAML, with what was left out as comments at its end."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from cli.imports.draft import Draft

_WIDTH = 100


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes texts of several lines as they are."""

    def check_simple_key(self) -> bool:
        """Long names, such as the ids of identities, are names as others."""
        is_text = isinstance(self.event, yaml.ScalarEvent) and "\n" not in self.event.value
        return is_text or bool(super().check_simple_key())

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's name
        return True


def _as_written(dumper: yaml.SafeDumper, text: str) -> Any:
    style = "|" if "\n" in text and not text.startswith((" ", "\n")) else None
    if re.search("[\x85\u2028\u2029]", text):  # ends a line in YAML: only quotes keep it
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_written)


def text(draft: Draft, source: str) -> str:
    """The request file that a draft becomes; `source` is the name of what was imported."""
    body = yaml.dump(
        draft.request, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    lines = [
        "# yaml-language-server: $schema=request.schema.json",
        f"# Imported from {_plain(source)}.",
        "# Send it: ./batch-prep.sh --file FILE; look at it first: --plan",
    ]
    end = [f"# {line}" for line in notes(draft, source)]
    return "\n".join([*lines, body.rstrip("\n"), *([""] if end else []), *end]) + "\n"


def notes(draft: Draft, source: str) -> Iterator[str]:
    """The remarks, and every field that was left out, by reason."""
    for remark in draft.remarks:
        yield from textwrap.wrap(_plain(remark), _WIDTH, subsequent_indent="  ")
    if draft.left:
        yield f"Not taken over from {_plain(source)}:"
    for why in dict.fromkeys(draft.left.values()):
        names = ", ".join(name for name, reason in draft.left.items() if reason == why)
        yield from textwrap.wrap(
            f"{_plain(names)}: {_plain(why)}",
            _WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _plain(text: str) -> str:
    """Names of a file are its author's: no line end of theirs ends a comment."""
    return "".join(each if each.isprintable() else "?" for each in text)
