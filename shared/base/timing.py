"""When to look again at something long: one row of durations per step, and the arithmetic. Pure.

Theory of waiting
-----------------

Azure's long operations (a VM, an image version, the nodes of a pool) do not report their end; each
look at one is a request. Looking often costs requests, of which Azure allows a limited number;
looking rarely costs time, since an end is noticed only at the next look. This module weighs the two
for every step by a single rule. A durable timer of `shared/engine/polling_loop.py` waits for the
seconds that `next_look` returns.

What is known of a step is a `Timing`: the seconds that it usually takes, the minutes after which it
counts as failed, and whether anything waits for its end. The first guess comes from the table
`_STEPS`; the durations of past builds replace the usual seconds bit by bit (`learn`), but never by
more than a factor of two, so that one strange build cannot spoil the next.

The rule assumes that the true duration lies between half of the usual one and three times as much.
It promises that an end is seen at most max(10 % of the duration, 15 s, Retry-After) late, with at
most 20 looks in an operation of up to an hour; `tests/unit/test_waits.py` checks both for every
step. The waits between the looks follow from the promise:

- No look comes before half of the usual time: nothing has ended by then. What another step has
  begun (the nodes of a new pool) counts as running from that moment.
- From there on, each wait is a share of the time waited so far: two fifths of it, up to 15 s, then
  a tenth. A share keeps the relative delay constant, so that the number of looks grows with the
  logarithm of the duration.
- Around the usual time, when most operations end, the wait is half of that. This is done for short
  steps only, where there are looks to spare.
- A step whose end nothing waits for (`awaited=False`: it runs beside a longer one, or after the
  image) is looked at every 15 s at most.

Some looks return more than "not yet", and then that decides instead of the guess:

- `left`: the operation takes at least so many seconds more (a node that was seen to start booting).
  The next look comes shortly after them.
- `expected`: the operation should take so many seconds more (the replication of an image version
  reports its percentage). The next look comes halfway, and at the end when that is due.

Both are trusted only until the usual time is well over; then the prediction is worth less than the
rule. Azure's Retry-After is obeyed in every case.

The limit of a step counts the waits of the step itself, neither the downtime of the app nor the
waits after answers that refuse for the moment. Those waits (`backoff`) double from 5 s to 2 min and
are spread, so that a thousand builds that were refused together do not return together.
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
_EXPECTED_UNTIL: Final = 1.5  # times the typical duration; then the prediction has been wrong
_SOON_SECONDS: Final = 10.0  # after the soonest end, where that is known ...
_SOON_SHARE: Final = 0.08  # ... or this share of the time until then, whichever is longer
_SOON_UNTIL: Final = 2.0  # times the typical duration; then the soonest end is no guide any more


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """What is known of a step's duration."""

    typical: float  # seconds
    limit_minutes: float  # after which the step has failed
    awaited: bool = True  # something waits for its end


def next_look(
    usual: Timing,
    elapsed: float,
    retry_after: float | None = None,
    left: float | None = None,
    expected: float | None = None,
) -> float:
    """Seconds from now until the next look, `elapsed` seconds after the start of the operation.

    `left` are the seconds that it still takes at least and `expected` those that it should take, if
    the last look returned them. The result is never less than `retry_after`, Azure's own wish.
    """
    if left is not None and elapsed < _SOON_UNTIL * usual.typical:
        soon = max(_SOON_SECONDS, _SOON_SHARE * (elapsed + left))
        return float(max(left + soon, retry_after or 0.0))
    since = max(elapsed, usual.typical * _FASTEST)
    interval = _interval(usual, since)
    if expected is not None and elapsed < _EXPECTED_UNTIL * usual.typical:
        shortest, longest = (share * since for share in _EXPECTED_SHARES)
        interval = max(min(interval, max(expected, shortest)), min(expected / 2, longest))
    return float(max(since + interval - elapsed, retry_after or 0.0))


def _interval(usual: Timing, since: float) -> float:
    if not usual.awaited:
        return max(_LATE_SHARE * since, _LATE_SECONDS)
    early = max(_SHORTEST_SECONDS, _EARLY_SHARE * since)
    interval = max(_LATE_SHARE * since, min(_LATE_SECONDS, early))
    first, last = (times * usual.typical for times in _NEAR)
    is_near = first <= since <= last and usual.typical <= _NEAR_TYPICAL_MAX
    return max(_SHORTEST_SECONDS, _NEAR_SHARE * interval) if is_near else interval


def _step(typical: float, limit_minutes: float, *, awaited: bool = True) -> Timing:
    """A row of the table: usual seconds, limit in minutes, whether anything waits for the end."""
    return Timing(typical=typical, limit_minutes=limit_minutes, awaited=awaited)


# The steps in their order, one row each. Sources: recorded exchanges with Azure (VM 2.5 min, run
# command 100 s and at least 20 s of overhead, image version 7.5 min for one region, Batch account
# 15 s) and the old script's 20-25 min for an image and 5-10 min for a pool.
_STEPS: Final[dict[str, Timing]] = {
    "public_ip": _step(5, 15),
    "nat_gateway": _step(15, 20),
    "network": _step(6, 15),
    "builder_vm": _step(150, 30),
    "install": _step(380, 90),
    "driver": _step(250, 60),
    "features": _step(60, 45),
    "preload": _step(200, 90),
    "refresh_install": _step(60, 90),
    "refresh_driver": _step(60, 60),
    "refresh_preload": _step(80, 90),
    "reboot": _step(35, 20),
    "reboot_for_kernel": _step(35, 20),
    "seal": _step(80, 40),
    "bill_of_materials": _step(5, 10),
    "generalize": _step(50, 30),
    "snapshot": _step(8, 30),
    "managed_image": _step(60, 60),
    "image_version": _step(450, 360),  # Azure allows replication six hours
    "resource_group": _step(2, 10),
    "account_group": _step(2, 10),
    "version": _step(2, 10),
    "pull_identity": _step(2, 10),
    "registry": _step(15, 30),
    "push_image": _step(120, 90, awaited=False),
    "pull_access": _step(5, 20),
    "gallery": _step(12, 30, awaited=False),
    "image_definition": _step(12, 30, awaited=False),
    "remove_builder_vm": _step(30, 40, awaited=False),
    "keep_builder": _step(45, 30),
    "start_builder": _step(40, 30),
    "remove_disk": _step(10, 30, awaited=False),
    "remove_snapshot": _step(5, 30, awaited=False),
    "remove_network": _step(10, 30, awaited=False),
    "remove_nat_gateway": _step(10, 30, awaited=False),
    "remove_public_ip": _step(10, 30, awaited=False),
    "remove_managed_image": _step(10, 30, awaited=False),
    "remove_image_version": _step(20, 30, awaited=False),
    "remove_image_definition": _step(20, 30, awaited=False),
    "remove_gallery": _step(20, 30, awaited=False),
    "remove_registry": _step(15, 30, awaited=False),
    "remove_pull_identity": _step(2, 10, awaited=False),
    "remove_resource_group": _step(75, 60, awaited=False),
    "batch_account": _step(15, 30),
    "quotas": _step(2, 10),
    "pool": _step(5, 180),
    "nodes": _step(350, 120),
    "node_reports": _step(2, 10),
    "verify": _step(24, 60),
    "empty_pool": _step(60, 60),
    "remove_pool": _step(60, 60),
    "resize": _step(180, 120),
}
# Steps of which a build has as many as its request names, by how their names begin. What they take
# depends on the request, so no build learns it from another.
_NAMED_BY_REQUESTS: Final[dict[str, Timing]] = {
    "own_": _step(60, 60),
    "restart_after_": _step(35, 20),
}
_UNLISTED: Final = _step(10, 30)  # checks and other short steps


def known_steps() -> list[str]:
    """The steps that have a row of their own, in their order."""
    return list(_STEPS)


def of_step(step: str, learned: dict[str, float] | None = None) -> Timing:
    """The timing of a step, with its `learned` duration (seconds by step) where there is one."""
    first = _first_guess(step)
    return dataclasses.replace(first, typical=(learned or {}).get(step, first.typical))


def _first_guess(step: str) -> Timing:
    for beginning, timing in _NAMED_BY_REQUESTS.items():
        if step.startswith(beginning):
            return timing
    return _STEPS.get(step, _UNLISTED)


def teaches(step: str) -> bool:
    """Whether later builds have the same step."""
    return not step.startswith(tuple(_NAMED_BY_REQUESTS))


_SHORT_SECONDS: Final = 5.0  # durations below are those of the look itself, and teach nothing


def learn(step: str, known: float | None, seen: float) -> float:
    """The typical seconds of a step after one more duration was `seen`. They move by a fifth of the
    difference and stay between half of the first guess and twice as much.
    """
    first = _first_guess(step).typical
    before = first if known is None else known
    if seen < _SHORT_SECONDS:
        return before
    return round(min(max(0.8 * before + 0.2 * seen, first / 2), first * 2), 1)


def backoff(attempt: int, retry_after: float | None = None, spread: float = 0.0) -> float:
    """Seconds before a request that was refused for the moment is sent again: 5, 10, 20 ... 120, or
    as Azure asks.

    `spread` (0 to 1) adds up to as much again, so that a thousand builds that were refused together
    do not return together.
    """
    base = min(120.0, math.ldexp(5.0, min(attempt, 10) - 1))
    return max(base, retry_after or 0.0) + spread * base


def spread_of(instance: str, attempt: int) -> float:
    """A number in [0, 1) that differs between instances and attempts, and not between replays."""
    return zlib.crc32(f"{instance}|{attempt}".encode()) / 2**32


TRANSIENT_ATTEMPTS: Final = 20  # half an hour of backoff, or up to twice that with its spread
