"""The bill of materials that a machine prints which has nothing in it: CycloneDX, marked scripted.

It names what the machine is imagined to have: its system, Docker, the toolkit, the driver, the
container images. The packages of a real system are not made up.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from local.azure_simulator import model

_PACKAGES = {
    "docker": ("docker-ce",),
    "toolkit": ("nvidia-container-toolkit",),
    "driver": ("nvidia-driver",),
}


def imagined(run_id: str, vm: model.JsonObject) -> model.JsonObject:
    """The document of a machine with these contents (see `contents`)."""
    system = {
        "type": "operating-system",
        "bom-ref": "system",
        "name": vm["os"],
        "version": vm["osVersion"],
    }
    scripted = {"name": "batch-prep:scripted", "value": "true"}
    kernel = {"name": "batch-prep:kernel", "value": vm["kernel"]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, run_id)}",
        "version": 1,
        "metadata": {"component": system, "properties": [scripted, kernel]},
        "components": [system, *_packages(vm), *_containers(vm)],
    }


def _packages(vm: model.JsonObject) -> Iterator[model.JsonObject]:
    kind = "deb" if vm["os"] in {"ubuntu", "debian"} else "rpm"
    for part, names in _PACKAGES.items():
        for name in names if vm[part] else ():
            address = f"pkg:{kind}/{vm['os']}/{name}@{vm[part]}"
            yield {
                "type": "library",
                "bom-ref": address,
                "name": name,
                "version": vm[part],
                "purl": address,
            }


def _containers(vm: model.JsonObject) -> Iterator[model.JsonObject]:
    for image in vm["images"]:
        place = image["name"].rpartition("@")[0] or image["name"]
        name = place.rpartition("/")[2].partition(":")[0]
        quoted = image["digest"].replace(":", "%3A")
        yield {
            "type": "container",
            "bom-ref": f"container:{image['name']}",
            "name": image["name"],
            "version": image["digest"],
            "purl": f"pkg:oci/{name}@{quoted}",
        }
