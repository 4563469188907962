"""Fields of Azure's own pools, and of image templates, that a request does not have, with the
reason or the field that does the same. Pure.

A field that neither Azure nor batch-prep knows is an unknown field and not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.model import catalogue


def _secret(message: str) -> tuple[str, str]:
    return "Secret", message


def _not_offered(message: str) -> tuple[str, str]:
    return "NotOffered", message


def _other_name(message: str) -> tuple[str, str]:
    return "UnknownField", message


_STORED = "the app's tables and histories, and Azure itself, would show it"
_WINDOWS = "batch-prep builds Linux images, and Batch takes this for Windows only"
_OF_THE_IMAGE = "the image decides it: securityType of the image"
_ONLY_LATEST = (
    "Batch upgrades only marketplace images of version latest, and a pool's image has a number: "
    "ask for the pool again with a newer image"
)

# The path below the pool, without the places in lists: the code, and why or what to use.
FIELDS: Mapping[str, tuple[str, str]] = {
    # secrets
    "userAccounts.password": _secret(f"{_STORED}. Leave it out: the account gets a random one"),
    "userAccounts.linuxUserConfiguration.sshPrivateKey": _secret(
        f"{_STORED}. Let the start task fetch the key from Key Vault as an identity of the pool"
    ),
    "containerConfiguration.containerRegistries.password": _secret(
        f"{_STORED}. Give identityReference; registries without Entra identities can be mirrored "
        "to an Azure registry (az acr import, artifact cache)"
    ),
    "containerConfiguration.containerRegistries.username": _secret(
        "a user name comes with a password, which would be stored. Give identityReference"
    ),
    "mountConfiguration.azureFileShareConfiguration": _secret(
        "Batch mounts Azure Files with the account's key only, and "
        f"{_STORED}. Mount a share over NFS (nfsMountConfiguration), or a blob container as an "
        "identity (azureBlobFileSystemConfiguration)"
    ),
    "mountConfiguration.cifsMountConfiguration": _secret(
        f"Batch mounts CIFS with a password only, and {_STORED}. Mount it over NFS, or in the "
        "start task with a password that it reads from Key Vault"
    ),
    "mountConfiguration.azureBlobFileSystemConfiguration.accountKey": _secret(
        f"{_STORED}. Give identityReference"
    ),
    "mountConfiguration.azureBlobFileSystemConfiguration.sasKey": _secret(
        f"{_STORED}. Give identityReference"
    ),
    # what Azure retired, or cannot do here
    "certificates": _not_offered("Azure retired certificates of pools in February 2024"),
    "certificateReferences": _not_offered("Azure retired certificates of pools in February 2024"),
    "targetNodeCommunicationMode": _not_offered(
        "Azure retired the classic mode: every pool communicates in the simplified mode"
    ),
    "applicationLicenses": _not_offered("Azure retired licences by pool"),
    "upgradePolicy": _not_offered(_ONLY_LATEST),
    "serviceArtifactReference": _not_offered(_ONLY_LATEST),
    "diskEncryptionConfiguration": _not_offered(
        "Batch does not support it on Linux pools with an image of a gallery. Give "
        '"securityProfile": {"encryptionAtHost": true}'
    ),
    "environmentSettings": _not_offered(
        "Batch has no environment of a pool: jobs have commonEnvironmentSettings, and the start "
        "task has startTask.environmentSettings"
    ),
    "startTask.containerSettings": _not_offered(
        "batch-prep's checks of the node are part of the start task and run on the node itself. "
        "Let the command run the container: docker run IMAGE"
    ),
    "startTask.resourceFiles.autoStorageContainerName": _not_offered(
        "accounts that batch-prep creates have no storage account of their own. Give "
        "storageContainerUrl and identityReference"
    ),
    "extensions": _not_offered(
        "extensions change a node beside the checks of it, and Batch shows their settings: put "
        "their work into the image or the start task"
    ),
    "securityProfile.securityType": _not_offered(_OF_THE_IMAGE),
    "securityProfile.uefiSettings": _not_offered(_OF_THE_IMAGE),
    "securityProfile.proxyAgentSettings": _not_offered(
        "Batch has it in preview, and batch-prep has not tried its images with it"
    ),
    "osDisk.writeAcceleratorEnabled": _not_offered(
        "it is for data disks of M sizes only, and no image drives those"
    ),
    "windowsConfiguration": _not_offered(_WINDOWS),
    "licenseType": _not_offered(_WINDOWS),
    "userAccounts.windowsUserConfiguration": _not_offered(_WINDOWS),
    # what has another name
    "resourceTags": _other_name("it is called tags, as in Azure's newer versions"),
    "scaleSettings": _other_name(
        "its parts are fields of the pool: nodes, lowPriorityNodes, resizeTimeout, "
        "nodeDeallocationOption, autoscaleFormula, autoscaleEvaluationInterval"
    ),
    "deploymentConfiguration": _other_name(
        "its parts are fields of the pool, such as osDisk and containerConfiguration; the image "
        "of the request says which image the nodes get"
    ),
    "virtualMachineConfiguration": _other_name(
        "its parts are fields of the pool, such as osDisk and containerConfiguration; the image "
        "of the request says which image the nodes get"
    ),
    "networkConfiguration": _other_name(
        "its parts are fields of the pool: subnetId, publicIPAddressConfiguration, "
        "endpointConfiguration, enableAcceleratedNetworking"
    ),
    "applicationPackageReferences": _other_name(
        "it is called applicationPackages, and applicationId is called id"
    ),
    "targetDedicatedNodes": _other_name("it is called nodes"),
    "targetLowPriorityNodes": _other_name("it is called lowPriorityNodes"),
    "enableAutoScale": _other_name("leave it out: autoscaleFormula alone says it"),
    "autoScaleFormula": _other_name("it is called autoscaleFormula"),
    "autoScaleEvaluationInterval": _other_name("it is called autoscaleEvaluationInterval"),
    "enableInterNodeCommunication": _other_name("it is called interNodeCommunication"),
}


# The same of an image: https://developer.hashicorp.com/packer/integrations/hashicorp/azure/latest
IMAGE_FIELDS: Mapping[str, tuple[str, str]] = {
    "adminPassword": _secret(f"{_STORED}. None is needed: give sshPublicKey to log in"),
    "registry.id": _other_name(
        "give name and resourceGroup; a registry of another subscription goes into registries"
    ),
    "registry.loginServer": _other_name("it is called name here, and has one in registries"),
    "registry.password": _secret(
        f"{_STORED}. Give identity, or registries with credentials in Key Vault"
    ),
    "registry.username": _secret("a user name comes with a password, which would be stored"),
    "registry.build.token": _secret(
        "a quick build in the registry takes a token in the URL of its source only, which Azure "
        f"logs, and {_STORED}. Upload the source by POST /api/contexts"
    ),
    "registry.build.platform": _not_offered("images are built for x64 (linux/amd64)"),
    "architecture": _not_offered(
        f"{catalogue.NOT_BUILT}. Pools of Arm64 sizes (https://github.com/Azure/Batch/issues/185) "
        "take an image that was made elsewhere, by image.id in mode batch-only"
    ),
    "diskEncryptionSetId": _not_offered("versions are encrypted with the platform's keys"),
    "licenseType": _not_offered(_WINDOWS),
    "winrm": _not_offered(_WINDOWS),
}


def why(field: str) -> tuple[str, str] | None:
    """Code and message for a field such as `pools[0].certificates`; None for others."""
    below = re.fullmatch(r"(?:request\.)?(pools?|image)(?:\[\d+\])?\.(.+)", field)
    if below is None:
        return None
    fields = IMAGE_FIELDS if below[1] == "image" else FIELDS
    return fields.get(re.sub(r"\[\d+\]", "", below[2]))
