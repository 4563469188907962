"""Request bodies for Batch as plain JSON, from plans. Pure; each is reviewed in tests/golden."""

from __future__ import annotations

from typing import Any

from shared.azure import bodies, pool_difference
from shared.base import names
from shared.model import catalogue
from shared.model.plans import AccountPlan, PoolPlan
from shared.model.requests import SecurityType

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
    body: Json = {
        "tags": bodies.lasting(plan.tags),
        "identity": bodies.user_assigned(plan.pull_identity_id) if plan.pull_identity_id else None,
        "properties": {
            "displayName": plan.pool_id,
            "vmSize": plan.size,
            "deploymentConfiguration": {"virtualMachineConfiguration": _machine(plan)},
            "scaleSettings": scale_settings(plan),
            "interNodeCommunication": (
                "Enabled" if plan.pool.inter_node_communication else "Disabled"
            ),
            "networkConfiguration": {"subnetId": plan.pool.subnet_id},
            "taskSlotsPerNode": plan.pool.task_slots_per_node,
            "taskSchedulingPolicy": {"nodeFillType": "Pack"},
            "startTask": _start_task(plan, start_task),
        },
    }
    values = {names.TAG_BUILD: plan.build_id, names.TAG_ASKED: pool_difference.record(body)}
    body["properties"]["metadata"] = metadata(values)
    return body


def _machine(plan: PoolPlan) -> Json:
    security = None
    if plan.security_type is SecurityType.TRUSTED_LAUNCH:
        uefi = {"secureBootEnabled": plan.secure_boot, "vTpmEnabled": True}
        security = {"securityType": "trustedLaunch", "uefiSettings": uefi}
    return {
        "imageReference": {"id": plan.image_id},
        "nodeAgentSkuId": plan.node_agent,
        "containerConfiguration": _containers(plan),
        "nodePlacementConfiguration": {"policy": "Regional"},
        "osDisk": {"caching": "ReadWrite"},
        **({"securityProfile": security} if security else {}),
    }


def expired(build_id: str) -> Json:
    """A change by which everybody sees that a pool is about to be deleted."""
    values = {names.TAG_BUILD: build_id, names.TAG_EXPIRED: "true"}
    return {"properties": {"metadata": metadata(values)}}


def metadata(values: dict[str, str]) -> list[Json]:
    """As Batch keeps it."""
    return [{"name": name, "value": value} for name, value in values.items()]


def scale_settings(plan: PoolPlan) -> Json:
    """Fixed numbers of nodes, or the owner's formula; never both."""
    asked = plan.pool
    if asked.autoscale_formula:
        auto = {"formula": asked.autoscale_formula, "evaluationInterval": "PT5M"}
        return {"fixedScale": None, "autoScale": auto}
    fixed = fixed_scale(asked.nodes, asked.low_priority_nodes)
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
    registry = None
    if plan.registry_login_server and plan.pull_identity_id:
        registry = {
            "registryServer": plan.registry_login_server,
            "identityReference": {"resourceId": plan.pull_identity_id},
        }
    return {
        "type": "DockerCompatible",
        "containerImageNames": plan.container_images or None,
        "containerRegistries": [registry] if registry else None,
    }


def _start_task(plan: PoolPlan, command_line: str) -> Json:
    own = plan.pool.start_task.command_line if plan.pool.start_task else ""
    environment = {
        "BUILD_ID": plan.build_id,
        "NONCE": plan.build_id,
        "EXPECT_GPU": _expected_gpus(plan.gpu_count),
        "EXPECT_IMAGES": "\n".join(plan.container_images),
        # Without a preloaded image there is nothing that could run without pulling.
        "VERIFY_IMAGE": plan.container_images[0] if plan.container_images else "",
        "USER_START_TASK": own,
    }
    return {
        "commandLine": command_line,
        "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}},
        "environmentSettings": [{"name": k, "value": v} for k, v in environment.items() if v],
        "maxTaskRetryCount": 1,
        "waitForSuccess": True,
    }


def _expected_gpus(count: int) -> str:
    """For the check on a node, which counts for itself where only the kind of size is known."""
    return "auto" if count == catalogue.UNCOUNTED else str(count or "none")


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
