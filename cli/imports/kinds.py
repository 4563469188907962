"""What a file is, by its content; its text becomes the draft of a request."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cli import errors
from cli.imports import arm, hcl, packer, packer_hcl, packer_json, pools, terraform
from cli.imports.draft import NO_FIELD, Draft
from cli.imports.draft import Path as Place

Json = dict[str, Any]
UNDERSTOOD = (
    "a Packer template with a builder of azure-arm (JSON or HCL2), the body of `az batch pool "
    "create --json-file`, what `az batch pool show` or `az resource show` print of a pool, a "
    "Resource Manager template with pools (Bicep: `az bicep build`), or Terraform with an "
    "azurerm_batch_pool"
)
# What is around builders, sources, pools and resources in each kind of file.
_OF_PACKER_JSON = {"variables", "sensitive-variables", "builders", "provisioners", "description"}
_OF_PACKER_JSON |= {"min_packer_version", *packer_json.LATER}
_OF_TEMPLATE = {"$schema", "contentVersion", "languageVersion", "metadata", "parameters"}
_OF_TEMPLATE |= {"variables", "functions", "definitions", "resources", "outputs"}
_OF_HCL = {"packer", "source", "build", "variable", "variables", "locals", "local", "data"}
_OF_HCL |= {"resource", "module", "provider", "terraform", "output"}
_HCL = ("*.pkr.hcl", "*.tf")
_VALUES = ("*.auto.pkrvars.hcl", "terraform.tfvars", "*.auto.tfvars")


def read(path: Path, given: Mapping[str, str], only: str | None) -> Draft:
    """Import a file, or a folder of HCL files. Raises Refused where it is nothing of these."""
    draft = Draft()
    mapped: Callable[[Draft, Any, Mapping[str, Any], str | None, Path], None]
    if path.is_dir():
        document, values = _of_folder(path)
        mapped = functools.partial(from_hcl, folder=path)
        given = {**values, **given}
    else:
        text = _text(path)
        if text.lstrip().startswith(("{", "[")):
            document, mapped = _json(text, path), from_json
        else:
            _refuse_bicep(text, path)
            document = _hcl(text, path)
            mapped = functools.partial(from_hcl, folder=path.parent)
    try:
        mapped(draft, document, given, only, path)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        # A list where each such file has an object, and the like: the tools would refuse it, too.
        why = f"{path} is not shaped as {UNDERSTOOD} is ({type(error).__name__}: {error})"
        raise errors.Refused(why) from error
    draft.complete()
    return draft


def _refuse_bicep(text: str, path: Path) -> None:
    if re.search(r"^\s*resource\s+\w+\s+'[^']+@", text, re.MULTILINE):
        raise errors.Refused(
            f"{path} is Bicep: run `az bicep build --file {path.name}` and import the JSON"
        )


def from_json(
    draft: Draft, document: Any, given: Mapping[str, str], only: str | None, path: Path
) -> None:
    """Map the value of a JSON file into a draft. The Azure CLI prints lists, too."""
    if isinstance(document, list):
        document = next((d for d in document if only in (None, _name(d))), document)
    if not isinstance(document, dict):
        raise _unknown(path)
    if isinstance(document.get("builders"), list):
        _name_rest(draft, document, _OF_PACKER_JSON)
        packer.into(draft, packer_json.read(document, given, only), path.parent)
        return
    found = _pools(draft, document, given, path)
    chosen = [pool for pool in found if only in (None, str(pool.name))]
    for pool in found:
        if pool not in chosen:
            draft.leave(pool.place, "it is not the pool of --only")
    if not chosen:
        raise errors.Refused(f"{path} has no pool{f' named {only}' if only else ''}")
    pools.into(draft, chosen)


def _pools(draft: Draft, document: Json, given: Mapping[str, str], path: Path) -> list[pools.Found]:
    if "resources" in document and ("$schema" in document or "contentVersion" in document):
        found, left = arm.pools_of(document, given)
        draft.left |= left
        _name_rest(draft, document, _OF_TEMPLATE)
        return found
    if isinstance(document.get("pool"), dict):  # of the Azure CLI's extension for Batch
        _name_rest(draft, document, {"parameters", "variables", "pool"})
        filled = arm.scope_of(document, given).filled(document["pool"])
        return [_of_service(filled.get("properties") or filled, ("pool", "properties"))]
    properties = document.get("properties")
    is_pool = str(document.get("type", "")).lower() == arm.POOL
    if isinstance(properties, dict) and (is_pool or "vmSize" in properties):
        return [arm.of_resource(document, ())]
    if "vmSize" in document and ("virtualMachineConfiguration" in document or "id" in document):
        return [_of_service(document, ())]
    raise _unknown(path)


def _of_service(document: Json, place: Place) -> pools.Found:
    """A pool as the Batch service has it; its address names the account."""
    url = re.match(r"https://([a-z0-9]+)\.([a-z0-9]+)\.batch\.", str(document.get("url") or ""))
    account: dict[str, Any] = {}
    if url:
        account = {"name": (url[1], ("url",)), "location": (url[2], ("url",))}
    return pools.Found(
        document=document,
        place=place,
        account=account,
        name=document.get("id"),
        table=pools.SERVICE,
    )


def from_hcl(
    draft: Draft,
    document: Json,
    given: Mapping[str, Any],
    only: str | None,
    path: Path,
    *,
    folder: Path,
) -> None:
    """Map the blocks of HCL files into a draft."""
    _name_rest(draft, document, _OF_HCL)
    kinds = {labels[0] for labels, _ in hcl.labelled(document.get("source"), 1)}
    resources = {labels[0] for labels, _ in hcl.labelled(document.get("resource"), 1)}
    if "azure-arm" in kinds:
        packer.into(draft, packer_hcl.read(document, given, only), folder)
    elif terraform.TYPE in resources:
        terraform.into(draft, document, given, only)
    else:
        raise _unknown(path)


def _name_rest(draft: Draft, document: Json, known: set[str]) -> None:
    for name in document.keys() - known:
        draft.leave((name,), NO_FIELD)


def _of_folder(folder: Path) -> tuple[Json, Json]:
    """The blocks of all its files together, and the values of its variables."""
    files = [file for pattern in _HCL for file in sorted(folder.glob(pattern))]
    if not files:
        raise errors.Refused(f"{folder} has no {' and no '.join(_HCL)}")
    blocks: Json = {}
    for file in files:
        for name, value in hcl.parse(_text(file), str(file)).items():
            blocks[name] = blocks.get(name, []) + (value if isinstance(value, list) else [value])
    values: Json = {}
    for file in (file for pattern in _VALUES for file in sorted(folder.glob(pattern))):
        values |= hcl.parse(_text(file), str(file))
    return blocks, values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise errors.unreadable(path, error) from error


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise errors.Refused(f"{path} is not JSON: {error}") from None


def _hcl(text: str, path: Path) -> Json:
    try:
        return hcl.parse(text, str(path))
    except errors.Refused as refusal:  # whatever begins with no bracket comes here
        message = f"{refusal.message}. Understood is {UNDERSTOOD}"
        raise errors.Refused(message) from None


def _name(document: Any) -> str:
    return str(document.get("id") or document.get("name")) if isinstance(document, dict) else ""


def _unknown(path: Path) -> errors.Refused:
    return errors.Refused(f"{path} is not understood. Understood is {UNDERSTOOD}")
