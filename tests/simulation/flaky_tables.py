"""The app's tables, which may fail, and writes at which the process may die."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from local.functions_host import inline
from local.memory_tables import MemoryTable, MemoryTableService

Json = dict[str, Any]
_WRITES = {"create_entity", "upsert_entity", "update_entity", "delete_entity"}
_CALLS = {*_WRITES, "get_entity", "query_entities", "list_entities"}


class FlakyTables:
    """The memory's table service with a chance of errors, before the effect or after it."""

    def __init__(self, seed: int) -> None:
        self.inner = MemoryTableService()
        self._dice = random.Random(f"tables {seed}")
        self._chance, self._left = 0.0, 0
        self._names: dict[str, None] = {}
        self._dies_in: int | None = None
        self.errors = 0

    def get_table_client(self, table_name: str) -> _FlakyTable:
        self._names[table_name] = None
        return _FlakyTable(self.inner.get_table_client(table_name), self._around)

    def create_table_if_not_exists(self, table_name: str) -> MemoryTable:
        return self.inner.create_table_if_not_exists(table_name)

    def die_after(self, writes: int | None) -> None:
        """Let the process die after so many more effects; None: let it live."""
        self._dies_in = writes

    def misbehave(self, chance: float, errors_max: int) -> None:
        """Errors from now on."""
        self._chance, self._left = chance, errors_max

    def calm(self) -> None:
        """No errors any more: the run is over, and somebody looks."""
        self._left = 0

    def rows(self) -> Iterator[tuple[str, Json]]:
        """Everything that is recorded, by table."""
        for name in sorted(self._names):
            try:
                found = list(self.inner.get_table_client(name).list_entities())
            except Exception:  # noqa: BLE001  the table was never made
                continue
            yield from ((name, dict(row)) for row in found)

    def _around(self, method: str, call: Callable[[], Any]) -> Any:
        if self._left and self._chance and self._dice.random() < self._chance:
            self._left -= 1
            self.errors += 1
            if self._dice.random() < 0.5:
                raise ServiceRequestError("injected: the storage cannot be reached")
            call()
            raise ServiceResponseError("injected: the storage's answer was lost")
        if method in _WRITES:
            self.perhaps_die()
        return call()

    def perhaps_die(self) -> None:
        """One more effect: the process dies before it, if it was to."""
        if self._dies_in is not None:
            if self._dies_in == 0:
                raise inline.Crash
            self._dies_in -= 1


class _FlakyTable:
    def __init__(self, table: MemoryTable, around: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._table, self._around = table, around

    def __getattr__(self, method: str) -> Any:
        """The table's methods, each with what may happen around it."""
        call = getattr(self._table, method)
        if method not in _CALLS:
            return call
        return lambda *args, **options: self._around(method, lambda: call(*args, **options))


ERRORS = (ServiceRequestError, ServiceResponseError)
