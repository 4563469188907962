"""What Azure tells and is the same for many builds: asked once in a while per process, so that a
thousand builds that begin together do not spend the subscription's reads on one question.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

FactT = TypeVar("FactT")

# Sizes and supported systems change by announcements, weeks ahead.
AN_HOUR: Final = timedelta(hours=1)
# An account's quotas and an image's regions change by somebody's deed.
A_MINUTE: Final = timedelta(minutes=1)
# What builds that begin at the same moment cannot see of each other anyway.
A_MOMENT: Final = timedelta(seconds=10)


class TtlCache:
    """Facts by key. Two that ask at the same time both ask Azure, which harms nobody."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, ...], tuple[datetime, Any]] = {}

    def get(
        self,
        key: tuple[str, ...],
        now: str,
        ask: Callable[[], FactT],
        lasts: Callable[[FactT], bool] = lambda _: True,
        fresh: timedelta = AN_HOUR,
    ) -> FactT:
        """The fact, from `ask` where none is known that is `fresh` at `now` (ISO 8601). It is kept
        if it `lasts`.
        """
        known = self.recall(key, now, fresh)
        if known is not None:
            return cast("FactT", known)
        fact = ask()
        if lasts(fact):
            self._facts[key] = (datetime.fromisoformat(now), fact)
        return fact

    def recall(self, key: tuple[str, ...], now: str, fresh: timedelta) -> Any | None:
        """The fact if it is known and `fresh` at `now`; nobody is asked."""
        since, fact = self._facts.get(key, (None, None))
        if since is None or abs(datetime.fromisoformat(now) - since) > fresh:
            return None
        return fact
