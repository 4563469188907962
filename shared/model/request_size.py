"""Whether a request fits where it is stored. Pure."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from shared.base import wire
from shared.base.errors import Problem

# Half of a row of Table Storage (1 MiB): the other half is for the build's outcome.
_RECORD_BYTES_MAX = 512 * 1024
# Of the text as it lies in an XML document:
# https://learn.microsoft.com/rest/api/storageservices/put-message
_MESSAGE_BYTES_MAX = 64 * 1024


def record_problem(request: dict[str, Any]) -> Problem | None:
    """Why the record of a build cannot hold its request, or None."""
    size = wire.utf16_bytes(_text(request))
    if size <= _RECORD_BYTES_MAX:
        return None
    message = f"the request takes {size} bytes in UTF-16; {_RECORD_BYTES_MAX} are allowed"
    return _too_large(request, message)


def message_problem(request: dict[str, Any], text: str) -> Problem | None:
    """Why a queue message cannot hold the `text` of a pool request, or None."""
    size = len(escape(text).encode())
    if size <= _MESSAGE_BYTES_MAX:
        return None
    message = (
        f"the message takes {size} bytes; {_MESSAGE_BYTES_MAX} are allowed on the queue. "
        "POST /api/builds takes longer requests"
    )
    return _too_large(request, message)


def _too_large(request: dict[str, Any], message: str) -> Problem:
    field, size = _largest("", request)
    return Problem(
        field=field or "$", code="TooLarge", message=f"{message}; {size} characters are here"
    )


def _largest(path: str, value: Any) -> tuple[str, int]:
    """The innermost field that has more than half of the characters, and how many it has."""
    size = len(_text(value))
    if isinstance(value, dict):
        parts = [(f"{path}.{name}".lstrip("."), part) for name, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{number}]", part) for number, part in enumerate(value)]
    else:
        parts = []
    inner = max(parts, key=lambda part: len(_text(part[1])), default=None)
    if inner is None or 2 * len(_text(inner[1])) <= size:
        return path, size
    return _largest(*inner)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
