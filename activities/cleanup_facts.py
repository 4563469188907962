"""The facts from which cleanup is planned: records, and what Azure shows of resources and pools."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, TypeVar

from activities import batch_pool, pool_shrinking
from shared.azure import failures, resource_state, sdk
from shared.base import names
from shared.engine.activity import Json, Services
from shared.model import cleanup
from shared.model.cleanup import BuildFacts, Facts, PoolFacts, ResourceFacts
from shared.model.outcomes import PoolRecord
from shared.store import build_rows
from shared.store.claims import pool_key
from shared.store.row_checks import ENDED

if TYPE_CHECKING:
    from shared.store.tables import Row

T = TypeVar("T")
_SETTLED = {"", "Succeeded", "Failed"}  # a version that Azure does not copy


def fetch(services: Services, id_: str) -> Json | None:
    """A resource of a type that cleanup handles, by its id, or None."""
    version = cleanup.HANDLING[names.type_of(id_).lower()].api_version
    get = services.azure.resources.resources.get_by_id
    return sdk.fetch(get, id_.lstrip("/"), api_version=version)


def build_of(resource: Json | None) -> str:
    """The build that a resource's tag names."""
    return str(((resource or {}).get("tags") or {}).get(names.TAG_BUILD, ""))


def of_everything(services: Services) -> tuple[Facts, str]:
    """All facts, and the time by Azure's clock."""
    facts, now = of_builds(services)
    return dataclasses.replace(facts, pools=of_pools(services, now)), now


def _or_refusal(resource: str, ask: Callable[..., T], *args: object) -> T | str:
    """What Azure answers, or why it refuses: one refusal must not hide the rest of the list."""
    from azure.core.exceptions import AzureError

    try:
        return ask(*args)
    except AzureError as error:
        return failures.translate(error, attempted="look at it", resource=resource).message


# -- of builds ------------------------------------------------------------------------------------


def of_builds(services: Services) -> tuple[Facts, str]:
    """All facts but those of pools, and the time by Azure's clock."""
    # Without a filter: a list that Azure filters by a tag shows no tags, so no time of expiry.
    # https://learn.microsoft.com/rest/api/resources/resources/list
    listed, now = sdk.listed_at(services.azure.resources.resources.list)
    facts, found = of_records(services), [_resource(each) for each in listed]
    known = {resource.id.lower() for resource in found if resource.build}
    # Azure's list leaves out what was made or changed a moment ago.
    left = [(id_, build) for build, b in facts.builds.items() for id_ in b.leftovers]
    found += [of_resource(services, *each) for each in left if each[0].lower() not in known]
    imageless = {id_: b.imageless_in for id_, b in facts.builds.items() if b.imageless_in}
    known = {resource.id.lower() for resource in found}
    groups = {names.group_id(services.azure.config.subscription_id, g) for g in imageless.values()}
    asked = {group.lower(): group for group in sorted(groups) if group.lower() not in known}
    found += [of_resource(services, group) for group in asked.values()]
    versions = tuple(resource for resource in found if resource.kind == cleanup.VERSION)
    found = [
        _in_full(services, r, versions) if r.build in imageless or r.kind == cleanup.SNAPSHOT else r
        for r in found
    ]
    return dataclasses.replace(facts, resources=tuple(found)), now or ""


def around(services: Services, build: str, observed: Json) -> Facts:
    """What decides about a resource that the build made for good: the resource alone, as Azure
    refuses to delete a gallery or a definition that is not empty; a group with its contents.
    """
    listing, found = services.azure.resources.resources.list_by_resource_group, [observed]
    if names.type_of(observed["id"]) == names.GROUP_TYPE:
        found += sdk.listed(listing, observed["name"])
    resources = (_resource(each) for each in found)
    looked_into = (_with_use(services, r) if r.build == build else r for r in resources)
    return dataclasses.replace(of_records(services), resources=tuple(looked_into))


def of_records(services: Services) -> Facts:
    """What the records of builds and images say."""
    images = services.records.images()
    groups = {image.resource_group.lower() for image in images if image.gone_at is None}
    published = {image.build_id for image in images}
    builds = {row.key: _build(services, row, published) for row in services.records.builds()}
    return Facts(builds=builds, image_groups=frozenset(groups))


def _build(services: Services, row: Row, published: Container[str]) -> BuildFacts:
    """A failed build that may be resumed still needs its resource group. Few builds have left
    anything, so only their outcomes are read. That of a build that died lists no image, so the
    images' own records say which builds have published one.
    """
    config, state, is_over = services.azure.config, row["State"], row["State"] in ENDED
    groups = build_rows.groups_of(row, config.default_resource_group)
    publishes = build_rows.definition_of(row, config.default_image_name)
    has_failed, is_resumable = state in {"failed", "cancelled"}, bool(row.get("IsResumable"))
    outcome = services.records.outcome(row.key) if is_over and row["HasLeftovers"] else None
    awaits = is_resumable or not is_over
    return BuildFacts(
        state=state,
        is_over=is_over,
        is_resumable=is_resumable,
        may_need=() if has_failed and not is_resumable else groups,
        publishes=publishes if awaits else "",
        imageless_in=groups[0] if publishes and has_failed and row.key not in published else "",
        leftovers=tuple(outcome.leftovers if outcome else ()),
    )


def _resource(found: Json) -> ResourceFacts:
    expires = str((found.get("tags") or {}).get(names.TAG_EXPIRES, ""))
    return ResourceFacts(id=found["id"], build=build_of(found), expires=expires)


def of_resource(services: Services, id_: str, build: str = "") -> ResourceFacts:
    """A resource; with `build`, it is gone if it is not that build's."""
    found = _or_refusal(id_, fetch, services, id_)
    if isinstance(found, str):
        return ResourceFacts(id=id_, build=build, refused=found)
    if found is None or (build and build_of(found) != build):
        return ResourceFacts(id=id_, build=build, is_gone=True)
    return _resource(found)


def _in_full(
    services: Services, resource: ResourceFacts, versions: Sequence[ResourceFacts]
) -> ResourceFacts:
    found = _or_refusal(resource.id, _with_use, services, resource, versions)
    return dataclasses.replace(resource, refused=found) if isinstance(found, str) else found


def _with_use(
    services: Services, resource: ResourceFacts, versions: Sequence[ResourceFacts] = ()
) -> ResourceFacts:
    """The resource with `is_used`: of a snapshot that Azure copies, a version that is needed or not
    finished, a registry that is not empty.
    """
    is_used = False
    if resource.kind == cleanup.SNAPSHOT:
        own = [version for version in versions if version.build == resource.build]
        is_used = any(_version_state(services, version) not in _SETTLED for version in own)
    elif resource.kind == cleanup.VERSION:
        state = _version_state(services, resource)
        is_used = state != "Failed" and (state != "Succeeded" or _is_needed(services, resource))
    elif resource.kind == cleanup.REGISTRY:
        ask, name = services.azure.registries.registries.list_usages, resource.id.rpartition("/")[2]
        found = (sdk.fetch(ask, resource.group, name) or {}).get("value") or []
        is_used = [u.get("currentValue") for u in found if u.get("name") == "Size"] != [0]
    return dataclasses.replace(resource, is_used=is_used)


def _version_state(services: Services, version: ResourceFacts) -> str:
    """Its `provisioningState`; empty if it is gone."""
    return str(resource_state.properties(fetch(services, version.id)).get("provisioningState", ""))


def _is_needed(services: Services, version: ResourceFacts) -> bool:
    """Whether a version is more than what Azure finished after its build had ended without an image
    and could no longer be resumed: no record names that, no pool has it, no build may begin to use
    it.
    """
    outcome = services.records.outcome(version.build)
    if outcome is None or outcome.image is not None or outcome.resumable:
        return True
    pools = services.records.pools()
    return any(names.same(pool.image_id, version.id) for pool in pools) or bool(
        services.records.running()
    )


def is_copied(services: Services, snapshot: Json) -> bool:
    """Whether Azure copies an image version from the snapshot; its build may have died since."""
    kind = f"resourceType eq '{cleanup.VERSION}'"
    listed = sdk.listed(services.azure.resources.resources.list, filter=kind)
    return _with_use(services, _resource(snapshot), [_resource(each) for each in listed]).is_used


# -- of pools -------------------------------------------------------------------------------------


def of_pools(services: Services, now: str) -> tuple[PoolFacts, ...]:
    """The recorded pools. Azure lists those of an account if one of them is due."""
    subscription = services.azure.config.subscription_id
    records = {r.resource(subscription): r for r in services.records.pools()}
    due = [id_ for id_, r in records.items() if r.nodes_left or cleanup.is_over(r, now)]
    at_work = services.records.pools_at_work() if due else {}
    accounts = {id_: id_.rpartition("/pools/")[0] for id_ in records}
    ask, due_in = batch_pool.list_now, sorted({accounts[id_] for id_ in due})
    listed = {account: _or_refusal(account, ask, services, account) for account in due_in}
    return tuple(
        _pool(
            id_,
            record,
            listed.get(accounts[id_], ""),
            at_work.get(pool_key(record.batch_account, record.pool_id)),
        )
        for id_, record in records.items()
    )


def of_pool(services: Services, id_: str, build: str, observed: Json | None) -> PoolFacts | None:
    """A pool that Azure shows as `observed`; None if its record has become another build's."""
    *_, account, _pools, name = id_.split("/")
    record = services.records.pool(account, name)
    if record is None or record.build_id != build:
        return None
    shown = [] if observed is None else [observed]
    return _pool(id_, record, shown, services.records.at_work_on(account, name, id_))


def _pool(
    id_: str,
    record: PoolRecord,
    shown: Sequence[Json] | str,
    at_work: str | None,
) -> PoolFacts:
    """The pool as it is among those `shown` of its account, or why Azure shows none."""
    facts = PoolFacts(id=id_, build=record.build_id, record=record, at_work=at_work)
    if isinstance(shown, str):
        return dataclasses.replace(facts, refused=shown)
    observed = next((pool for pool in shown if names.same(pool["name"], record.pool_id)), None)
    if observed is None:
        return dataclasses.replace(facts, is_gone=True)
    return dataclasses.replace(
        facts,
        shaped_by=batch_pool.shaped_by(observed),
        is_marked=batch_pool.is_expired(observed),
        is_shrunk=pool_shrinking.is_shrunk(observed),
        keeps=pool_shrinking.shrunk_nodes(observed),
        target=batch_pool.target_nodes(observed),
    )
