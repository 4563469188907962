"""What becomes of a queue message: run, retried, poisoned; and storage that fails."""

import asyncio
import base64
from dataclasses import replace
from types import SimpleNamespace

import pytest
from azure.core.exceptions import ServiceRequestError

from local.clock import ScaledClock, VirtualClock
from local.functions_host.queue_triggers import Pace, QueueTrigger
from local.functions_host.settings import Queues
from local.functions_host.storage_queues import Message

PLAIN = Queues(encodes_base64=False, dequeue_count_max=3)


class FakeQueue:
    """A queue in memory. A message that is hidden for no time is visible at once."""

    def __init__(self, *texts):
        self.visible = [self._message(number, text) for number, text in enumerate(texts)]
        self.hidden = []
        self.deleted, self.sent, self.renewals = [], [], 0
        self.exists = False
        self.faults = 0
        self.idle = asyncio.Event()
        self.renewed_twice = asyncio.Event()

    @staticmethod
    def _message(number, text):
        return Message(
            id=f"m{number}",
            receipt="r0",
            text=text,
            dequeue_count=0,
            inserted=None,
            expires=None,
            next_visible=None,
        )

    async def create(self):
        self.exists = True

    async def receive(self, count, seconds):
        await asyncio.sleep(0)
        self.lease = seconds
        if self.faults:
            self.faults -= 1
            raise ServiceRequestError("no connection")
        batch, self.visible = self.visible[:count], self.visible[count:]
        self.hidden += batch
        if not batch and not self.hidden:
            self.idle.set()
        return [replace(each, dequeue_count=each.dequeue_count + 1) for each in batch]

    async def hide(self, message, seconds):
        again = replace(message, receipt=message.receipt + "'")
        if seconds == 0:
            self.hidden = [each for each in self.hidden if each.id != message.id]
            self.visible.append(again)
        else:
            self.renewals += 1
            if self.renewals == 2:
                self.renewed_twice.set()
        return again

    async def delete(self, message):
        self.hidden = [each for each in self.hidden if each.id != message.id]
        self.deleted.append((message.id, message.receipt))

    async def send(self, text):
        self.sent.append(text)

    async def close(self):
        pass


def run(queue, function, options=PLAIN, clock=None, **pace):
    """Let the trigger empty the queue; returns what went to the poison queue."""
    poison = FakeQueue()

    async def story():
        trigger = QueueTrigger(
            SimpleNamespace(name="on_order"),
            queue,
            poison,
            options=options,
            clock=clock or VirtualClock(),
            invoke=function,
            pace=Pace(**{"first_pause": 0, "shortest_last_pause": 0, "after_error": 0} | pace),
        )
        running = asyncio.create_task(trigger.run())
        await asyncio.wait_for(queue.idle.wait(), 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await trigger.stop()

    asyncio.run(story())
    return poison.sent


def test_a_message_is_run_once_and_deleted():
    """With its body and all that is known of it."""
    seen = []

    async def function(_, data, metadata):
        seen.append((data.type, data.value, metadata["Id"].value, metadata["DequeueCount"].value))
        return True

    queue = FakeQueue('{"id": 1}')
    assert run(queue, function) == []

    assert seen == [("string", '{"id": 1}', "m0", "1")]
    assert [each for each, _ in queue.deleted] == ["m0"]


def test_a_message_that_fails_comes_back_until_it_is_poison():
    """Three attempts, as maxDequeueCount says; then it lies in the poison queue, unchanged."""
    attempts = []

    async def function(_, data, metadata):
        attempts.append(metadata["DequeueCount"].value)
        return False

    queue = FakeQueue("no good")
    poisoned = run(queue, function)

    assert attempts == ["1", "2", "3"]
    assert poisoned == ["no good"]
    assert [each for each, _ in queue.deleted] == ["m0"]


def test_a_message_on_which_the_host_died_too_often_is_not_run_again():
    """A message that kills the process must not kill it for ever."""

    async def function(*_):
        raise AssertionError("must not run")

    queue = FakeQueue("deadly")
    queue.visible = [replace(queue.visible[0], dequeue_count=3)]

    assert run(queue, function) == ["deadly"]


def test_a_message_that_cannot_be_decoded_is_poison_and_the_next_one_runs():
    """Whoever forgot to encode must not stop the queue."""
    seen = []

    async def function(_, data, metadata):
        seen.append(data.value)
        return True

    good = base64.b64encode("grün".encode()).decode()
    raw = base64.b64encode(b"\xff\x00").decode()
    queue = FakeQueue('{"not": "base64"}', good, raw)

    assert run(queue, function, Queues(encodes_base64=True)) == ['{"not": "base64"}']
    assert seen == ["grün", b"\xff\x00"]


def test_storage_that_fails_is_asked_again(caplog):
    """One line in the log however long it lasts, and nothing is lost."""

    async def function(*_):
        return True

    queue = FakeQueue("patient")
    queue.faults = 3
    with caplog.at_level("INFO", "functions_host"):
        run(queue, function)

    assert [each for each, _ in queue.deleted] == ["m0"]
    assert len([r for r in caplog.records if "cannot be read" in r.getMessage()]) == 1


@pytest.mark.parametrize(("scale", "lease"), [(1, 600), (20, 30), (600, 15)])
def test_a_killed_host_has_its_messages_back_after_ten_minutes(scale, lease):
    """Simulated ones, but not sooner than a busy machine can renew."""
    queue = FakeQueue("m")

    async def function(*_):
        return True

    clock = ScaledClock(real_start=0, simulated_start=0, scale=scale)
    run(queue, function, clock=clock)
    assert queue.lease == lease


def test_a_long_run_keeps_its_message_to_itself():
    """The lease is renewed, and the message deleted with its latest receipt."""
    queue = FakeQueue("long")

    async def function(*_):
        await queue.renewed_twice.wait()
        return True

    run(queue, function, shortest_lease=0.01)

    (message, receipt) = queue.deleted[0]
    assert message == "m0"
    assert len(receipt) >= len("r0''")


@pytest.mark.parametrize("threshold", [0, 3])
def test_no_more_run_at_once_than_asked_for(threshold):
    """At most batchSize + newBatchThreshold."""
    options = Queues(encodes_base64=False, batch_size=4, new_batch_threshold=threshold)
    now, most = [0], [0]

    async def function(*_):
        now[0] += 1
        most[0] = max(most[0], now[0])
        for _ in range(5):
            await asyncio.sleep(0)
        now[0] -= 1
        return True

    queue = FakeQueue(*[str(number) for number in range(20)])
    run(queue, function, options)

    assert len(queue.deleted) == 20
    assert 1 < most[0] <= 4 + threshold
