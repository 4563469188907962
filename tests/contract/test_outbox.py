"""The app's blobs on a real emulator of Azure's storage: documents, and logs that others wrote."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from shared.base import settings
from shared.store.outbox import Outbox
from tests.world import SETTINGS

AZURITE = Path(__file__).parents[2] / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
# The key that every Azurite knows (https://learn.microsoft.com/azure/storage/common/storage-use-azurite).
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

pytestmark = pytest.mark.stack


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """The blob endpoint of an emulator of its own."""
    options = ["--blobPort", "0", "--location", str(tmp_path), "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [str(AZURITE), *options, "--disableTelemetry"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ports = (re.search(r"listens on http://127\.0\.0\.1:(\d+)", line) for line in process.stdout)
    port = next(found[1] for found in ports if found)
    yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    process.terminate()
    process.wait(30)
    process.stdout.close()


def connection(place: str) -> str:
    parts = {"AccountName": ACCOUNT, "AccountKey": KEY, "BlobEndpoint": place}
    return ";".join(f"{k}={v}" for k, v in {"DefaultEndpointsProtocol": "http", **parts}.items())


@pytest.fixture
def outbox(place: str) -> Outbox:
    return Outbox(settings.load(SETTINGS | {"AzureWebJobsStorage": connection(place)}))


def test_a_document_is_kept_and_replaced(outbox: Outbox) -> None:
    """A step that is told twice keeps the same document; none is no error."""
    assert outbox.get_document("bills-of-materials/b1.cdx.json") is None

    outbox.put_document("bills-of-materials/b1.cdx.json", b"one")
    outbox.put_document("bills-of-materials/b1.cdx.json", b"two")

    assert outbox.get_document("bills-of-materials/b1.cdx.json") == b"two"


def test_a_log_in_the_apps_own_storage_is_read_with_its_key(outbox: Outbox, place: str) -> None:
    """Private, and written by somebody else; absent as long as nobody has."""
    url = f"{place}/step-logs/b1/check-1.out.log"
    assert outbox.read_log(url) is None

    with BlobServiceClient.from_connection_string(connection(place)) as service:
        service.create_container("step-logs")
        blob = service.get_blob_client("step-logs", "b1/check-1.out.log")
        blob.create_append_blob()
        blob.append_block(b"batch-prep-bom {}\n")

    assert outbox.read_log(url) == b"batch-prep-bom {}\n"


def containers(place: str) -> list[str]:
    with BlobServiceClient.from_connection_string(connection(place)) as service:
        return [container.name for container in service.list_containers()]


def test_the_container_of_the_logs_is_made_in_the_apps_own_storage(
    outbox: Outbox, place: str
) -> None:
    """Nobody has to make it by hand; one that is there already is fine."""
    outbox.prepare_logs(f"{place}/step-logs")
    assert containers(place) == ["step-logs"]
    Outbox(settings.load(SETTINGS | {"AzureWebJobsStorage": connection(place)})).prepare_logs(
        f"{place}/step-logs/"
    )
    assert containers(place) == ["step-logs"]


def test_it_is_seen_to_once_per_process(outbox: Outbox, place: str) -> None:
    """A person who removes it while the app runs makes it again."""
    outbox.prepare_logs(f"{place}/step-logs")
    with BlobServiceClient.from_connection_string(connection(place)) as service:
        service.delete_container("step-logs")
    outbox.prepare_logs(f"{place}/step-logs")
    assert containers(place) == []


def test_anothers_storage_is_its_owners(outbox: Outbox, place: str) -> None:
    """The app needs no right there, and asks for nothing."""
    outbox.prepare_logs("https://logs.invalid/step-logs")
    outbox.prepare_logs(place.replace(ACCOUNT, "another") + "/step-logs")
    assert containers(place) == []


def test_an_app_that_may_not_make_it_leaves_it_to_a_person(place: str) -> None:
    """A build does not fail for want of a right that it can do without."""
    stranger = connection(place).replace(KEY, KEY.replace("Eby8", "aaaa"))
    outbox = Outbox(settings.load(SETTINGS | {"AzureWebJobsStorage": stranger}))
    outbox.prepare_logs(f"{place}/step-logs")
    assert containers(place) == []
