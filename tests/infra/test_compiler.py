"""Microsoft's compiler accepts the template without a warning, and the committed files are its own.

`make infra` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infra import compiler, template

pytestmark = pytest.mark.skipif(compiler.find() is None, reason=compiler.ABSENT)
SOURCES = [template.INFRA / "main.bicep", *sorted((template.INFRA / "modules").glob("*.bicep"))]


def without_generator(value: Any) -> Any:
    """A compiled template without the compiler's version and its digests."""
    if isinstance(value, dict):
        return {
            name: without_generator(each) for name, each in value.items() if name != "_generator"
        }
    return [without_generator(each) for each in value] if isinstance(value, list) else value


def test_the_template_has_no_warning() -> None:
    """Neither of the compiler nor of its linter."""
    assert compiler.run("lint", template.INFRA / "main.bicep") == ""


def test_the_compiled_template_is_that_of_the_sources() -> None:
    """People deploy it where there is no compiler."""
    made = json.loads(compiler.run("build", template.INFRA / "main.bicep", "--stdout"))
    committed = json.loads((template.INFRA / "main.json").read_text())
    assert without_generator(committed) == without_generator(made), "run: make infra"


@pytest.mark.parametrize("snapshot", [template.DEFAULT, template.EVERYTHING], ids=lambda p: p.stem)
def test_a_snapshot_is_what_a_deployment_would_create(snapshot: Path) -> None:
    """The other tests read it."""
    parameters = snapshot.with_name(snapshot.name.replace(".snapshot.json", ".bicepparam"))
    compiler.run("snapshot", parameters, "--mode", "validate", *compiler.PLACE)


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_the_sources_are_formatted(source: Path) -> None:
    """As the compiler formats them."""
    assert compiler.run("format", source, "--stdout") == source.read_text()
