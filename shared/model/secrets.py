"""Texts of users that may hold secrets, as they may be shown, logged and stored. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

# Of a URL, only the host is shown: a user name, a token or a signature may be in the rest.
_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^/?#\s\"']*@)?([^/?#@\s\"']*)[^\s\"']*")
# The texts of a message that are kept: names by which its sender and its pool are found.
_NAMES = {
    "requestId", "name", "id", "resourceGroup", "location", "gallery", "version", "image", "os",
    "osVersion", "vmSize", "ifExists", "mode",
}  # fmt: skip
_UNREADABLE_MAX = 40  # characters of a text in which nothing can be found and left out


def masked(text: str) -> str:
    """A text, with URLs cut after their host."""
    return _URL.sub(r"\1\2/...", text)


def storable(text: str) -> str:
    """A message from the queue with the texts of names only, and with the length of each other
    text; of a message that is no JSON object, the beginning.
    """
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            return json.dumps(_storable(value, is_name=False), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return masked(text[:_UNREADABLE_MAX])


def _storable(value: Any, *, is_name: bool) -> Any:
    if isinstance(value, dict):
        return {masked(n): _storable(part, is_name=n in _NAMES) for n, part in value.items()}
    if isinstance(value, list):
        return [_storable(part, is_name=is_name) for part in value]
    if not isinstance(value, str):
        return value
    return masked(value) if is_name else f"({len(value)} characters)"
