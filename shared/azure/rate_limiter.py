"""Rate limiter for retries after HTTP 429, shared by the process: the refused requests are spread
at the rate that Azure admits, instead of being repeated all at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

# Resource Manager admits 25 and 10, for one identity in a subscription and region: some are left
# for others. Source: its page "request-limits-and-throttling" on learn.microsoft.com.
_READS_PER_SECOND: Final = 20.0
_WRITES_PER_SECOND: Final = 9.0

# A thousand builds that are refused together need two minutes at these rates.
_LONGEST: Final = timedelta(minutes=10)


def refused(error: AzureError) -> str | None:
    """The HTTP method of a request that Azure refused with 429, or None for any other error."""
    response = getattr(error, "response", None)
    if response is None or response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    return str(response.request.method)


class RateLimiter:
    """The times of the next read and the next write. Two threads that get the same time do no
    harm.
    """

    def __init__(self) -> None:
        self._next: dict[float, datetime] = {}

    def take(self, method: str, now: str, soonest: float) -> float:
        """Seconds from `now` (ISO 8601) until a refused request may be repeated, at least the
        `soonest` seconds that Azure named.
        """
        rate = _READS_PER_SECOND if method in {"GET", "HEAD"} else _WRITES_PER_SECOND
        moment = datetime.fromisoformat(now)
        earliest = moment + timedelta(seconds=soonest)
        turn = max(self._next.get(rate, earliest), earliest)
        if turn - earliest > _LONGEST:  # no queue: `now` is of hosts whose clocks differ
            turn = earliest
        self._next[rate] = turn + timedelta(seconds=1 / rate)
        return (turn - moment).total_seconds()
