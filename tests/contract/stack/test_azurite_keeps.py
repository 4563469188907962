"""What Azurite holds survives a stop of the stack."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest
from azure.data.tables import TableClient

from local import stack
from local.stack import layout, supervisor

pytestmark = pytest.mark.stack


@contextlib.contextmanager
def azurite(state: Path):  # type: ignore[no-untyped-def]  # yields the connection string
    """Azurite alone, started and stopped as the stack does it."""
    ports = supervisor.any_free_ports()
    options = stack.Options(state=state)
    services = layout.services(
        options, ports, function_key="k", identity_secret="s", surrounding=os.environ
    )
    with contextlib.ExitStack() as undo:
        [child] = supervisor.start_all(services[:1], undo, lambda _: None, threading.Event())
        child.wait_ready(lambda: False)
        yield layout.storage_connection_string(ports)


def test_records_survive_a_stop_right_after_they_were_written(tmp_path: Path) -> None:
    """Azurite saves every few seconds; only an orderly end saves the last ones."""
    row = {"PartitionKey": "builds", "RowKey": "b1", "state": "running"}
    with (
        azurite(tmp_path) as storage,
        TableClient.from_connection_string(storage, "builds") as table,
    ):
        table.create_table()
        table.create_entity(row)
    with (
        azurite(tmp_path) as storage,
        TableClient.from_connection_string(storage, "builds") as table,
    ):
        assert dict(table.get_entity("builds", "b1")) == row
