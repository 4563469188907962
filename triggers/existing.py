"""HTTP: pools and images as Azure has them now, beside what the records say."""

from __future__ import annotations

from collections import Counter

from shared.azure import failures, resource_state, sdk
from shared.base.wire import replace
from shared.engine.activity import Services
from shared.model import parsing
from shared.model.outcomes import PoolRecord
from shared.model.queries import ImageQuery
from triggers import catalogue, http
from triggers.http import Answer, Call


def show_pool(call: Call) -> Answer:
    """Show a pool, as `batch_metadata.json` holds it, with the states of its nodes now."""
    from azure.core.exceptions import AzureError

    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    if record is None:
        return catalogue.no_pool(account, pool)
    try:
        return Answer(document=_as_it_is(call.services, record))
    except AzureError:  # the record is of use without Azure, too
        return Answer(document=record)


def _as_it_is(services: Services, record: PoolRecord) -> PoolRecord:
    """The record with its nodes' states; `gone` where there is no such pool any more."""
    batch = services.azure.batch
    place = (record.resource_group, record.batch_account)
    account = sdk.fetch(batch.batch_account.get, *place)
    found = sdk.fetch(batch.pool.get, *place, record.pool_id) if account else None
    if account is None or found is None:
        return replace(record, state="gone", nodes=0, low_priority_nodes=0)
    service = services.azure.batch_service(resource_state.properties(account)["accountEndpoint"])
    nodes = sdk.listed(service.list_nodes, record.pool_id, select=["id", "state"])
    states = Counter(str(node.get("state", "unknown")).lower() for node in nodes)
    return replace(record, node_states=dict(sorted(states.items())))


def change_image(call: Call) -> Answer:
    """Exclude an image version from latest, or include it again."""
    from azure.core.exceptions import AzureError

    change = parsing.parse_image_change(call.json())
    if call.params["version"] == "latest":
        message = "latest is another version afterwards: give the number"
        return http.error(409, "VersionNeeded", message)
    image = catalogue.image_of(call, call.asked(ImageQuery))
    if image is None:
        return catalogue.no_image(call)
    versions = call.services.azure.compute.gallery_image_versions
    path = (image.resource_group, image.gallery_name, image.image_name, image.version)
    try:
        found = sdk.fetch(versions.get, *path)
        if found is None:
            message = f"Azure has no version {image.version} of {image.image_name} any more."
            return http.error(404, "NotFound", message)
        profile = resource_state.properties(found).get("publishingProfile") or {}
        regions = {"targetRegions": profile.get("targetRegions") or []}
        excluded = {**regions, "excludeFromLatest": change.exclude_from_latest}
        sdk.send(versions.begin_update, *path, {"properties": {"publishingProfile": excluded}})
    except AzureError as error:
        failure = failures.translate(
            error, attempted="change the image version", resource="/".join(path)
        )
        return http.error(502, failure.code, failure.message)
    excluded_now = change.exclude_from_latest
    call.services.records.change_image(
        image, lambda old: replace(old, excluded_from_latest=excluded_now)
    )
    return Answer(document=replace(image, excluded_from_latest=excluded_now))
