"""The app's tables in a file, and back in another storage account, on a real emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableServiceClient
from typer.testing import CliRunner, Result

from cli.app import app
from cli.surroundings import Surroundings
from local.stack import layout
from shared.store.records import Records
from shared.store.tables import Tables
from tests import azurite
from tests.world import World, a_pool, a_request, image_only

pytestmark = pytest.mark.stack
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def accounts() -> Iterator[azurite.Azurite]:
    """Storage accounts that are empty."""
    with azurite.running() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def written() -> World:
    """The records of a build that has ended and of one that runs."""
    world = World()
    world.build(a_request(pools=[a_pool("dev", verify=True)]))
    world.start(image_only("running", name="other"))
    world.engine.advance(300)
    return world


def rows_of(service: Any) -> Rows:
    """Every row of the app's tables."""
    found = {}
    for name in layout.TABLES:
        client = service.get_table_client(name)
        try:
            rows = [dict(row) for row in client.list_entities()]
        except ResourceNotFoundError:  # a table that nothing was written into
            continue
        if rows:
            found[name] = sorted(rows, key=lambda row: (row["PartitionKey"], row["RowKey"]))
    return found


def account_with(accounts: azurite.Azurite, rows: Rows) -> azurite.Account:
    """A storage account that holds these rows, and one table of Durable's."""
    account = accounts.account()
    with TableServiceClient.from_connection_string(account.connection) as service:
        for name, entities in {
            **rows,
            "TaskHubHistory": [{"PartitionKey": "x", "RowKey": "y"}],
        }.items():
            client = service.create_table_if_not_exists(name)
            for entity in entities:
                client.upsert_entity(entity)
    return account


def command(account: azurite.Account, *line: str) -> Result:
    """The command on a storage account."""
    around = Surroundings(environment={"BATCH_PREP_STORAGE": account.connection})
    return CliRunner().invoke(app, ["records", *line], obj=around)


def stored(account: azurite.Account) -> Rows:
    with TableServiceClient.from_connection_string(account.connection) as service:
        return rows_of(service)


def test_what_was_backed_up_is_restored(
    accounts: azurite.Azurite, written: World, tmp_path: Path
) -> None:
    """The same rows in another account; a second time does no harm."""
    rows, file = rows_of(written.table_service), tmp_path / "records.jsonl"
    old, new = account_with(accounts, rows), accounts.account()

    saved = command(old, "backup", str(file))
    restored = [command(new, "restore", str(file)) for _ in range(2)]

    assert saved.exit_code == 0, saved.output
    assert [each.exit_code for each in restored] == [0, 0], restored[0].output
    assert stored(new) == stored(old) == rows
    assert not list(tmp_path.glob("*.part"))
    with TableServiceClient.from_connection_string(new.connection) as service:
        assert "TaskHubHistory" not in {table.name for table in service.list_tables()}
        states = {row["State"] for row in Records(Tables(service)).builds()}
    assert states == {"succeeded", "running"}


def test_a_restore_touches_nothing_that_an_app_has_written(
    accounts: azurite.Azurite, written: World, tmp_path: Path
) -> None:
    """It would mix two histories of one deployment."""
    file = tmp_path / "records.jsonl"
    assert command(account_with(accounts, rows_of(written.table_service)), "backup", str(file))
    strange = {"batchprepRecipes": [{"PartitionKey": "recipe", "RowKey": "theirs"}]}
    other = account_with(accounts, strange)

    refused = command(other, "restore", str(file))

    assert refused.exit_code == 2
    assert "batchprepRecipes holds recipe theirs" in refused.stderr
    assert stored(other) == strange


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"batchPrepRecords": 1}\nnot JSON',
        '{"batchPrepRecords": 1}\n{"table": "TaskHubHistory", "row": {}}',
        '{"batchPrepRecords": 1}\n{"table": "batchprepBuilds", "row": {"RowKey": "r"}}',
    ],
    ids=["empty", "another file", "cut off", "a table of Durable", "a row without keys"],
)
def test_another_file_is_refused(accounts: azurite.Azurite, tmp_path: Path, text: str) -> None:
    """Before anything is written."""
    file = tmp_path / "records.jsonl"
    file.write_text(text)
    account = accounts.account()

    refused = command(account, "restore", str(file))

    assert refused.exit_code == 2
    assert "is no backup of batch-prep's records" in refused.stderr
    assert stored(account) == {}


def test_large_rows_and_many_fit_the_requests(accounts: azurite.Azurite, tmp_path: Path) -> None:
    """Azure takes 100 rows and 4 MiB at once."""
    long = {f"Text_{n}": "x" * 30_000 for n in range(20)}
    rows = [{"PartitionKey": "p", "RowKey": f"{n:03}", **long} for n in range(12)]
    rows += [{"PartitionKey": "q", "RowKey": f"{n:03}"} for n in range(230)]
    file = tmp_path / "records.jsonl"
    lines = [{"batchPrepRecords": 1}, *({"table": "batchprepSteps", "row": row} for row in rows)]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    account = accounts.account()

    assert command(account, "restore", str(file)).exit_code == 0

    assert stored(account) == {"batchprepSteps": rows}


def test_without_a_storage_account_nothing_is_asked(tmp_path: Path) -> None:
    """The service's endpoint is not enough: it may be gone."""
    around = Surroundings(environment={"BATCH_PREP_ENDPOINT": "https://example.org"})
    line = ["records", "backup", str(tmp_path / "file")]
    refused = CliRunner().invoke(app, line, obj=around)
    assert (refused.exit_code, "BATCH_PREP_STORAGE" in refused.stderr) == (2, True)
