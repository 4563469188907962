"""A Packer template in HCL2, of one file or several: the first source of azure-arm is taken.

https://developer.hashicorp.com/packer/docs/templates/hcl_templates
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from cli import errors
from cli.imports import hcl
from cli.imports.draft import NO_FIELD, shown
from cli.imports.packer import Template
from cli.imports.packer_steps import Provisioner

Json = dict[str, Any]
_NOT_MAPPED = {
    "post-processor": "the record of the build and image_metadata.json say what was made",
    "post-processors": "the record of the build and image_metadata.json say what was made",
    "error-cleanup-provisioner": "batch-prep removes what a failed build leaves",
    "hcp_packer_registry": "the gallery holds the versions",
}

_OF_BUILD = {"name", "description", "source", "sources", "provisioner"}


def read(document: Json, given: Mapping[str, Any], only: str | None) -> Template:
    """Raises Refused where there is no source of azure-arm, or none of the name `only`."""
    sources = {
        labels[1]: body
        for labels, body in hcl.labelled(document.get("source"), 2)
        if labels[0] == "azure-arm"
    }
    name = next((each for each in sources if only in (None, each)), None)
    if name is None:
        raise errors.Refused(f"of its sources of azure-arm ({', '.join(sources)}), none is {only}")
    scope = hcl.Scope(_names(document, given))
    template = Template(
        builder=dict(sources[name]),
        place=("source", "azure-arm", name),
        provisioners=[],
        left={
            f"source.azure-arm.{other}": f"one source is imported, {name}; name another by --only"
            for other in sources.keys() - {name}
        },
    )
    if document.get("data"):
        template.left["data"] = "its values are read from Azure when Packer runs"
    for index, block in enumerate(document.get("build") or []):
        if _builds(block, name):
            _add(template, block, index, scope)
    return dataclasses.replace(template, builder=scope.filled(template.builder))


def _add(template: Template, block: Json, index: int, scope: hcl.Scope) -> None:
    """What a `build` block says of its source."""
    name = str(template.place[-1])
    for labels, changes in hcl.labelled(block.get("source"), 1):
        if labels[0].removeprefix("source.") == f"azure-arm.{name}":
            template.builder.update(changes)
    for number, (labels, inner) in enumerate(hcl.labelled(block.get("provisioner"), 1)):
        place, body = ("build", index, "provisioner", number), scope.filled(inner)
        if _is_meant(body, name):
            template.provisioners.append(Provisioner(kind=labels[0], body=body, place=place))
        else:
            template.left[shown(place)] = "it is for another source"
    for key in block.keys() - _OF_BUILD:
        template.left[f"build[{index}].{key}"] = _NOT_MAPPED.get(key, NO_FIELD)


def _builds(block: Json, name: str) -> bool:
    named = [str(each) for each in block.get("sources") or []]
    named += [labels[0] for labels, _ in hcl.labelled(block.get("source"), 1)]
    return f"azure-arm.{name}" in {each.removeprefix("source.") for each in named}


def _is_meant(body: Json, name: str) -> bool:
    names = {name, f"azure-arm.{name}", "azure-arm"}
    only, excepted = (set(map(str, body.get(key) or [])) for key in ("only", "except"))
    return (not only or bool(only & names)) and not excepted & names


def _names(document: Json, given: Mapping[str, Any]) -> Callable[[list[str]], Any]:
    values = {**_variables(document), **given, **hcl.withheld(document)}
    known = {"var": values, "local": hcl.local_values(document)}

    def look_up(path: list[str]) -> Any:
        if path in (["path", "root"], ["path", "cwd"]):
            return "."
        found = hcl.member(known, path)
        if found in (None, ""):
            raise KeyError(path)  # an empty default stands for a value to be given
        return found

    return look_up


def _variables(document: Json) -> Json:
    found: Json = {}
    for block in document.get("variables") or []:
        found |= block
    return found | hcl.defaults(document)
