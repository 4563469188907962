"""Whom Azure refuses comes back when it is his turn."""

from __future__ import annotations

from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.rest import HttpRequest

from shared.azure import rate_limiter
from shared.azure.rate_limiter import RateLimiter

NOON = "2026-01-01T12:00:00Z"
A_MINUTE_LATER = "2026-01-01T12:01:00Z"


class Answer:
    """An answer of Azure's, as far as it matters here."""

    def __init__(self, status: int, method: str) -> None:
        self.status_code, self.reason = status, ""
        self.request = HttpRequest(method, "https://management.azure.com")


def test_refused_writes_come_back_nine_a_second() -> None:
    """Resource Manager's bucket gains ten: one is left for others."""
    line = RateLimiter()
    waits = [line.take("PUT", NOON, 1.0) for _ in range(91)]
    assert [round(waits[n], 3) for n in (0, 9, 90)] == [1.0, 2.0, 11.0]


def test_reads_wait_in_a_line_of_their_own() -> None:
    """Azure counts them apart, and admits more of them."""
    line = RateLimiter()
    for _ in range(100):
        line.take("DELETE", NOON, 1.0)
    waits = [line.take("GET", NOON, 1.0) for _ in range(21)]
    assert (waits[0], waits[20]) == (1.0, 2.0)


def test_nobody_comes_before_azure_said() -> None:
    """Retry-After is an order."""
    line = RateLimiter()
    line.take("PUT", NOON, 0.0)
    assert line.take("PUT", NOON, 30.0) == 30.0


def test_a_line_that_is_over_is_over() -> None:
    """Turns that have passed keep nobody waiting."""
    line = RateLimiter()
    for _ in range(100):
        line.take("PUT", NOON, 1.0)
    assert line.take("PUT", A_MINUTE_LATER, 1.0) == 1.0


def test_only_too_many_requests_make_a_line() -> None:
    """What is broken or not reached is another matter."""
    assert rate_limiter.refused(HttpResponseError(response=Answer(429, "PUT"))) == "PUT"  # type: ignore[arg-type]
    assert rate_limiter.refused(HttpResponseError(response=Answer(503, "PUT"))) is None  # type: ignore[arg-type]
    assert rate_limiter.refused(ServiceRequestError("no way there")) is None


def test_a_host_whose_clock_is_ahead_does_not_hold_up_the_others() -> None:
    """A turn far in the future is no queue; nobody waits for hours."""
    line = RateLimiter()
    line.take("PUT", "2026-01-01T14:00:00Z", 1.0)
    assert line.take("PUT", NOON, 1.0) == 1.0
