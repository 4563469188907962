"""How long to wait before the next look at something long. Pure.

The true duration is unknown. With `typical` seconds as the usual one, and true durations between
half and three
times that, each end is seen at most max(10 %, 15 s, Retry-After) late, with at most 20 looks in an
operation of up to
an hour:

- the first look comes shortly after the fastest such operations have ended (half the typical time);
- then the interval grows in proportion to the time already waited: ten per cent of it, at least a
few seconds.
"""

from __future__ import annotations

import math
from typing import Final

from shared.wire import Wire

_FASTEST: Final = 0.5  # of the typical duration
_SHARE: Final = 0.1  # of the elapsed time: how late an end may be seen
_LATE_SECONDS: Final = 15.0  # ... or this many seconds, whichever is longer
_SHORTEST_SECONDS: Final = 2.0


class Pace(Wire):
    """What is known of an operation's duration."""

    typical: float  # seconds
    limit_minutes: float  # after which the step is given up


def next_look(pace: Pace, elapsed: float, retry_after: float | None = None) -> float:
    """Seconds from now until the next look, `elapsed` seconds after the start.

    Never sooner than Azure's Retry-After.
    """
    first = pace.typical * _FASTEST
    # Short operations are looked at more often than the bound asks: their wait is all there is to
    # save.
    least = max(_SHORTEST_SECONDS, min(_LATE_SECONDS, pace.typical / 4))
    interval = max(_SHARE * elapsed, least)
    if elapsed < first:
        interval = max(first + max(_SHARE * first, least) - elapsed, _SHORTEST_SECONDS)
    return float(max(interval, retry_after or 0.0))


# Typical seconds and the limit in minutes of each step. Sources: recorded exchanges with Azure (VM
# 2.5 min, run
# command 100 s, image version 7.5 min for one region, Batch account 15 s) and the old script's
# 20-25 min for an image
# and 5-10 min for a pool. A build's own records replace the typical value as they come in.
_PACES: Final[dict[str, tuple[float, float]]] = {
    "public_ip": (5, 15),
    "nat_gateway": (10, 20),
    "network": (6, 15),
    "builder_vm": (150, 30),
    "prepare": (90, 40),
    "docker": (80, 40),
    "driver": (240, 60),
    "preload": (90, 90),
    "reboot": (60, 20),
    "reboot_for_kernel": (60, 20),
    "check": (20, 20),
    "bill_of_materials": (5, 10),
    "remove_run_commands": (30, 20),
    "seal": (15, 15),
    "sealed": (60, 20),
    "generalize": (50, 30),
    "managed_image": (60, 60),
    "image_version": (450, 360),  # Azure allows replication six hours
    "resource_group": (2, 10),
    "version": (2, 10),
    "pull_identity": (2, 10),
    "registry": (15, 30),
    "push_image": (120, 90),
    "pull_access": (5, 20),
    "gallery": (10, 30),
    "image_definition": (10, 30),
    "remove_builder_vm": (45, 40),
    "keep_builder": (45, 30),
    "remove_network": (10, 30),
    "remove_nat_gateway": (10, 30),
    "remove_public_ip": (10, 30),
    "batch_account": (15, 30),
    "pool": (5, 180),
    "nodes": (300, 120),
    "node_reports": (2, 10),
    "verify": (40, 60),
    "empty_pool": (60, 60),
    "remove_pool": (60, 60),
    "resize": (180, 120),
}
_DEFAULT: Final = (10.0, 30.0)


def known_steps() -> list[str]:
    """The steps whose pace is known from the start."""
    return list(_PACES)


def pace_of(step: str, learned: dict[str, float] | None = None) -> Pace:
    """The pace of a step, from `learned` durations (seconds by step) where there are some."""
    typical, limit = _PACES.get(step, _DEFAULT)
    return Pace(typical=(learned or {}).get(step, typical), limit_minutes=limit)


_SHORT_SECONDS: Final = 5.0  # durations below are the looks' own, and teach nothing


def learn(step: str, known: float | None, seen: float) -> float:
    """The typical seconds of a step after one more was seen: it moves slowly, and never far from
    the first guess.
    """
    first, _ = _PACES.get(step, _DEFAULT)
    before = first if known is None else known
    if seen < _SHORT_SECONDS:
        return before
    return round(min(max(0.8 * before + 0.2 * seen, first / 2), first * 2), 1)


def backoff(attempt: int, retry_after: float | None = None) -> float:
    """Seconds before trying again what failed for a passing reason: 5, 10, 20 ... at most 300, or
    as Azure asks.
    """
    return max(min(300.0, math.ldexp(5.0, attempt - 1)), retry_after or 0.0)


TRANSIENT_ATTEMPTS: Final = 12  # about half an hour of backoff
