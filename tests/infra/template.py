"""What a deployment of `infra/` would create, from the committed snapshots of the Bicep compiler.

A snapshot has every resource with its properties. What only a deployment itself can know, such as
the client id of an identity, is left as an expression; `Snapshot.resolved` fills it in.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.azure_simulator.resources import expressions
from local.stack import layout

Json = dict[str, Any]
INFRA = layout.ROOT / "infra"
HERE = Path(__file__).parent
DEFAULT = INFRA / "main.snapshot.json"
EVERYTHING = HERE / "everything.snapshot.json"
_OUTSIDE_BODY = {"id", "type", "name", "apiVersion", "condition"}
_ENVIRONMENT = {
    "name": "AzureCloud",
    "resourceManager": "https://management.azure.com/",
    "suffixes": {"storage": "core.windows.net"},
    "authentication": {"loginEndpoint": "https://login.microsoftonline.com/"},
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One resource of a deployment."""

    id: str
    type: str
    api_version: str
    body: Json

    @property
    def name(self) -> str:
        """The last part of its id."""
        return self.id.rpartition("/")[2]

    @property
    def url(self) -> str:
        """Where a PUT creates it."""
        return f"https://management.azure.com{self.id}?api-version={self.api_version}"


def resources(snapshot: Path, outputs: Mapping[str, Mapping[str, str]]) -> list[Resource]:
    """All of a snapshot. `outputs` are those of the modules, by module and output."""
    functions = _functions(outputs)
    predicted = json.loads(snapshot.read_text())["predictedResources"]
    found = [expressions.evaluated(each, functions) for each in predicted]
    return [
        Resource(
            id=each["id"],
            type=each["type"],
            api_version=each["apiVersion"],
            body={name: value for name, value in each.items() if name not in _OUTSIDE_BODY},
        )
        for each in found
    ]


class _Unknown(dict[str, Any]):
    """Outputs of a module that nobody has given: each is named by a text of its own."""

    def __init__(self, module: str) -> None:
        super().__init__()
        self._module = module

    def __missing__(self, output: str) -> Json:
        return {"value": f"<{self._module}.{output}>"}


def _functions(outputs: Mapping[str, Mapping[str, str]]) -> expressions.Functions:
    def reference(deployment: str, _: str) -> Json:
        module = deployment.rpartition("/")[2].partition("-")[0]
        known = outputs.get(module)
        if known is None:
            return {"outputs": _Unknown(module)}
        return {"outputs": {name: {"value": value} for name, value in known.items()}}

    def within(scope: str, kind: str, *names: str) -> str:
        namespace, *kinds = kind.split("/")
        pairs = zip(kinds, names, strict=True)
        return "/".join([scope, "providers", namespace, *(part for pair in pairs for part in pair)])

    def resource_id(subscription: str, group: str, kind: str, *names: str) -> str:
        return within(f"/subscriptions/{subscription}/resourceGroups/{group}", kind, *names)

    return {
        "reference": reference,
        "resourceid": resource_id,
        "subscriptionresourceid": lambda s, *rest: within(f"/subscriptions/{s}", *rest),
        "extensionresourceid": within,
        "format": lambda text, *values: str(text).format(*values),
        # The compiler's one filter: of the parts of a name, those that are not empty.
        "filter": lambda items, _: [item for item in items if item],
        "lambda": lambda *_: None,
        "lambdavariables": lambda _: None,
        "empty": lambda value: not value,
        "not": lambda value: not value,
        "split": lambda text, by: str(text).split(by),
        "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts))),
        "uniquestring": lambda *parts: uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts)).hex[:13],
        "deployment": lambda: {"name": "deployment"},
        "environment": lambda: _ENVIRONMENT,
    }


def settings(found: list[Resource]) -> dict[str, str]:
    """The application settings of the site among the resources."""
    (site,) = [each for each in found if each.type == "Microsoft.Web/sites"]
    return {
        each["name"]: each["value"] for each in site.body["properties"]["siteConfig"]["appSettings"]
    }
