"""What Azure tells of a region or an account and rarely changes: asked once an hour per process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

FactT = TypeVar("FactT")

# Sizes and supported systems change by announcements, weeks ahead.
_FRESH = timedelta(hours=1)


class Known:
    """Facts by key. Two that ask at the same time both ask Azure, which harms nobody."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, ...], tuple[datetime, Any]] = {}

    def get(
        self,
        key: tuple[str, ...],
        now: str,
        ask: Callable[[], FactT],
        lasts: Callable[[FactT], bool] = lambda _: True,
    ) -> FactT:
        """The fact, from `ask` where none is known that is fresh at `now` (ISO 8601). It is kept if
        it `lasts`.
        """
        moment = datetime.fromisoformat(now)
        if key in self._facts:
            since, known = self._facts[key]
            if abs(moment - since) <= _FRESH:
                return cast("FactT", known)
        fact = ask()
        if lasts(fact):
            self._facts[key] = (moment, fact)
        return fact
