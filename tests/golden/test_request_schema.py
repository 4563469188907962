"""docs/request.schema.json: of these models, and a schema that a validator takes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.golden import request_schema
from tests.test_architecture import ROOT

FILE = ROOT / "docs" / "request.schema.json"


def test_the_schema_is_that_of_the_models() -> None:
    """`make golden` writes it anew after a change of a field."""
    if os.environ.get("GOLDEN") == "write":
        FILE.write_text(request_schema.text())
    assert FILE.read_text() == request_schema.text()


def test_every_field_says_what_it_is() -> None:
    """An editor shows it, and so does the description of the API."""
    schema = request_schema.document()
    models = {"Build": schema, **schema["$defs"]}
    silent = [
        f"{model}.{field}"
        for model, about in models.items()
        for field, described in about.get("properties", {}).items()
        if "description" not in described
    ]
    assert silent == []


def _problems(request: Any) -> list[str]:
    schema = json.loads(FILE.read_text())
    Draft202012Validator.check_schema(schema)
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(request)]


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({"image": {"os": "ubuntu"}, "pools": [{"id": "dev", "nodes": 2}]}, []),
        ({"image": {"registry": {"name": "abcde", "build": {"context": ".", "image": "a:1"}}}}, []),
        ({"imgae": {}}, ["$"]),
        ({"image": {"osVersion": 24.04, "tags": {"cost": 1}}}, []),
        ({"pools": [{"nodes": "2"}]}, ["$.pools[0].nodes"]),
        ({"pools": [{"certificates": []}]}, ["$.pools[0].certificates"]),
        (
            {"pools": [{"userAccounts": [{"name": "a", "password": "b"}]}]},
            ["$.pools[0].userAccounts[0].password"],
        ),
    ],
)
def test_an_editor_marks_what_the_service_refuses(request_: Any, wrong: list[str]) -> None:
    """Unknown fields, wrong types, and fields of Azure that requests do not have."""
    assert _problems(request_) == wrong


def _examples() -> Iterator[Any]:
    """The whole requests among the documents' YAML and JSON, as an editor reads them."""
    block = re.compile(r"^```(?:ya?ml|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for file in sorted((ROOT / "docs").glob("*.md")):
        for text in block.findall(file.read_text()):
            if re.search(r'^[{ ]*"?mode"?:', text, re.MULTILINE):
                yield pytest.param(yaml.safe_load(text), id=file.name)


@pytest.mark.parametrize("example", [*_examples()])
def test_an_editor_marks_nothing_in_the_documents_examples(example: Any) -> None:
    """People begin with a copy of one."""
    assert _problems(example) == []
