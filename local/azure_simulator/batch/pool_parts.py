"""The objects inside a pool's body: users, start task, files, mounts, network, disks.

Limits are those of the reference of API version 2025-06-01 (Pool - Create). Where it says only that
a request fails, the refusal here is InvalidPropertyValue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local.azure_simulator.batch import problems

USER_NAME_MAX = 20
NAT_POOLS_MAX = 5
NAT_RULES_MAX = 25
NAT_RANGE_MIN = 40
DATA_DISK_LUN_MAX = 63
PACKAGES_MAX = 10
_RESERVED_BACKEND_PORTS = (29876, 29877)
_BACKEND_PORT_MAX = 65_535
_RESERVED_FRONTEND_PORTS = range(50_000, 55_001)
_FRONTEND_PORT_MAX = 65_534

_REFERENCE = {"resourceId!": str}
USER_ACCOUNTS = [
    {
        "name!": str,
        "password!": str,
        "elevationLevel": str,
        "linuxUserConfiguration": {"uid": int, "gid": int, "sshPrivateKey": str},
    }
]
RESOURCE_FILES = [
    {
        "httpUrl": str,
        "storageContainerUrl": str,
        "autoStorageContainerName": str,
        "blobPrefix": str,
        "filePath": str,
        "fileMode": str,
        "identityReference": _REFERENCE,
    }
]
MOUNTS = [
    {
        "azureBlobFileSystemConfiguration": {
            "accountName!": str,
            "containerName!": str,
            "relativeMountPath!": str,
            "accountKey": str,
            "sasKey": str,
            "blobfuseOptions": str,
            "identityReference": _REFERENCE,
        },
        "nfsMountConfiguration": {
            "source!": str,
            "relativeMountPath!": str,
            "mountOptions": str,
        },
        "azureFileShareConfiguration": {
            "accountName!": str,
            "accountKey!": str,
            "azureFileUrl!": str,
            "relativeMountPath!": str,
            "mountOptions": str,
        },
        "cifsMountConfiguration": {
            "userName!": str,
            "password!": str,
            "source!": str,
            "relativeMountPath!": str,
            "mountOptions": str,
        },
    }
]
NETWORK = {
    "subnetId": str,
    "dynamicVnetAssignmentScope": str,
    "enableAcceleratedNetworking": bool,
    "publicIPAddressConfiguration": {"provision": str, "ipAddressIds": [str]},
    "endpointConfiguration": {
        "inboundNatPools!": [
            {
                "name!": str,
                "protocol!": str,
                "backendPort!": int,
                "frontendPortRangeStart!": int,
                "frontendPortRangeEnd!": int,
                "networkSecurityGroupRules": [
                    {
                        "priority!": int,
                        "access!": str,
                        "sourceAddressPrefix!": str,
                        "sourcePortRanges": [str],
                    }
                ],
            }
        ]
    },
}
OS_DISK = {
    "caching": str,
    "diskSizeGB": int,
    "managedDisk": {"storageAccountType": str},
    "ephemeralOSDiskSettings": {"placement": str},
    "writeAcceleratorEnabled": bool,
}
DATA_DISKS = [
    {
        "lun!": int,
        "diskSizeGB!": int,
        "caching": str,
        "managedDisk": {"storageAccountType": str},
    }
]
PACKAGES = [{"id!": str, "version": str}]


def check(properties: Mapping[str, Any], identities: Sequence[str]) -> None:
    """Refuse the first part that can never be one of a pool (400)."""
    _check_users(properties.get("userAccounts") or [])
    check_start_task(properties, identities)
    _check_mounts(properties.get("mountConfiguration") or [], identities)
    _check_network(properties.get("networkConfiguration") or {})
    deployment = properties.get("deploymentConfiguration") or {}
    _check_disks(deployment.get("virtualMachineConfiguration") or {})


def _invalid(name: str, value: object, reason: str) -> Exception:
    return problems.invalid_value(name, f"properties.{name}", value, reason)


def _check_word(name: str, value: object, words: Iterable[str]) -> None:
    """Words are compared without case."""
    if value is not None and str(value).lower() not in {word.lower() for word in words}:
        raise _invalid(name, value, f"The value is none of {', '.join(words)}.")


def _check_identity(name: str, reference: Mapping[str, Any], identities: Sequence[str]) -> None:
    found = str(reference.get("resourceId", ""))
    if found and found.lower() not in {known.lower() for known in identities}:
        raise _invalid(name, found, "The identity is not among the identities of the pool.")


def _check_users(accounts: Sequence[Mapping[str, Any]]) -> None:
    names = [account["name"] for account in accounts]
    for account in accounts:
        if names.count(account["name"]) > 1 or not 1 <= len(account["name"]) <= USER_NAME_MAX:
            reason = f"Names are unique and have at most {USER_NAME_MAX} characters."
            raise _invalid("userAccounts", account["name"], reason)
        _check_word("elevationLevel", account.get("elevationLevel"), ("NonAdmin", "Admin"))
        linux = account.get("linuxUserConfiguration") or {}
        if ("uid" in linux) != ("gid" in linux):
            reason = "uid and gid must be specified together or not at all."
            raise _invalid("linuxUserConfiguration", linux, reason)


def check_start_task(properties: Mapping[str, Any], identities: Sequence[str]) -> None:
    """Its user is an account of the pool, its files have one source each."""
    task = properties.get("startTask") or {}
    user = (task.get("userIdentity") or {}).get("userName")
    accounts = {account["name"] for account in properties.get("userAccounts") or []}
    if user is not None and user not in accounts:
        raise _invalid("startTask.userIdentity.userName", user, "There is no such user account.")
    for file in task.get("resourceFiles") or []:
        sources = [file.get(f"{kind}Url") for kind in ("http", "storageContainer")]
        if sum(map(bool, [*sources, file.get("autoStorageContainerName")])) != 1:
            raise _invalid("resourceFiles", file, "Exactly one source must be specified.")
        if file.get("httpUrl") and not file.get("filePath"):
            raise problems.missing_property("filePath", "properties.startTask.resourceFiles")
        if file.get("httpUrl") and file.get("blobPrefix"):
            raise _invalid("blobPrefix", file["blobPrefix"], "It is for containers only.")
        _check_identity("resourceFiles", file.get("identityReference") or {}, identities)


def _check_mounts(mounts: Sequence[Mapping[str, Any]], identities: Sequence[str]) -> None:
    paths = []
    for mount in mounts:
        if len(mount) != 1:
            reason = "Exactly one file system must be specified."
            raise _invalid("mountConfiguration", sorted(mount), reason)
        (system,) = mount.values()
        paths.append(system["relativeMountPath"])
        blob = mount.get("azureBlobFileSystemConfiguration") or {}
        ways = [blob.get(way) for way in ("accountKey", "sasKey", "identityReference")]
        if blob and sum(map(bool, ways)) != 1:
            reason = "Exactly one of accountKey, sasKey and identityReference must be specified."
            raise _invalid("mountConfiguration", blob["containerName"], reason)
        _check_identity("mountConfiguration", blob.get("identityReference") or {}, identities)
    if len(set(paths)) < len(paths):
        raise _invalid("relativeMountPath", paths, "Mount paths must be unique.")


def _check_network(network: Mapping[str, Any]) -> None:
    public = network.get("publicIPAddressConfiguration") or {}
    words = ("BatchManaged", "UserManaged", "NoPublicIPAddresses")
    _check_word("publicIPAddressConfiguration.provision", public.get("provision"), words)
    provision = str(public.get("provision") or "BatchManaged").lower()
    addresses = public.get("ipAddressIds") or []
    name = "publicIPAddressConfiguration"
    if (provision == "usermanaged") != bool(addresses):
        raise _invalid(name, addresses, "Addresses are given with UserManaged, and only then.")
    if provision != "batchmanaged" and not network.get("subnetId"):
        raise _invalid(name, provision, "A subnet must be specified.")
    nat_pools = (network.get("endpointConfiguration") or {}).get("inboundNatPools") or []
    if nat_pools and provision == "nopublicipaddresses":
        reason = "Endpoints cannot be specified without public addresses."
        raise _invalid("endpointConfiguration", provision, reason)
    _check_nat_pools(nat_pools)


def _check_nat_pools(nat_pools: Sequence[Mapping[str, Any]]) -> None:
    rules = sum(len(each.get("networkSecurityGroupRules") or []) for each in nat_pools)
    if len(nat_pools) > NAT_POOLS_MAX or rules > NAT_RULES_MAX:
        reason = f"At most {NAT_POOLS_MAX} endpoints with {NAT_RULES_MAX} rules."
        raise _invalid("inboundNatPools", len(nat_pools), reason)
    for key in ("name", "backendPort"):
        values = [each[key] for each in nat_pools]
        if len(set(values)) < len(values):
            raise _invalid("inboundNatPools", values, f"Each {key} must be unique.")
    taken = [_RESERVED_FRONTEND_PORTS]
    for each in nat_pools:
        _check_word("protocol", each["protocol"], ("TCP", "UDP"))
        ports = range(each["frontendPortRangeStart"], each["frontendPortRangeEnd"] + 1)
        _check_ports(ports, each["backendPort"], taken)
        taken.append(ports)


def _check_ports(ports: range, backend: int, taken: Sequence[range]) -> None:
    if len(ports) < NAT_RANGE_MIN or ports[0] < 1 or ports[-1] > _FRONTEND_PORT_MAX:
        raise _invalid("frontendPortRange", ports, f"At least {NAT_RANGE_MIN} ports.")
    if any(ports[0] <= other[-1] and other[0] <= ports[-1] for other in taken):
        raise _invalid("frontendPortRange", ports, "The range is reserved or taken.")
    if not 1 <= backend <= _BACKEND_PORT_MAX or backend in _RESERVED_BACKEND_PORTS:
        raise _invalid("backendPort", backend, "The port is reserved.")


def _check_disks(machine: Mapping[str, Any]) -> None:
    disk = machine.get("osDisk") or {}
    types = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS")
    ephemeral = disk.get("ephemeralOSDiskSettings") or {}
    _check_word("placement", ephemeral.get("placement"), ("CacheDisk",))
    disks = machine.get("dataDisks") or []
    for each in (disk, *disks):
        _check_word("caching", each.get("caching"), ("None", "ReadOnly", "ReadWrite"))
        kind = (each.get("managedDisk") or {}).get("storageAccountType")
        _check_word("storageAccountType", kind, types)
    units = [each["lun"] for each in disks]
    if len(set(units)) < len(units) or any(not 0 <= u <= DATA_DISK_LUN_MAX for u in units):
        reason = f"Each has a number of its own from 0 to {DATA_DISK_LUN_MAX}."
        raise _invalid("dataDisks.lun", units, reason)
    if machine.get("diskEncryptionConfiguration"):
        reason = "Disk encryption is not supported on Linux pools with a gallery image."
        raise _invalid("diskEncryptionConfiguration", "", reason)
    policy = (machine.get("nodePlacementConfiguration") or {}).get("policy")
    _check_word("nodePlacementConfiguration.policy", policy, ("Regional", "Zonal"))
