"""Azure Storage queues as the queue trigger needs them, and the output binding on them."""

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient


class NoConnection(Exception):  # noqa: N818 - an answer, not a fault
    """The app setting that a trigger or binding names has no connection string."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message that is invisible to others for a while; `text` as it lies in the queue."""

    id: str
    receipt: str
    text: str
    dequeue_count: int
    inserted: datetime | None
    expires: datetime | None
    next_visible: datetime | None


class Queue(Protocol):
    """One queue. Everything may raise azure.core.exceptions.AzureError."""

    async def create(self) -> None:
        """Unless it exists."""
        ...

    async def receive(self, count: int, invisible_seconds: int) -> list[Message]: ...

    async def hide(self, message: Message, seconds: int) -> Message:
        """Keep it invisible from now on; returns it with its new receipt."""
        ...

    async def delete(self, message: Message) -> None: ...

    async def send(self, text: str) -> None: ...

    async def close(self) -> None: ...


class AzureQueue:
    """A queue of a storage account or of Azurite; texts are neither encoded nor decoded."""

    def __init__(self, connection_string: str, name: str) -> None:
        # The trigger tries again by itself, and sooner than the SDK would.
        self._client = QueueClient.from_connection_string(connection_string, name, retry_total=0)

    async def create(self) -> None:
        try:
            await self._client.create_queue()
        except ResourceExistsError:
            return

    async def receive(self, count: int, invisible_seconds: int) -> list[Message]:
        pages = self._client.receive_messages(
            messages_per_page=count,
            visibility_timeout=invisible_seconds,
        ).by_page()
        async for page in pages:
            return [_message(each) async for each in page]
        return []

    async def hide(self, message: Message, seconds: int) -> Message:
        hidden = await self._client.update_message(
            message.id,
            message.receipt,
            visibility_timeout=seconds,
        )
        return Message(
            id=message.id,
            receipt=hidden.pop_receipt or message.receipt,
            text=message.text,
            dequeue_count=message.dequeue_count,
            inserted=message.inserted,
            expires=message.expires,
            next_visible=hidden.next_visible_on,
        )

    async def delete(self, message: Message) -> None:
        await self._client.delete_message(message.id, message.receipt)

    async def send(self, text: str) -> None:
        await self._client.send_message(text)

    async def close(self) -> None:
        await self._client.close()


class OutputQueues:
    """The queue output binding: creates what does not exist; `sent` wakes a trigger."""

    def __init__(self, *, encodes_base64: bool, sent: Callable[[str], None]) -> None:
        self._encodes_base64 = encodes_base64
        self._sent = sent

    async def send(self, connection: str, queue: str, content: str | bytes) -> None:
        target = AzureQueue(connection_string(connection), queue)
        try:
            await target.create()
            await target.send(encoded(content, base64_too=self._encodes_base64))
        finally:
            await target.close()
        self._sent(queue)


def connection_string(setting: str) -> str:
    """The value of the app setting; raises NoConnection."""
    value = os.environ.get(setting)
    if not value:
        raise NoConnection(f"There is no app setting {setting} with a connection string.")
    return value


def encoded(content: str | bytes, *, base64_too: bool) -> str:
    """What goes into the queue."""
    data = content.encode() if isinstance(content, str) else content
    return base64.b64encode(data).decode() if base64_too else data.decode()


def decoded(text: str, *, from_base64: bool) -> bytes:
    """What a message says; raises ValueError where it is not encoded as the app expects."""
    if not from_base64:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the message is not base64: {error}") from error


def _message(received: QueueMessage) -> Message:
    return Message(
        id=received.id,
        receipt=received.pop_receipt or "",
        text=received.content,
        dequeue_count=received.dequeue_count or 1,
        inserted=received.inserted_on,
        expires=received.expires_on,
        next_visible=received.next_visible_on,
    )
