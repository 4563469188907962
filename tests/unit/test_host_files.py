"""host.json and the sample of local settings against the schemas that editors use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "tests" / "published"
# The schema does not know orchestration versions, which the extension documents:
# https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-orchestration-versioning
NEWER = ("defaultVersion", "versionMatchStrategy", "versionFailureStrategy")


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def problems(document: Any, schema: str) -> list[str]:
    """What the schema says against a document."""
    rules = load(PUBLISHED / f"{schema}.schema.json")
    validator = jsonschema.validators.validator_for(rules)(rules)
    return [each.message for each in validator.iter_errors(document)]


def known_host() -> dict[str, Any]:
    """host.json without what is newer than the schema."""
    host = load(ROOT / "host.json")
    for name in NEWER:
        del host["extensions"]["durableTask"][name]
    return dict(host)


def test_the_host_file_is_valid() -> None:
    """The host ignores what it does not know: a misspelt limit would silently not apply."""
    assert problems(known_host(), "host") == []


@pytest.mark.parametrize(
    ("extension", "misspelt"), [("durableTask", "hubname"), ("queues", "batchsize")]
)
def test_the_schema_finds_a_misspelt_name(extension: str, misspelt: str) -> None:
    """Names count with their case."""
    host = known_host()
    host["extensions"][extension][misspelt] = 1
    assert problems(host, "host")


def test_the_sample_of_local_settings_is_valid() -> None:
    """Core Tools read it once it is copied to local.settings.json."""
    sample = load(ROOT / "local.settings.sample.json")
    assert problems(sample, "local.settings") == []
    assert problems({**sample, "IsEncrypted": "no"}, "local.settings")
