"""What a list of 5,000 builds costs on the local stack: Azurite, the host and the app, by HTTP."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from azure.core.exceptions import ServiceResponseError
from azure.data.tables import TableServiceClient

from bench import scenarios
from local import stack
from local.stack import layout
from shared.base import names
from shared.store import build_rows
from shared.store.build_list import BuildList
from shared.store.records import Records
from shared.store.row_checks import BUILDS
from shared.store.tables import Row, Tables
from tests.world import Json, World

NAME = "lists_5000_builds"
_BUILDS = 5_000
_CLIENTS = 50
_ROUNDS = 5
_WRITERS = 8
_MINUTES_BETWEEN = 20  # so all of them are younger than the retention
_COLUMNS = ("Request", "Outcome", *build_rows.COLUMNS)
_WRITE_TRIES = 3


def measure() -> Json:
    """The figures; nothing else should run beside."""
    with tempfile.TemporaryDirectory(prefix="batch-prep-bench-") as folder:
        options = stack.Options(state=Path(folder), port=None, time_scale=1.0)
        with stack.running(options, lambda _: None, threading.Event(), _services) as local:
            _fill(local.running.storage_connection_string)
            return {"figures": _asked(local.running)}


def _services(*given: Any, **named: Any) -> tuple[layout.Service, ...]:
    """Azurite keeps everything in memory: it would write all builds to disk every few seconds."""
    storage, *others = layout.services(*given, **named)
    where = storage.command.index("--location")
    command = storage.command[:where] + storage.command[where + 2 :]
    in_memory = (*command, "--inMemoryPersistence")
    return (dataclasses.replace(storage, command=in_memory), *others)


def _fill(connection: str) -> None:
    """Builds as a full build with three verified pools leaves them, and the list of them."""
    world = World()
    build = world.build(scenarios.full_request(3))
    row = world.records.build(build["buildId"])
    assert row is not None
    values = {name: row[name] for name in _COLUMNS}
    now = datetime.now(UTC)
    with TableServiceClient.from_connection_string(connection) as service:
        tables = Tables(service)
        listed = BuildList(tables)

        def write(number: int) -> None:
            key = names.build_id(f"b{number}")
            at = (now - timedelta(minutes=_MINUTES_BETWEEN * number)).isoformat()
            own = values | {"RowKey": key, "AcceptedAt": at, "CreatedAt": at, "EndedAt": at}
            for _ in range(_WRITE_TRIES):
                with contextlib.suppress(ServiceResponseError):  # of a busy Azurite
                    tables.put(BUILDS, "build", key, own)
                    listed.put(Row(own))
                    return

        with ThreadPoolExecutor(_WRITERS) as writers:
            list(writers.map(write, range(_BUILDS)))
        assert Records(tables).repair_list() == 0


def _asked(running: stack.Running) -> Json:
    """One client; then fifty at the same moment; then the sweep's own reading of all builds."""
    with contextlib.ExitStack() as ending:
        clients = [ending.enter_context(_client(running)) for _ in range(_CLIENTS)]
        pages = [_page(client) for client in clients]  # also connects, and imports the handlers
        alone = [_page(clients[0]) for _ in clients]
        at_once: list[float] = []
        for _ in range(_ROUNDS):
            at_once += _together(clients)
        assert len(pages) == _CLIENTS
        clients[0].get("leftovers").raise_for_status()
    return {
        "page_seconds": round(statistics.median(alone), 3),
        "clients_seconds": round(statistics.median(at_once), 3),
        "clients_slowest_seconds": round(max(at_once), 3),
        "host_mib": round(_peak_mib(running.pids["host"])),
    }


def _client(running: stack.Running) -> httpx.Client:
    headers = {"x-functions-key": running.function_key}
    return httpx.Client(
        base_url=f"{running.app_url}/api/", headers=headers, timeout=120, trust_env=False
    )


def _page(client: httpx.Client, start: threading.Barrier | None = None) -> float:
    if start is not None:
        start.wait()
    began = time.perf_counter()
    answer = client.get("builds")
    seconds = time.perf_counter() - began
    assert len(answer.raise_for_status().json()["builds"]) == 100
    return seconds


def _together(clients: list[httpx.Client]) -> Iterator[float]:
    start = threading.Barrier(len(clients))
    with ThreadPoolExecutor(len(clients)) as threads:
        yield from threads.map(lambda client: _page(client, start), clients)


def _peak_mib(process: int) -> float:
    """The most memory that a process has had so far, as Linux counts it."""
    status = Path(f"/proc/{process}/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    return int(found["VmHWM"].split()[0]) / 1024
