"""Request bodies of the image itself: gallery, definition, version, and what it is copied from.

Pure; each is reviewed in tests/golden.
"""

from __future__ import annotations

from typing import Any

from shared.azure import bodies
from shared.model.plans import ImagePlan

Json = dict[str, Any]


def gallery(plan: ImagePlan) -> Json:
    """The gallery. It outlives the build, so it carries no expiry."""
    return {
        "location": plan.location,
        "tags": bodies.lasting(plan.tags),
        "properties": {"description": "Images for Azure Batch, made by batch-prep"},
    }


PUBLISHER = "batch-prep"  # of image definitions


def offer(plan: ImagePlan) -> str:
    """What the images of a definition hold, as its identifier has it."""
    return f"{plan.system.name}-{plan.system.version}-{'gpu' if plan.gpu else 'cpu'}"


def image_definition(plan: ImagePlan) -> Json:
    """The image definition: what all versions have in common. It cannot be changed afterwards."""
    assert plan.base is not None, "the base image is looked up before anything is made"
    body: Json = {
        "location": plan.location,
        "tags": bodies.lasting(plan.tags),
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": plan.base.generation,
            "architecture": plan.base.architecture,
            "identifier": {
                "publisher": PUBLISHER,
                "offer": offer(plan),
                "sku": plan.definition[:64],
            },
            # Said explicitly: Azure's default forbids versions that come straight from a VM.
            "features": [
                {"name": "SecurityType", "value": plan.security_type.value},
                *({"name": n, "value": v} for n, v in _kept_features(plan.base.features)),
            ],
        },
    }
    if plan.base.purchase_plan:
        body["properties"]["purchasePlan"] = plan.base.purchase_plan
    return body


def _kept_features(features: dict[str, str]) -> list[tuple[str, str]]:
    """What sizes need of an image, as the base image has it."""
    kept = ("DiskControllerTypes", "IsAcceleratedNetworkSupported")
    return [(name, features[name]) for name in kept if name in features]


def snapshot(plan: ImagePlan, disk_id: str) -> Json:
    """A full copy of the builder's disk; like the disk it says its generation and security type."""
    return {
        "location": plan.location,
        "tags": plan.tags,
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "creationData": {"createOption": "Copy", "sourceResourceId": disk_id},
            "incremental": False,
        },
    }


def image_version(plan: ImagePlan) -> Json:
    """One version, in every region asked for. Its end of life is only shown:
    https://learn.microsoft.com/azure/virtual-machines/azure-compute-gallery
    """
    ends = {"endOfLifeDate": f"{plan.end_of_life}T00:00:00Z"} if plan.end_of_life else {}
    return {
        "location": plan.location,
        "tags": bodies.lasting(plan.tags),
        "properties": {
            "publishingProfile": {
                "targetRegions": [
                    {
                        "name": region,
                        "regionalReplicaCount": replicas,
                        "storageAccountType": plan.storage_account_type.value,
                    }
                    for region, replicas in plan.target_regions.items()
                ],
                "replicationMode": "Full",
                "excludeFromLatest": plan.exclude_from_latest,
                **ends,
            },
            "storageProfile": _source(plan),
            "safetyProfile": {"allowDeletionOfReplicatedLocations": True},
        },
    }


def _source(plan: ImagePlan) -> Json:
    if not plan.from_snapshot:
        return {"source": {"virtualMachineId": plan.source_id}}
    return {"osDiskImage": {"source": {"id": plan.source_id}, "hostCaching": "ReadWrite"}}


def managed_image(plan: ImagePlan) -> Json:
    """The legacy managed image, beside the gallery version, only on request."""
    assert plan.base is not None
    return {
        "location": plan.location,
        "tags": bodies.lasting(plan.tags),
        "properties": {
            "sourceVirtualMachine": {"id": plan.vm_id},
            "hyperVGeneration": plan.base.generation,
        },
    }
