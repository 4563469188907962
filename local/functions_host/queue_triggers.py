"""Queue triggers: batches, retries, poison queues, as host.json asks for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from azure.core.exceptions import AzureError
from azure.functions import meta

from local import clock as clocks
from local.functions_host import logs, storage_queues
from local.functions_host.functions import Function
from local.functions_host.settings import Queues
from local.functions_host.storage_queues import Message, Queue

Invoke = Callable[[Function, meta.Datum, Mapping[str, meta.Datum]], Awaitable[bool]]
_RENEWALS_PER_LEASE = 3
_LEASE_SECONDS = 600.0  # simulated; Azure hides a message for ten minutes at a time


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Real seconds: storage does not know the simulated time."""

    shortest_lease: float = 15
    """However fast the simulated time runs: a busy machine must be able to renew it."""
    first_pause: float = 0.1
    """Between two looks into an empty queue; it doubles, up to maxPollingInterval."""
    shortest_last_pause: float = 0.5
    """However fast the simulated time runs."""
    after_error: float = 1.0


class QueueTrigger:
    """Feeds one function from one queue. `run` never ends, whatever storage does. It waits for a
    queue that does not exist, and does not create it, as on Azure.
    """

    def __init__(
        self,
        function: Function,
        queue: Queue,
        poison: Queue,
        *,
        options: Queues,
        clock: clocks.Clock,
        invoke: Invoke,
        pace: Pace = Pace(),
    ) -> None:
        """`invoke` logs what goes wrong, and returns whether the function succeeded."""
        self._function = function
        self._queue = queue
        self._poison = poison
        self._options = options
        self._clock = clock
        self._invoke = invoke
        self._pace = pace
        longest = clock.real_seconds(options.polling_interval_max)
        self._last_pause = max(longest, pace.shortest_last_pause)
        self._lease = max(clock.real_seconds(_LEASE_SECONDS), pace.shortest_lease)
        self._running: set[asyncio.Task[None]] = set()
        self._is_broken = False
        self._changed = asyncio.Event()

    @property
    def _lease_seconds(self) -> int:
        return max(1, round(self._lease))

    def wake(self) -> None:
        """Look into the queue now."""
        self._changed.set()

    async def run(self) -> None:
        while True:
            try:
                await self._poll()
            except Exception as error:  # noqa: BLE001 - whatever storage does, the next look may work
                if not self._is_broken:
                    logs.log.info(
                        "the queue of %s cannot be read: %s",
                        self._function.name,
                        logs.line(repr(error)),
                    )
                self._is_broken = True
                await asyncio.sleep(self._pace.after_error)

    async def stop(self) -> None:
        """What runs is left; its messages come back when their lease ends."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._queue.close()
        await self._poison.close()

    async def _poll(self) -> None:
        """Start batch after batch, each as soon as there is room for one."""
        pause = self._pace.first_pause
        while True:
            while len(self._running) > self._options.new_batch_threshold:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            messages = await self._queue.receive(self._options.batch_size, self._lease_seconds)
            self._is_broken = False
            for message in messages:
                task = asyncio.create_task(self._handle(message))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            pause = min(pause * 2, self._last_pause) if not messages else self._pace.first_pause
            if not messages:
                await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)
        self._changed.clear()

    async def _handle(self, message: Message) -> None:
        try:
            await self._process(message)
        except Exception as error:  # noqa: BLE001 - the message comes back, and the loop goes on
            name = self._function.name
            logs.log.info(
                "message %s for %s comes back: %s", message.id, name, logs.line(repr(error))
            )

    async def _process(self, message: Message) -> None:
        """Run the function on the message, and decide what becomes of the message."""
        try:
            body = storage_queues.decoded(message.text, from_base64=self._options.encodes_base64)
        except ValueError as error:
            await self._give_up(message, str(error))
            return
        if message.dequeue_count > self._options.dequeue_count_max:
            await self._give_up(message, "the host died too often on it")
            return
        async with self._leased(message) as lease:
            succeeded = await self._invoke(self._function, _datum(body), metadata(message))
        if succeeded:
            await self._queue.delete(lease.message)
        elif message.dequeue_count >= self._options.dequeue_count_max:
            await self._give_up(lease.message, f"{message.dequeue_count} attempts failed")
        else:
            again = self._clock.real_seconds(self._options.visibility_timeout)
            await self._queue.hide(lease.message, round(again))
            self.wake()

    async def _give_up(self, message: Message, reason: str) -> None:
        name = self._function.name
        logs.log.info("message %s for %s goes to the poison queue: %s", message.id, name, reason)
        await self._poison.create()
        await self._poison.send(message.text)
        await self._queue.delete(message)

    @contextlib.asynccontextmanager
    async def _leased(self, message: Message) -> AsyncIterator["_Lease"]:
        """Keep the message invisible to others while the function runs."""
        lease = _Lease(message)
        keeping = asyncio.create_task(self._keep(lease))
        try:
            yield lease
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self, lease: "_Lease") -> None:
        while True:
            await asyncio.sleep(self._lease / _RENEWALS_PER_LEASE)
            with contextlib.suppress(AzureError):  # the next renewal is in time, too
                lease.message = await self._queue.hide(lease.message, self._lease_seconds)


class _Lease:
    """The message with its latest receipt."""

    def __init__(self, message: Message) -> None:
        self.message = message


def metadata(message: Message) -> dict[str, meta.Datum]:
    """What a queue function learns of its message besides the body."""
    values = {
        "Id": message.id,
        "PopReceipt": message.receipt,
        "DequeueCount": str(message.dequeue_count),
        "InsertionTime": _iso(message.inserted),
        "ExpirationTime": _iso(message.expires),
        "NextVisibleTime": _iso(message.next_visible),
    }
    return {name: meta.Datum(value, "string") for name, value in values.items() if value}


def _datum(body: bytes) -> meta.Datum:
    try:
        return meta.Datum(body.decode(), "string")
    except UnicodeDecodeError:
        return meta.Datum(body, "bytes")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")
