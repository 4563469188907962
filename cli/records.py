"""`records backup | restore`: the app's tables as a file, one row in each line.

This works on the storage account itself, not on the service: a restore is for an app that is gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from cli import errors
from cli.commands import surroundings_of
from cli.surroundings import Surroundings

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient

app = typer.Typer(
    help="Records: back the app's tables up, and restore them.",
    rich_markup_mode="rich",
    no_args_is_help=True,
)
Json = dict[str, Any]
_PREFIX = "batchprep"  # every table of the app begins so; Durable's do not
_FIRST = {"batchPrepRecords": 1}  # the form of the file
_PLAIN = (str, bool, int, float)
# https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
_BATCH_ROWS_MAX, _BATCH_BYTES_MAX = 100, 3_000_000

Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="https://NAME.table.core.windows.net; or a connection string in BATCH_PREP_STORAGE.",
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False)]


@app.command()
def backup(context: typer.Context, file: File, storage: Storage = None) -> None:
    """Write every row of the app's tables into FILE.

    Rows that change meanwhile are there as they were or as they are; the sweep after a restore
    brings them into agreement. Durable's histories are not part of it.
    """
    around = surroundings_of(context)
    part = file.with_name(f"{file.name}.part")
    try:
        with _service(around, storage) as service, part.open("w", encoding="utf-8") as lines:
            count = _write(service, lines)
        part.replace(file)  # a file that is there is whole
    except OSError as error:
        raise errors.unwritable(file, error) from error
    finally:
        part.unlink(missing_ok=True)
    around.out.print(f"{count} rows are in {file}.", markup=False)


@app.command()
def restore(context: typer.Context, file: File, storage: Storage = None) -> None:
    """Write the rows of FILE into tables that hold no others. It can be repeated."""
    around = surroundings_of(context)
    tables = _read(file)
    with _service(around, storage) as service:
        _refuse_others(service, tables)
        for name, rows in tables.items():
            client = service.create_table_if_not_exists(name)
            for batch in _batches(rows):
                client.submit_transaction([("upsert", row, {"mode": "replace"}) for row in batch])
    count = sum(map(len, tables.values()))
    around.out.print(f"{count} rows of {file} are restored.", markup=False)
    around.say("The next sweep closes builds whose orchestration is gone: leftovers sweep")


def _write(service: TableServiceClient, lines: TextIO) -> int:
    """Write every row; returns how many there are."""
    count = 0
    lines.write(json.dumps(_FIRST) + "\n")
    for name in _tables(service):
        for row in service.get_table_client(name).list_entities():
            lines.write(json.dumps({"table": name, "row": _checked(name, dict(row))}) + "\n")
            count += 1
    lines.flush()
    os.fsync(lines.fileno())
    return count


@contextmanager
def _service(around: Surroundings, storage: str | None) -> Iterator[TableServiceClient]:
    """The tables. Raises Refused without an account, and Unreachable for what it answers inside."""
    from azure.core.exceptions import AzureError
    from azure.data.tables import TableServiceClient
    from azure.identity import DefaultAzureCredential

    connection = around.environment.get("BATCH_PREP_STORAGE")
    if not storage and not connection:
        raise errors.Refused(
            "Give --storage https://NAME.table.core.windows.net, or BATCH_PREP_STORAGE"
        )
    try:
        service = (
            TableServiceClient(storage, credential=DefaultAzureCredential())
            if storage
            else TableServiceClient.from_connection_string(str(connection))
        )
    except ValueError as error:  # it does not repeat them: one holds a key
        message = "--storage is no address such as https://NAME.table.core.windows.net"
        raise errors.Refused(
            message if storage else "BATCH_PREP_STORAGE is no connection string"
        ) from error
    try:
        with service:
            yield service
    except AzureError as error:
        first = str(error.message).strip().partition("\n")[0]
        raise errors.Unreachable(
            f"The storage account cannot be used: {first}\nCheck its address, its firewall, and "
            "your role: Storage Table Data Reader to back up, Contributor to restore."
        ) from error


def _tables(service: TableServiceClient) -> list[str]:
    return sorted(t.name for t in service.list_tables() if t.name.startswith(_PREFIX))


def _checked(table: str, row: Json) -> Json:
    """A row without what the table service adds. The app writes no other types."""
    for name, value in row.items():
        if not isinstance(value, _PLAIN):
            place = f"{table} {row['PartitionKey']} {row['RowKey']}"
            raise errors.Refused(f"{place}: {name} is of a type that batch-prep does not write")
    return row


def _read(file: Path) -> dict[str, list[Json]]:
    """The rows by table, sorted by key. Raises Refused for what `backup` has not written."""
    found: dict[str, list[Json]] = {}
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.unreadable(file, error) from error
    try:
        first, *lines = text.splitlines()
        if json.loads(first) != _FIRST:
            raise ValueError("its first line is another")
        for line in lines:
            entry = json.loads(line)
            if not entry["table"].startswith(_PREFIX):
                raise ValueError(f"{entry['table']} is no table of the app")
            found.setdefault(entry["table"], []).append(entry["row"])
        for rows in found.values():
            rows.sort(key=_key)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise errors.Refused(f"{file} is no backup of batch-prep's records: {error}") from error
    return found


def _key(row: Json) -> tuple[str, str]:
    return row["PartitionKey"], row["RowKey"]


def _refuse_others(service: TableServiceClient, tables: dict[str, list[Json]]) -> None:
    """Raises Refused where a row is there that the file lacks: an app has already written it."""
    for name in _tables(service):
        known = {_key(row) for row in tables.get(name, [])}
        rows = service.get_table_client(name).list_entities(select=["PartitionKey", "RowKey"])
        other = next((_key(row) for row in rows if _key(row) not in known), None)
        if other:
            raise errors.Refused(
                f"Nothing was restored: table {name} holds {' '.join(other)}, which is not in the "
                "file. Restore into an empty storage account, before the app has run on it"
            )


def _batches(rows: Iterable[Json]) -> Iterator[list[Json]]:
    """Rows of one partition, as many as one request may have."""
    for _, group in groupby(rows, key=lambda row: row["PartitionKey"]):
        batch: list[Json] = []
        size = 0
        for row in group:
            length = len(json.dumps(row).encode())
            if batch and (len(batch) == _BATCH_ROWS_MAX or size + length > _BATCH_BYTES_MAX):
                yield batch
                batch, size = [], 0
            batch.append(row)
            size += length
        if batch:
            yield batch
