"""The facts from which cleanup is planned: records, and what Azure shows of resources and pools."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from activities import batch_pool
from shared.azure import failures, resource_state, sdk
from shared.base import names
from shared.engine.activity import Json, Services
from shared.model import cleanup
from shared.model.cleanup import CleanupItem
from shared.model.cleanup_facts import BuildFacts, Facts, PoolFacts, ResourceFacts
from shared.model.outcomes import PoolRecord
from shared.store import build_rows
from shared.store.row_checks import ENDED

if TYPE_CHECKING:
    from shared.store.tables import Row

T = TypeVar("T")
# The API version with which a resource is named by id: that of the SDK's own sdk.
VERSIONS = {
    **dict.fromkeys(cleanup.TEMPORARY, "2026-03-01"),
    **dict.fromkeys(cleanup.LASTING, "2026-03-03"),
    cleanup.VM: "2026-04-01",
    cleanup.DISK: "2026-03-02",
    cleanup.REGISTRY: "2025-11-01",
    cleanup.IDENTITY: "2024-11-30",
    cleanup.GROUP: "2025-04-01",
}


def fetch(services: Services, id_: str) -> Json | None:
    """A resource of a type that builds make, by its id, or None."""
    get = services.azure.resources.resources.get_by_id
    return sdk.fetch(get, id_.lstrip("/"), api_version=VERSIONS[names.type_of(id_).lower()])


def build_of(resource: Json | None) -> str:
    """The build that a resource's tag names."""
    return str(((resource or {}).get("tags") or {}).get(names.TAG_BUILD, ""))


def of_everything(services: Services) -> tuple[Facts, str]:
    """All facts, and the time by Azure's clock."""
    facts, now = of_builds(services)
    return dataclasses.replace(facts, pools=of_pools(services, now)), now


# -- of builds ------------------------------------------------------------------------------------


def of_builds(services: Services, now: str = "", closed: Sequence[str] = ()) -> tuple[Facts, str]:
    """All facts but those of pools, and `now` or else the time by Azure's clock. `closed` are
    builds that the sweep has just closed.
    """
    # Without a filter: a list that Azure filters by a tag shows no tags, so no time of expiry.
    # https://learn.microsoft.com/rest/api/resources/resources/list
    listed, at = sdk.listed_at(services.azure.resources.resources.list)
    builds = builds_of(services)
    resources = [_resource(each) for each in listed if build_of(each)]
    known = {resource.id.lower() for resource in resources}
    unlisted = [(id_, left) for id_, b in builds.items() for left in b.leftovers]
    resources += [_recorded(services, *each) for each in unlisted if each[1].lower() not in known]
    facts = Facts(resources=tuple(resources), builds=builds, closed=tuple(closed))
    now = now or at or ""
    ending = cleanup.ending_builds(facts, now)
    groups = {build: _made_by(services, build) for build in ending}
    return dataclasses.replace(facts, groups=groups), now


def builds_of(services: Services) -> dict[str, BuildFacts]:
    """The records of all builds, by id."""
    return {row.key: _build(services, row) for row in services.records.builds()}


def _build(services: Services, row: Row) -> BuildFacts:
    """A failed build that may be resumed still needs its resource group. Few builds have left
    anything, so only their outcomes are read.
    """
    config, is_over = services.azure.config, row["State"] in ENDED
    failed_for_good = row["State"] in {"failed", "cancelled"} and not row["IsResumable"]
    outcome = services.records.outcome(row.key) if is_over and row["HasLeftovers"] else None
    return BuildFacts(
        state=row["State"],
        is_over=is_over,
        is_resumable=bool(row.get("IsResumable")),
        may_need=()
        if failed_for_good
        else build_rows.groups_of(row, config.default_resource_group),
        publishes=build_rows.definition_of(row, config.default_image_name),
        leftovers=tuple(outcome.leftovers if outcome else ()),
    )


def made_in(services: Services, build: str) -> str | None:
    """The resource group of an ended build's image; None if the build has an image or pools, which
    need what is in it. The outcome of a build that died lists none: the image's record does.
    """
    row = services.records.build(build)
    image, outcome = (row["Request"].get("image"), row.get("Outcome")) if row else (None, {})
    outcome = outcome or {}
    has_any = outcome.get("image") or outcome.get("pools")
    if image is None or has_any or any(i.build_id == build for i in services.records.images()):
        return None
    return str(image.get("resourceGroup") or services.azure.config.default_resource_group)


def _resource(found: Json) -> ResourceFacts:
    expires = str((found.get("tags") or {}).get(names.TAG_EXPIRES, ""))
    return ResourceFacts(id=found["id"], build=build_of(found), expires=expires)


def _recorded(services: Services, build: str, id_: str) -> ResourceFacts:
    """A resource that only a record lists: Azure's list may leave it out for a moment."""
    found = _or_refusal(lambda: fetch(services, id_), id_)
    if isinstance(found, str):
        return ResourceFacts(id=id_, build=build, refused=found)
    if found is None or build_of(found) != build:
        return ResourceFacts(id=id_, build=build, is_gone=True)
    return _resource(found)


def _made_by(services: Services, build: str) -> tuple[ResourceFacts, ...]:
    """The resource group of an ended build's image, with its contents, or why Azure refuses it."""
    name = made_in(services, build)
    if name is None:
        return ()
    id_ = f"/subscriptions/{services.azure.config.subscription_id}/resourceGroups/{name}"
    found = _or_refusal(lambda: in_group(services, build, name), id_)
    return (ResourceFacts(id=id_, build=build, refused=found),) if isinstance(found, str) else found


def in_group(services: Services, build: str, name: str) -> tuple[ResourceFacts, ...]:
    """A resource group and its contents; none if it is gone."""
    group = sdk.fetch(services.azure.resources.resource_groups.get, name)
    return () if group is None else _with_contents(services, group, build)


def around(services: Services, item: CleanupItem, observed: Json) -> Facts:
    """What decides about one resource that lasts: the resource alone, as Azure refuses to delete a
    gallery or a definition that is not empty; a group with its contents.
    """
    if item.kind == cleanup.GROUP:
        found = _with_contents(services, observed, item.build_id)
    else:
        found = (_with_use(services, _resource(observed)),)
    return Facts(builds=builds_of(services), groups={item.build_id: found})


def _with_contents(services: Services, group: Json, build: str) -> tuple[ResourceFacts, ...]:
    listing = services.azure.resources.resources.list_by_resource_group
    contents = [_resource(each) for each in sdk.listed(listing, group["name"])]
    looked_into = (_with_use(services, r) if r.build == build else r for r in contents)
    return (_resource(group), *looked_into)


def _with_use(services: Services, resource: ResourceFacts) -> ResourceFacts:
    """The resource with `is_used`: of a version that did not fail, a registry that is not empty."""
    is_used = False
    if resource.kind == cleanup.VERSION:
        version = resource_state.properties(fetch(services, resource.id))
        is_used = version.get("provisioningState") != "Failed"
    elif resource.kind == cleanup.REGISTRY:
        ask, name = services.azure.registries.registries.list_usages, resource.id.rpartition("/")[2]
        found = (sdk.fetch(ask, resource.group, name) or {}).get("value") or []
        is_used = [u.get("currentValue") for u in found if u.get("name") == "Size"] != [0]
    return dataclasses.replace(resource, is_used=is_used)


def _or_refusal(ask: Callable[[], T], id_: str) -> T | str:
    """What Azure answers, or why it refuses: one refusal must not hide the rest of the list."""
    from azure.core.exceptions import AzureError

    try:
        return ask()
    except AzureError as error:
        return failures.translate(error, attempted="look at it", resource=id_).message


# -- of pools -------------------------------------------------------------------------------------

_SHOWN = "metadata scaleSettings allocationState currentDedicatedNodes currentLowPriorityNodes"
_SELECT = ",".join(f"properties/{name}" for name in _SHOWN.split())


def of_pools(services: Services, now: str) -> tuple[PoolFacts, ...]:
    """The recorded pools. Azure lists those of an account if a sweep has to look at one of them."""
    records = services.records.pools()
    due = {record.batch_account: record for record in records if cleanup.is_due(record, now)}
    at_work = services.records.pools_at_work() if due else {}
    listed = {account: _pools_in(services, record) for account, record in due.items()}
    found = []
    for record in records:
        pools = listed.get(record.batch_account, "")
        if isinstance(pools, str):
            found.append(PoolFacts(id=_pool_id(services, record), record=record, refused=pools))
        else:
            key = (record.batch_account.lower(), record.pool_id.lower())
            found.append(_pool(services, record, pools.get(key[1]), at_work.get(key)))
    return tuple(found)


def of_pool(services: Services, item: CleanupItem, observed: Json | None) -> PoolFacts | None:
    """A pool that Azure shows as `observed`; None if its record has become another build's."""
    account, name = item.id.split("/")[-3], item.id.split("/")[-1]
    record = services.records.pool(account, name)
    if record is None or record.build_id != item.build_id:
        return None
    return _pool(services, record, observed, services.records.at_work_on(account, name, item.id))


def _pools_in(services: Services, record: PoolRecord) -> dict[str, Json] | str:
    """The pools of the record's account by name in lower case, or why Azure does not list them."""
    from azure.core.exceptions import ResourceNotFoundError

    def ask() -> dict[str, Json]:
        call, path = services.azure.batch.pool.list_by_batch_account, record.resource_group
        try:
            pools = sdk.listed(call, path, record.batch_account, select=_SELECT)
        except ResourceNotFoundError:  # the account is gone, and its pools with it
            return {}
        return {str(pool["name"]).lower(): pool for pool in pools}

    return _or_refusal(ask, record.batch_account)


def _pool(
    services: Services, record: PoolRecord, observed: Json | None, at_work: str | None
) -> PoolFacts:
    id_ = _pool_id(services, record)
    facts = PoolFacts(id=id_, record=record, at_work=at_work, is_gone=observed is None)
    if observed is None:
        return facts
    return dataclasses.replace(
        facts,
        build=batch_pool.shaped_by(observed),
        is_marked=batch_pool.is_expired(observed),
        is_empty=batch_pool.is_empty(observed),
        target=batch_pool.target_nodes(observed),
    )


def _pool_id(services: Services, record: PoolRecord) -> str:
    path = (record.batch_account, "pools", record.pool_id)
    subscription, kind = services.azure.config.subscription_id, "Microsoft.Batch/batchAccounts"
    return names.resource_id(subscription, record.resource_group, kind, *path)
