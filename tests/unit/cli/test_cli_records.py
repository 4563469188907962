"""`records` says in one line what is wrong with a file or an account."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.surroundings import Surroundings

_CLOSED = (
    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=bm90IGE=;"
    "TableEndpoint=http://127.0.0.1:9/a;"
)
_FIRST = '{"batchPrepRecords": 1}\n'
_ROW = '{"table": "batchprepx", "row": {"PartitionKey": "a", "RowKey": "b"}}\n'


def records(connection: str, *line: str) -> Result:
    """The command on a storage account."""
    around = Surroundings(environment={"BATCH_PREP_STORAGE": connection})
    return CliRunner().invoke(app, ["records", *line], obj=around)


@pytest.mark.parametrize(
    "row",
    [
        '{"table": 5, "row": {}}',
        '{"table": "batchprepx", "row": [1]}',
        '{"table": "batchprepx"}',
        "[" * 100_000,
        "7",
    ],
    ids=["table", "row", "no row", "deep", "number"],
)
def test_a_file_that_is_no_backup_is_refused(row: str, tmp_path: Path) -> None:
    """Before the account is asked anything."""
    (tmp_path / "file").write_text(_FIRST + row)
    ended = records(_CLOSED, "restore", str(tmp_path / "file"))
    assert ended.exit_code == 2, ended.output
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(("connection", "code"), [("AccountKey=hunter2", 2), (_CLOSED, 3)])
def test_an_account_that_cannot_be_opened_is_named(
    connection: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its key is not."""
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the SDK's own attempts
    (tmp_path / "file").write_text(_FIRST + _ROW)
    ended = records(connection, "restore", str(tmp_path / "file"))
    assert ended.exit_code == code, ended.output
    assert isinstance(ended.exception, SystemExit)
    assert "hunter2" not in ended.output


def test_a_backup_needs_a_folder(tmp_path: Path) -> None:
    """It is written beside its place first, which nobody needs to know."""
    file = tmp_path / "none" / "file"
    ended = records(_CLOSED, "backup", str(file))
    assert ended.exit_code == 2
    assert ended.output.strip() == f"{file} cannot be written: No such file or directory"


def test_a_backup_that_is_not_there_is_no_wrong_one(tmp_path: Path) -> None:
    """Its name is misspelt, or it is another file, which may be none of text."""
    (tmp_path / "zip").write_bytes(b"PK\xff")
    assert "zip cannot be read" in records(_CLOSED, "restore", str(tmp_path / "zip")).output
    ended = records(_CLOSED, "restore", str(tmp_path / "none"))
    assert ended.exit_code == 2
    assert "none cannot be read: No such file or directory" in ended.output


@pytest.mark.parametrize(
    ("connection", "line", "told"),
    [
        ("", ("--storage", "http://127.0.0.1:1/a"), "--storage is no address such as https://"),
        ("junk", (), "BATCH_PREP_STORAGE is no connection string"),
    ],
)
def test_the_address_that_is_wrong_is_named(
    connection: str, line: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """There are two, and one was given."""
    ended = records(connection, "backup", str(tmp_path / "file"), *line)
    assert ended.exit_code == 2
    assert told in ended.output
    assert ("BATCH_PREP_STORAGE" in ended.output) == (not line)
