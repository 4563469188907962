"""The list of builds: one small row for each, newest first, in a table of its own.

A build's own row holds its request and its outcome, up to a megabyte, and its key is the build's
id. The table service sorts by key and answers in pages, so the row of the list has the inverted
moment of acceptance as its key, and only what a list shows:
https://learn.microsoft.com/azure/storage/tables/table-storage-design-patterns#log-tail-pattern

The build's row is written first, then its row here. After a crash in between, the list is behind
until the build's row changes again, or until the next sweep compares both (`repair`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.store.row_checks import BUILD_LIST

if TYPE_CHECKING:
    from shared.model.queries import Place
    from shared.store.tables import Row, Tables

Json = dict[str, Any]

_SHOWN = ("Mode", "State", "CreatedAt", "EndedAt")
_LAST_MILLISECOND = 10**13 - 1  # in the year 2286
_PARTITION = "build"
_FILLED = ("list", "filled")  # the row that says that every build has its row


def key_of(build: Row) -> str:
    """Newest first; builds that 0.1.0 accepted and that have not begun come first of all."""
    return f"{inverted(build.get('AcceptedAt') or build.get('CreatedAt'))}|{build.key}"


def inverted(moment: str | None) -> str:
    """A time as a key that sorts the newest first, and no time before all."""
    since = datetime.fromisoformat(moment).timestamp() * 1000 if moment else _LAST_MILLISECOND
    return f"{_LAST_MILLISECOND - int(since):013d}"


def listed(build: Row) -> Json:
    """What the list shows of a build."""
    return {"Build": build.key, **{name: str(build.get(name) or "") for name in _SHOWN}}


def page_of(
    builds: Sequence[Row], states: Sequence[str], limit: int, after: Place | None
) -> tuple[list[Json], Place | None]:
    """A page of the list, made from all builds: for a deployment that has no list yet."""
    found = {key_of(build): listed(build) for build in builds}
    keys = sorted(key for key, row in found.items() if not states or row["State"] in states)
    keys = [key for key in keys if after is None or key > after[1]]
    last = (_PARTITION, keys[limit - 1]) if len(keys) > limit else None
    return [found[key] for key in keys[:limit]], last


class BuildList:
    """The rows of the list."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._is_filled = False

    def put(self, build: Row) -> None:
        """Show a build as its row is now."""
        self._tables.put(BUILD_LIST, _PARTITION, key_of(build), listed(build))

    def remove(self, build: Row) -> None:
        """Show a build no more."""
        self._tables.remove(BUILD_LIST, _PARTITION, key_of(build))

    def is_filled(self) -> bool:
        """Whether every build has its row: not before the first sweep of a deployment."""
        if not self._is_filled:
            self._is_filled = self._tables.get(BUILD_LIST, *_FILLED) is not None
        return self._is_filled

    def page(
        self, states: Sequence[str], limit: int, after: Place | None
    ) -> tuple[list[Row], Place | None]:
        """At most so many rows of builds, in these states or in any; where the next page begins."""
        among = {"State": states} if states else None
        return self._tables.page(BUILD_LIST, _PARTITION, limit=limit, after=after, among=among)

    def rows(self) -> list[Row]:
        """All rows."""
        return self._tables.query(BUILD_LIST, _PARTITION)

    def repair(self, rows: Sequence[Row], builds: Sequence[Row]) -> int:
        """Correct the rows that differ from the builds; returns how many did. `rows` must have been
        read before `builds`: a row without a build is one whose build is gone. A row that changed
        since then stays as it is.
        """
        wanted = {key_of(build): listed(build) for build in builds}
        known = {row.key: row for row in rows}
        wrong = 0
        for key, row in known.items():
            if key not in wanted:
                wrong += self._tables.remove_seen(BUILD_LIST, row)
            elif any(row.get(name) != value for name, value in wanted[key].items()):
                wrong += self._tables.replace(BUILD_LIST, row, wanted[key])
        for key in wanted.keys() - known.keys():
            wrong += self._tables.insert(BUILD_LIST, _PARTITION, key, wanted[key]) is not None
        if not self.is_filled():
            self._tables.put(BUILD_LIST, *_FILLED, {})
        return wrong
