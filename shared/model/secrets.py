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

# What people call a secret, at the end of a variable's name, and how some secrets begin or look.
_SECRET_NAME = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|CONNECTION_?STRING"
    r"|(?:API|ACCESS|ACCOUNT|PRIVATE|SHARED)_?KEY|(?:^|_)(?:KEY|SAS|PAT)|[A-Z0-9]_PWD)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"[?&]sig=|AccountKey=|SharedAccessSignature|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s@]+:[^/\s@]+@"
    r"|https?://[\w.~%-]{16,}@"  # a token alone, longer than the users that such URLs name
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA[0-9A-Z]{12}|eyJ[\w-]+\.eyJ)"
)


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable of a request seems to hold a secret, which would be stored with it."""
    return bool(value and (_SECRET_NAME.search(name) or _SECRET_VALUE.search(value)))


def masked(text: str) -> str:
    """A text, with URLs cut after their host."""
    return _URL.sub(r"\1\2/...", text)


def storable(text: str) -> str:
    """A message from the queue with the texts of names only, and with the length of each other
    text; of a message that is no JSON object, the beginning. Half a character, which JSON can name
    but no table takes, is a question mark.
    """
    kept = masked(text[:_UNREADABLE_MAX])
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            kept = json.dumps(_storable(value, is_name=False), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return kept.encode(errors="replace").decode()


def _storable(value: Any, *, is_name: bool) -> Any:
    if isinstance(value, dict):
        return {masked(n): _storable(part, is_name=n in _NAMES) for n, part in value.items()}
    if isinstance(value, list):
        return [_storable(part, is_name=is_name) for part in value]
    if not isinstance(value, str):
        return value
    return masked(value) if is_name else f"({len(value)} characters)"
