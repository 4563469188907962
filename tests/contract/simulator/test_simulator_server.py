"""The simulator behind HTTP: the same answers, real sockets on the loopback address."""

import asyncio
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from azure_sandbox import START

from local import clock
from local.azure_simulator import core, server

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/g?api-version=2025-04-01"

Story = Callable[[aiohttp.ClientSession, core.Simulator], Awaitable[None]]


def against_a_server(story: Story) -> None:
    """Run a story with a client of a server on a free port, authenticated."""

    async def run() -> None:
        azure = core.Simulator(clock=clock.VirtualClock(START))
        running = await server.start(azure, 0)
        try:
            async with aiohttp.ClientSession(running.url) as session:
                await authenticate(session)
                await story(session, azure)
        finally:
            await running.stop()

    asyncio.run(run())


async def authenticate(session: aiohttp.ClientSession) -> None:
    """A token for the server's own address."""
    query = {"api-version": "2019-08-01", "resource": "https://management.azure.com/"}
    headers = {"X-IDENTITY-HEADER": "secret"}
    async with session.get("/msi/token", params=query, headers=headers) as answer:
        token = (await answer.json())["access_token"]
    session.headers["Authorization"] = f"Bearer {token}"


def test_requests_and_answers_pass_unchanged() -> None:
    """Method, path, query, headers, body."""

    async def story(session: aiohttp.ClientSession, azure: core.Simulator) -> None:
        async with session.put(GROUP, json={"location": "swedencentral"}) as created:
            assert created.status == 201
            assert (await created.json())["name"] == "g"
        async with session.head(GROUP) as head:
            assert (head.status, await head.read()) == (204, b"")
        async with session.get(GROUP.replace("/g?", "/none?")) as missing:
            assert missing.status == 404
            assert (await missing.json())["error"]["code"] == "ResourceGroupNotFound"

    against_a_server(story)


def test_links_lead_back_to_the_address_that_was_used() -> None:
    """A proxy's address, too: its Host header counts."""

    async def story(session: aiohttp.ClientSession, azure: core.Simulator) -> None:
        async with session.put(GROUP, json={"location": "swedencentral"}):
            pass
        async with session.delete(GROUP, headers={"Host": "127.0.0.1:9999"}) as answer:
            assert answer.headers["Location"].startswith("http://127.0.0.1:9999/subscriptions/")

    against_a_server(story)


def test_a_page_in_a_browser_cannot_add_faults() -> None:
    """Any page may send a request to this machine; its browser says so in a header."""

    async def story(session: aiohttp.ClientSession, azure: core.Simulator) -> None:
        fault, origin = {"effect": "throttle"}, {"Origin": "https://evil.example"}
        async with session.post("/_simulator/faults", json=fault, headers=origin) as refused:
            assert refused.status == 403
            assert (await refused.json())["error"]["code"] == "BrowserRefused"
        assert azure.faults.list() == []
        async with session.post("/_simulator/faults", json=fault) as taken:
            assert taken.status < 300

    against_a_server(story)


@pytest.mark.parametrize(("when", "exists"), [("before", False), ("after", True)])
def test_a_dropped_connection_is_really_cut(when: str, exists: bool) -> None:
    """The client sees a reset, whether or not the effect took place."""

    async def story(session: aiohttp.ClientSession, azure: core.Simulator) -> None:
        # More than once, because the client tries a lost connection again by itself.
        azure.faults.add({"effect": "drop", "when": when, "method": "PUT", "times": 9})
        with pytest.raises(aiohttp.ClientError):
            await session.put(GROUP, json={"location": "swedencentral"})
        async with session.head(GROUP) as answer:
            assert (answer.status == 204) == exists

    against_a_server(story)


def test_the_process_keeps_its_state_and_stops_at_once(tmp_path: pathlib.Path) -> None:
    """Started, killed, started again: what was acknowledged is there; SIGTERM ends it with 0."""
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"effect": "throttle", "path": "/none"}]))
    process, url = start_process(tmp_path, faults)
    asyncio.run(put_group(url))
    process.kill()
    process.communicate()

    process, url = start_process(tmp_path, faults)
    listed = asyncio.run(get_json(f"{url}/_simulator/resources"))
    known = asyncio.run(get_json(f"{url}/_simulator/faults"))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert [item["id"].rpartition("/")[2] for item in listed] == ["g"]
    assert [fault["id"] for fault in known] == ["file-1"]
    assert process.returncode == 0


def start_process(state: pathlib.Path, faults: pathlib.Path) -> tuple[subprocess.Popen[str], str]:
    """A simulator on a free port; it prints its URL when it listens."""
    root = pathlib.Path(server.__file__).parents[2]
    command = [sys.executable, "-m", "local.azure_simulator", "--port", "0"]
    command += ["--state", str(state), "--time-scale", "60", "--faults", str(faults)]
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, line.split()[-1]


async def put_group(url: str) -> None:
    async with aiohttp.ClientSession(url) as session:
        await authenticate(session)
        async with session.put(GROUP, json={"location": "swedencentral"}) as answer:
            assert answer.status == 201


async def get_json(url: str) -> list[dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        found: list[dict[str, str]] = await answer.json()
        return found
