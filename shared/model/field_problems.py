"""The problems that rules of requests have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from shared.base.errors import Problem


def impossible(field: str, message: str) -> Problem:
    """A field that cannot be carried out as it is."""
    return Problem(field=field, code="Impossible", message=message)


def twice(field: str, names: Iterable[str]) -> Iterator[Problem]:
    """Names that Azure takes only once."""
    for name, count in Counter(names).items():
        if count > 1:
            yield impossible(field, f"{name} is there {count} times")
