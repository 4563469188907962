"""Whether the weekly rebuild of a recipe would make another image than the one that is there."""

from __future__ import annotations

from collections.abc import Iterator

from activities import base_image
from shared.azure import resource_state, sdk
from shared.base import logs
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Services
from shared.model.outcomes import ImageRecord
from shared.model.plans import BuildPlan, ImagePlan
from shared.model.requests import Build
from shared.store import acceptance, base_records

log = logs.get("rebuild_changes")


def unchanged(services: Services, request: Build) -> str | None:
    """The newest version of the image that a request asks for, if a build would make the same
    again; None where anything is different or cannot be compared. The cheapest comparisons come
    first: our own records, then Azure, then registries. Raises RequestRefused.
    """
    from azure.core.exceptions import AzureError

    request = base_records.with_base_contents(services.records, request)
    plan = base_records.plan_build(services.records, request, services.azure.config)
    image = plan.image
    if image is None:
        return None
    place = (image.gallery, image.definition, "latest", image.resource_group)
    record = services.records.image(*place, excluded=image.exclude_from_latest)
    if record is None:
        return None
    try:
        change = next(_differences(services, request, plan, image, record), None)
    except AzureError as error:
        change = f"it is not known what has changed: {error}"
    if change is None:
        return record.version
    log.info("%s %s is built again: %s", image.definition, record.version, change)
    return None


def _differences(
    services: Services, request: Build, plan: BuildPlan, image: ImagePlan, record: ImageRecord
) -> Iterator[str]:
    if image.force:
        yield "the recipe says force"
    if image.made_from != record.made_from:
        yield "the request, the settings or what batch-prep installs has changed"
    if image.registry and image.registry.build_image:
        yield "only a build finds out what the source of its container image holds"
    yield from _of_pools(services, request, plan, record)
    yield from _on_azure(services, image, record)
    for container in record.container_images:
        now = services.azure.reference_digest(container.name)
        if now is None or now != container.digest:
            yield f"{container.name} is {now or 'unknown'}, and was {container.digest}"


def _of_pools(
    services: Services, request: Build, plan: BuildPlan, record: ImageRecord
) -> Iterator[str]:
    if plan.pools and not _asks_the_same(services, request, record):
        yield "the request for pools has changed"
    for pool in plan.pools:
        made = services.records.pool(pool.account.name, pool.pool_id)
        if made is None or made.state != "ready":
            yield f"pool {pool.pool_id} is not there or not ready"


def _on_azure(services: Services, image: ImagePlan, record: ImageRecord) -> Iterator[str]:
    calls = services.azure.compute.gallery_image_versions
    path = (image.resource_group, image.gallery, image.definition, record.version)
    if resource_state.provisioning(sdk.fetch(calls.get, *path)) != "ready":
        yield "its version is not in the gallery"
    base = base_image.find(services, image)
    if isinstance(base, Problem):
        yield base.message
    elif base.version != record.base_image_version and base.id != record.image_id:
        yield f"the base image is {base.version}, and was {record.base_image_version}"


def _asks_the_same(services: Services, request: Build, record: ImageRecord) -> bool:
    """Compared with the request of the build that made the version, as long as that is on record.
    A request id is another for each build.
    """
    row = services.records.build(record.build_id)
    stored = acceptance.stored_request(row) if row else None
    return stored is not None and replace(request, request_id=stored.request_id) == stored
