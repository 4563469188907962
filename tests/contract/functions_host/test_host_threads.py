"""All plain functions of an app share the threads of its worker: orchestrators, activities, others.

https://learn.microsoft.com/azure/azure-functions/python-scale-performance-reference#threadpool-worker
"""

from __future__ import annotations

from pathlib import Path

import pytest
from host_world import Client, HostThread

THREADS = 2
# Each function waits for more company than it may get, a moment only, so that those that can run at
# once do.
APP = f"""
import contextlib
import threading

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
changed = threading.Condition()
inside, most = [], []


@contextlib.contextmanager
def company(name):
    with changed:
        inside.append(name)
        most[:] = max(most, inside, key=len)
        changed.notify_all()
        changed.wait_for(lambda: len(inside) > {THREADS}, 0.05)
    yield
    with changed:
        inside.remove(name)


@app.route(route="start/{{name}}/{{id}}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    name = await client.start_new(req.route_params["name"], req.route_params["id"])
    return client.create_check_status_response(req, name)


@app.route(route="visit")
def visit(req: func.HttpRequest):
    with company("visit"):
        return ""


@app.route(route="most")
async def show_most(req: func.HttpRequest):
    return " ".join(most)


@app.orchestration_trigger(context_name="context")
def crowd(context):
    with company("crowd"):
        parts = [context.call_activity("part", n) for n in range(4)]
    yield context.task_all(parts)


@app.activity_trigger(input_name="number")
def part(number: int) -> int:
    with company("part"):
        return number
"""


def test_no_more_functions_run_at_once_than_the_worker_has_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many orchestrators and activities host.json allows."""
    monkeypatch.setenv("PYTHON_THREADPOOL_THREAD_COUNT", str(THREADS))
    (tmp_path / "function_app.py").write_text(APP)
    host = HostThread(tmp_path / "state", app=tmp_path)
    try:
        with Client(host.start()) as client:
            for number in range(4):
                client.begin("crowd", f"crowd-{number}")
                assert client.get("/api/visit").status_code == 200
            for number in range(4):
                client.until_ended(f"crowd-{number}")
            most = client.get("/api/most").text.split()
    finally:
        host.stop()

    assert len(most) == THREADS, most
