"""How long to wait before the next look at something long. Pure.

The true duration is unknown. With `typical` seconds as the usual one, and true durations between
half and three times that, each end is seen at most max(10 %, 15 s, Retry-After) late, with at most
20 looks in an operation of up to an hour:

- the first look comes shortly after the fastest such operations have ended (half the typical time);
- then the interval grows with the time already waited: two fifths of it up to 15 s, later a tenth;
- around the typical time, when most end, it is half of that where the bound leaves looks for it.

What nobody waits for is looked at every 15 s at most. Where a look tells how far it has come, the
next one comes shortly after the soonest end to reckon with (`left`), or halfway to the expected
one, and at last when that is due (`expected`).
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Final

_FASTEST: Final = 0.5  # of the typical duration
_LATE_SHARE: Final = 0.1  # of the elapsed time: how late an end may be seen
_LATE_SECONDS: Final = 15.0  # ... or this many seconds, whichever is longer
_EARLY_SHARE: Final = 0.4  # short operations are looked at more often: their wait is all they cost
_SHORTEST_SECONDS: Final = 2.0
_NEAR: Final = (0.85, 1.2)  # times the typical duration: when most such operations end ...
_NEAR_SHARE: Final = 0.5  # ... they are looked at so much more often ...
_NEAR_TYPICAL_MAX: Final = 150.0  # ... where so many seconds are usual at most
_EXPECTED_SHARES: Final = (0.02, 0.25)  # of the elapsed time: the waits for an expected end
_EXPECTED_UNTIL: Final = 1.5  # times the typical duration; then what foretells the end errs
_SOON_SECONDS: Final = 10.0  # after the soonest end, where that is known ...
_SOON_SHARE: Final = 0.08  # ... or this share of the time until then, whichever is longer
_SOON_UNTIL: Final = 2.0  # times the typical duration; then nobody knows what it waits for


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """What is known of an operation's duration."""

    typical: float  # seconds
    limit_minutes: float  # after which the step is given up
    unhurried: bool = False  # nothing waits for it


def next_look(
    pace: Timing,
    elapsed: float,
    retry_after: float | None = None,
    left: float | None = None,
    expected: float | None = None,
) -> float:
    """Seconds from now until the next look, `elapsed` seconds after the start. `left` are those
    that it still takes at least and `expected` those that it should take, if the last look told.

    Never sooner than Azure's Retry-After.
    """
    if left is not None and elapsed < _SOON_UNTIL * pace.typical:
        soon = max(_SOON_SECONDS, _SOON_SHARE * (elapsed + left))
        return float(max(left + soon, retry_after or 0.0))
    since = max(elapsed, pace.typical * _FASTEST)
    interval = _interval(pace, since)
    if expected is not None and elapsed < _EXPECTED_UNTIL * pace.typical:
        shortest, longest = (share * since for share in _EXPECTED_SHARES)
        interval = max(min(interval, max(expected, shortest)), min(expected / 2, longest))
    return float(max(since + interval - elapsed, retry_after or 0.0))


def _interval(pace: Timing, since: float) -> float:
    if pace.unhurried:
        return max(_LATE_SHARE * since, _LATE_SECONDS)
    early = max(_SHORTEST_SECONDS, _EARLY_SHARE * since)
    interval = max(_LATE_SHARE * since, min(_LATE_SECONDS, early))
    first, last = (times * pace.typical for times in _NEAR)
    is_near = first <= since <= last and pace.typical <= _NEAR_TYPICAL_MAX
    return max(_SHORTEST_SECONDS, _NEAR_SHARE * interval) if is_near else interval


# Typical seconds and the limit in minutes of each step. Sources: recorded exchanges with Azure (VM
# 2.5 min, run command 100 s and at least 20 s of overhead, image version 7.5 min for one region,
# Batch account 15 s) and the old script's 20-25 min for an image and 5-10 min for a pool. A build's
# own records replace the typical value as they come in.
_PACES: Final[dict[str, tuple[float, float]]] = {
    "public_ip": (5, 15),
    "nat_gateway": (15, 20),
    "network": (6, 15),
    "builder_vm": (150, 30),
    "install": (380, 90),
    "driver": (250, 60),
    "preload": (200, 90),
    "reboot": (35, 20),
    "reboot_for_kernel": (35, 20),
    "seal": (80, 40),
    "bill_of_materials": (5, 10),
    "generalize": (50, 30),
    "managed_image": (60, 60),
    "image_version": (450, 360),  # Azure allows replication six hours
    "resource_group": (2, 10),
    "account_group": (2, 10),
    "version": (2, 10),
    "pull_identity": (2, 10),
    "registry": (15, 30),
    "push_image": (120, 90),
    "pull_access": (5, 20),
    "gallery": (12, 30),
    "image_definition": (12, 30),
    "remove_builder_vm": (30, 40),
    "keep_builder": (45, 30),
    "remove_network": (10, 30),
    "remove_nat_gateway": (10, 30),
    "remove_public_ip": (10, 30),
    "remove_image_version": (20, 30),
    "remove_image_definition": (20, 30),
    "remove_gallery": (20, 30),
    "remove_registry": (15, 30),
    "remove_pull_identity": (2, 10),
    "remove_resource_group": (75, 60),
    "batch_account": (15, 30),
    "quotas": (2, 10),
    "pool": (5, 180),
    "nodes": (350, 120),
    "node_reports": (2, 10),
    "verify": (24, 60),
    "empty_pool": (60, 60),
    "remove_pool": (60, 60),
    "resize": (180, 120),
}
_DEFAULT: Final = (10.0, 30.0)
# Beside the builder VM, or after the image: they end long before anybody needs them.
_UNHURRIED: Final = {
    "gallery",
    "image_definition",
    "push_image",
    "remove_builder_vm",
    "remove_network",
    "remove_nat_gateway",
    "remove_public_ip",
    "remove_image_version",
    "remove_image_definition",
    "remove_gallery",
    "remove_registry",
    "remove_pull_identity",
    "remove_resource_group",
}


def known_steps() -> list[str]:
    """The steps whose pace is known from the start."""
    return list(_PACES)


def pace_of(step: str, learned: dict[str, float] | None = None) -> Timing:
    """The pace of a step, from `learned` durations (seconds by step) where there are some."""
    typical, limit = _PACES.get(step, _DEFAULT)
    return Timing(
        typical=(learned or {}).get(step, typical),
        limit_minutes=limit,
        unhurried=step in _UNHURRIED or step.startswith("sweep_"),
    )


_SHORT_SECONDS: Final = 5.0  # durations below are the looks' own, and teach nothing


def learn(step: str, known: float | None, seen: float) -> float:
    """The typical seconds of a step after one more was seen: it moves slowly, and stays near the
    first guess.
    """
    first, _ = _PACES.get(step, _DEFAULT)
    before = first if known is None else known
    if seen < _SHORT_SECONDS:
        return before
    return round(min(max(0.8 * before + 0.2 * seen, first / 2), first * 2), 1)


def backoff(attempt: int, retry_after: float | None = None, spread: float = 0.0) -> float:
    """Seconds before trying again what failed in passing: 5, 10, 20 ... 120, or as Azure asks.

    `spread` (0 to 1) adds up to as much again, so that a thousand builds that were refused together
    do not come back together.
    """
    base = min(120.0, math.ldexp(5.0, attempt - 1))
    return max(base, retry_after or 0.0) + spread * base


def spread_of(instance: str, attempt: int) -> float:
    """A number in [0, 1) that differs between instances and attempts, and not between replays."""
    return zlib.crc32(f"{instance}|{attempt}".encode()) / 2**32


TRANSIENT_ATTEMPTS: Final = 20  # half an hour of backoff, or up to twice that with its spread
