"""The queue trigger and the output binding on a real queue service, Azurite."""

import os
import time

import pytest
from azure.storage.queue import QueueClient
from host_world import PATIENCE_SECONDS, Client, HostThread

SETTING = "AzureWebJobsStorage"
pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def storage(emulator):
    """A connection string to a queue service of its own."""
    return emulator.account().connection


@pytest.fixture(scope="module")
def client(storage, notes, tmp_path_factory):
    os.environ[SETTING] = storage
    host = HostThread(tmp_path_factory.mktemp("state"), time_scale=60)
    with Client(host.start()) as client:
        yield client
    host.stop()
    del os.environ[SETTING]


@pytest.fixture
def orders(storage, client):
    with QueueClient.from_connection_string(storage, "orders") as queue:
        if not _exists(queue):  # the trigger waits for the queue, and does not create it
            queue.create_queue()
        yield queue


@pytest.fixture
def poisoned(storage, client):
    """Waits for a message in the poison queue, and takes it out."""
    with QueueClient.from_connection_string(storage, "orders-poison") as queue:

        def take():
            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end:
                if client.until(lambda: _exists(queue)) and (found := queue.receive_message()):
                    queue.delete_message(found)
                    return found.content
            raise AssertionError("nothing came")

        yield take


def _exists(queue):
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return queue.get_queue_properties()
    except ResourceNotFoundError:
        return None


def test_plain_json_runs_the_function(client, orders, notes):
    """With messageEncoding none, the defaults of every storage SDK work."""
    client.until(lambda: _exists(orders))

    orders.send_message('{"id": "from-queue", "n": 4}')

    assert client.until_ended("from-queue")["output"]["total"] == 14
    assert "order from-queue attempt 1 inserted True" in notes.read_text()
    client.until(lambda: orders.get_queue_properties().approximate_message_count == 0)


def test_a_refused_message_is_tried_again_and_then_poison(client, orders, poisoned, notes):
    """maxDequeueCount is 2 in the app's host.json."""
    text = '{"id": "refused", "refuse": true}'

    orders.send_message(text)

    assert poisoned() == text
    lines = [line for line in notes.read_text().splitlines() if "order refused" in line]
    assert [line.split()[3] for line in lines] == ["1", "2"]


def test_a_message_that_is_no_json_stops_nothing(client, orders, poisoned):
    """It is poison; the next one runs."""
    orders.send_message("not even JSON")
    orders.send_message('{"id": "after", "n": 1}')

    assert poisoned() == "not even JSON"
    assert client.until_ended("after")["runtimeStatus"] == "Completed"


def test_the_output_binding_feeds_the_trigger(client):
    """What the app puts on its queue is run at once."""
    answer = client.post("/api/ask", json={"id": "asked", "n": 2})

    assert answer.status_code == 202
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert client.until_ended("asked")["output"]["total"] == 1


def test_base64_is_decoded_where_the_app_expects_it(storage, tmp_path, notes):
    """The default of Azure Functions; plain JSON is then what cannot be decoded."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "function_app.py").write_text(_BASE64_APP)
    (app / "host.json").write_text('{"version": "2.0"}')
    os.environ["BASE64_STORAGE"] = storage
    host = HostThread(tmp_path / "state", app=app)
    with (
        Client(host.start()) as client,
        QueueClient.from_connection_string(storage, "encoded") as queue,
        QueueClient.from_connection_string(storage, "encoded-poison") as poison,
    ):
        assert not _exists(queue)
        queue.create_queue()
        queue.send_message("plain")
        client.post("/api/put", content="grün")

        client.until(lambda: "encoded: grün" in notes.read_text())
        client.until(lambda: _exists(poison))
        assert client.until(poison.receive_message).content == "plain"
    host.stop()
    del os.environ["BASE64_STORAGE"]


_BASE64_APP = """
import os
from pathlib import Path
import azure.functions as func

app = func.FunctionApp()


@app.route(route="put", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="encoded", connection="BASE64_STORAGE")
def put(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.queue_trigger(arg_name="msg", queue_name="encoded", connection="BASE64_STORAGE")
def on_message(msg: func.QueueMessage):
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(f"encoded: {msg.get_body().decode()}\\n")
"""
