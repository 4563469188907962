"""The few ways in which rows are read and written, whatever they hold.

A value that is an object or a list is kept as JSON; where it is longer than one column may be, it
goes on in further columns (`Outcome`, `Outcome_1` ...; `Outcome_Parts` is their number).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from shared.base import wire

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

Json = dict[str, Any]
SCHEMA = 1
# Azure's limits are 32 Ki UTF-16 units for a string column and 1 MiB for a row, names included:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_COLUMN_UNITS_MAX = 30_000
_ROW_BYTES_MAX = 1024 * 1024
_COLUMN_BYTES = 100  # more than a column's name and Azure's 8 bytes for it take


class TooLong(Exception):  # noqa: N818
    """A value does not fit a row."""


class Row(dict[str, Any]):
    """A row as it was read; `etag` names this very state of it."""

    etag: str = ""

    @property
    def key(self) -> str:
        """The row key."""
        return str(self["RowKey"])


_IN_NO_KEY = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


class Tables:
    """Rows by table, partition and row key. A table is made by the first write that misses it."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service

    def get(self, table: str, partition: str, row: str) -> Row | None:
        """One row, or None."""
        if _IN_NO_KEY.search(partition + row):  # asked for by somebody outside; Azure refuses it
            return None
        try:
            return _row(self._service.get_table_client(table).get_entity(partition, row))
        except ResourceNotFoundError:
            return None

    def query(self, table: str, partition: str) -> list[Row]:
        """The rows of one partition, in the order of their keys."""
        client = self._service.get_table_client(table)
        try:
            found = client.query_entities("PartitionKey eq @p", parameters={"p": partition})
            return [_row(e) for e in found]
        except ResourceNotFoundError:
            return []

    def scan(self, table: str) -> list[Row]:
        """Every row."""
        try:
            return [_row(e) for e in self._service.get_table_client(table).list_entities()]
        except ResourceNotFoundError:
            return []

    def put(self, table: str, partition: str, row: str, values: Json) -> None:
        """Write some columns, keep the others. Raises TooLong."""
        self._write(table, "upsert_entity", _entity(partition, row, values))

    def insert(self, table: str, partition: str, row: str, values: Json) -> bool:
        """Make a row; False if it exists. Raises TooLong."""
        try:
            self._write(table, "create_entity", _entity(partition, row, values))
        except ResourceExistsError:
            return False
        return True

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

    def remove(self, table: str, partition: str, row: str) -> None:
        """Remove a row; one that is not there is fine."""
        try:
            self._service.get_table_client(table).delete_entity(partition, row)
        except ResourceNotFoundError:
            return

    def _write(self, table: str, method: str, entity: Json) -> None:
        client = self._service.get_table_client(table)
        try:
            getattr(client, method)(entity)
        except ResourceNotFoundError:  # the only thing that can be missing is the table itself
            self._service.create_table_if_not_exists(table)
            getattr(client, method)(entity)


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
