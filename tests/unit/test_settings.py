"""Settings: every problem at once, and one definition for code, documentation and sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.base import settings

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {"AZURE_SUBSCRIPTION_ID": "s", "AzureWebJobsStorage": "in memory"}


def problems_of(**values: str) -> list[str]:
    """What is wrong with an environment."""
    with pytest.raises(settings.SettingsInvalid) as refused:
        settings.load(values)
    return str(refused.value).split("; ")


def test_every_problem_is_named_at_once() -> None:
    """A person corrects all of them, then starts the app once more."""
    found = problems_of(KEEP_HOURS="long", POOL_WIDTH="0", GRID_DRIVER_VERSION="570; reboot")
    assert found[:2] == ["AzureWebJobsStorage is not set", "AZURE_SUBSCRIPTION_ID is not set"]
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
        ("GRID_DRIVER_SHA256", "a" * 64 + "\n"),
        ("AZURE_RESOURCE_MANAGER_ENDPOINT", "http://example.org"),
        ("AZURE_RETAIL_PRICES_ENDPOINT", "http://127.0.0.1.example.org"),
    ],
)
def test_a_wrong_value_is_refused_and_never_corrected(name: str, value: str) -> None:
    """The message names the environment variable."""
    (found, *_) = problems_of(**REQUIRED, **{name: value})
    assert found.startswith(f"{name} must be ")


def test_an_empty_value_is_none() -> None:
    """The sample file and the portal leave what is not needed empty."""
    read = settings.load({**REQUIRED, "KEEP_HOURS": "", "AZURE_CLIENT_ID": ""})
    assert (read.keep_hours, read.client_id) == (4, None)
    assert problems_of(**REQUIRED | {"AzureWebJobsStorage": ""}) == [
        "AzureWebJobsStorage is not set"
    ]


def test_endpoints_lose_their_last_slash_and_may_be_on_this_machine() -> None:
    """URLs are put together by appending a path."""
    read = settings.load({**REQUIRED, "AZURE_RESOURCE_MANAGER_ENDPOINT": "http://127.0.0.1:7072/"})
    assert read.resource_manager_endpoint == "http://127.0.0.1:7072"


def test_the_table_service_takes_the_place_of_a_connection_string() -> None:
    """Where the app has an identity, no key is stored."""
    url = "https://account.table.core.windows.net"
    both = {**REQUIRED, "AzureWebJobsStorage__tableServiceUri": url}
    assert settings.load(both).storage == url


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
            assert sample[setting.name] == (setting.default if setting.is_value else "")
    assert set(sample) == {*settings.known(), "FUNCTIONS_WORKER_RUNTIME"}
    assert settings.load(sample)


def test_each_setting_is_described_by_a_sentence() -> None:
    """A name and a default alone leave people guessing."""
    for setting in settings.described():
        assert setting.about[0].isupper(), setting.name
        assert setting.about.endswith("."), setting.name
