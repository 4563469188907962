"""Request bodies for Batch as plain JSON, from plans. Pure; each is reviewed in tests/golden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.azure import bodies, pool_difference, pool_start_task
from shared.base import names
from shared.base.wire import Request
from shared.model.image_request import SecurityType
from shared.model.plans import AccountPlan, PoolPlan
from shared.model.pool_request import Pool

Json = dict[str, Any]


def batch_account(plan: AccountPlan) -> Json:
    """A Batch account that only Entra identities may use."""
    return {
        "location": plan.location,
        "tags": bodies.lasting(plan.tags),
        "properties": {
            "poolAllocationMode": "BatchService",
            "publicNetworkAccess": "Enabled",
            "allowedAuthenticationModes": ["AAD", "TaskAuthenticationToken"],
        },
    }


def pool(plan: PoolPlan, start_task: str) -> Json:
    """A pool of nodes from the image; `start_task` is the command line that proves each node."""
    body: Json = pool_difference.sendable(described_pool(plan, start_task))
    return body


def whole_pool(plan: PoolPlan, start_task: str) -> Json:
    """The same for a pool that exists: it also says that there is no identity any more."""
    return {"identity": {"type": "None"}, **pool(plan, start_task)}


def described_pool(plan: PoolPlan, start_task: str) -> Json:
    """The whole pool, as it is compared: None says that the pool must not have something."""
    asked = plan.pool
    identities = _identities(plan)
    body: Json = {
        "tags": {**asked.tags, **bodies.lasting(plan.tags)},
        "identity": bodies.user_assigned(*identities) if identities else None,
        "properties": {
            "displayName": asked.display_name or plan.pool_id,
            "vmSize": plan.size,
            "deploymentConfiguration": {"virtualMachineConfiguration": _machine(plan)},
            "scaleSettings": scale_settings(plan),
            "interNodeCommunication": "Enabled" if asked.inter_node_communication else "Disabled",
            "networkConfiguration": _network(asked),
            "taskSlotsPerNode": asked.task_slots_per_node,
            "taskSchedulingPolicy": _asked(asked.task_scheduling_policy)
            or {"nodeFillType": "Pack"},
            "applicationPackages": _packages(plan),
            "userAccounts": _asked(asked.user_accounts),
            "mountConfiguration": _asked(asked.mount_configuration),
            "startTask": pool_start_task.start_task(plan, start_task),
        },
    }
    values = {names.TAG_BUILD: plan.build_id, names.TAG_ASKED: pool_difference.record(body)}
    own = [item.to_wire() for item in asked.metadata]
    body["properties"]["metadata"] = [*metadata(values), *own]
    return body


def _asked(value: Request | Sequence[Request] | None) -> Any:
    """A field of the request as Azure's JSON, unchanged; None if it is empty."""
    if isinstance(value, Request):
        return value.to_wire()
    return [each.to_wire() for each in value] if value else None


def _identities(plan: PoolPlan) -> list[str]:
    """Those that pull, and those that the request names."""
    pulling = (plan.pull_identity_id, *plan.pull_identities.values())
    return bodies.each_once([*pulling, *(id_ for _, id_ in plan.pool.identities())])


def _packages(plan: PoolPlan) -> list[Json] | None:
    """Azure names an application by its id."""
    home = f"{plan.account.account_id}/applications"
    packages = [package.to_wire() for package in plan.pool.application_packages]
    return [{**package, "id": f"{home}/{package['id']}"} for package in packages] or None


def _network(asked: Pool) -> Json:
    """Azure shows members that nothing asked for, so those are left out rather than None."""
    given = {
        "publicIPAddressConfiguration": _asked(asked.public_ip_address_configuration),
        "endpointConfiguration": _asked(asked.endpoint_configuration),
        "enableAcceleratedNetworking": asked.enable_accelerated_networking,
    }
    return {"subnetId": asked.subnet_id, **{n: v for n, v in given.items() if v is not None}}


def _os_disk(asked: Pool) -> Json:
    """An ephemeral disk has the caching that Azure gives it."""
    disk: Json = _asked(asked.os_disk) or {}
    return disk if "ephemeralOSDiskSettings" in disk else {"caching": "ReadWrite", **disk}


def _machine(plan: PoolPlan) -> Json:
    security: Json = _asked(plan.pool.security_profile) or {}
    if plan.security_type is SecurityType.TRUSTED_LAUNCH:
        uefi = {"secureBootEnabled": plan.secure_boot, "vTpmEnabled": plan.v_tpm}
        security |= {"securityType": "trustedLaunch", "uefiSettings": uefi}
    return {
        "imageReference": {names.image_reference_key(plan.image_id): plan.image_id},
        "nodeAgentSkuId": plan.node_agent,
        "containerConfiguration": _containers(plan),
        "nodePlacementConfiguration": _asked(plan.pool.node_placement_configuration)
        or {"policy": "Regional"},
        "osDisk": _os_disk(plan.pool),
        **({"dataDisks": _asked(plan.pool.data_disks)} if plan.pool.data_disks else {}),
        **({"securityProfile": security} if security else {}),
    }


def expired(build_id: str) -> Json:
    """A change that marks a pool as about to be deleted."""
    values = {names.TAG_BUILD: build_id, names.TAG_EXPIRED: "true"}
    return {"properties": {"metadata": metadata(values)}}


def metadata(values: dict[str, str]) -> list[Json]:
    """As Batch keeps it."""
    return [{"name": name, "value": value} for name, value in values.items()]


def scale_settings(plan: PoolPlan) -> Json:
    """Fixed numbers of nodes, or the owner's formula; never both."""
    asked = plan.pool
    if asked.formula:
        interval = asked.autoscale_evaluation_interval or "PT5M"
        auto = {"formula": asked.formula, "evaluationInterval": interval}
        return {"fixedScale": None, "autoScale": auto}
    fixed = fixed_scale(asked.nodes, asked.low_priority_nodes)
    if asked.resize_timeout:
        fixed["resizeTimeout"] = asked.resize_timeout
    if asked.node_deallocation_option:
        fixed["nodeDeallocationOption"] = asked.node_deallocation_option
    return {"fixedScale": fixed, "autoScale": None}


def fixed_scale(nodes: int, low_priority_nodes: int) -> Json:
    """Azure asks for at least 15 minutes per 1,000 nodes of a custom image."""
    minutes = 15 * (1 + (nodes + low_priority_nodes) // 1000)
    return {
        "resizeTimeout": f"PT{minutes}M",
        "targetDedicatedNodes": nodes,
        "targetLowPriorityNodes": low_priority_nodes,
        "nodeDeallocationOption": "Requeue",
    }


def _containers(plan: PoolPlan) -> Json:
    """What the image holds and the registries that it came from, and what the request adds."""
    added = plan.pool.container_configuration
    images = [*plan.container_images, *(added.container_image_names if added else [])]
    registries = {r.registry_server.lower(): r for r in added.container_registries} if added else {}
    found = [registry.to_wire() for registry in registries.values()]
    own = [(plan.registry_login_server, plan.pull_identity_id), *plan.pull_identities.items()]
    for server, identity in reversed(own):
        if server and identity and server.lower() not in registries:
            reference = {"resourceId": identity}
            found.insert(0, {"registryServer": server, "identityReference": reference})
    return {
        "type": "DockerCompatible",
        "containerImageNames": list(dict.fromkeys(images)) or None,
        "containerRegistries": found or None,
    }


def verification_image(plan: PoolPlan) -> str:
    """What the verification runs: a preloaded image where there is one."""
    return plan.container_images[0] if plan.container_images else plan.verify_image


def verification_tasks(plan: PoolPlan, nodes: int) -> list[Json]:
    """Container tasks for the Batch service: one per node that proves containers run (with the GPU
    where there is one), then the owner's own checks. A task takes all slots of a node, so that
    tasks spread over the nodes.
    """
    # A device file is proof in any image; nvidia-smi itself needs a C library that small images
    # lack.
    command = "ls -d /dev/nvidia[0-9]*" if plan.gpu_count else "echo batch-prep"
    tasks = [
        _task(plan, f"container-{i}", verification_image(plan), f"/bin/sh -c '{command}'")
        for i in range(1, nodes + 1)
    ]
    tasks += [
        _task(plan, f"check-{i}", check.image, check.command)
        for i, check in enumerate(plan.pool.checks, 1)
    ]
    return tasks


def _task(plan: PoolPlan, task: str, image: str, command: str) -> Json:
    return {
        "id": task,
        "commandLine": command,
        "containerSettings": {"imageName": image, "workingDirectory": "taskWorkingDirectory"},
        "requiredSlots": plan.pool.task_slots_per_node,
        "constraints": {
            "maxWallClockTime": "PT15M",
            "maxTaskRetryCount": 1,
            "retentionTime": "PT1H",
        },
    }
