"""The request bodies of the old script: what `az` would send, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

USER = "azureuser"
AGENT = "batch.node.ubuntu 24.04"
_UBUNTU = {
    "publisher": "Canonical",
    "offer": "ubuntu-24_04-lts",
    "sku": "server",
    "version": "latest",
}
_SUBNET = "default"
_DISK_GB = 64  # room for driver, Docker and images; the marketplace image has 30
_TIMEOUT_SECONDS = 3600  # of an image build, az's default


def public_ip(location: str) -> Json:
    return {
        "location": location,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static"},
    }


def network(location: str) -> Json:
    subnet = {"name": _SUBNET, "properties": {"addressPrefix": "10.0.0.0/24"}}
    space = {"addressPrefixes": ["10.0.0.0/16"]}
    return {"location": location, "properties": {"addressSpace": space, "subnets": [subnet]}}


def interface(location: str, network_id: str, address_id: str) -> Json:
    properties = {
        "primary": True,
        "subnet": {"id": f"{network_id}/subnets/{_SUBNET}"},
        "publicIPAddress": {"id": address_id},
    }
    configuration = {"name": "ipconfig", "properties": properties}
    return {"location": location, "properties": {"ipConfigurations": [configuration]}}


def machine(location: str, size: str, interface_id: str) -> Json:
    """Disk and interface stay when the machine goes, as `az vm create` has it."""
    key = {"path": f"/home/{USER}/.ssh/authorized_keys", "keyData": "ssh-rsa AAAAB3NzaC1yc2E"}
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}}
    return {
        "location": location,
        "properties": {
            "hardwareProfile": {"vmSize": size},
            "storageProfile": {
                "imageReference": _UBUNTU,
                "osDisk": {"createOption": "FromImage", "diskSizeGB": _DISK_GB},
            },
            "osProfile": {
                "computerName": "builder",
                "adminUsername": USER,
                "linuxConfiguration": linux,
            },
            "networkProfile": {"networkInterfaces": [{"id": interface_id}]},
            "securityProfile": {"securityType": "Standard"},  # else no managed image
        },
    }


def script(lines: Sequence[str], **parameters: str) -> Json:
    """A run command of the first version, as `az vm run-command invoke` sends it."""
    given = [{"name": name, "value": value} for name, value in parameters.items()]
    return {"commandId": "RunShellScript", "script": list(lines), "parameters": given}


def registry(location: str) -> Json:
    """Open to pulls: the simulator has no passwords, with which the script logged in."""
    return {
        "location": location,
        "sku": {"name": "Standard"},
        "properties": {"anonymousPullEnabled": True},
    }


def image_build(source: str, image: str) -> Json:
    """`az acr build`."""
    return {
        "type": "DockerBuildRequest",
        "imageNames": [image],
        "isPushEnabled": True,
        "dockerFilePath": "Dockerfile",
        "platform": {"os": "Linux", "architecture": "amd64"},
        "sourceLocation": source,
        "timeout": _TIMEOUT_SECONDS,
    }


def definition(location: str, name: str) -> Json:
    return {
        "location": location,
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "identifier": {"publisher": "old", "offer": "batch", "sku": name},
            "features": [{"name": "SecurityType", "value": "Standard"}],
        },
    }


def managed_image(location: str, machine_id: str) -> Json:
    properties = {"hyperVGeneration": "V2", "sourceVirtualMachine": {"id": machine_id}}
    return {"location": location, "properties": properties}


def version(location: str, managed_image_id: str) -> Json:
    return {
        "location": location,
        "properties": {
            "publishingProfile": {"targetRegions": [{"name": location}]},
            "storageProfile": {"source": {"id": managed_image_id}},
        },
    }


def pool(size: str, nodes: int, image_id: str, containers: Sequence[str]) -> Json:
    configuration = {
        "imageReference": {"id": image_id},
        "nodeAgentSkuId": AGENT,
        "containerConfiguration": {
            "type": "DockerCompatible",
            "containerImageNames": list(containers),
        },
    }
    return {
        "properties": {
            "vmSize": size,
            "deploymentConfiguration": {"virtualMachineConfiguration": configuration},
            **scale(nodes)["properties"],
        }
    }


def scale(nodes: int) -> Json:
    """`az batch pool resize --target-dedicated-nodes`."""
    return {"properties": {"scaleSettings": {"fixedScale": {"targetDedicatedNodes": nodes}}}}


def job(name: str, pool_name: str) -> Json:
    return {"id": name, "poolInfo": {"poolId": pool_name}}


def container_task(name: str, image: str, command: str) -> Json:
    return {
        "id": name,
        "commandLine": f"/bin/sh -c '{command}'",
        "containerSettings": {"imageName": image},
    }
