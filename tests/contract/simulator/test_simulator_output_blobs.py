"""Full output of scripts goes to append blobs, where storage is configured."""

import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from azure_sandbox import GROUP, AzureSandbox, run_body

from local.azure_simulator import output_blobs

ROOT = pathlib.Path(output_blobs.__file__).parents[2]
AZURITE = ROOT / "node_modules" / ".bin" / "azurite-blob"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture
def storage(tmp_path: pathlib.Path) -> Iterator[str]:
    """Connection string of an Azurite of its own, on a free port."""
    if not AZURITE.exists() or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: npm install")
    command = [
        str(AZURITE),
        "--blobPort",
        "0",
        "--location",
        str(tmp_path),
        "--skipApiVersionCheck",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    port = None
    while port is None:
        port = re.search(r"listens on http://127\.0\.0\.1:(\d+)", process.stdout.readline())
    yield (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port[1]}/devstoreaccount1;"
    )
    process.kill()
    process.communicate()


def run_with_log(world: AzureSandbox, uri: str) -> Any:
    body = run_body("#!/bin/bash\necho\n")
    body["properties"]["outputBlobUri"] = uri
    world.compute.virtual_machine_run_commands.begin_create_or_update(
        GROUP, "builder", "one", body
    ).result()
    return world.await_run("one")


@pytest.mark.stack
def test_the_whole_output_is_appended(make_world: Any, storage: str) -> None:
    """More than the 4 KiB that come back."""
    service = BlobServiceClient.from_connection_string(storage)
    service.create_container("logs")
    world = make_world(storage=storage)
    world.make_vm()
    world.add_fault(effect="script", exitCode=0, stdout="x" * 9000)

    run_with_log(world, f"{service.url}logs/b1/docker.log?sig=none")

    blob = service.get_blob_client("logs", "b1/docker.log").download_blob().readall()
    assert blob == b"x" * 9000
    service.close()


def test_storage_that_does_not_answer_fails_no_script(
    make_world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Logs are a help, not a condition."""
    dead = f"AccountName=a;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/a"
    world = make_world(storage=dead)
    world.make_vm()

    view = run_with_log(world, "http://127.0.0.1:1/a/logs/docker.log?sig=none")

    assert view.exit_code == 0
    assert "could not write logs/docker.log" in caplog.text


def test_without_storage_nothing_is_written(
    world: AzureSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default."""
    monkeypatch.setattr(output_blobs, "_append", pytest.fail)
    world.make_vm()

    assert run_with_log(world, "https://example.org/logs/docker.log").exit_code == 0
