"""Azure's storage as its emulator Azurite plays it: one for all tests of a process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

_COMMAND = Path(__file__).parents[1] / "node_modules" / ".bin" / "azurite"
# The key that every Azurite knows (https://learn.microsoft.com/azure/storage/common/storage-use-azurite).
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_ACCOUNTS_MAX = 100
_LISTENS = re.compile(
    r"Azurite (\w+) service is successfully listening at (https?://127\.0\.0\.1:\d+)"
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A storage account that is empty when a test gets it."""

    name: str
    blobs: str
    queues: str
    tables: str

    @property
    def connection(self) -> str:
        """The connection string."""
        endpoints = {"Blob": self.blobs, "Queue": self.queues, "Table": self.tables}
        parts = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": self.name,
            "AccountKey": KEY,
            **{f"{service}Endpoint": url for service, url in endpoints.items()},
        }
        return ";".join(f"{name}={value}" for name, value in parts.items())


class Azurite:
    """The running emulator. It keeps everything in memory and forgets it at its end."""

    def __init__(self, urls: dict[str, str], names: Iterator[str]) -> None:
        self._urls, self._names = urls, names

    def account(self) -> Account:
        """An account that no other test uses."""
        name = next(self._names)
        urls = {service: f"{url}/{name}" for service, url in self._urls.items()}
        return Account(name=name, blobs=urls["Blob"], queues=urls["Queue"], tables=urls["Table"])


@contextlib.contextmanager
def running(*options: str) -> Iterator[Azurite]:
    """Start it, on free ports and with further options; stop it at the end."""
    names = [f"testaccount{number}" for number in range(_ACCOUNTS_MAX)]
    accounts = ";".join(f"{name}:{KEY}" for name in names)
    ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
    quiet = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    process = subprocess.Popen(
        [str(_COMMAND), *ports, *quiet, *options],
        env={**os.environ, "AZURITE_ACCOUNTS": accounts},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    urls: dict[str, str] = {}
    while len(urls) < 3:
        line = process.stdout.readline()
        assert line, "Azurite ended; see the output above"
        if found := _LISTENS.search(line):
            urls[found[1]] = found[2]
    try:
        yield Azurite(urls, iter(names))
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
