"""Looks grouped into rounds: one step from its first look to the one that saw its end."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable

from bench.measured_world import Asked, Happening, Look


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """One run of one step, in simulated seconds since the world began."""

    step: str
    build: str
    pool: str
    looks: tuple[Look, ...]
    ended: float | None  # when Azure was done; None where nothing took time

    @property
    def began(self) -> float:
        return self.looks[0].at

    @property
    def seen(self) -> float:
        return self.looks[-1].at

    @property
    def late(self) -> float:
        """Seconds from the end to the look that saw it."""
        return 0.0 if self.ended is None else self.seen - self.ended

    @property
    def asked(self) -> list[Asked]:
        return [asked for look in self.looks for asked in look.asked]

    @property
    def title(self) -> str:
        return f"{self.step} {self.pool}".strip()


def rounds(looks: Iterable[Look], happenings: list[Happening]) -> list[Round]:
    """In the order they began."""
    grouped: dict[tuple[str, ...], list[Look]] = {}
    for number, look in enumerate(looks):
        alone = "" if look.began else str(number)  # what is no step is one look
        key = (look.build, look.pool, look.step, look.began, alone)
        grouped.setdefault(key, []).append(look)
    found = [_round(tuple(each), happenings) for each in grouped.values()]
    return sorted(found, key=lambda r: r.began)


def _round(looks: tuple[Look, ...], happenings: list[Happening]) -> Round:
    first = looks[0]
    return Round(
        step=first.step,
        build=first.build,
        pool=first.pool,
        looks=looks,
        ended=_ended(looks, happenings),
    )


def _ended(looks: tuple[Look, ...], happenings: list[Happening]) -> float | None:
    """The last thing that ended between the last two looks, on what these looked at."""
    if len(looks) == 1:
        return None
    before, last = looks[-2:]
    asked = (*before.asked, *last.asked)
    subjects = [_as_in_ids(each.path) for each in asked if each.method == "GET"]
    ends = [
        happening.ended
        for happening in happenings
        if before.at - 1e-6 < happening.ended <= last.at + 1e-6
        and any(subject in happening.resource for subject in subjects)
    ]
    return max(ends, default=None)


def _as_in_ids(path: str) -> str:
    """The path as the keys of resources have it: in a data plane it begins with `account.region`,
    and with the account's name in them.
    """
    return re.sub(r"^/([a-z0-9]+)\.[a-z0-9]+/", r"/\1/", path)


def by_operation(asked: Iterable[Asked]) -> Counter[str]:
    """How often each method met each type of resource."""
    return Counter(f"{each.method} {type_of(each.path)}" for each in asked)


def type_of(path: str) -> str:
    """The type of resource that a path names: its words without the names between them."""
    _, is_provider, rest = path.rpartition("/providers/")
    parts = [part for part in rest.split("/") if part]
    if not is_provider:
        return _without_names(path)
    return "/".join([parts[0].removeprefix("microsoft."), *parts[1::2]])


_WORDS = frozenset({"pools", "nodes", "jobs", "tasks", "files", "resourcegroups", "subscriptions"})


def _without_names(path: str) -> str:
    words = [part for part in path.split("/") if part in _WORDS]
    return "/".join(words) or path.strip("/").partition("/")[0]
