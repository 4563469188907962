"""Pools as Resource Manager, the Batch service and the Azure CLI write them -> `pools`.

Where a pool has an image of a gallery, the request is of mode batch-only. A pool of a marketplace
image gets one that batch-prep builds from the same system.

https://learn.microsoft.com/azure/templates/microsoft.batch/batchaccounts/pools
https://learn.microsoft.com/rest/api/batchservice/pool/add-pool
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from cli.imports import pool_parts, systems
from cli.imports.draft import NO_FIELD, Draft, Path, Unresolved, leaves
from cli.imports.tables import NOTHING, Source, Table, follow, left, to

Json = dict[str, Any]


def _is_enabled(value: Any) -> Any:
    return value if isinstance(value, bool) else str(value).lower() == "enabled"


def _duration(value: Any) -> Any:
    """`0:10:00`, as older versions of the Azure CLI print it, as `PT10M`."""
    found = re.fullmatch(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)(?:\.0+)?", str(value))
    if not found:
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return f"PT{(days * 24 + hours) * 60 + minutes}M" + (f"{seconds}S" if seconds else "")


# What both planes call by the same names is in no table: requests have it by that name as well.
_READ_ONLY = dict.fromkeys(
    (
        *("type", "apiVersion", "dependsOn", "location", "resourceGroup", "systemData", "url"),
        *("etag", "stats", "odata*", "creationTime", "lastModified"),
        *("state", "stateTransitionTime", "provisioningState", "provisioningStateTransitionTime"),
        *("allocationState", "allocationStateTransitionTime", "resizeOperationStatus"),
        *("currentDedicatedNodes", "currentLowPriorityNodes", "currentNodeCommunicationMode"),
        *("resizeErrors", "autoScaleRun"),
    ),
    NOTHING,
)
_NO_CLOUD_SERVICES = left("Azure retired pools of Cloud Services in February 2024")
_MACHINE_PARTS: Table = {
    "nodeAgentSkuId": NOTHING,  # Azure's name of the system that the image has
    "cloudServiceConfiguration": _NO_CLOUD_SERVICES,
    "deploymentConfiguration.cloudServiceConfiguration": _NO_CLOUD_SERVICES,
    "containerConfiguration.type": NOTHING,  # Docker's, always
}
_RAISED: tuple[tuple[str, ...], ...] = (  # whose members are fields of the pool in a request
    ("deploymentConfiguration", "virtualMachineConfiguration"),
    ("virtualMachineConfiguration",),
    ("networkConfiguration",),
)
RESOURCE: Table = {
    **_READ_ONLY,
    "id": NOTHING,  # says only what account and name do
    "properties.scaleSettings.fixedScale.targetDedicatedNodes": to("nodes"),
    "properties.scaleSettings.fixedScale.targetLowPriorityNodes": to("lowPriorityNodes"),
    "properties.scaleSettings.fixedScale.resizeTimeout": to("resizeTimeout"),
    "properties.scaleSettings.fixedScale.nodeDeallocationOption": to("nodeDeallocationOption"),
    "properties.scaleSettings.autoScale.formula": to("autoscaleFormula"),
    "properties.scaleSettings.autoScale.evaluationInterval": to(
        "autoscaleEvaluationInterval", _duration
    ),
    "properties.interNodeCommunication": to("interNodeCommunication", _is_enabled),
}
SERVICE: Table = {
    **_READ_ONLY,
    "targetDedicatedNodes": to("nodes"),
    "targetLowPriorityNodes": to("lowPriorityNodes"),
    "resizeTimeout": to("resizeTimeout", _duration),
    "enableAutoScale": NOTHING,
    "autoScaleFormula": to("autoscaleFormula"),
    "autoScaleEvaluationInterval": to("autoscaleEvaluationInterval", _duration),
    "maxTasksPerNode": to("taskSlotsPerNode"),
    "enableInterNodeCommunication": to("interNodeCommunication", _is_enabled),
    "resourceTags.*": to("tags.*"),
    "applicationPackageReferences[].applicationId": to("applicationPackages[].id"),
    "applicationPackageReferences[].version": to("applicationPackages[].version"),
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A pool of a file, as plain JSON with Azure's names. `properties` are the parts of it that
    are a pool's; Resource Manager has more around them.
    """

    document: Json
    place: Path
    account: dict[str, tuple[Any, Path]]  # fields of batchAccount, each with where it was
    name: Any
    table: Table
    properties: Path = ()


def into(draft: Draft, found: list[Found]) -> None:
    """Map the pools of a file into one request; those with another image are named."""
    for pool in found:
        index = len(draft.request.get("pools", []))
        image, remark = _image(pool)
        _name_rest_of_image(draft, pool)
        account = {name: value for name, (value, _) in pool.account.items()}
        if index and image != draft.request.get("image", {}):
            draft.leave(pool.place, "it has another image: import it by itself, with --only")
            continue
        if index and account.get("name") != draft.request.get("batchAccount", {}).get("name"):
            draft.leave(pool.place, "it is in another account: import it by itself, with --only")
            continue
        if not index:
            draft.request["mode"] = "full" if "os" in image or not image else "batch-only"
            draft.request["image"] = image
            draft.remarks += [remark] if remark else []
            for name, (value, place) in pool.account.items():
                if value:
                    draft.put(("batchAccount", name), value, place)
        _pool(draft, pool, index)
    pools = draft.request.get("pools", [])
    if draft.request.get("mode") == "full" and any(map(_has_gpu, pools)):
        draft.request["image"] = {**draft.request["image"], "gpu": True}


def _pool(draft: Draft, pool: Found, index: int) -> None:
    below: Path = ("pools", index)
    draft.request.setdefault("pools", []).append({})
    source = Source(pool.document, pool.place)
    inner = _flat(pool)
    if pool.properties:
        source.take(*pool.properties)
    source.take("name")
    if not pool.properties:
        source = inner
    inner.take("id")
    draft.put((*below, "id"), pool.name, (*pool.place, "name"))
    pool_parts.identity(draft, source, below)
    pool_parts.true_of_all(draft, inner)
    pool_parts.start_task(draft, inner, below)
    pool_parts.registries(draft, inner, below)
    pool_parts.metadata(draft, inner, below)
    if inner.peek("autoscaleFormula") or inner.peek("autoScaleFormula"):
        for name in ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout"):
            inner.take(name)
    table = {key.removeprefix("properties."): rule for key, rule in pool.table.items()}
    follow({**table, **_MACHINE_PARTS}, inner, draft, below=below, same_names=True)
    if inner is not source:
        follow(pool.table, source, draft, below=below, same_names=True)


def _flat(pool: Found) -> Source:
    """A pool's own fields; those of its machines and its network are one level higher, as requests
    have them. The image is mapped before.
    """
    made: Json = pool.document
    for name in pool.properties:
        made = made.get(str(name)) or {}
    made, moved = dict(made), dict[str, Path]()
    for *above, name in _RAISED:
        holder = made
        for each in above:
            holder[each] = dict(holder.get(each) or {})
            holder = holder[each]
        parts = dict(holder.pop(name, None) or {})
        parts.pop("imageReference", None)
        made |= parts
        moved |= dict.fromkeys(parts, (*above, name))
    return Source(made, (*pool.place, *pool.properties), moved)


# -- image ----------------------------------------------------------------------------------------


def reference(document: Json) -> tuple[Json, str]:
    """The image reference of a pool with Azure's names, and its node agent."""
    holder = document.get("properties") or document
    machine = (holder.get("deploymentConfiguration") or {}).get(
        "virtualMachineConfiguration"
    ) or holder.get("virtualMachineConfiguration")
    machine = machine or {}
    lower = {str(name).lower(): value for name, value in machine.items()}
    return lower.get("imagereference") or {}, str(lower.get("nodeagentskuid") or "")


_MORE = (
    "The other one has more or less than the system; one for HPC has InfiniBand, MPI and drivers. "
    "To keep that, build on it: image.base with publisher {}, offer {}, sku {}. For InfiniBand "
    "alone: image.infiniband."
)


def _image(pool: Found) -> tuple[Json, str]:
    """`image` of a request that has what the pool's image has, and what a person should know."""
    named, agent = reference(pool.document)
    systems.refuse_windows(agent, *(str(value) for value in named.values()))
    id_ = named.get("id") or named.get("virtualMachineImageId")
    if id_ and not isinstance(id_, Unresolved):
        where = re.search(
            r"/resourceGroups/([^/]+)/.*/galleries/([^/]+)/images/([^/]+)(?:/versions/([^/]+))?$",
            str(id_),
            re.IGNORECASE,
        )
        if where and where[4] and where[4] != "latest":
            return {"id": id_}, ""
        if where:
            return {"resourceGroup": where[1], "gallery": where[2], "name": where[3]}, ""
    parts = [str(named.get(part) or "") for part in ("publisher", "offer", "sku")]
    system = systems.of_marketplace(*parts)
    agent_system = systems.of_marketplace(
        "", *agent.removeprefix("batch.node.").partition(" ")[::2]
    )
    system = system or agent_system
    what = (
        str(id_) if id_ else ":".join(filter(None, parts)) or "an image that the file does not name"
    )
    if not system:
        return {}, f"The nodes had {what}; name the image of the request."
    remark = (
        f"The nodes had {what}; they get an image of {' '.join(system)} that batch-prep builds."
    )
    if all(parts) and systems.is_special(*parts[1:]):
        remark += f" {_MORE.format(*parts)}"
    return {"os": system[0], "osVersion": system[1]}, remark


def _name_rest_of_image(draft: Draft, pool: Found) -> None:
    known = {"id", "virtualmachineimageid", "publisher", "offer", "sku", "version", "exactversion"}
    for leaf, _ in leaves(reference(pool.document)[0]):
        if str(leaf[0]).lower() not in known:
            draft.leave((*pool.place, "imageReference", *leaf), NO_FIELD)


def _has_gpu(pool: Json) -> bool:
    """Whether a size is of Azure's N series, without those that have FPGAs (NP)."""
    size = str(pool.get("vmSize") or "")
    return bool(re.match(r"(standard_)?n(?!p)[a-z]*\d", size, re.IGNORECASE))
