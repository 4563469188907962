"""Settings: every problem at once, and one definition for code, documentation and sample."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.base import settings
from shared.base.storage import Storage

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {"AZURE_SUBSCRIPTION_ID": "s", "AzureWebJobsStorage": "in memory"}

NO_STORAGE = (
    "AzureWebJobsStorage__accountName is not set, nor is AzureWebJobsStorage, a connection string"
)


def problems_of(**values: str) -> list[str]:
    """What is wrong with an environment."""
    with pytest.raises(settings.SettingsInvalid) as refused:
        settings.load(values)
    return str(refused.value).split("; ")


def test_every_problem_is_named_at_once() -> None:
    """A person corrects all of them, then starts the app once more."""
    found = problems_of(KEEP_HOURS="long", POOL_WIDTH="0", GRID_DRIVER_VERSION="570; reboot")
    assert found[:2] == [NO_STORAGE, "AZURE_SUBSCRIPTION_ID is not set"]
    assert "KEEP_HOURS must be a number from 0 to 168, not 'long'" in found
    assert "POOL_WIDTH must be a whole number from 1 to 100, not '0'" in found
    assert any(text.startswith("GRID_DRIVER_VERSION must be a version such as") for text in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KEEP_HOURS", "nan"),
        ("KEEP_HOURS", "169"),
        ("POOL_WIDTH", "1.5"),
        ("REBUILD_WIDTH", "51"),
        ("BUILD_RETENTION_DAYS", "-1"),
        ("HISTORY_RETENTION_DAYS", "13"),
        ("GRID_DRIVER_SHA256", "a" * 64 + "\n"),
        ("AZURE_RESOURCE_MANAGER_ENDPOINT", "http://management.azure.com"),
        ("AZURE_RESOURCE_MANAGER_ENDPOINT", "https://management.example.org"),
        ("AZURE_RETAIL_PRICES_ENDPOINT", "http://127.0.0.1.example.org"),
    ],
)
def test_a_wrong_value_is_refused_and_never_corrected(name: str, value: str) -> None:
    """The message names the environment variable."""
    (found, *_) = problems_of(**REQUIRED, **{name: value})
    assert found.startswith(f"{name} must be ")


def documented_ranges() -> list[tuple[str, int, int]]:
    """Of docs/settings.md: the setting, its smallest number and its largest."""
    row = re.compile(r"\| `(\w+)` \|.* It must be a (?:whole )?number from (\d+) to (\d+)\. \|")
    found = (row.match(line) for line in (ROOT / "docs" / "settings.md").read_text().splitlines())
    return [(each[1], int(each[2]), int(each[3])) for each in found if each]


@pytest.mark.parametrize(("name", "first", "last"), documented_ranges())
def test_a_range_is_as_it_is_documented(name: str, first: int, last: int) -> None:
    """Both ends are in it, and nothing beyond."""
    for inside in (first, last):
        settings.load({**REQUIRED, name: str(inside)})
    for outside in (first - 1, last + 1):
        (found,) = problems_of(**REQUIRED, **{name: str(outside)})
        assert found.startswith(f"{name} must be ")


def test_an_empty_value_is_none() -> None:
    """The sample file and the portal leave what is not needed empty."""
    read = settings.load({**REQUIRED, "KEEP_HOURS": "", "AZURE_CLIENT_ID": ""})
    assert (read.keep_hours, read.client_id) == (8, None)
    assert problems_of(**REQUIRED | {"AzureWebJobsStorage": ""}) == [NO_STORAGE]


def test_endpoints_lose_their_last_slash_and_may_be_on_this_machine() -> None:
    """URLs are put together by appending a path."""
    read = settings.load({**REQUIRED, "AZURE_RESOURCE_MANAGER_ENDPOINT": "http://127.0.0.1:7072/"})
    assert read.resource_manager_endpoint == "http://127.0.0.1:7072"


STORAGE = "AzureWebJobsStorage"


def storage_of(**values: str) -> Storage:
    named = {f"{STORAGE}__{name}": value for name, value in values.items()}
    return settings.load({"AZURE_SUBSCRIPTION_ID": "s", **named}).storage


def test_the_name_of_a_storage_account_is_enough() -> None:
    """The normal form in Azure: no key is stored."""
    storage = storage_of(accountName="mine", credential="managedidentity", clientId="c")

    assert storage == Storage(
        connection_string=None,
        blob_uri="https://mine.blob.core.windows.net",
        queue_uri="https://mine.queue.core.windows.net",
        table_uri="https://mine.table.core.windows.net",
        client_id="c",
    )


def test_addresses_of_a_storage_account_are_complete_and_go_before_its_name() -> None:
    """Another cloud has other addresses."""
    cloud = "core.chinacloudapi.cn"
    uris = {f"{s}ServiceUri": f"https://mine.{s}.{cloud}" for s in ("blob", "queue", "table")}

    assert storage_of(**uris, accountName="other").queue_uri == f"https://mine.queue.{cloud}"
    assert storage_of(tableServiceUri="https://t", accountName="other").blob_uri == (
        "https://other.blob.core.windows.net"
    )
    with pytest.raises(settings.SettingsInvalid) as refused:
        storage_of(tableServiceUri="https://mine.table.core.windows.net")
    assert str(refused.value) == (
        "AzureWebJobsStorage__blobServiceUri is not set; "
        "AzureWebJobsStorage__queueServiceUri is not set"
    )


def test_a_connection_string_goes_before_an_identity() -> None:
    """As in the Functions host, or the two would use different accounts."""
    both = {**REQUIRED, f"{STORAGE}__accountName": "mine"}
    assert settings.load(both).storage == Storage(connection_string="in memory")


def test_the_identity_of_the_storage_is_the_one_that_the_host_uses() -> None:
    """`managedidentity` without a client id is the system-assigned identity, whatever
    AZURE_CLIENT_ID says; without `__credential` the host reads AZURE_CLIENT_ID.
    """
    values = {"AZURE_SUBSCRIPTION_ID": "s", f"{STORAGE}__accountName": "mine"}
    values["AZURE_CLIENT_ID"] = "app"
    assert settings.load(values).storage.client_id == "app"
    values[f"{STORAGE}__credential"] = "managedidentity"
    assert settings.load(values).storage.client_id is None


def test_each_setting_has_its_row_in_the_documentation() -> None:
    """The table is the one that the model describes: `Setting.as_row` writes its rows."""
    documentation = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    lines = {line for file in documentation for line in file.read_text().splitlines()}
    missing = [row.as_row() for row in settings.described() if row.as_row() not in lines]
    assert missing == [], "\n".join(missing)


def test_the_sample_holds_every_setting_with_its_default() -> None:
    """Copying the file and filling in two values is enough."""
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    for setting in settings.described():
        if setting.name not in REQUIRED:
            default = setting.default if setting.is_value else ""
            assert sample[setting.name] == (setting.example or default)
    assert set(sample) == {*settings.known(), "FUNCTIONS_WORKER_RUNTIME"}
    assert settings.load(sample)


def test_each_setting_is_described_by_a_sentence() -> None:
    """A name and a default alone leave people guessing."""
    for setting in settings.described():
        assert setting.about[0].isupper(), setting.name
        assert setting.about.endswith("."), setting.name


def test_a_schedule_has_no_default() -> None:
    """The trigger names the setting, and the Functions host puts nothing in its place."""
    described = {setting.name: setting for setting in settings.described()}
    schedules = re.findall(r'schedule="%(.+)%"', (ROOT / "function_app.py").read_text())

    assert len(schedules) == 2
    assert [described[name].default for name in schedules] == ["", ""]
