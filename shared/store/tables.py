"""The few ways in which rows are read and written, whatever they hold.

A value that is an object or a list is kept as JSON; where it is longer than one column may be, it
goes on in further columns (`Outcome`, `Outcome_1` ...; `Outcome_Parts` is their number).

A row that cannot be read is left out as if it were not there, logged, and listed by `unreadable`:
one bad row must not hide the others.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from shared.base import logs, wire
from shared.store import outage, row_checks

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

    from shared.model.queries import Place

log = logs.get("tables")

Json = dict[str, Any]
SCHEMA = 1
# Azure's limits are 32 Ki UTF-16 units for a string column and 1 MiB for a row, names included:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_COLUMN_UNITS_MAX = 30_000
_ROW_BYTES_MAX = 1024 * 1024
_COLUMN_BYTES = 100  # more than a column's name and Azure's 8 bytes for it take


_RACES_MAX = 10  # writers of one row are few: its build, and a person who cancels it

Among = Mapping[str, Sequence[str]]
"""Columns, each with the values that a row may have there."""
_PAGE_MAX = 1000  # rows of one answer:
# https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination


class TooLong(Exception):  # noqa: N818
    """A value does not fit a row."""


class Row(dict[str, Any]):
    """A row as it was read; `etag` names this very state of it."""

    etag: str = ""

    @property
    def key(self) -> str:
        """The row key."""
        return str(self["RowKey"])


# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_KEY_BYTES_MAX = 1024
_IN_NO_KEY = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


class Tables:
    """Rows by table, partition and row key. A table is made by the first write that misses it."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._unreadable: dict[tuple[str, str, str], str] = {}

    def unreadable(self) -> list[str]:
        """The rows that this process met last and could not read, each with the reason."""
        return [
            f"{table}, PartitionKey {partition}, RowKey {row}: {why}"
            for (table, partition, row), why in sorted(self._unreadable.copy().items())
        ]

    @outage.noticed
    def get(
        self, table: str, partition: str, row: str, *, select: Sequence[str] = ()
    ) -> Row | None:
        """One row, or None; with `select` only these of its columns."""
        if not _can_be_key(partition, row):
            return None
        try:
            client = self._service.get_table_client(table)
            found = [client.get_entity(partition, row, select=_columns(select))]
        except ResourceNotFoundError:
            found = []
        if select:
            return next(map(_row, found), None)
        return next(iter(self._readable(found, table, partition, row)), None)

    @outage.noticed
    def query(
        self, table: str, partition: str, *, among: Among | None = None, select: Sequence[str] = ()
    ) -> list[Row]:
        """The rows of one partition, in the order of their keys; the table service itself picks
        those that have one of the values `among`, and the columns `select`. A row is checked only
        as a whole.
        """
        found = self._found(table, partition, among=among, select=select)
        if select:
            return [_row(entity) for entity in found]
        return self._readable(found, table, partition, is_all=among is None)

    @outage.noticed
    def page(
        self,
        table: str,
        partition: str | None = None,
        *,
        limit: int,
        after: Place | None = None,
        among: Among | None = None,
    ) -> tuple[list[Row], Place | None]:
        """At most so many rows, of one partition or of all, in the order of their keys; and where
        the next page begins, if there is one.
        """
        wanted = min(limit + 1, _PAGE_MAX)
        entities = self._found(table, partition, after=after, among=among, results_per_page=wanted)
        found = list(itertools.islice(entities, limit + 1))
        rows = self._readable(found[:limit], table, is_all=False)
        last = found[limit - 1] if len(found) > limit else None
        return rows, None if last is None else (last["PartitionKey"], last["RowKey"])

    def _found(
        self,
        table: str,
        partition: str | None,
        *,
        after: Place | None = None,
        among: Among | None = None,
        select: Sequence[str] = (),
        results_per_page: int | None = None,
    ) -> Iterator[Any]:
        if not _can_be_key(partition or ""):
            return
        client = self._service.get_table_client(table)
        text, parameters = _filter(partition, after, among or {})
        try:
            yield from client.query_entities(
                text,
                parameters=parameters,
                select=_columns(select),
                results_per_page=results_per_page,
            )
        except ResourceNotFoundError:
            return

    @outage.noticed
    def scan(self, table: str) -> list[Row]:
        """Every row."""
        try:
            return self._readable(self._service.get_table_client(table).list_entities(), table)
        except ResourceNotFoundError:
            return []

    @outage.noticed
    def put(self, table: str, partition: str, row: str, values: Json) -> None:
        """Write these columns and keep the row's others. If there is no row, `values` become one,
        so they must be complete; `update` changes only a row that exists. Raises TooLong.
        """
        self._write(table, "upsert_entity", _entity(partition, row, values))

    @outage.noticed
    def insert(self, table: str, partition: str, row: str, values: Json) -> Row | None:
        """Make a row and return it; None if it exists. Raises TooLong."""
        entity = _entity(partition, row, values)
        try:
            answer = self._write(table, "create_entity", entity)
        except ResourceExistsError:
            return None
        made = Row(entity | values)
        made.etag = answer["etag"]
        return made

    def update(
        self, table: str, partition: str, row: str, change: Callable[[Row], Json | None]
    ) -> bool:
        """Change the columns that `change` names of a row that exists, however many other writers
        come between. False if there is no row, or `change` returns None.

        Raises ResourceModifiedError if others are first again and again.
        """
        for _ in range(_RACES_MAX):
            found = self.get(table, partition, row)
            values = change(found) if found is not None else None
            if found is None or values is None:
                return False
            if self.replace(table, found, values):
                return True
        raise ResourceModifiedError(f"row {row} of {table} was changed by others again and again")

    @outage.noticed
    def replace(self, table: str, old: Row, values: Json) -> bool:
        """Change a row that was read; False if another writer was first."""
        client = self._service.get_table_client(table)
        entity = _entity(old["PartitionKey"], old.key, values)
        try:
            client.update_entity(
                entity, etag=old.etag, match_condition=MatchConditions.IfNotModified
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    @outage.noticed
    def remove(self, table: str, partition: str, row: str) -> None:
        """Remove a row; one that is not there is fine."""
        try:
            self._service.get_table_client(table).delete_entity(partition, row)
        except ResourceNotFoundError:
            return

    @outage.noticed
    def remove_seen(self, table: str, old: Row) -> bool:
        """Remove a row that was read; False if another writer was first."""
        client = self._service.get_table_client(table)
        try:
            client.delete_entity(
                old["PartitionKey"],
                old.key,
                etag=old.etag,
                match_condition=MatchConditions.IfNotModified,
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    def _write(self, table: str, method: str, entity: Json) -> Json:
        client = self._service.get_table_client(table)
        try:
            answer: Json = getattr(client, method)(entity)
        except ResourceNotFoundError:  # the only thing that can be missing is the table itself
            self._service.create_table_if_not_exists(table)
            answer = getattr(client, method)(entity)
        return answer

    def _readable(self, entities: Iterable[Any], *where: str, is_all: bool = True) -> list[Row]:
        """Those that can be read, of all or some entities at `where`: table, partition, row."""
        rows: list[Row] = []
        bad: dict[tuple[str, str, str], str] = {}
        seen = set()
        for entity in entities:
            seen.add((where[0], str(entity["PartitionKey"]), str(entity["RowKey"])))
            try:
                row = _row(entity)
                row_checks.check(where[0], row)
                rows.append(row)
            except row_checks.ERRORS as error:
                place = (where[0], str(entity["PartitionKey"]), str(entity["RowKey"]))
                bad[place] = row_checks.reason(error)
        before = {place for place in self._unreadable if place[: len(where)] == where}
        for place in (before if is_all else before & seen) - bad.keys():
            self._unreadable.pop(place, None)
        for place, why in bad.items():
            if place not in before:
                log.error("a row cannot be read: %s: %s", ", ".join(place), why)
            self._unreadable[place] = why
        return rows


def _filter(partition: str | None, after: Place | None, among: Among) -> tuple[str, dict[str, str]]:
    """The text of a query and its values. A value never becomes text here: the SDK quotes it."""
    start, row = after or ("", "")
    if partition is None:
        here = "( PartitionKey eq @start and RowKey gt @row )"
        parts, values = [f"( PartitionKey gt @start or {here} )"], {"start": start, "row": row}
    else:
        parts, values = ["PartitionKey eq @partition"], {"partition": partition}
        if after is not None:
            parts, values = [*parts, "RowKey gt @row"], {**values, "row": row}
    for column, wanted in among.items():
        named = {f"{column}{number}": value for number, value in enumerate(wanted)}
        parts.append(f"( {' or '.join(f'{column} eq @{name}' for name in named)} )")
        values |= named
    return " and ".join(parts), values


def _columns(select: Sequence[str]) -> list[str] | None:
    """Keys come only where they are asked for."""
    return ["PartitionKey", "RowKey", *select] if select else None


def _can_be_key(*texts: str) -> bool:
    """Whether a row may have these keys: callers may ask for any, and Azure refuses some."""
    return not any(
        _IN_NO_KEY.search(text) or wire.utf16_bytes(text) > _KEY_BYTES_MAX for text in texts
    )


def _entity(partition: str, row: str, values: Json) -> Json:
    entity: Json = {"PartitionKey": partition, "RowKey": row, "Schema": SCHEMA}
    for name, value in values.items():
        entity |= _json_columns(name, value) if isinstance(value, dict | list) else {name: value}
    texts = (value for value in entity.values() if isinstance(value, str))
    size = _COLUMN_BYTES * len(entity) + sum(map(wire.utf16_bytes, texts))
    if size > _ROW_BYTES_MAX:
        raise TooLong(f"{', '.join(values)}: {size} bytes, and a row has {_ROW_BYTES_MAX}")
    return entity


def _json_columns(name: str, value: Json | list[Any]) -> Json:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    step = _COLUMN_UNITS_MAX if max(text) <= "\uffff" else _COLUMN_UNITS_MAX // 2
    parts = [text[i : i + step] for i in range(0, len(text), step)]
    columns: Json = {f"{name}_{i}" if i else name: part for i, part in enumerate(parts)}
    return {**columns, f"{name}_Parts": len(parts)}


def _row(entity: Any) -> Row:
    row = Row(entity)
    row.etag = entity.metadata["etag"]
    for marker in [name for name in entity if name.endswith("_Parts")]:
        name = marker.removesuffix("_Parts")
        parts = [entity[f"{name}_{i}" if i else name] for i in range(int(entity[marker]))]
        row[name] = json.loads("".join(parts))
    return row
