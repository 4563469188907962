"""A table service in memory, with the part of azure-data-tables' interface that the app uses.

For tests and simulation in one process; `tests/contract/test_tables.py` holds it and Azurite to the
same stories.
"""

from __future__ import annotations

import copy
import itertools
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

Json = dict[str, Any]
Key = tuple[str, str]
_Test = Callable[[Mapping[str, Any]], bool]
_Any = list[list[_Test]]  # one of the lists holds as a whole
Rows = dict[str, dict[str, "MemoryEntity"]]  # by partition and row, as the service keeps them

# Limits of the service:
# https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_STRING_MAX = 64 * 1024  # bytes of UTF-16
_ENTITY_MAX = 1024 * 1024  # bytes
_PROPERTIES_MAX = 255
_PAGE_MAX = 1000  # rows of one answer
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_KEY_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


class MemoryEntity(dict[str, Any]):
    """A row as it is read: columns, and the etag in `metadata`."""

    def __init__(self, columns: Json, etag: str) -> None:
        super().__init__(columns)
        self.metadata = {"etag": etag}


class MemoryTableService:
    """Tables by name. Like the real service, a table must be made before it is written."""

    def __init__(self) -> None:
        self._tables: dict[str, Rows] = {}
        self._etags = itertools.count(1)

    def copy_from(self, other: MemoryTableService) -> None:
        """Hold what `other` holds; the etags of both stay unlike any that was given before."""
        self._tables.update(copy.deepcopy(other._tables))
        self._etags = itertools.count(next(other._etags))

    def get_table_client(self, table_name: str) -> MemoryTable:
        """A client, whether or not the table exists."""
        return MemoryTable(self._tables, table_name, self._etags)

    def create_table_if_not_exists(self, table_name: str) -> MemoryTable:
        """Make a table; its name follows the service's rule."""
        if not _TABLE_NAME.fullmatch(table_name):
            raise _error(HttpResponseError, "InvalidResourceName", table_name)
        self._tables.setdefault(table_name, {})
        return self.get_table_client(table_name)

    def dump(self) -> Json:
        """Every row with its etag, as JSON values, for `load`."""
        tables = {
            name: [
                [dict(row), row.metadata["etag"]] for part in rows.values() for row in part.values()
            ]
            for name, rows in self._tables.items()
        }
        return {"tables": tables, "etags": next(self._etags)}

    def load(self, dumped: Json) -> None:
        """Hold what another service has dumped, and nothing else; make clients only afterwards."""
        self._etags = itertools.count(dumped["etags"])
        self._tables = {name: _by_key(rows) for name, rows in dumped["tables"].items()}


class MemoryTable:
    """One table."""

    def __init__(self, tables: dict[str, Rows], name: str, etags: Iterator[int]) -> None:
        self._tables, self._name, self._etags = tables, name, etags

    def get_entity(
        self, partition_key: str, row_key: str, *, select: Sequence[str] | None = None
    ) -> MemoryEntity:
        """One row; ResourceNotFoundError where there is none."""
        found = self._partition(partition_key).get(row_key)
        if found is None:
            raise _error(ResourceNotFoundError, "ResourceNotFound", row_key)
        return _copy(found, select)

    def create_entity(self, entity: Mapping[str, Any]) -> Json:
        """Insert; ResourceExistsError where the key is taken."""
        key = _checked_key(entity)
        if key[1] in self._partition(key[0]):
            raise _error(ResourceExistsError, "EntityAlreadyExists", key[1])
        return self._store(key, dict(entity))

    def upsert_entity(self, entity: Mapping[str, Any]) -> Json:
        """Insert or merge: columns that are not named stay."""
        key = _checked_key(entity)
        return self._store(key, {**self._partition(key[0]).get(key[1], {}), **entity})

    def update_entity(
        self,
        entity: Mapping[str, Any],
        *,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> Json:
        """Merge into an existing row; with IfNotModified only the row that was read."""
        key = _checked_key(entity)
        old = self._partition(key[0]).get(key[1])
        if old is None:
            raise _error(ResourceNotFoundError, "ResourceNotFound", key[1])
        if match_condition is MatchConditions.IfNotModified and old.metadata["etag"] != etag:
            raise _error(ResourceModifiedError, "UpdateConditionNotSatisfied", key[1])
        return self._store(key, {**old, **entity})

    def delete_entity(
        self,
        partition_key: str,
        row_key: str,
        *,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> None:
        """Remove; a row that is not there is no error, as in the SDK."""
        old = self._partition(partition_key).get(row_key)
        is_other = old is not None and old.metadata["etag"] != etag
        if match_condition is MatchConditions.IfNotModified and is_other:
            raise _error(ResourceModifiedError, "UpdateConditionNotSatisfied", row_key)
        self._partition(partition_key).pop(row_key, None)

    def query_entities(
        self,
        query_filter: str,
        *,
        parameters: Mapping[str, Any],
        select: Sequence[str] | None = None,
        results_per_page: int | None = None,
    ) -> Iterator[MemoryEntity]:
        """The rows that a filter picks, in order of their keys. How many come in one answer cannot
        be seen: the SDK asks for the next ones by itself.
        """
        if results_per_page is not None and not 1 <= results_per_page <= _PAGE_MAX:
            raise _error(HttpResponseError, "InvalidInput", f"$top={results_per_page}")
        picked = _Filter(query_filter, parameters)
        rows = self._rows()
        for partition in sorted(rows) if picked.partition is None else [picked.partition]:
            found = rows.get(partition, {})
            yield from [_copy(found[k], select) for k in sorted(found) if picked.holds(found[k])]

    def list_entities(self) -> Iterator[MemoryEntity]:
        """Every row, in order of the keys."""
        rows = self._rows()
        keys = sorted((partition, key) for partition, found in rows.items() for key in found)
        return (_copy(rows[partition][key]) for partition, key in keys)

    def _partition(self, partition_key: str) -> dict[str, MemoryEntity]:
        return self._rows().get(partition_key, {})

    def _rows(self) -> Rows:
        if self._name not in self._tables:
            raise _error(ResourceNotFoundError, "TableNotFound", self._name)
        return self._tables[self._name]

    def _store(self, key: Key, columns: Json) -> Json:
        kept = {name: value for name, value in columns.items() if value is not None}
        _check_limits(kept)
        etag = f'W/"{next(self._etags)}"'
        self._rows().setdefault(key[0], {})[key[1]] = MemoryEntity(kept, etag)
        return {"etag": etag}


def _by_key(dumped: list[tuple[Json, str]]) -> Rows:
    rows: Rows = {}
    for columns, etag in dumped:
        partition = rows.setdefault(columns["PartitionKey"], {})
        partition[columns["RowKey"]] = MemoryEntity(columns, etag)
    return rows


def _copy(entity: MemoryEntity, select: Sequence[str] | None = None) -> MemoryEntity:
    columns = entity if select is None else {n: entity[n] for n in select if n in entity}
    return MemoryEntity(dict(columns), entity.metadata["etag"])


class _Filter:
    """A filter in OData's words: `Column eq @name`, `gt`, `and`, `or` and brackets, a space between
    any two of them, as the SDK needs it to find the parameters. `and` binds closer than `or`.
    """

    def __init__(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._words = words = text.split(" ") if text else []
        is_of_one = words[:2] == ["PartitionKey", "eq"]
        first = str(parameters[words[2].removeprefix("@")]) if is_of_one else None
        self._any = self._read_any() if words else [[]]
        self.partition = first if len(self._any) == 1 else None  # in which all these rows are
        if words:
            raise NotImplementedError(text)

    def holds(self, row: Mapping[str, Any]) -> bool:
        return any(all(each(row) for each in every) for every in self._any)

    def _read_any(self) -> _Any:
        found = [self._read_every()]
        while self._words[:1] == ["or"]:
            del self._words[0]
            found.append(self._read_every())
        return found

    def _read_every(self) -> list[_Test]:
        found = [self._read_test()]
        while self._words[:1] == ["and"]:
            del self._words[0]
            found.append(self._read_test())
        return found

    def _read_test(self) -> _Test:
        if self._words[0] == "(":
            del self._words[0]
            inside = self._read_any()
            assert self._words.pop(0) == ")"
            return lambda row: any(all(each(row) for each in every) for every in inside)
        column, comparison, name = self._words[:3]
        del self._words[:3]
        value, compare = self._parameters[name.removeprefix("@")], _COMPARISONS[comparison]
        return lambda row: column in row and compare(row[column], value)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"eq": operator.eq, "gt": operator.gt}


def _checked_key(entity: Mapping[str, Any]) -> Key:
    key = (str(entity["PartitionKey"]), str(entity["RowKey"]))
    for part in key:
        if _KEY_FORBIDDEN.search(part) or len(part.encode("utf-16-le")) > 1024:
            raise _error(HttpResponseError, "OutOfRangeInput", part)
    return key


def _check_limits(columns: Json) -> None:
    if len(columns) > _PROPERTIES_MAX:
        raise _error(HttpResponseError, "TooManyProperties", str(len(columns)))
    sizes = [_size(value) for value in columns.values() if isinstance(value, str)]
    if max(sizes) > _STRING_MAX:
        raise _error(HttpResponseError, "PropertyValueTooLarge", str(max(sizes)))
    # The service counts 8 bytes besides the name for each property, and 4 for the row.
    whole = 4 + sum(8 + _size(name) for name in columns) + sum(sizes)
    if whole > _ENTITY_MAX:
        raise _error(HttpResponseError, "EntityTooLarge", str(whole))


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass"))


def _error(kind: type[HttpResponseError], code: str, what: str) -> HttpResponseError:
    error = kind(message=f"{code}: {what}")
    error.error_code = code  # type: ignore[attr-defined]  # as azure-data-tables sets it
    return error
