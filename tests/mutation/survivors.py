"""Mutants that may survive."""

from __future__ import annotations

import tomllib
from pathlib import Path

FILE = Path(__file__).with_name("accepted.toml")


def accepted() -> dict[tuple[str, ...], str]:
    """The reason of each, by the mutant's key."""
    found = tomllib.loads(FILE.read_text())["survivor"]
    keys = ("file", "function", "before", "after")
    return {
        (*(each[k] for k in keys), str(each.get("number", 0))): each["reason"] for each in found
    }
