"""A request in the making. Every value of the source is put into it or named as left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli import request_schema
from cli.request_schema import Place

Path = tuple[str | int, ...]


class Unresolved(str):
    """An expression whose value the file does not have, such as `var.location`."""

    __slots__ = ()


_SECRET_NAME = re.compile(
    r"(?:password|passwd|passphrase|secret|token|credentials?|(?:sas|account|access|private|api)key"
    r"|connection[_-]?string|[_-](?:sas|pat|key|pwd))$|^(?:sas|pat)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"[?&]sig=|AccountKey=|SharedAccessSignature|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s@]+:[^/\s@]+@"
    r"|https?://[\w.~%-]{16,}@"  # a token alone, longer than the users that such URLs name
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA[0-9A-Z]{12}|eyJ[\w-]+\.eyJ)"
)
# In a script: a variable or an option (`--password x`) or a header with the value itself. What a
# variable or a command gives, a path and a switch are none.
_SECRET_IN_SCRIPT = re.compile(
    r"(?:(?:password|passwd|passphrase|secret|token|(?:api|access|account|private|shared)[_-]?key"
    r"|connection[_-]?string|[a-z0-9][_-]pwd)=|--(?:password|passphrase|secret|token|api-key)\s+"
    r"|authorization:\s*(?:bearer|basic)\s+)"
    r"[\"']?(?!(?:true|false|yes|no|none|null)\b)[^\s\"'$`/~.<>({|&;\\-][^\s\"'$`]{3}",
    re.IGNORECASE,
)
NO_SECRETS = (
    "it looks like a secret, and requests are stored: let a step or task read it from Key Vault"
)
NO_FIELD = "batch-prep has no such field"


class Draft:
    """The request, and by field of the source what was left out, with the reason."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}
        self.left: dict[str, str] = {}
        self.remarks: list[str] = []
        self.sources: dict[Path, str] = {}  # by the field of the request

    def leave(self, source: Path, why: str) -> None:
        """Name a field of the source that the request does not have."""
        self.left[shown(source)] = why

    def put(self, target: Path, value: Any, source: Path) -> bool:
        """Put a value into the request, if it can be there; else it is left out."""
        place, known = _found(target)
        if place.why_refused:
            self.leave(source, place.why_refused)
        elif isinstance(value, Unresolved):
            self.leave(source, f"the file has no value of {value}{_for(known, place)}")
        elif not place.exists:
            self.leave(source, NO_FIELD)
        elif bound := _out_of_bounds(place, _as_wanted(place, value)):
            self.leave(source, bound)
        elif looks_secret(str(source[-1]), value) or looks_secret(str(target[-1]), value):
            self.leave(source, NO_SECRETS)
        else:
            set_at(self.request, known, _as_wanted(place, value))
            self.sources[known] = shown(source)
            return True
        return False

    def has(self, *target: str | int) -> bool:
        """Whether the request has that field."""
        found: Any = self.request
        for name in target:
            try:
                found = found[name]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def complete(self) -> None:
        """Leave out what lacks a part that it must have, close the gaps in lists, and bring the
        fields into their usual order.
        """
        self.request = self._completed(self.request, request_schema.root(), ())

    def _completed(self, value: Any, place: Place, target: Path) -> Any:
        if isinstance(value, list):
            inner = [
                self._completed(each, place.below(i), (*target, i)) for i, each in enumerate(value)
            ]
            return [each for each in inner if each is not None] or None
        if not isinstance(value, dict):
            return value
        names = [n for option in place.options for n in option.get("properties", {}) if n in value]
        made = {
            name: self._completed(value[name], place.below(name), (*target, name))
            for name in dict.fromkeys([*names, *value])
        }
        made = {name: each for name, each in made.items() if each is not None}
        required = {name for option in place.options for name in option.get("required", [])}
        if missing := sorted(required - made.keys()):
            for source in self._below(target):
                self.left[source] = f"its {', '.join(missing)} was left out"
            return None
        return made or (None if value else value)

    def _below(self, target: Path) -> Iterator[str]:
        return (s for path, s in self.sources.items() if path[: len(target)] == target)


def looks_secret(name: str, value: Any) -> bool:
    """By what people call a secret, or by how some begin."""
    if not isinstance(value, str) or not value:
        return False
    return bool(_SECRET_NAME.search(name) or _SECRET_VALUE.search(value))


def holds_secret(script: str) -> bool:
    """The same for the text of a script or a command."""
    return bool(_SECRET_VALUE.search(script) or _SECRET_IN_SCRIPT.search(script))


def shown(path: Path) -> str:
    """`("pools", 0, "vmSize")` as `pools[0].vmSize`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def set_at(document: dict[str, Any], target: Path, value: Any) -> None:
    """Put a value into plain JSON; objects and lists on the way are made."""
    holder: Any = document
    for name, following in zip(target, [*target[1:], None], strict=True):
        new = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(name, int):
            holder.extend(None for _ in range(name + 1 - len(holder)))
            if following is None or holder[name] is None:
                holder[name] = new
        elif following is None:
            holder[name] = new
        else:
            holder.setdefault(name, new)
        holder = holder[name]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document; null and what is empty say nothing."""
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    elif value is not None and value != "":
        yield path, value
    for name, part in inner:
        yield from leaves(part, (*path, name))


def _found(target: Path) -> tuple[Place, Path]:
    """The place of a field, whose names may be in any case, and its path as requests have it."""
    place, known = request_schema.root(), list[str | int]()
    for name in target:
        exact = name
        if isinstance(name, str):
            names = [n for option in place.options for n in option.get("properties", {})]
            same = (each for each in names if each.lower() == name.lower())
            exact = name if name in names else next(same, name)
        place = place.below(exact)
        known.append(exact)
    return place, tuple(known)


def _out_of_bounds(place: Place, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    for option in place.options:
        if value < option.get("minimum", value):
            return f"{value} is too little: at least {option['minimum']}"
        if value > option.get("maximum", value):
            return f"{value} is too much: at most {option['maximum']}"
    return None


def _for(target: Path, place: Place) -> str:
    return f": give {shown(target)}" if place.exists else ""


def _as_wanted(place: Place, value: Any) -> Any:
    """Numbers and yes or no as JSON has them: these languages convert texts by themselves."""
    types = {str(option.get("type")) for option in place.options}
    if place.is_text and isinstance(value, bool):
        return str(value).lower()
    if place.is_text and isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and types & {"integer", "number"} and re.fullmatch(r"\d+", value):
        return int(value)
    if isinstance(value, str) and "boolean" in types and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return value
