"""Which permissions a request to Azure needs: its own, and those on what its body links to.

The names are those of the lists of permissions at
https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations. Azure
publishes no list of the permissions on linked resources; those below are from its documentation and
from refusals that others have reported.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from local.azure_simulator import model, resource_ids

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_RESOURCES = "Microsoft.Resources/subscriptions"
_READS_BY_POST = {"microsoft.containerregistry/checknameavailability"}
_OPERATIONS = {
    "microsoft.containerregistry/locations/operations": (
        "Microsoft.ContainerRegistry/registries/operationStatuses"
    ),
}
"""Where the simulator's long operations lie; Azure's have another path at this provider."""

_ADDRESSES = "Microsoft.Network/publicIPAddresses"
_BATCH = "Microsoft.Batch/batchAccounts"
_CARDS = "Microsoft.Network/networkInterfaces"
_DISKS = "Microsoft.Compute/disks"
_GATEWAYS = "Microsoft.Network/natGateways"
_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
_IMAGES = "Microsoft.Compute/images"
_NETWORKS = "Microsoft.Network/virtualNetworks"
_POOLS = f"{_BATCH}/pools"
_SNAPSHOTS = "Microsoft.Compute/snapshots"
_SUBNETS = f"{_NETWORKS}/subnets"
_VERSIONS = "Microsoft.Compute/galleries/images/versions"
_VMS = "Microsoft.Compute/virtualMachines"

_LINKED = {
    (_GATEWAYS, _ADDRESSES): (f"{_ADDRESSES}/join/action",),
    (_NETWORKS, _GATEWAYS): (f"{_GATEWAYS}/join/action",),
    (_VMS, _SUBNETS): (f"{_SUBNETS}/join/action",),
    (_VMS, _IDENTITIES): (f"{_IDENTITIES}/assign/action",),
    (_VMS, _VERSIONS): (f"{_VERSIONS}/read",),
    (_VMS, _IMAGES): (f"{_IMAGES}/read",),
    (_POOLS, _SUBNETS): (f"{_SUBNETS}/join/action",),
    (_POOLS, _IDENTITIES): (f"{_IDENTITIES}/assign/action",),
    (_POOLS, _VERSIONS): (f"{_VERSIONS}/read",),
    (_VERSIONS, _VMS): (f"{_VMS}/read", f"{_DISKS}/beginGetAccess/action"),
    (_VERSIONS, _SNAPSHOTS): (f"{_SNAPSHOTS}/read", f"{_SNAPSHOTS}/beginGetAccess/action"),
    (_SNAPSHOTS, _DISKS): (f"{_DISKS}/read", f"{_DISKS}/beginGetAccess/action"),
    (_IMAGES, _VMS): (f"{_VMS}/read", f"{_DISKS}/beginGetAccess/action"),
}
"""By the type that is written and the type that its body names: what is needed on the latter."""
_BESIDE = {
    ("PUT", _VMS): (f"{_DISKS}/write", f"{_CARDS}/write", f"{_CARDS}/join/action"),
    ("DELETE", _VMS): (f"{_DISKS}/delete", f"{_CARDS}/delete"),
}
"""A VM makes and removes its disk and its card in its own group: what is needed there."""
_LINKED_KEYS = {tuple(name.lower() for name in key): value for key, value in _LINKED.items()}
_BESIDE_KEYS = {(verb, kind.lower()): value for (verb, kind), value in _BESIDE.items()}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Needed:
    """One permission at one scope. `is_data`: one of `dataActions`; `is_linked`: on another
    resource than the request's own.
    """

    action: str
    scope: str
    is_data: bool = False
    is_linked: bool = False


def of_arm(request: model.Request) -> list[Needed]:
    """Those of a request to Resource Manager; none for one that concerns no subscription."""
    path = request.resource_id
    parts = resource_ids.segments(path)
    if len(parts) < 3 or parts[0].lower() != "subscriptions":
        return []
    own = _of_provider(request.method, parts) or _of_resources(request.method, parts)
    kind = resource_ids.type_of(own.scope).lower()
    group = resource_ids.group_id(path)
    beside = _BESIDE_KEYS.get((request.method, kind), ())
    return [
        own,
        *(Needed(action=each, scope=group, is_linked=True) for each in beside),
        *(_linked(kind, request) if request.method in {"PUT", "PATCH"} else ()),
    ]


def of_batch(request: model.Request, account_id: str) -> list[Needed]:
    """Those of a request to the service of a Batch account: nodes count as their pool, tasks as
    their job. https://learn.microsoft.com/azure/batch/batch-role-based-access-control
    """
    kind = resource_ids.segments(request.path)[1].lower()
    verb = "write" if request.method == "POST" else _VERBS[request.method]
    needed = []
    if verb == "read":
        needed.append(Needed(action=f"{_BATCH}/read", scope=account_id))
    if kind in {"pools", "jobs"}:
        action = f"{_BATCH}/{kind}/{verb}"
        needed.append(Needed(action=action, scope=account_id, is_data=kind == "jobs"))
    return needed


def _of_provider(method: str, parts: list[str]) -> Needed | None:
    """`…/providers/NAMESPACE/kind/name/kind…`: of the innermost provider."""
    lowered = [part.lower() for part in parts]
    if "providers" not in lowered[2:]:
        return None
    start = len(parts) - lowered[::-1].index("providers")
    rest = parts[start:]
    if len(rest) == 1 or (len(rest) == 2 and rest[1].lower() in {"register", "unregister"}):
        scope = f"/{parts[0]}/{parts[1]}"
        action = f"{rest[0]}/{rest[1].lower()}/action" if len(rest) == 2 else None
        return Needed(action=action or f"{_RESOURCES}/providers/read", scope=scope)
    names_resource = len(rest) % 2 == 1
    kind = "/".join([rest[0], *rest[1::2]])
    kind = _OPERATIONS.get(kind.lower(), kind)
    if method != "POST":
        whole = parts if names_resource else parts[:-1]
        return Needed(action=f"{kind}/{_VERBS[method]}", scope=f"/{'/'.join(whole)}")
    verb = "read" if kind.lower() in _READS_BY_POST else "action"
    return Needed(action=f"{kind}/{verb}", scope=f"/{'/'.join(parts[:-1])}")


def _of_resources(method: str, parts: list[str]) -> Needed:
    """`/subscriptions/S/resourceGroups/G`, and the lists of resources."""
    kinds = "/".join(["Microsoft.Resources/subscriptions", *_spelt(parts[2::2])])
    scope = parts if len(parts) % 2 == 0 else parts[:-1]
    return Needed(action=f"{kinds}/{_VERBS[method]}", scope=f"/{'/'.join(scope)}")


def _spelt(kinds: list[str]) -> list[str]:
    return ["resourceGroups" if kind.lower() == "resourcegroups" else kind for kind in kinds]


def _linked(kind: str, request: model.Request) -> Iterator[Needed]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:  # the handler says what is wrong with it
        return
    for found in sorted(set(_ids(body))):
        for action in _LINKED_KEYS.get((kind, resource_ids.type_of(found).lower()), ()):
            yield Needed(action=action, scope=found, is_linked=True)


def _ids(value: Any) -> Iterator[str]:
    """Every resource id in a body; identities are the names of an object's members."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _ids(name)
            yield from _ids(each)
    elif isinstance(value, list):
        for each in value:
            yield from _ids(each)
    elif isinstance(value, str) and value.lower().startswith("/subscriptions/"):
        yield value
