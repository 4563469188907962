"""Small files of other tools, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.imports import kinds
from cli.imports.draft import Draft

Json = dict[str, Any]
POOL: Json = {"id": "p", "vmSize": "Standard_D2s_v5", "virtualMachineConfiguration": {}}


def drafted(document: Any, tmp_path: Path, **given: Any) -> Draft:
    """What becomes of a file: JSON, or the text of HCL."""
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / "file").write_text(text)
    return kinds.read(tmp_path / "file", given.get("values", {}), given.get("only"))


def packer(*provisioners: Json, **builder: Any) -> Json:
    """A Packer template."""
    return {
        "builders": [{"type": "azure-arm", "os_type": "Linux", **builder}],
        "provisioners": list(provisioners),
    }


def pool(**fields: Any) -> Json:
    """A pool of the Batch service on Ubuntu."""
    machine = {"nodeAgentSKUId": "batch.node.ubuntu 24.04", **fields.pop("machine", {})}
    return {**POOL, "virtualMachineConfiguration": machine, **fields}
