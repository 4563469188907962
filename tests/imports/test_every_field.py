"""Every value of a file is part of the request, or named with a reason."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.imports import hcl, kinds
from cli.imports.draft import Draft, shown
from cli.imports.draft import Path as Place
from tests.imports.test_ten_files import FILES, IMPORTS

UNKNOWN = "zz_unknown"
# What is no field of a builder or pool: inputs of the file, and what is left out as a whole.
INPUTS = {"variables", "variable", "locals", "parameters", "packer", "data", "metadata"}


def document_of(source: str) -> tuple[Any, bool]:
    """The file's value, and whether it is HCL."""
    path = FILES / source
    if path.is_dir():
        blocks: dict[str, Any] = {}
        for file in sorted(path.glob("*.hcl")):
            blocks |= hcl.parse(file.read_text(), file.name)
        return blocks, True
    if path.suffix == ".json":
        return json.loads(path.read_text()), False
    return hcl.parse(path.read_text(), path.name), True


# No fields of a builder or a pool: HCL's objects by label, the deployment around an inner template,
# and Azure's own record of a pool's last autoscale run.
AROUND = {
    True: r"(?:source|resource)\[\d+\](?:\.[\w-]+)?|build\[\d+\]\.[a-z-]+\[\d+\]",
    False: r"resources\[0\](?:\.properties(?:\.expressionEvaluationOptions|\.parameters.*"
    r"|\.template(?:\.parameters.*)?)?)?|autoScaleRun",
}


def objects(value: Any, is_hcl: bool, path: Place = ()) -> Iterator[Place]:
    """Where an object is."""
    if isinstance(value, dict):
        if not re.fullmatch(AROUND[is_hcl], shown(path)):
            yield path
        for name, part in value.items():
            if path or name not in INPUTS:
                yield from objects(part, is_hcl, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from objects(part, is_hcl, (*path, index))


def drafted(document: Any, is_hcl: bool) -> Draft:
    """What becomes of a document."""
    draft = Draft()
    if is_hcl:
        kinds.from_hcl(draft, document, {}, None, Path("x"), folder=FILES)
    else:
        kinds.from_json(draft, document, {}, None, Path("x"))
    draft.complete()
    return draft


@pytest.mark.parametrize("name", IMPORTS)
def test_a_field_that_no_rule_knows_is_named(name: str) -> None:
    """At every place where a file has an object, one more field is not lost in silence."""
    document, is_hcl = document_of(IMPORTS[name][0])
    lost = []
    for place in objects(document, is_hcl):
        changed = copy.deepcopy(document)
        holder = changed
        for part in place:
            holder = holder[part]
        holder[UNKNOWN] = "zz-value"
        draft = drafted(changed, is_hcl)
        if "zz-value" not in json.dumps(draft.request) and not is_named(draft, place):
            lost.append(shown(place))
    assert lost == []


def is_named(draft: Draft, place: Place) -> bool:
    """The field, or what it is part of as a whole."""
    if place[:1] == ("resource",):  # its place in HCL is that of its labels
        place = ("resource", *place[2:])
    above = {shown(place[:length]) for length in range(1, len(place) + 1)}
    return any(UNKNOWN in name or name in above for name in draft.left)
