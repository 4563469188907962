"""The app under `func start` of Azure Functions Core Tools, on Azurite: it loads, and it answers.

Skipped without them. `FUNC` names their command where it is not on the PATH. The first start
downloads the extension bundle.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.stack import layout, storage, supervisor
from local.stack.child import Child
from tests import azurite

COMMAND = os.environ.get("FUNC") or shutil.which("func")
PARTS = ("function_app.py", "host.json", "activities", "orchestrators", "provisioning", "shared")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(not COMMAND, reason="no Core Tools: FUNC names none, nor PATH"),
]


def app_folder(folder: Path, account: azurite.Account) -> Path:
    """The app as a person has it, with a copy of the sample settings."""
    folder.mkdir()
    for part in (*PARTS, "triggers", "requirements.txt"):
        (folder / part).symlink_to(layout.ROOT / part)
    sample = json.loads((layout.ROOT / "local.settings.sample.json").read_text())
    sample["Values"]["AzureWebJobsStorage"] = account.connection
    (folder / "local.settings.json").write_text(json.dumps(sample))
    storage.prepare(account.connection)
    return folder


@pytest.fixture
def served(tmp_path: Path, storage_account: azurite.Account) -> Iterator[str]:
    """The address of the app under Core Tools, once it answers."""
    folder = app_folder(tmp_path / "app", storage_account)
    url = layout.url(supervisor.any_free_ports().host)
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    child = Child(
        layout.Service(
            name="func",
            command=(str(COMMAND), "start", "--script-root", str(folder), "--port", port_of(url)),
            log=tmp_path / "func.log",
            environment={**os.environ, "PATH": paths, "VIRTUAL_ENV": sys.prefix},
            ready_urls=(f"{url}/api/openapi.json",),
        )
    )
    try:
        with contextlib.suppress(layout.StackError):  # the first start downloads the bundle
            child.wait_ready(lambda: False)
        child.wait_ready(lambda: False)
        yield url
    finally:
        child.stop()


def port_of(url: str) -> str:
    """The port in an address."""
    return url.rpartition(":")[2]


def test_the_app_starts_with_core_tools(served: str) -> None:
    """Every function is found: an import that fails would leave none, and say nothing."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        assert "/builds" in str(client.get(f"{served}/api/openapi.json").json()["paths"])
        listed = client.get(f"{served}/admin/functions").json()
    assert {"build", "pool_request", "sweep_leftovers"} <= {each["name"] for each in listed}
