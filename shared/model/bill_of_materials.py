"""The bill of materials of an image: a CycloneDX document that the builder's check prints. Pure."""

from __future__ import annotations

import json
from typing import Any

from shared.base.wire import Wire
from shared.model.plans import ImagePlan, ScriptPlan

Json = dict[str, Any]
_MARK = "batch-prep-bom "  # provisioning/helpers/result.sh writes it
NO_CONTAINER = "There is none: STEP_LOG_CONTAINER_URL is not set, and run commands hold only 4 KiB."


class BillPlan(Wire):
    """The plan to keep the document that the `seal` script of an image printed, for a version."""

    check: ScriptPlan
    version: str


def find(output: str) -> Json | None:
    """The document that a script printed, or None where it printed none."""
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            try:
                found = json.loads(line.removeprefix(_MARK))
            except ValueError:
                return None
            is_one = isinstance(found, dict) and found.get("bomFormat") == "CycloneDX"
            return found if is_one else None
    return None


def is_scripted(found: Json) -> bool:
    """Whether a simulator made the document without a machine that it could describe."""
    properties = found.get("metadata", {}).get("properties", [])
    return {"name": "batch-prep:scripted", "value": "true"} in properties


def complete(found: Json, image: ImagePlan, version: str) -> Json:
    """The document with the name of the published version, which the builder does not know."""
    metadata = {
        **found.get("metadata", {}),
        "component": {
            "type": "operating-system",
            "bom-ref": f"{image.gallery}/{image.definition}/{version}",
            "group": image.gallery,
            "name": image.definition,
            "version": version,
        },
    }
    return {**found, "metadata": metadata}
