"""The app's queue and blobs in memory, with the interface of `shared.store.outbox`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from local.clock import VirtualClock

Json = dict[str, Any]


class MemoryOutbox:
    """The app's queue and blobs, in memory."""

    __slots__ = ("__dict__", "_clock")  # what copies share is no part of `vars`

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.uploaded_at: dict[str, float] = {}
        self.messages: list[str] = []
        self.contexts: dict[str, bytes] = {}
        self.documents: dict[str, bytes] = {}
        self.logs: dict[str, bytes] = {}
        self.log_containers: list[str] = []

    def put_pool_request(self, text: str) -> None:
        self.messages.append(text)

    def put_context(self, name: str, data: bytes) -> None:
        self.contexts[name] = data
        self.uploaded_at[name] = self._clock.now()

    def contexts_before(self, moment: datetime) -> list[str]:
        return [n for n in self.contexts if self.uploaded_at.get(n, 0) < moment.timestamp()]

    def remove_context(self, name: str, before: datetime) -> None:
        if name in self.contexts_before(before):
            del self.contexts[name]

    def get_context(self, name: str) -> bytes:
        if name not in self.contexts:
            raise ResourceNotFoundError("The specified blob does not exist.")
        return self.contexts[name]

    def context_url(self, name: str, until: datetime) -> str:
        return f"https://batchprep.blob.core.windows.net/{name}?se={until:%s}&sig=a-signature"

    def has_context(self, name: str) -> bool:
        return name in self.contexts

    def put_document(self, name: str, data: bytes) -> None:
        self.documents[name] = data

    def get_document(self, name: str) -> bytes | None:
        return self.documents.get(name)

    def remove_document(self, name: str) -> None:
        self.documents.pop(name, None)

    def remove_logs(self, container_url: str, build: str) -> None:
        for url in [url for url in self.logs if url.startswith(f"{container_url}/{build}/")]:
            del self.logs[url]

    def prepare_logs(self, container_url: str) -> None:
        self.log_containers.append(container_url)

    def read_log(self, url: str) -> bytes | None:
        return self.logs.get(url)

    def append_log(self, url: str, text: str) -> None:
        """What a script's machine appends, as Azure's storage would take it."""
        self.logs[url] = self.logs.get(url, b"") + text.encode()

    def dump(self) -> Json:
        """Everything as JSON values, for `load`; bytes as the text that latin-1 makes of them."""
        blobs = (self.contexts, self.documents, self.logs)
        return {
            "messages": self.messages,
            "blobs": [{n: data.decode("latin-1") for n, data in some.items()} for some in blobs],
            "log_containers": self.log_containers,
        }

    def load(self, dumped: Json) -> None:
        """Hold what another outbox has dumped, and nothing else."""
        blobs = [{n: t.encode("latin-1") for n, t in some.items()} for some in dumped["blobs"]]
        self.contexts, self.documents, self.logs = blobs
        self.messages, self.log_containers = dumped["messages"], dumped["log_containers"]
