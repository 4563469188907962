"""What belongs to somebody else: it lies in the same resource group, and must stay as it is."""

from __future__ import annotations

import copy
import json
from typing import Any

from local.azure_simulator import core, model, store, tokens
from local.azure_simulator.machine import contents

Json = dict[str, Any]
GROUP = "images"
GALLERY = "theirGallery"
IMAGE = "theirImage"
ACCOUNT = "theirbatch123"
SUBNET_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images/providers/"
    "Microsoft.Network/virtualNetworks/theirs/subnets/s"
)
_LOCATION = "swedencentral"
_MINUTES = 20  # until all of it is there


def settle(azure: core.Simulator) -> str:
    """A machine in its network, a gallery with an image, a Batch account with a pool. Returns the
    resource group's id.
    """
    owner = _Owner(azure)
    owner.put("", {"location": _LOCATION, "tags": {"owner": "them"}}, "2022-09-01")
    owner.put("Microsoft.Network/virtualNetworks/theirs", _network(), "2024-05-01")
    vm = "Microsoft.Compute/virtualMachines/theirs"
    owner.put(vm, _machine(owner.id("Microsoft.Network/virtualNetworks/theirs")), "2024-07-01")
    owner.put(f"Microsoft.Batch/batchAccounts/{ACCOUNT}", {"location": _LOCATION}, "2024-07-01")
    _file_image(owner)
    owner.wait(_MINUTES * 60)
    pool = f"Microsoft.Batch/batchAccounts/{ACCOUNT}/pools/theirs"
    owner.put(pool, _pool(owner.id(f"{_IMAGES}/versions/1.0.0")), "2024-07-01")
    owner.wait(_MINUTES * 60)
    return owner.group


def meddle(azure: core.Simulator, what: str) -> list[str]:
    """Do something to what is batch-prep's; returns the ids of what is foreign from now on."""
    owner = _Owner(azure)
    kinds = {
        "remove machine": ("Microsoft.Compute/virtualMachines", "2024-07-01"),
        "remove pool": ("Microsoft.Batch/batchAccounts/pools", "2024-07-01"),
        "remove network": ("Microsoft.Network/virtualNetworks", "2024-05-01"),
    }
    if what == "publish":
        return _publish(owner)
    kind, version = kinds[what]
    for found in azure.store.of_type(kind):
        if found.name != "theirs":
            owner.send("DELETE", found.id, version)
    return []


def _publish(owner: _Owner) -> list[str]:
    """The next version of each of our images, before we publish it ourselves."""
    made = []
    kind = "Microsoft.Compute/galleries/images"
    theirs = owner.azure.store.find(owner.id(f"{_IMAGES}/versions/1.0.0"))
    assert theirs is not None
    for definition in owner.azure.store.of_type(kind):
        path = f"{definition.id}/versions/1.0.0"
        is_going = definition.properties.get("provisioningState") == "Deleting"
        if definition.name == IMAGE or is_going:  # what goes takes nothing new
            continue
        if owner.azure.store.find(path) is None:
            document = {**copy.deepcopy(theirs.document), "id": path}
            state = copy.deepcopy(theirs.state)
            kind_ = f"{kind}/versions"
            owner.azure.store.add(
                store.Resource(id=path, type=kind_, document=document, state=state)
            )
            made.append(path)
    return made


def state_of(azure: core.Simulator, ids: list[str]) -> dict[str, str]:
    """What these resources are, as texts to compare."""
    found = {each: azure.store.find(each) for each in ids}
    return {
        each: json.dumps([r.document, r.label] if r else None, sort_keys=True)
        for each, r in found.items()
    }


def everything(azure: core.Simulator) -> list[str]:
    """The ids of all that Azure shows now."""
    return [r.id for r in azure.store.everything() if r.type.startswith("Microsoft.")]


_IMAGES = f"Microsoft.Compute/galleries/{GALLERY}/images/{IMAGE}"


class _Owner:
    """Somebody with a token and the plain REST interface."""

    def __init__(self, azure: core.Simulator) -> None:
        self.azure = azure
        self._token, _ = tokens.new_token(azure, "https://management.azure.com/")
        self.group = f"/subscriptions/{azure.subscription}/resourceGroups/{GROUP}"

    def id(self, path: str) -> str:
        return f"{self.group}/providers/{path}" if path else self.group

    def put(self, path: str, body: Json, version: str) -> None:
        answer = self.send("PUT", self.id(path), version, body)
        assert answer.status < 300, answer.body

    def send(
        self, method: str, path: str, version: str, body: Json | None = None
    ) -> model.Response:
        url = f"https://management.azure.com{path}?api-version={version}"
        headers = {"Authorization": f"Bearer {self._token}"}
        data = json.dumps(body).encode() if body else b""
        return self.azure.handle(model.Request.from_url(method, url, headers=headers, body=data))

    def wait(self, seconds: float) -> None:
        clock: Any = self.azure.clock
        clock.advance_to(clock.now() + seconds)
        self.azure.settle()


def _network() -> Json:
    subnet = {"addressPrefix": "10.99.0.0/25", "defaultOutboundAccess": True}
    space = {"addressPrefixes": ["10.99.0.0/24"]}
    properties = {"addressSpace": space, "subnets": [{"name": "s", "properties": subnet}]}
    return {"location": _LOCATION, "properties": properties}


def _machine(network: str) -> Json:
    card = {
        "ipConfigurations": [
            {"name": "ip", "properties": {"subnet": {"id": f"{network}/subnets/s"}}}
        ]
    }
    key = {"path": "/home/them/.ssh/authorized_keys", "keyData": "ssh-rsa AAAA"}
    image = {
        "publisher": "Canonical",
        "offer": "ubuntu-24_04-lts",
        "sku": "server",
        "version": "latest",
    }
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}}
    return {
        "location": _LOCATION,
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
            "osProfile": {
                "computerName": "theirs",
                "adminUsername": "them",
                "linuxConfiguration": linux,
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [{"name": "nic", "properties": card}],
            },
        },
    }


def _pool(image: str) -> Json:
    machine = {"imageReference": {"id": image}, "nodeAgentSkuId": "batch.node.ubuntu 24.04"}
    return {
        "properties": {
            "vmSize": "Standard_D2s_v5",
            "deploymentConfiguration": {"virtualMachineConfiguration": machine},
            "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 1, "resizeTimeout": "PT15M"}},
        }
    }


def _file_image(owner: _Owner) -> None:
    """A finished image, as if it had been there for months."""
    inside = contents.new(
        source="Canonical:ubuntu-24_04-lts:server:1",
        os="ubuntu",
        os_version="24.04",
        kernel="6.8.0-1041-azure",
    )
    inside |= {"docker": "29.7.2", "toolkit": "1.20.0", "diskGb": 64, "sealed": True}
    features = [{"name": "SecurityType", "value": "Standard"}]
    definition = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2"}
    definition |= {"architecture": "x64", "features": features}
    regions = [{"name": _LOCATION, "regionalReplicaCount": 1}]
    profile = {"targetRegions": regions, "replicationMode": "Full", "excludeFromLatest": False}
    hidden = {"contents": inside, "diskGb": 64, "source": "", "regions": {}}
    hidden["regions"] = {_LOCATION: {"start": 0.0, "end": 0.0}}
    kind = "Microsoft.Compute/galleries"
    owner_files = [
        (f"{kind}/{GALLERY}", kind, {}, {}),
        (_IMAGES, f"{kind}/images", definition, {}),
        (
            f"{_IMAGES}/versions/1.0.0",
            f"{kind}/images/versions",
            {"publishingProfile": profile},
            hidden,
        ),
    ]
    for path, type_, properties, state in owner_files:
        name = path.rpartition("/")[2]
        document = {"id": owner.id(path), "name": name, "type": type_, "location": _LOCATION}
        document["properties"] = {"provisioningState": "Succeeded", **properties}
        owner.azure.store.add(
            store.Resource(id=owner.id(path), type=type_, document=document, state=state)
        )
