"""Every field of a request is carried out or refused, in every mode: none is silently dropped."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.errors import RequestRefused
from shared.model import parsing, planning
from shared.model.image_request import Image
from shared.model.pool_request import Pool
from shared.model.requests import BatchAccount
from tests.world import CONFIG, SETTINGS

SUBSCRIPTION = SETTINGS["AZURE_SUBSCRIPTION_ID"]
SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/net/subnets/nodes"
)
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/team/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/team"
)
VERSION_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers/Microsoft.Compute"
    "/galleries/g/images/i/versions/1.0.0"
)
# A value of each field that is not its default, with what else it needs.
IMAGE: dict[str, Any] = {
    "id": VERSION_ID,
    "resourceGroup": "elsewhere",
    "location": "westeurope",
    "gallery": "mine",
    "name": "mine",
    "version": "2.0.0",
    "base": {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2"},
    "os": "almalinux",
    "osVersion": "22.04",
    "gpu": True,
    "infiniband": True,
    "driverVersion": "580.173.02",
    "driverSource": "canonical",
    "containerToolkitVersion": "1.20.0",
    "dockerVersion": "29.7.2",
    "scratch": True,
    "dcgm": True,
    "builderVmSize": "Standard_D4s_v5",
    "builderVmSizes": ["Standard_D4s_v5"],
    "zones": ["1"],
    "securityType": "TrustedLaunch",
    "managedImage": True,
    "outbound": "defaultAccess",
    "sshPublicKey": "ssh-ed25519 AAAA",
    "spot": True,
    "containerImages": ["docker.io/library/busybox:1.36"],
    "registry": {"name": "imagesregistry1"},
    "registries": [{"loginServer": "team.azurecr.io", "identity": IDENTITY}],
    "identity": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/reader",
    "steps": [{"name": "setup", "inline": "true"}],
    "targetRegions": [{"name": "westeurope"}],
    "osDiskSizeGiB": 128,
    "osDiskStorageAccountType": "StandardSSD_LRS",
    "dataDisks": [{"lun": 0, "diskSizeGB": 64}],
    "tags": {"team": "a"},
    "endOfLifeDate": "2027-01-31",
    "excludeFromLatest": True,
    "secureBoot": False,
    "vTpm": False,
    "storageAccountType": "Premium_LRS",
    "keepVm": True,
    "force": True,
}
POOL: dict[str, Any] = {
    "id": "mine",
    "vmSize": "Standard_D4s_v5",
    "vmSizes": ["Standard_D4s_v5"],
    "nodes": 3,
    "lowPriorityNodes": 2,
    "autoscaleFormula": "$TargetDedicatedNodes=1;",
    "taskSlotsPerNode": 2,
    "image": "2.0.0",
    "verify": True,
    "dcgm": True,
    "ifExists": "replace",
    "subnetId": SUBNET,
    "startTask": {"commandLine": "/bin/true"},
    "checks": [{"image": "docker.io/library/busybox:1.36", "command": "true"}],
    "ttlHours": 2,
    "interruptTasks": True,
    "interNodeCommunication": True,
    "displayName": "Mine",
    "metadata": [{"name": "team", "value": "a"}],
    "tags": {"team": "a"},
    "identity": {"userAssignedIdentities": {IDENTITY: {}}},
    "containerConfiguration": {"containerImageNames": ["docker.io/library/busybox:1.36"]},
    "userAccounts": [{"name": "worker"}],
    "applicationPackages": [{"id": "tool"}],
    "taskSchedulingPolicy": {"nodeFillType": "Spread"},
    "autoscale": {"preset": "fixed", "nodes": 2},
    "autoscaleEvaluationInterval": "PT30M",
    "nodeDeallocationOption": "Terminate",
    "resizeTimeout": "PT1H",
    "mountConfiguration": [
        {"nfsMountConfiguration": {"source": "a.example.org:/b", "relativeMountPath": "data"}}
    ],
    "publicIPAddressConfiguration": {"provision": "BatchManaged"},
    "endpointConfiguration": {
        "inboundNatPools": [
            {
                "name": "ssh",
                "protocol": "TCP",
                "backendPort": 22,
                "frontendPortRangeStart": 1000,
                "frontendPortRangeEnd": 1100,
            }
        ]
    },
    "enableAcceleratedNetworking": True,
    "osDisk": {"diskSizeGB": 128},
    "dataDisks": [{"lun": 0, "diskSizeGB": 64}],
    "securityProfile": {"encryptionAtHost": True},
    "nodePlacementConfiguration": {"policy": "Zonal"},
}
ACCOUNT = {"name": "another1", "resourceGroup": "elsewhere", "location": "westeurope"}
TRUSTED = {"secureBoot", "vTpm"}
WITH_GPU = {
    "driverVersion",
    "containerToolkitVersion",
    "dcgm",
    "driverSource",
}  # which say nothing without one


def _request(mode: str) -> dict[str, Any]:
    request: dict[str, Any] = {"mode": mode, "requestId": "r1", "image": {}}
    return request if mode == "image-only" else {**request, "pools": [{}]}


def _plan(request: dict[str, Any]) -> Any:
    return planning.plan_build(parsing.parse_build(request, CONFIG), CONFIG).to_wire()


def _changed(mode: str, part: str, field: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The request without the field, and with it."""
    without, changed = _request(mode), _request(mode)
    if part == "image":
        needed = {"gpu": True} if field in WITH_GPU else {}
        if field in TRUSTED:
            needed = {"securityType": "TrustedLaunch"}
        without["image"] = needed
        changed["image"] = {**needed, field: IMAGE[field]}
    elif part == "pools":
        changed["pools"] = [{field: POOL[field]}]
    else:
        without["batchAccount"] = {"name": "mybatch12345"}
        changed["batchAccount"] = {"name": "mybatch12345", field: ACCOUNT[field]}
    return without, changed


FIELDS = [
    *(("image", field) for field in IMAGE),
    *(("pools", field) for field in POOL),
    *(("batchAccount", field) for field in ACCOUNT),
]


@pytest.mark.parametrize("mode", ["full", "image-only", "batch-only"])
@pytest.mark.parametrize(("part", "field"), FIELDS, ids=[".".join(f) for f in FIELDS])
def test_a_field_is_carried_out_or_refused(mode: str, part: str, field: str) -> None:
    """A pool that comes without what was asked for looks like one that has it."""
    without, changed = _changed(mode, part, field)
    try:
        plan = _plan(changed)
    except RequestRefused as refused:
        places = [p.field for p in refused.problems if p.code == "Impossible"]
        index = "[0]" if part == "pools" else ""
        assert any(place in {f"{part}{index}.{field}", part} for place in places), places
        return
    assert plan != _plan(without)


def test_every_field_is_tried() -> None:
    """A field that is added is tried, too."""
    for model, tried in ((Image, IMAGE), (Pool, POOL), (BatchAccount, ACCOUNT)):
        assert {field.alias for field in model.model_fields.values()} == set(tried)


def test_what_says_nothing_is_no_contradiction() -> None:
    """Programs send every field, the defaults included."""
    request = {**_request("batch-only"), "image": {"keepVm": False, "containerImages": []}}
    assert _plan(request) == _plan(_request("batch-only"))
