"""The facts from which cleanup is planned: records, and what Azure shows of resources and pools."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container
from typing import TypeVar

from activities import batch_pool, gallery, pool_shrinking, registry, snapshots
from activities.arm_resource import build_of
from shared.azure import by_id, failures, sdk
from shared.base import names
from shared.base import resource_types as types
from shared.engine.activity import Json, Services
from shared.model.cleanup import BuildFacts, Facts, PoolFacts, ResourceFacts
from shared.model.outcomes import PoolRecord
from shared.store import build_rows
from shared.store.builds import outcome_of
from shared.store.claims import pool_key
from shared.store.row_checks import ENDED
from shared.store.tables import Row

T = TypeVar("T")
_IN_USE: dict[str, Callable[[Services, ResourceFacts], bool]] = {
    types.SNAPSHOT: lambda services, of: snapshots.is_copied(services, of.build),
    types.IMAGE_VERSION: lambda services, of: gallery.is_needed(services, of.id, of.build),
    types.REGISTRY: lambda services, of: registry.has_images(services, of.id),
}


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
    resources = tuple(
        _in_full(services, r) if r.build in imageless or r.kind == types.SNAPSHOT else r
        for r in found
    )
    return dataclasses.replace(facts, resources=resources), now or ""


def around(services: Services, build: str, observed: Json) -> Facts:
    """The facts of one lasting resource. Azure refuses to delete a gallery or a definition that is
    not empty, so each is enough alone; a resource group comes with its contents.
    """
    listing, found = services.azure.resources.resources.list_by_resource_group, [observed]
    if names.type_of(observed["id"]).lower() == types.RESOURCE_GROUP:
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
    whole = services.records.build(row.key) if is_over and row["HasLeftovers"] else None
    outcome = outcome_of(whole) if whole else None
    return BuildFacts(
        state=state,
        is_over=is_over,
        is_resumable=is_resumable,
        may_need=() if has_failed and not is_resumable else groups,
        publishes=publishes if is_resumable or not is_over else "",
        imageless_in=groups[0] if publishes and has_failed and row.key not in published else "",
        leftovers=tuple(outcome.leftovers if outcome else ()),
        kept=frozenset(build_rows.kept_leftovers(whole) if whole and outcome else ()),
    )


def _resource(found: Json) -> ResourceFacts:
    expires = str((found.get("tags") or {}).get(names.TAG_EXPIRES, ""))
    return ResourceFacts(id=found["id"], build=build_of(found), expires=expires)


def of_resource(services: Services, id_: str, build: str = "") -> ResourceFacts:
    """A resource; with `build`, it is gone if it is not that build's."""
    found = _or_refusal(id_, by_id.fetch, services.azure, id_)
    if isinstance(found, str):
        return ResourceFacts(id=id_, build=build, refused=found)
    if found is None or (build and build_of(found) != build):
        return ResourceFacts(id=id_, build=build, is_gone=True)
    return _resource(found)


def _in_full(services: Services, resource: ResourceFacts) -> ResourceFacts:
    found = _or_refusal(resource.id, _with_use, services, resource)
    return dataclasses.replace(resource, refused=found) if isinstance(found, str) else found


def _with_use(services: Services, resource: ResourceFacts) -> ResourceFacts:
    is_in_use = _IN_USE.get(resource.kind)
    is_used = is_in_use is not None and is_in_use(services, resource)
    return dataclasses.replace(resource, is_used=is_used)


# -- of pools -------------------------------------------------------------------------------------


def of_pools(services: Services, now: str) -> tuple[PoolFacts, ...]:
    """The recorded pools; Azure is asked for those that are due."""
    subscription = services.azure.config.subscription_id
    records = {r.resource(subscription): r for r in services.records.pools()}
    due = {id_ for id_, r in records.items() if r.nodes_left or r.is_over(now)}
    at_work = services.records.pools_at_work() if due else {}
    shown = {id_: _or_refusal(id_, by_id.fetch, services.azure, id_) for id_ in due}
    return tuple(
        _pool(id_, r, shown[id_], at_work.get(pool_key(r.batch_account, r.pool_id)))
        if id_ in due
        else PoolFacts(id=id_, build=r.build_id, record=r)
        for id_, r in records.items()
    )


def of_pool(services: Services, id_: str, build: str, observed: Json | None) -> PoolFacts | None:
    """A pool that Azure shows as `observed`; None if its record has become another build's."""
    *_, account, _pools, name = id_.split("/")
    record = services.records.pool(account, name)
    if record is None or record.build_id != build:
        return None
    return _pool(id_, record, observed, services.records.at_work_on(account, name, id_))


def _pool(id_: str, record: PoolRecord, shown: Json | str | None, at_work: str | None) -> PoolFacts:
    """The facts of a pool that Azure shows, refuses to show (a text), or does not have (None)."""
    facts = PoolFacts(id=id_, build=record.build_id, record=record, at_work=at_work)
    if isinstance(shown, str):
        return dataclasses.replace(facts, refused=shown)
    if shown is None:
        return dataclasses.replace(facts, is_gone=True)
    return dataclasses.replace(
        facts,
        shaped_by=batch_pool.shaped_by(shown),
        is_marked=batch_pool.is_expired(shown),
        is_shrunk=pool_shrinking.is_shrunk(shown),
        is_resized=pool_shrinking.is_resized(shown, record),
    )
