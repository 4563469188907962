"""A Packer template in JSON: `{{user ...}}` is filled in, the first azure-arm builder is taken.

https://developer.hashicorp.com/packer/docs/templates/legacy_json_templates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cli import errors
from cli.imports.draft import Unresolved
from cli.imports.packer import Template
from cli.imports.packer_steps import Provisioner

# Not those that begin with a dot: they are the provisioner's, such as {{ .Path }}.
_FUNCTION = re.compile(r"\{\{\s*([a-z_]+)\b([^{}]*)\}\}")
_DEPTH_MAX = 20
Json = dict[str, Any]
LATER = {
    "post-processors": "the record of the build and image_metadata.json say what was made",
    "error-cleanup-provisioner": "batch-prep removes what a failed build leaves",
}


def read(document: Json, given: Mapping[str, str], only: str | None) -> Template:
    """Raises Refused where there is no builder of azure-arm, or none of the name `only`."""
    sensitive = {
        name: Unresolved(f"{name}, which is sensitive")
        for name in document.get("sensitive-variables") or []
    }
    variables = {**(document.get("variables") or {}), **given, **sensitive}
    builders = document.get("builders") or []
    arms = [(i, b) for i, b in enumerate(builders) if b.get("type") == "azure-arm"]
    chosen = [(i, b) for i, b in arms if only in (None, b.get("name", b["type"]))]
    if not chosen:
        names = ", ".join(str(b.get("name", b.get("type"))) for b in builders) or "none"
        raise errors.Refused(f"of the builders ({names}), azure-arm is understood")
    index, builder = chosen[0]
    name = str(builder.get("name", builder["type"]))
    others = {
        f"builders[{i}]": f"one builder is imported, {name}; name another by --only"
        for i, _ in enumerate(builders)
        if i != index
    }
    provisioners = []
    for number, body in enumerate(document.get("provisioners") or []):
        if _is_meant(body, name):
            kind, place = str(body.get("type")), ("provisioners", number)
            provisioners.append(Provisioner(kind=kind, body=_body(body, variables), place=place))
        else:
            others[f"provisioners[{number}]"] = "it is for another builder"
    return Template(
        builder=_filled(builder, variables),
        place=("builders", index),
        provisioners=provisioners,
        left=others | {key: why for key, why in LATER.items() if document.get(key)},
    )


def _is_meant(body: Json, builder: str) -> bool:
    only, excepted = body.get("only"), body.get("except") or []
    return (not only or builder in only) and builder not in excepted


def _body(body: Json, variables: Json) -> Json:
    filled = _filled(body, variables)
    return {name: value for name, value in filled.items() if name != "type"}


def _filled(value: Any, variables: Json, depth: int = 0) -> Any:
    if isinstance(value, dict):
        return {name: _filled(part, variables, depth) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, variables, depth) for part in value]
    if not isinstance(value, str) or isinstance(value, Unresolved):
        return value
    unknown: list[str] = []

    def replace(found: re.Match[str]) -> str:
        function, argument = found[1], found[2].strip(" `\"'")
        if function == "template_dir":
            return "."
        inner = variables.get(argument) if function == "user" and depth < _DEPTH_MAX else None
        inner = _filled(inner, variables, depth + 1)
        if inner in (None, "") or isinstance(inner, Unresolved):
            name = argument if function in {"user", "env"} else function
            unknown.append(inner if isinstance(inner, Unresolved) else name)
            return ""
        return str(inner)

    made = _FUNCTION.sub(replace, value)
    return Unresolved(unknown[0]) if unknown else made
