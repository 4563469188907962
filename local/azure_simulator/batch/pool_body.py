"""What a pool's body may say, and what Azure fills in: the rules that need nothing but the body.

Names, casing and limits of API version 2025-06-01. Enumerations are compared without case and kept
as sent, as Batch does.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from local.azure_simulator import shapes
from local.azure_simulator.batch import iso8601, pool_parts, problems, supported_images

Json = dict[str, Any]

POOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
METADATA_MAX = 50
MOUNTS_MAX = 10
TASK_SLOTS_MAX = 256  # and 4 per core
RESIZE_TIMEOUT_MIN_SECONDS = 5 * 60
EVALUATION_INTERVAL_SECONDS = (5 * 60, 168 * 3600)

_ENVIRONMENT = [{"name!": str, "value": str}]
_MACHINE_SHAPE = {
    "imageReference": {"*": str},
    "nodeAgentSkuId": str,
    "containerConfiguration": {
        "type": str,
        "containerImageNames": [str],
        "containerRegistries": [
            {"registryServer": str, "username": str, "identityReference": {"resourceId": str}}
        ],
    },
    "securityProfile": {"securityType": str, "uefiSettings": dict, "encryptionAtHost": bool},
    "nodePlacementConfiguration": {"policy": str},
    "osDisk": pool_parts.OS_DISK,
    "dataDisks": pool_parts.DATA_DISKS,
}
SHAPE = {
    "tags": shapes.TAGS,
    "identity": shapes.IDENTITY,
    "properties": {
        "vmSize": str,
        "displayName": str,
        "interNodeCommunication": str,
        "taskSlotsPerNode": int,
        "deploymentConfiguration": {"virtualMachineConfiguration": _MACHINE_SHAPE},
        "scaleSettings": {
            "fixedScale": {
                "targetDedicatedNodes": int,
                "targetLowPriorityNodes": int,
                "resizeTimeout": str,
                "nodeDeallocationOption": str,
            },
            "autoScale": {"formula": str, "evaluationInterval": str},
        },
        "networkConfiguration": pool_parts.NETWORK,
        "taskSchedulingPolicy": {"nodeFillType!": str},
        "metadata": [{"name!": str, "value!": str}],
        "mountConfiguration": pool_parts.MOUNTS,
        "userAccounts": pool_parts.USER_ACCOUNTS,
        "applicationPackages": pool_parts.PACKAGES,
        "startTask": {
            "commandLine": str,
            "environmentSettings": _ENVIRONMENT,
            "userIdentity": {"autoUser": {"scope": str, "elevationLevel": str}, "userName": str},
            "resourceFiles": pool_parts.RESOURCE_FILES,
            "containerSettings": {"imageName": str},
            "maxTaskRetryCount": int,
            "waitForSuccess": bool,
        },
    },
}

# Writable properties of a pool. Those of older versions (targetNodeCommunicationMode, certificates,
# resourceTags) are gone, and unknown members are refused.
_PROPERTIES = frozenset(
    {
        "displayName",
        "vmSize",
        "deploymentConfiguration",
        "scaleSettings",
        "interNodeCommunication",
        "networkConfiguration",
        "taskSlotsPerNode",
        "taskSchedulingPolicy",
        "userAccounts",
        "metadata",
        "startTask",
        "applicationPackages",
        "mountConfiguration",
        "upgradePolicy",
    }
)
_READ_ONLY = frozenset(
    {
        "lastModified",
        "creationTime",
        "provisioningState",
        "provisioningStateTransitionTime",
        "allocationState",
        "allocationStateTransitionTime",
        "currentDedicatedNodes",
        "currentLowPriorityNodes",
        "autoScaleRun",
        "resizeOperationStatus",
    }
)
_MACHINE_PROPERTIES = frozenset(
    {
        "imageReference",
        "nodeAgentSkuId",
        "windowsConfiguration",
        "dataDisks",
        "licenseType",
        "containerConfiguration",
        "diskEncryptionConfiguration",
        "nodePlacementConfiguration",
        "extensions",
        "osDisk",
        "securityProfile",
        "serviceArtifactReference",
    }
)
# What a pool with nodes lets change; everything else needs an empty pool.
UPDATABLE_WITH_NODES = frozenset({"metadata", "scaleSettings", "applicationPackages", "startTask"})

_IMAGE_FORMS = ("publisher", "id", "sharedGalleryImageId", "communityGalleryImageId")
_MACHINE_PATH = "properties.deploymentConfiguration.virtualMachineConfiguration"
_START_TASK_DEFAULTS: Mapping[str, Any] = {
    "userIdentity": {"autoUser": {"scope": "Task", "elevationLevel": "NonAdmin"}},
    "maxTaskRetryCount": 0,
    "waitForSuccess": True,
}


def machine(properties: Mapping[str, Any]) -> Json:
    """The virtual machine configuration; empty where there is none."""
    deployment = properties.get("deploymentConfiguration") or {}
    configuration = deployment.get("virtualMachineConfiguration") or {}
    return dict(configuration)


def identity_ids(body: Mapping[str, Any]) -> list[str]:
    """Resource ids of the user-assigned identities of a pool or an account."""
    identity = body.get("identity") or {}
    return list(identity.get("userAssignedIdentities") or {})


def targets(properties: Mapping[str, Any]) -> tuple[int, int]:
    """Dedicated and low-priority nodes that a fixed scale asks for."""
    fixed = (properties.get("scaleSettings") or {}).get("fixedScale") or {}
    return fixed.get("targetDedicatedNodes") or 0, fixed.get("targetLowPriorityNodes") or 0


def check_name(name: str) -> None:
    if not POOL_NAME.fullmatch(name):
        reason = "Pool names have 1 to 64 letters, digits, hyphens and underscores."
        raise problems.invalid_value("name", "name", name, reason)


def check(body: Mapping[str, Any]) -> None:
    """Refuse a body that can never be a pool. Raises model.Refusal (400) for the first fault."""
    properties = body.get("properties") or {}
    _refuse_unknown(properties, _PROPERTIES | _READ_ONLY, "properties")
    if not properties.get("vmSize"):
        raise problems.missing_property("vmSize", "properties.vmSize")
    _check_machine(machine(properties))
    _check_containers(machine(properties), identity_ids(body))
    _check_identity(body)
    _check_counts(properties)
    pool_parts.check(properties, identity_ids(body))


def check_update(properties: Mapping[str, Any], *, has_nodes: bool) -> None:
    """Refuse a PATCH of properties that a pool with nodes does not let change."""
    _refuse_unknown(properties, _PROPERTIES | _READ_ONLY, "properties")
    if not has_nodes:
        return
    for name in properties:
        if name not in UPDATABLE_WITH_NODES | _READ_ONLY:
            raise problems.cannot_be_updated(name)


def with_defaults(properties: Mapping[str, Any]) -> Json:
    """The properties with the values that Azure fills in; read-only ones of the caller dropped."""
    filled: Json = {
        "interNodeCommunication": "Disabled",
        "taskSlotsPerNode": 1,
        "taskSchedulingPolicy": {"nodeFillType": "Spread"},
        **{name: value for name, value in properties.items() if name not in _READ_ONLY},
    }
    filled["scaleSettings"] = _scale_with_defaults(properties.get("scaleSettings") or {})
    start_task = properties.get("startTask")
    if start_task:
        filled["startTask"] = {**_START_TASK_DEFAULTS, **start_task}
    else:
        filled.pop("startTask", None)
    return filled


# Members that a pool never shows again, though it was made with them, as in the specification's
# examples: PoolCreate_VirtualMachineConfiguration.json (osDisk), PoolGet.json (the others).
_NOT_SHOWN = frozenset(
    {"osDisk", "nodeDeallocationOption", "password", "sshPrivateKey", "accountKey", "sasKey"}
)


def shown(value: Any) -> Any:
    """What Azure shows of what was written."""
    if isinstance(value, Mapping):
        return {name: shown(each) for name, each in value.items() if name not in _NOT_SHOWN}
    return [shown(each) for each in value] if isinstance(value, list) else value


def _scale_with_defaults(scale: Mapping[str, Any]) -> Json:
    if scale.get("autoScale"):
        return {"autoScale": {"evaluationInterval": "PT15M", **scale["autoScale"]}}
    fixed = {
        "targetDedicatedNodes": 0,
        "targetLowPriorityNodes": 0,
        "resizeTimeout": "PT15M",
        **(scale.get("fixedScale") or {}),
    }
    return {"fixedScale": fixed}


def check_scale(properties: Mapping[str, Any]) -> None:
    """At most one way of scaling, with times and numbers within the service's limits."""
    scale = properties.get("scaleSettings") or {}
    path = "properties.scaleSettings"
    if scale.get("fixedScale") and scale.get("autoScale"):
        reason = "Only one of fixedScale and autoScale may be specified."
        raise problems.invalid_value("scaleSettings", path, "fixedScale, autoScale", reason)
    if min(targets(properties)) < 0:
        raise problems.invalid_value("fixedScale", path, min(targets(properties)), "Negative.")
    fixed, auto = scale.get("fixedScale") or {}, scale.get("autoScale") or {}
    timeout = fixed.get("resizeTimeout")
    if timeout is not None and iso8601.seconds(timeout) < RESIZE_TIMEOUT_MIN_SECONDS:
        reason = "The resize timeout must be at least 5 minutes."
        raise problems.invalid_value("resizeTimeout", path, timeout, reason)
    interval = auto.get("evaluationInterval")
    shortest, longest = EVALUATION_INTERVAL_SECONDS
    if interval is not None and not shortest <= iso8601.seconds(interval) <= longest:
        reason = "The evaluation interval must be between 5 minutes and 168 hours."
        raise problems.invalid_value("evaluationInterval", path, interval, reason)
    if "autoScale" in scale and not auto.get("formula"):
        raise problems.missing_property("formula", f"{path}.autoScale.formula")


def check_start_task(start_task: Mapping[str, Any] | None) -> None:
    """A start task has a command; an empty object means none."""
    if start_task and not start_task.get("commandLine"):
        raise problems.missing_property("commandLine", "properties.startTask.commandLine")


def _refuse_unknown(given: Mapping[str, Any], known: Iterable[str], path: str) -> None:
    known_lowered = {name.lower() for name in known}
    for name in given:
        if name.lower() not in known_lowered:
            raise problems.unknown_property(name, path)


def _check_machine(configuration: Mapping[str, Any]) -> None:
    path = _MACHINE_PATH
    _refuse_unknown(configuration, _MACHINE_PROPERTIES, path)
    reference = configuration.get("imageReference")
    if not reference:
        raise problems.missing_property("imageReference", f"{path}.imageReference")
    if sum(bool(reference.get(form)) for form in _IMAGE_FORMS) != 1:
        reason = "Specify either a marketplace image or exactly one image id."
        raise problems.invalid_value("imageReference", f"{path}.imageReference", reference, reason)
    agent = configuration.get("nodeAgentSkuId")
    if not agent:
        raise problems.missing_property("nodeAgentSkuId", f"{path}.nodeAgentSkuId")
    if agent not in supported_images.NODE_AGENT_SYSTEMS:
        reason = "The node agent SKU is unknown or no longer supported."
        raise problems.invalid_value("nodeAgentSkuId", f"{path}.nodeAgentSkuId", agent, reason)


def _check_containers(configuration: Mapping[str, Any], identities: list[str]) -> None:
    containers = configuration.get("containerConfiguration")
    if containers is None:
        return
    path = f"{_MACHINE_PATH}.containerConfiguration"
    kind = containers.get("type")
    if not kind:
        raise problems.missing_property("type", f"{path}.type")
    if str(kind).lower() not in {"dockercompatible", "cricompatible"}:
        raise problems.invalid_value("type", f"{path}.type", kind, "Not a container technology.")
    for registry in containers.get("containerRegistries") or []:
        _check_registry(registry, identities, f"{path}.containerRegistries")


def _check_registry(registry: Mapping[str, Any], identities: list[str], path: str) -> None:
    """A registry is entered by name and password or by an identity that the pool also has."""
    identity = (registry.get("identityReference") or {}).get("resourceId")
    login = registry.get("username") or registry.get("password")
    if bool(identity) == bool(login):
        reason = "Specify either username and password or an identity reference."
        raise problems.invalid_value("containerRegistries", path, registry, reason)
    if identity and identity.lower() not in {known.lower() for known in identities}:
        reason = "The identity is not among the identities of the pool."
        raise problems.invalid_value("identityReference", path, identity, reason)


def _check_identity(body: Mapping[str, Any]) -> None:
    identity = body.get("identity") or {}
    kind = str(identity.get("type", "None")).lower()
    if kind not in {"none", "userassigned"}:
        reason = "A pool's identity is None or UserAssigned."
        raise problems.invalid_value("type", "identity.type", identity.get("type"), reason)
    if (kind == "userassigned") != bool(identity_ids(body)):
        raise problems.missing_property("userAssignedIdentities", "identity")


def _check_counts(properties: Mapping[str, Any]) -> None:
    limits = {
        "metadata": METADATA_MAX,
        "mountConfiguration": MOUNTS_MAX,
        "applicationPackages": pool_parts.PACKAGES_MAX,
    }
    for name, most in limits.items():
        if len(properties.get(name) or []) > most:
            reason = f"At most {most} items."
            raise problems.invalid_value(name, f"properties.{name}", len(properties[name]), reason)


def check_task_slots(properties: Mapping[str, Any], cores: int) -> None:
    """Up to four slots for each core, and never more than 256."""
    slots = properties.get("taskSlotsPerNode", 1)
    most = min(TASK_SLOTS_MAX, 4 * cores)
    if not isinstance(slots, int) or not 1 <= slots <= most:
        reason = f"The value must be between 1 and {most}."
        path = "properties.taskSlotsPerNode"
        raise problems.invalid_value("taskSlotsPerNode", path, slots, reason)
