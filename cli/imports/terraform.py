"""azurerm_batch_pool -> a pool with Azure's names, which `pools` maps.

https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources/batch_pool
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cli.imports import hcl, pools
from cli.imports.draft import Draft, Path, Unresolved, set_at, shown
from cli.imports.packer import region
from cli.imports.tables import NOTHING, Source, Table, left, renamed, to

Json = dict[str, Any]
TYPE = "azurerm_batch_pool"
_OF_TERRAFORM = left("it is for Terraform and not for Azure")
_FILES = "startTask.resourceFiles[]"
_BLOB = "mountConfiguration[].azureBlobFileSystemConfiguration"
_NFS = "mountConfiguration[].nfsMountConfiguration"
_MACHINE = "virtualMachineConfiguration"

# `x[0]` is a block that is there once.
POOL: Table = {
    "vm_size": to("vmSize"),
    "display_name": to("displayName"),
    "node_agent_sku_id": to(f"{_MACHINE}.nodeAgentSKUId"),
    "max_tasks_per_node": to("taskSlotsPerNode"),
    "inter_node_communication": to("enableInterNodeCommunication"),
    "target_node_communication_mode": to("targetNodeCommunicationMode"),
    "stop_pending_resize_operation": _OF_TERRAFORM,
    "license_type": to(f"{_MACHINE}.licenseType"),
    "os_disk_placement": to(f"{_MACHINE}.osDisk.ephemeralOSDiskSettings.placement"),
    "storage_image_reference[].id": to(f"{_MACHINE}.imageReference.id"),
    "storage_image_reference[].publisher": to(f"{_MACHINE}.imageReference.publisher"),
    "storage_image_reference[].offer": to(f"{_MACHINE}.imageReference.offer"),
    "storage_image_reference[].sku": to(f"{_MACHINE}.imageReference.sku"),
    "storage_image_reference[].version": to(f"{_MACHINE}.imageReference.version"),
    # number of nodes
    "fixed_scale[].target_dedicated_nodes": to("targetDedicatedNodes"),
    "fixed_scale[].target_low_priority_nodes": to("targetLowPriorityNodes"),
    "fixed_scale[].resize_timeout": to("resizeTimeout"),
    "fixed_scale[].node_deallocation_method": to("nodeDeallocationOption"),
    "auto_scale[].formula": to("autoScaleFormula"),
    "auto_scale[].evaluation_interval": to("autoScaleEvaluationInterval"),
    "task_scheduling_policy[].node_fill_type": to("taskSchedulingPolicy.nodeFillType"),
    "node_placement[].policy": to(f"{_MACHINE}.nodePlacementConfiguration.policy"),
    # start task
    "start_task[].command_line": to("startTask.commandLine"),
    "start_task[].task_retry_maximum": to("startTask.maxTaskRetryCount"),
    "start_task[].max_task_retry_count": to("startTask.maxTaskRetryCount"),
    "start_task[].wait_for_success": to("startTask.waitForSuccess"),
    "start_task[].user_identity[].user_name": to("startTask.userIdentity.userName"),
    "start_task[].user_identity[].auto_user[].elevation_level": to(
        "startTask.userIdentity.autoUser.elevationLevel"
    ),
    "start_task[].user_identity[].auto_user[].scope": to("startTask.userIdentity.autoUser.scope"),
    "start_task[].resource_file[].http_url": to(f"{_FILES}.httpUrl"),
    "start_task[].resource_file[].storage_container_url": to(f"{_FILES}.storageContainerUrl"),
    "start_task[].resource_file[].auto_storage_container_name": to(
        f"{_FILES}.autoStorageContainerName"
    ),
    "start_task[].resource_file[].blob_prefix": to(f"{_FILES}.blobPrefix"),
    "start_task[].resource_file[].file_path": to(f"{_FILES}.filePath"),
    "start_task[].resource_file[].file_mode": to(f"{_FILES}.fileMode"),
    "start_task[].resource_file[].user_assigned_identity_id": to(
        f"{_FILES}.identityReference.resourceId"
    ),
    "start_task[].container[].image_name": to("startTask.containerSettings.imageName"),
    "start_task[].container[].run_options": to("startTask.containerSettings.containerRunOptions"),
    "start_task[].container[].working_directory": to(
        "startTask.containerSettings.workingDirectory"
    ),
    # what nodes get
    "container_configuration[].type": NOTHING,
    "container_configuration[].container_image_names[]": to(
        f"{_MACHINE}.containerConfiguration.containerImageNames[]"
    ),
    "user_accounts[].name": to("userAccounts[].name"),
    "user_accounts[].password": to("userAccounts[].password"),
    "user_accounts[].elevation_level": to("userAccounts[].elevationLevel"),
    "certificate": left("Azure retired certificates of pools in February 2024"),
    "data_disks[].lun": to(f"{_MACHINE}.dataDisks[].lun"),
    "data_disks[].caching": to(f"{_MACHINE}.dataDisks[].caching"),
    "data_disks[].disk_size_gb": to(f"{_MACHINE}.dataDisks[].diskSizeGB"),
    "data_disks[].storage_account_type": to(f"{_MACHINE}.dataDisks[].storageAccountType"),
    "disk_encryption[].disk_encryption_target": to(
        f"{_MACHINE}.diskEncryptionConfiguration.targets[]"
    ),
    "extensions[].name": to(f"{_MACHINE}.extensions[].name"),
    "extensions": left("put their work into the image or the start task"),
    "security_profile": left("the image decides it: securityType of the image"),
    "windows": left("batch-prep builds images and pools of Linux only"),
    "mount[].azure_blob_file_system[].account_name": to(f"{_BLOB}.accountName"),
    "mount[].azure_blob_file_system[].container_name": to(f"{_BLOB}.containerName"),
    "mount[].azure_blob_file_system[].relative_mount_path": to(f"{_BLOB}.relativeMountPath"),
    "mount[].azure_blob_file_system[].blobfuse_options": to(f"{_BLOB}.blobfuseOptions"),
    "mount[].azure_blob_file_system[].account_key": to(f"{_BLOB}.accountKey"),
    "mount[].azure_blob_file_system[].sas_key": to(f"{_BLOB}.sasKey"),
    "mount[].azure_blob_file_system[].identity_id": to(f"{_BLOB}.identityReference.resourceId"),
    "mount[].azure_file_share[].*": to("mountConfiguration[].azureFileShareConfiguration.*"),
    "mount[].cifs_mount[].*": to("mountConfiguration[].cifsMountConfiguration.*"),
    "mount[].nfs_mount[].source": to(f"{_NFS}.source"),
    "mount[].nfs_mount[].relative_mount_path": to(f"{_NFS}.relativeMountPath"),
    "mount[].nfs_mount[].mount_options": to(f"{_NFS}.mountOptions"),
    # network
    "network_configuration[].subnet_id": to("networkConfiguration.subnetId"),
    "network_configuration[].dynamic_vnet_assignment_scope": to(
        "networkConfiguration.dynamicVnetAssignmentScope"
    ),
    "network_configuration[].accelerated_networking_enabled": to(
        "networkConfiguration.enableAcceleratedNetworking"
    ),
    "network_configuration[].public_address_provisioning_type": to(
        "networkConfiguration.publicIPAddressConfiguration.provision"
    ),
    "network_configuration[].public_ips[]": to(
        "networkConfiguration.publicIPAddressConfiguration.ipAddressIds[]"
    ),
    # Terraform's own
    "count": left("the file makes several of it: write each, or import them one by one"),
    "for_each": left("the file makes several of it: write each, or import them one by one"),
    "depends_on": _OF_TERRAFORM,
    "provider": _OF_TERRAFORM,
    "lifecycle": _OF_TERRAFORM,
    "timeouts": _OF_TERRAFORM,
}
_LISTED = {  # lists inside blocks, which have more in Azure's form than the numbers say
    "containerRegistries": {
        "registry_server": "registryServer",
        "user_name": "username",
        "password": "password",  # pragma: allowlist secret
        "user_assigned_identity_id": "identityReference.resourceId",
    },
    "inboundNatPools": {
        "name": "name",
        "backend_port": "backendPort",
        "protocol": "protocol",
    },
    "networkSecurityGroupRules": {
        "priority": "priority",
        "access": "access",
        "source_address_prefix": "sourceAddressPrefix",
        "source_port_ranges": "sourcePortRanges",
    },
}


def into(draft: Draft, document: Json, given: Mapping[str, Any], only: str | None) -> None:
    """Map the pools of Terraform's files."""
    scope = hcl.Scope(_names(document, given))
    found, origins = [], dict[str, Path]()
    for (kind, name), body in hcl.labelled(document.get("resource"), 2):
        place: Path = ("resource", kind, name)
        if kind != TYPE:
            draft.leave(place, "it is no pool")
        elif only not in (None, name):
            draft.leave(place, "it is not the pool of --only")
        else:
            pool, was = _pool(draft, Source(scope.filled(body), place), document, scope)
            found.append(pool)
            origins |= {f"{shown(place)}.{target}": source for target, source in was.items()}
    for kind in ("data", "module"):
        if document.get(kind):
            draft.leave((kind,), "its values are read from Azure when Terraform runs")
    before = dict(draft.left)
    pools.into(draft, found)
    draft.complete()
    draft.left = before | _as_written(draft.left, before, origins)


def _as_written(after: dict[str, str], before: dict[str, str], origins: dict[str, Path]) -> Any:
    """Names as the file has them, instead of Azure's."""
    made: dict[str, str] = {}
    for name, why in after.items():
        if name in before:
            continue
        parts = [
            s for t, s in origins.items() if t == name or t.startswith((f"{name}.", f"{name}["))
        ]
        made |= {shown(source): why for source in parts} or {name: why}
    return made


def _pool(
    draft: Draft, source: Source, document: Json, scope: hcl.Scope
) -> tuple[pools.Found, dict[str, Path]]:
    name, place = source.take("name"), source.prefix
    account = {
        "name": (source.take("account_name"), source.place("account_name")),
        "resourceGroup": (source.take("resource_group_name"), source.place("resource_group_name")),
    }
    for (kind, _), body in hcl.labelled(document.get("resource"), 2):
        if kind.endswith("batch_account") and scope.filled(body.get("name")) == account["name"][0]:
            where = scope.filled(body.get("location"))
            if isinstance(where, str) and not isinstance(where, Unresolved):
                account["location"] = (region(where), place)
    pairs, lists = _taken_pairs(source), _taken_lists(source)
    made, origins = renamed(POOL, source, draft)
    for target, value, was in [*pairs, *lists]:
        set_at(made, target, value)
        origins[shown(target)] = was
    pool = pools.Found(
        document=_without_gaps(made), place=place, account=account, name=name, table=pools.SERVICE
    )
    return pool, origins


Moved = list[tuple[Path, Any, Path]]  # target, value, where it was


def _taken_pairs(source: Source) -> Moved:
    """Maps of Terraform that are lists of names and values at Azure."""
    made: Moved = []
    maps = {
        ("metadata",): ("metadata",),
        ("start_task", 0, "common_environment_properties"): ("startTask", "environmentSettings"),
        ("start_task", 0, "environment"): ("startTask", "environmentSettings"),
    }
    for path, target in maps.items():
        named = source.take(*path)
        for index, (name, value) in enumerate(named.items() if isinstance(named, dict) else ()):
            was = source.place(*path, name)
            made.append(((*target, index, "name"), name, was))
            made.append(((*target, index, "value"), value, was))
    for index, id_ in enumerate(source.take("identity", 0, "identity_ids") or []):
        was = source.place("identity", 0, "identity_ids", index)
        made.append((("identity", "userAssignedIdentities", index, "resourceId"), id_, was))
    source.take("identity", 0, "type")
    return made


def _taken_lists(source: Source) -> Moved:
    made: Moved = []
    path: Path = ("container_configuration", 0, "container_registries")
    target: Path = (_MACHINE, "containerConfiguration", "containerRegistries")
    made += _moved(source, path, target, _LISTED["containerRegistries"])
    path = ("network_configuration", 0, "endpoint_configuration")
    target = ("networkConfiguration", "endpointConfiguration", "inboundNatPools")
    for index, pool in enumerate(source.peek(*path) or []):
        ports = str(source.take(*path, index, "frontend_port_range") or "").partition("-")
        for name, port in zip(("Start", "End"), ports[::2], strict=True):
            was = source.place(*path, index, "frontend_port_range")
            made.append(((*target, index, f"frontendPortRange{name}"), _number(port), was))
        rules = (*path, index, "network_security_group_rules")
        below = (*target, index, "networkSecurityGroupRules")
        if isinstance(pool, dict):
            made += _moved(source, rules, below, _LISTED["networkSecurityGroupRules"])
    made += _moved(source, path, target, _LISTED["inboundNatPools"])
    path = ("user_accounts",)
    for index, _ in enumerate(source.peek(*path) or []):
        for name in ("uid", "gid", "ssh_private_key"):
            place: Path = (*path, index, "linux_user_configuration", 0, name)
            value = source.take(*place)
            azure = {"ssh_private_key": "sshPrivateKey"}.get(name, name)  # pragma: allowlist secret
            if value is not None:
                target = ("userAccounts", index, "linuxUserConfiguration", azure)
                made.append((target, value, source.place(*place)))
    return made


def _moved(source: Source, path: Path, target: Path, names: Mapping[str, str]) -> Moved:
    made: Moved = []
    for index, item in enumerate(source.peek(*path) or []):
        for name, azure in names.items():
            value = source.take(*path, index, name) if isinstance(item, dict) else None
            if value not in (None, ""):
                was = source.place(*path, index, name)
                made.append(((*target, index, *azure.split(".")), value, was))
    return made


def _number(text: str) -> Any:
    return int(text) if text.isdigit() else text


def _without_gaps(value: Any) -> Any:
    """Lists without the places of what was left out."""
    if isinstance(value, dict):
        return {name: _without_gaps(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_gaps(part) for part in value if part is not None]
    return value


def _names(document: Json, given: Mapping[str, Any]) -> Callable[[list[str]], Any]:
    known: Json = {}
    for (kind, name), body in hcl.labelled(document.get("resource"), 2):
        known.setdefault(kind, {})[name] = body
    known["var"] = {**hcl.defaults(document), **given, **hcl.withheld(document)}
    known["local"] = hcl.local_values(document)
    return lambda path: "." if path[0] == "path" else hcl.member(known, path)
