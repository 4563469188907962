"""Every body that goes to Azure, as a file that a person has read.

`make golden` writes the files anew; the difference is what to review.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from shared.azure import batch_bodies, bodies, image_bodies
from shared.base import settings
from shared.base.wire import replace
from shared.model import image_scripts, parsing, plan_updates, planning
from shared.model.image_parts import BaseImage, PreloadedImage
from shared.model.image_request import SecurityType
from shared.model.outcomes import ImageRecord
from shared.model.own_steps import ImageStep
from shared.model.plans import ImagePlan, ScriptPlan
from shared.model.pool_request import Pool
from tests.golden.asked_image import ASKED
from tests.world import SETTINGS

HERE = Path(__file__).parent
CONFIG = settings.load(SETTINGS)
TEAM = (
    f"/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}/resourceGroups/team/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/team"
)
NETWORK = TEAM.partition("Microsoft.ManagedIdentity")[0] + "Microsoft.Network"
DISK = TEAM.partition("Microsoft.ManagedIdentity")[0] + "Microsoft.Compute/disks/d"
SUBNET = f"{NETWORK}/virtualNetworks/n/subnets/s"
ADDRESS = f"{NETWORK}/publicIPAddresses/a"
REQUEST: dict[str, Any] = {
    "mode": "full",
    "requestId": "golden",
    "image": {
        "resourceGroup": "images",
        "gpu": True,
        "containerImages": ["docker.io/library/busybox:1.36"],
        "registry": {
            "name": "imagesregistry1",
            "build": {"source": "https://example.org/app.git#main", "image": "app:v1"},
        },
        "targetRegions": [{"name": "westeurope", "replicas": 2}],
    },
    "batchAccount": {"name": "mybatch12345"},
    "pools": [
        {
            "id": "dev",
            "vmSize": "Standard_NC4as_T4_v3",
            "nodes": 2,
            "startTask": {
                "commandLine": 'echo "it\'s $HOME"; exit 0',
                "userIdentity": {"userName": "worker"},
                "environmentSettings": [{"name": "LICENSE_SERVER", "value": "a b; $(id)"}],
                "resourceFiles": [
                    {"httpUrl": "https://example.org/tool", "filePath": "tool", "fileMode": "0755"},
                    {
                        "storageContainerUrl": "https://team.blob.core.windows.net/data",
                        "identityReference": {"resourceId": TEAM},
                    },
                ],
                "maxTaskRetryCount": 3,
            },
            "userAccounts": [{"name": "worker", "elevationLevel": "admin"}],
            "applicationPackages": [{"id": "tool", "version": "1.0"}, {"id": "other"}],
            "dcgm": True,
            "displayName": "Development",
            "metadata": [{"name": "team", "value": "a"}],
            "tags": {"cost": "a"},
            "containerConfiguration": {
                "containerImageNames": ["team.azurecr.io/app:1"],
                "containerRegistries": [
                    {"registryServer": "team.azurecr.io", "identityReference": {"resourceId": TEAM}}
                ],
            },
            "taskSchedulingPolicy": {"nodeFillType": "Spread"},
            "mountConfiguration": [
                {
                    "azureBlobFileSystemConfiguration": {
                        "accountName": "team",
                        "containerName": "data",
                        "relativeMountPath": "data",
                        "identityReference": {"resourceId": TEAM},
                    }
                },
                {
                    "nfsMountConfiguration": {
                        "source": "files.example.org:/data",
                        "relativeMountPath": "nfs",
                        "mountOptions": "-o vers=4,minorversion=1,sec=sys",
                    }
                },
            ],
            "subnetId": SUBNET,
            "publicIPAddressConfiguration": {
                "provision": "UserManaged",
                "ipAddressIds": [ADDRESS],
            },
            "endpointConfiguration": {
                "inboundNatPools": [
                    {
                        "name": "ssh",
                        "protocol": "TCP",
                        "backendPort": 22,
                        "frontendPortRangeStart": 1000,
                        "frontendPortRangeEnd": 1100,
                        "networkSecurityGroupRules": [
                            {"priority": 150, "access": "Deny", "sourceAddressPrefix": "*"}
                        ],
                    }
                ]
            },
            "enableAcceleratedNetworking": True,
            "osDisk": {
                "diskSizeGB": 128,
                "ephemeralOSDiskSettings": {"placement": "CacheDisk"},
            },
            "dataDisks": [
                {
                    "lun": 0,
                    "diskSizeGB": 64,
                    "caching": "ReadOnly",
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                }
            ],
            "nodePlacementConfiguration": {"policy": "Zonal"},
            "nodeDeallocationOption": "taskcompletion",
            "resizeTimeout": "PT1H",
            "checks": [{"image": "docker.io/library/busybox:1.36", "command": "true"}],
        },
        {"id": "auto", "vmSize": "Standard_D2s_v5", "autoscaleFormula": "$TargetDedicatedNodes=1;"},
        {
            "id": "other",
            "vmSize": "Standard_D2s_v5",
            "autoscale": {"preset": "pendingTasks", "minNodes": 1, "maxNodes": 8},
            "autoscaleEvaluationInterval": "PT15M",
            "taskSlotsPerNode": 2,
            "interNodeCommunication": True,
            "startTask": {
                "commandLine": "true",
                "userIdentity": {"autoUser": {"scope": "Task", "elevationLevel": "Admin"}},
                "resourceFiles": [
                    {
                        "storageContainerUrl": "https://team.blob.core.windows.net/data",
                        "blobPrefix": "tools/",
                        "filePath": "tools",
                    }
                ],
                "waitForSuccess": True,
            },
            "userAccounts": [{"name": "a", "linuxUserConfiguration": {"uid": 2000, "gid": 2001}}],
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {TEAM: {}}},
            "mountConfiguration": [
                {
                    "azureBlobFileSystemConfiguration": {
                        "accountName": "team",
                        "containerName": "data",
                        "relativeMountPath": "data",
                        "blobfuseOptions": "-o ro",
                        "identityReference": {"resourceId": TEAM},
                    }
                }
            ],
            "endpointConfiguration": {
                "inboundNatPools": [
                    {
                        "name": "web",
                        "protocol": "UDP",
                        "backendPort": 8080,
                        "frontendPortRangeStart": 2000,
                        "frontendPortRangeEnd": 2100,
                        "networkSecurityGroupRules": [
                            {
                                "priority": 200,
                                "access": "Allow",
                                "sourceAddressPrefix": "10.0.0.0/8",
                                "sourcePortRanges": ["*"],
                            }
                        ],
                    }
                ]
            },
            "osDisk": {
                "caching": "ReadOnly",
                "diskSizeGB": 128,
                "managedDisk": {"storageAccountType": "Premium_LRS"},
            },
            "securityProfile": {"encryptionAtHost": True},
        },
    ],
}
BASE = BaseImage(
    publisher="Canonical",
    offer="ubuntu-24_04-lts",
    sku="server",
    version="24.04.202611010",
    generation="V2",
)
IDENTITIES = (
    f"/subscriptions/{CONFIG.subscription_id}/resourceGroups/operations/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities"
)
TAGS = {"batch-prep-build": "b", "batch-prep-created": "c", "batch-prep-expires": "e"}


def cases() -> dict[str, Any]:
    """Name → body."""
    plan = planning.plan_build(parsing.parse_build(REQUEST, CONFIG), CONFIG)
    assert plan.image is not None
    assert plan.account is not None
    image = replace(plan.image, base=BASE, tags=TAGS)
    trusted = image.model_copy(
        update={"security_type": SecurityType.TRUSTED_LAUNCH, "spot": True, "zone": "2"}
    )
    registry = image.registry
    assert registry is not None
    record = ImageRecord(
        image_id="/versions/1.0.0",
        node_agent_sku=image.system.node_agent,
        gallery_name=image.gallery,
        image_name=image.definition,
        version="1.0.0",
        vm_size=image.size,
        location=image.location,
        base_os="ubuntu 24.04",
        gpu_enabled=True,
        resource_group="images",
        build_id="b",
        created_at="c",
        container_images=[PreloadedImage(name="docker.io/library/busybox:1.36")],
        registry_login_server="imagesregistry1.azurecr.io",
        pull_identity_id=image.pull_identity_id,
    )
    dev, auto, other = (plan_updates.with_image(pool, record) for pool in plan.pools)
    script = ScriptPlan(image=image, step="docker-gpu", parameters={"GPU": "true", "EMPTY": ""})
    return {
        **own_cases(image),
        **version_cases(image),
        **asked_cases(),
        "public_ip": bodies.public_ip(image),
        "nat_gateway": bodies.nat_gateway(image, image.public_ip_id),
        "network": bodies.network(image, image.nat_gateway_id),
        "network_default_access": bodies.network(image, None),
        "builder_vm": bodies.builder_vm(image, "ssh-rsa KEY"),
        "builder_vm_trusted_launch": bodies.builder_vm(trusted, "ssh-rsa KEY"),
        "run_command": bodies.run_command(script, "#!/bin/bash\n", "docker-gpu-1"),
        "gallery": image_bodies.gallery(image),
        "image_definition": image_bodies.image_definition(image),
        "registry": bodies.registry(registry),
        "registry_build": bodies.registry_build(registry, "https://example.org/app.git#main", 60),
        "registry_build_as_caller": bodies.registry_build(
            registry, "https://example.org/app.git#main", 60, as_caller=True
        ),
        "batch_account": batch_bodies.batch_account(plan.account),
        "pool": batch_bodies.pool(dev, "COMMAND"),
        "pool_from_community": batch_bodies.pool(
            replace(auto, image_id="/CommunityGalleries/c/Images/i/Versions/1.0.0"), "COMMAND"
        ),
        "pool_autoscale": batch_bodies.pool(auto, "COMMAND"),
        "pool_other": batch_bodies.pool(other, "COMMAND"),
        "pool_expired": batch_bodies.expired("b"),
        "verification_tasks": batch_bodies.verification_tasks(dev, 2),
    }


def version_cases(image: ImagePlan) -> dict[str, Any]:
    """A version, and what it is copied from."""
    return {
        "snapshot": image_bodies.snapshot(image, DISK),
        "image_version": image_bodies.image_version(image),
        "image_version_from_vm": image_bodies.image_version(replace(image, from_snapshot=False)),
        "managed_image": image_bodies.managed_image(image),
    }


def asked_cases() -> dict[str, Any]:
    """What a request says in the place of the defaults."""
    plan = planning.plan_build(parsing.parse_build(ASKED, CONFIG), CONFIG)
    stamped = plan_updates.stamped(plan, datetime(2026, 11, 29, 8, tzinfo=UTC)).image
    assert stamped is not None
    image = replace(stamped, base=BASE)
    registry = image.registry
    assert registry is not None
    source = registry.build_source or ""
    return {
        "builder_vm_asked": bodies.builder_vm(image, "ssh-rsa KEY"),
        "image_version_asked": image_bodies.image_version(image),
        "registry_build_asked": bodies.registry_build(registry, source, 60),
    }


def own_base() -> BaseImage:
    """A version of a gallery with a purchase plan."""
    plan = {"name": "9-base", "publisher": "resf", "product": "rockylinux-x86_64"}
    gallery = IDENTITIES.partition("Microsoft.ManagedIdentity")[0] + "Microsoft.Compute/galleries/g"
    id_ = f"{gallery}/images/i/versions/1.0.0"
    return BaseImage(id=id_, version="1.0.0", generation="V2", purchase_plan=plan)


def own_cases(image: ImagePlan) -> dict[str, Any]:
    """What the owner of a request adds: an identity, and steps."""
    identity = f"{IDENTITIES}/reader"
    step = ImageStep(
        name="setup",
        inline="#!/bin/bash\ntrue\n",
        environment={"MODE": "fast"},
        secrets={"KEY": "https://keys.vault.azure.net/secrets/deploy"},
        exit_codes=[0, 3],
        elevated=False,
    )
    with_identity = replace(image, identity_id=identity, identity_client_id="client")
    own = image_scripts.own(replace(image, identity_client_id="client"), step)
    return {
        "builder_vm_from_version": bodies.builder_vm(
            replace(image, base=own_base()), "ssh-rsa KEY"
        ),
        "builder_vm_with_identity": bodies.builder_vm(with_identity, "ssh-rsa KEY"),
        "run_command_own": bodies.run_command(
            own, "#!/bin/bash\n", "own-setup-1", {"OWN_SCRIPT": "dHJ1ZQo="}
        ),
    }


@pytest.mark.parametrize("name", sorted(cases()))
def test_a_body_is_as_it_was_reviewed(name: str) -> None:
    """A change of what Azure is asked for never goes unseen."""
    file = HERE / f"{name}.json"
    text = json.dumps(cases()[name], indent=2, sort_keys=True) + "\n"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert file.read_text() == text


def test_no_file_is_left_over() -> None:
    """A body that is gone takes its file along."""
    assert {f.stem for f in HERE.glob("*.json")} == set(cases())


def members(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The path of every member of a request's object and of the objects inside it."""
    for field in model.model_fields.values():
        own = f"{path}.{field.alias}".lstrip(".")
        yield own
        for inner in models_in(field.annotation):
            yield from members(inner, own)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def asked(value: Any, path: str = "") -> Iterator[str]:
    """The paths of what a request says."""
    inside = value.items() if isinstance(value, dict) else [("", each) for each in value]
    for name, each in inside:
        own = f"{path}.{name}".strip(".")
        yield own
        if isinstance(each, dict | list):
            yield from asked(each, own)


# What is no part of a body. Of presets tests/unit/test_autoscale.py looks at every member.
NO_MEMBERS = {
    "vmSizes", "lowPriorityNodes", "image", "verify", "ifExists", "ttlHours", "interruptTasks",
    "checks.exitCode",
}  # fmt: skip


def test_every_member_of_a_pools_request_is_in_a_reviewed_body() -> None:
    """The objects inside a pool, too: what is forgotten on the way would be seen nowhere else."""
    said = {path for pool in REQUEST["pools"] for path in asked(pool)}
    known = {path for path in members(Pool) if not path.startswith("autoscale.")}
    assert known - said == NO_MEMBERS
