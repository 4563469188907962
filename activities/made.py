"""What a failed build made for good: gallery, registry, resource group. Where nothing came of it,
it goes, too, unless somebody may need it by now.

A Batch account stays: more quota is asked for at the account, and it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities import leftovers
from activities.arm_resource import is_tagged
from shared.azure import resource_state, sdk
from shared.base import names
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services, ShortActivity
from shared.engine.decisions import Decision, Done
from shared.model.cleanup_plans import MadeIn, MadePlan, Removal, RemovalList

if TYPE_CHECKING:
    from shared.store.tables import Row

_REGISTRY = "microsoft.containerregistry/registries"
_VERSION = "microsoft.compute/galleries/images/versions"
# In the order of removal: what holds a thing goes before it.
_REMOVALS = {
    _VERSION: "remove_image_version",
    "microsoft.compute/galleries/images": "remove_image_definition",
    "microsoft.compute/galleries": "remove_gallery",
    _REGISTRY: "remove_registry",
    "microsoft.managedidentity/userassignedidentities": "remove_pull_identity",
}


def removals(services: Services, plan: MadeIn, *, cleared: bool = True) -> list[Removal]:
    """What goes, in order. Nothing where another build has used the resource group. With `cleared`
    false the build's temporary things are still there, and count as gone.
    """
    azure = services.azure.resources
    group = sdk.fetch(azure.resource_groups.get, plan.resource_group)
    if group is None or _is_shared(services, plan):
        return []
    there = sdk.listed(azure.resources.list_by_resource_group, plan.resource_group)
    if not cleared:
        there = [r for r in there if not _is_temporary(r, plan.build_id)]
    goes = _unused(services, plan, there)
    found = [_removal(plan, _REMOVALS[_kind(r)], r["id"], r["type"]) for r in goes]
    if is_tagged(group, plan.build_id) and len(goes) == len(there):
        found.append(_removal(plan, "remove_resource_group", group["id"], names.GROUP_TYPE))
    return found


def _removal(plan: MadeIn, step: str, id_: str, type_: str) -> Removal:
    made = MadePlan(id=id_, type=type_, build_id=plan.build_id, resource_group=plan.resource_group)
    return Removal(step=step, plan=made)


def _is_temporary(resource: Json, build_id: str) -> bool:
    """What Azure makes along with a builder has no tags; its name is the builder's, and more."""
    return _kind(resource) not in _REMOVALS and build_id.lower() in _id(resource)


def _list(services: Services, plan: MadeIn, _: PollState) -> RemovalList:
    return RemovalList(made=removals(services, plan))


def _is_shared(services: Services, plan: MadeIn | MadePlan) -> bool:
    """Whether another build uses this resource group, or has used it and something came of it."""
    default = services.azure.config.default_resource_group
    for row in services.records.builds():
        request = row.get("Request") or {}
        parts = [request.get("image") or {}, request.get("batchAccount") or {}]
        groups = [part.get("resourceGroup") or default for part in parts]
        is_other = row.key != plan.build_id and not _came_to_nothing(row)
        if is_other and any(names.same(group, plan.resource_group) for group in groups):
            return True
    return False


def _came_to_nothing(row: Row) -> bool:
    """A failed build that may be resumed still needs what it found in its group."""
    is_resumable = (row.get("Outcome") or {}).get("resumable")
    return row["State"] in {"failed", "cancelled"} and not is_resumable


def _unused(services: Services, plan: MadeIn, there: list[Json]) -> list[Json]:
    """What this build made of `there`, in the order of removal, if all inside it goes along."""
    ours = [r for r in there if is_tagged(r, plan.build_id) and _kind(r) in _REMOVALS]
    goes: list[Json] = []
    for resource in sorted(ours, key=lambda r: list(_REMOVALS).index(_kind(r))):
        inside = [r for r in there if _id(r).startswith(f"{_id(resource)}/")]
        if all(r in goes for r in inside) and not _is_of_use(services, plan, resource):
            goes.append(resource)
    return goes


def _is_of_use(services: Services, plan: MadeIn, resource: Json) -> bool:
    """Whether it is an image version that did not fail, or a registry that holds something or does
    not tell.
    """
    if _kind(resource) == _VERSION:
        version = leftovers.fetch(services, resource["id"], resource["type"]) or {}
        return resource_state.properties(version).get("provisioningState") != "Failed"
    return _kind(resource) == _REGISTRY and not _is_empty(services, plan, resource)


def _is_empty(services: Services, plan: MadeIn, resource: Json) -> bool:
    """Whether the registry says that it holds nothing."""
    usages = services.azure.registries.registries.list_usages
    told = sdk.fetch(usages, plan.resource_group, resource["name"]) or {}
    sizes = [u.get("currentValue") for u in told.get("value") or [] if u.get("name") == "Size"]
    return sizes == [0]


def _kind(resource: Json) -> str:
    return str(resource["type"]).lower()


def _id(resource: Json) -> str:
    return str(resource["id"]).lower()


list_made = ShortActivity(
    name="list_made",
    plan=MadeIn,
    result=RemovalList,
    verb="list what the build made",
    subject=lambda plan: plan.group_id,
    act=_list,
)


def _observe(services: Services, plan: MadePlan, poll: PollState) -> Json | None:
    """Asked once more right before the removal: meanwhile another build may have begun."""
    if poll.started is None and _is_shared(services, plan):
        return {"isShared": True}
    return leftovers.observe(services, plan, poll)


def _decide(plan: MadePlan, observed: Json | None, poll: PollState) -> Decision[NoResult]:
    if (observed or {}).get("isShared"):
        return Done(result=NoResult())
    return leftovers.decide(plan, observed, poll)


remove_made = Reconciler(
    name="remove_made",
    plan=MadePlan,
    result=NoResult,
    verb="remove what the build made",
    subject=lambda plan: plan.id,
    observe=_observe,
    decide=_decide,
    actions={"delete": leftovers.delete},
)
