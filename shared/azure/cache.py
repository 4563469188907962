"""In-process TTL cache for facts of Azure that many builds share, so that a thousand builds that
begin together do not spend the subscription's reads on one question.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

FactT = TypeVar("FactT")

# Sizes and supported systems change by announcements, weeks ahead.
AN_HOUR: Final = timedelta(hours=1)
# A person may change an account's quotas or an image's regions at any time.
A_MINUTE: Final = timedelta(minutes=1)
# Builds that begin within this time cannot see each other's effects anyway.
A_MOMENT: Final = timedelta(seconds=10)


class TtlCache:
    """Facts by key. Two threads that miss the same key both ask Azure, which does no harm."""

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
        """The cached fact if it is `fresh` at `now` (ISO 8601), otherwise what `ask` returns. The
        cache keeps that if it `lasts`.
        """
        known = self.recall(key, now, fresh)
        if known is not None:
            return cast("FactT", known)
        fact = ask()
        if lasts(fact):
            self._facts[key] = (datetime.fromisoformat(now), fact)
        return fact

    def recall(self, key: tuple[str, ...], now: str, fresh: timedelta) -> Any | None:
        """The cached fact if it is `fresh` at `now`, otherwise None. Azure is not asked."""
        since, fact = self._facts.get(key, (None, None))
        if since is None or abs(datetime.fromisoformat(now) - since) > fresh:
            return None
        return fact
