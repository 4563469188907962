"""The app's blobs on a real emulator of Azure's storage: documents, and logs that others wrote."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import BlobServiceClient

from shared.base import settings
from shared.store.outbox import Outbox
from tests.azurite import KEY, Account
from tests.world import SETTINGS

pytestmark = pytest.mark.stack


@pytest.fixture
def outbox(storage_account: Account) -> Outbox:
    return Outbox(settings.load(SETTINGS | {"AzureWebJobsStorage": storage_account.connection}))


def test_a_document_is_kept_and_replaced(outbox: Outbox) -> None:
    """A step that is told twice keeps the same document; none is no error."""
    assert outbox.get_document("bills-of-materials/b1.cdx.json") is None

    outbox.put_document("bills-of-materials/b1.cdx.json", b"one")
    outbox.put_document("bills-of-materials/b1.cdx.json", b"two")

    assert outbox.get_document("bills-of-materials/b1.cdx.json") == b"two"


def test_a_log_in_the_apps_own_storage_is_read_with_its_key(
    outbox: Outbox, storage_account: Account
) -> None:
    """Private, and written by somebody else; absent as long as nobody has."""
    url = f"{storage_account.blobs}/step-logs/b1/check-1.out.log"
    assert outbox.read_log(url) is None

    with BlobServiceClient.from_connection_string(storage_account.connection) as service:
        service.create_container("step-logs")
        blob = service.get_blob_client("step-logs", "b1/check-1.out.log")
        blob.create_append_blob()
        blob.append_block(b"batch-prep-bom {}\n")

    assert outbox.read_log(url) == b"batch-prep-bom {}\n"


def containers(storage_account: Account) -> list[str]:
    with BlobServiceClient.from_connection_string(storage_account.connection) as service:
        return [container.name for container in service.list_containers()]


def test_the_container_of_the_logs_is_made_in_the_apps_own_storage(
    outbox: Outbox, storage_account: Account
) -> None:
    """Nobody has to make it by hand; one that is there already is fine."""
    outbox.prepare_logs(f"{storage_account.blobs}/step-logs")
    assert containers(storage_account) == ["step-logs"]
    Outbox(
        settings.load(SETTINGS | {"AzureWebJobsStorage": storage_account.connection})
    ).prepare_logs(f"{storage_account.blobs}/step-logs/")
    assert containers(storage_account) == ["step-logs"]


def test_it_is_seen_to_once_per_process(outbox: Outbox, storage_account: Account) -> None:
    """A person who removes it while the app runs makes it again."""
    outbox.prepare_logs(f"{storage_account.blobs}/step-logs")
    with BlobServiceClient.from_connection_string(storage_account.connection) as service:
        service.delete_container("step-logs")
    outbox.prepare_logs(f"{storage_account.blobs}/step-logs")
    assert containers(storage_account) == []


def test_anothers_storage_is_its_owners(outbox: Outbox, storage_account: Account) -> None:
    """The app needs no right there, and asks for nothing."""
    outbox.prepare_logs("https://logs.invalid/step-logs")
    outbox.prepare_logs(
        storage_account.blobs.replace(storage_account.name, "another") + "/step-logs"
    )
    assert containers(storage_account) == []


def test_an_app_that_may_not_make_it_leaves_it_to_a_person(storage_account: Account) -> None:
    """A build does not fail for want of a right that it can do without."""
    stranger = storage_account.connection.replace(KEY, KEY.replace("Eby8", "aaaa"))
    outbox = Outbox(settings.load(SETTINGS | {"AzureWebJobsStorage": stranger}))
    outbox.prepare_logs(f"{storage_account.blobs}/step-logs")
    assert containers(storage_account) == []


def test_a_signed_address_reads_one_upload_for_a_while(outbox: Outbox) -> None:
    """The builder needs no right of its own, and gets none to anything else."""
    now = datetime.now(UTC)
    outbox.put_context("contexts/1.tar.gz", b"one")
    address = outbox.context_url("contexts/1.tar.gz", now + timedelta(hours=1))
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"one"
    outbox.put_context("contexts/2.tar.gz", b"two")
    late = outbox.context_url("contexts/1.tar.gz", now - timedelta(hours=1))
    for refused in (address.replace("1.tar.gz", "2.tar.gz"), late):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(refused)
        assert error.value.code == 403
        error.value.close()


def test_what_is_too_old_is_removed(outbox: Outbox, storage_account: Account) -> None:
    """Contexts by their age, documents by name, logs by build; what is not there is fine."""
    now = datetime.now(UTC)
    url = f"{storage_account.blobs}/step-logs"
    assert outbox.contexts_before(now) == []
    outbox.remove_logs(url, "b1")
    outbox.remove_context("contexts/1.tar.gz", now)

    outbox.put_context("contexts/1.tar.gz", b"one")
    assert outbox.contexts_before(now - timedelta(minutes=5)) == []
    assert outbox.contexts_before(now + timedelta(minutes=5)) == ["contexts/1.tar.gz"]
    outbox.remove_context("contexts/1.tar.gz", now - timedelta(minutes=5))  # it is newer
    assert outbox.has_context("contexts/1.tar.gz")
    outbox.remove_context("contexts/1.tar.gz", now + timedelta(minutes=5))
    assert outbox.contexts_before(now + timedelta(minutes=5)) == []

    outbox.put_document("bills-of-materials/b1.cdx.json", b"one")
    for _ in range(2):
        outbox.remove_document("bills-of-materials/b1.cdx.json")
    assert outbox.get_document("bills-of-materials/b1.cdx.json") is None

    outbox.prepare_logs(url)
    with BlobServiceClient.from_connection_string(storage_account.connection) as service:
        for name in ("b1/a.log", "b1/b.log", "b12/a.log"):
            service.get_blob_client("step-logs", name).upload_blob(b"")
        outbox.remove_logs(f"{url}/", "b1")
        outbox.remove_logs("https://logs.invalid/step-logs", "b12")
        assert [blob.name for blob in service.get_container_client("step-logs").list_blobs()] == [
            "b12/a.log"
        ]
