"""The command line reads the documents that the service describes, field by field.

It does not import the app. So its code is searched for the fields that it reads, and these are
compared with /api/openapi.json.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import openapi_checks

CLI = Path(__file__).resolve().parents[3] / "cli"
REQUEST = {"Build", "Image", "Registry", "RegistryBuild"}
# The schemas whose fields each module, or each class or function of documents.py, reads.
READS = {
    "documents.py:Error": {"Failure"},
    "documents.py:Step": {"StepDocument"},
    "documents.py:Pool": {"PoolRecord"},
    "documents.py:Build": {"BuildDocument"},
    "documents.py:_detail": {"Problem"},
    "documents.py:problem": {"Problem"},
    "builds.py": {"BuildSummary", "Accepted"},
    "errors.py": {"Error", "ErrorDetail", "Problem", "Failure"},
    "changes.py": {"Change"},
    "images.py": {"ImageRecord"},
    "leftovers.py": {"Leftover"},
    "plans.py": {"Forecast", "ForecastStep", "PoolChange", "Cost"},
    "pools.py": {"PoolRecord", "Accepted", "RefusedMessage", "RefusedProblem"},
    "recipes.py": {"RecipeDocument", *REQUEST},
    "submit.py": {"Accepted", "Problem", *REQUEST},
    "summary.py": {"ImageRecord", "PoolRecord", "PreloadedImage", "Proof", "CheckResult"},
    "wording.py": {"ImageRecord", "PoolRecord"},
}


def fields_read(node: ast.AST) -> Iterator[str]:
    """The names in `x.get("name")`, `x["name"]`, `_text(x, "name")` and in tables of labels."""
    for part in ast.walk(node):
        match part:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="client"))):
                continue  # a route, not a field
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Call(func=ast.Name(id="_text"), args=[_, ast.Constant(value=str(name))]):
                yield name
            case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                yield name
            case ast.Assign(targets=[ast.Name(id=table)], value=ast.Dict(keys=keys)) if (
                table.endswith("_LABELS")
            ):
                yield from (key.value for key in keys if isinstance(key, ast.Constant))


def part_of(place: str) -> ast.AST:
    """A module, or one class or function of it."""
    file, _, name = place.partition(":")
    tree = ast.parse((CLI / file).read_text())
    if not name:
        return tree
    (found,) = (node for node in tree.body if getattr(node, "name", None) == name)
    return found


@pytest.mark.parametrize("place", READS)
def test_every_field_that_is_read_is_described(place: str) -> None:
    """A misspelt field would be read as absent, in silence."""
    schemas = openapi_checks.closed_schemas()
    described = {name for schema in READS[place] for name in schemas[schema]["properties"]}
    read = {name for name in fields_read(part_of(place)) if re.fullmatch("[a-z][A-Za-z]+", name)}
    assert read
    assert read - described - {"items"} == set()


def test_documents_are_read_in_these_modules_only() -> None:
    """Where another module begins to read answers, the table above gains a line."""
    answers = {"asked(", "listed(", "client.get(", "from_wire("}
    readers = {
        file.name for file in CLI.glob("*.py") if any(call in file.read_text() for call in answers)
    }
    others = {"commands.py", "client.py", "watch.py"}  # they pass answers on
    assert readers - others <= {place.partition(":")[0] for place in READS}


def test_the_fixtures_are_described_documents() -> None:
    """The fake service refuses to answer what the real one never would."""
    assert openapi_checks.problems("POST", "builds", 202, {"buildId": "b1"})
    assert openapi_checks.problems("GET", "builds", 200, [])
    assert openapi_checks.problems("GET", "nothing", 200, {})
