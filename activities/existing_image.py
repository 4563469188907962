"""The check of an existing image before pools are made from it (mode batch-only)."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from activities import pool_disks, pool_preflight, preflight, published_images
from shared.azure import cache, quotas, resource_state, sdk
from shared.azure.quotas import Size
from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Services, short_activity
from shared.model import catalogue, drivers, image_choice, infiniband, support
from shared.model.image_reference import ImageReference
from shared.model.image_request import SecurityType
from shared.model.outcomes import ImageRecord
from shared.model.plans import BuildPlan
from shared.model.results import Findings


@short_activity(
    BuildPlan,
    Findings,
    verb="find the image",
    subject=lambda plan: plan.image_ref.definition if plan.image_ref else "",
)
def check_image(services: Services, plan: BuildPlan, poll: PollState) -> Findings:
    """Find the image to use on Azure, and its contents in the records."""
    assert plan.account is not None
    sizes, _ = pool_preflight.batch_sizes(services, plan.account.location, poll)
    if not sizes:
        return Findings(blockers=[preflight.no_region(services, plan, poll)])
    return _find(services, plan, sizes, poll)


def _find(services: Services, plan: BuildPlan, sizes: dict[str, Size], poll: PollState) -> Findings:
    wanted, account = plan.image_ref, plan.account
    assert wanted is not None
    assert account is not None
    counted = quotas.gpus_beyond_catalogue(pool_preflight.sizes_of_pools(plan, sizes))
    if wanted.published_id:
        return _published(services, plan, wanted, sizes, counted, poll)
    if unclear := _ambiguity(services, plan, wanted, counted):
        return Findings(blockers=[unclear])
    wanted, found, others = _choose(services, plan, wanted, counted, poll)
    if found is None:
        return Findings(blockers=[_not_found(services, wanted, others)])
    replicas = _replicas(found)
    if account.location not in replicas:
        return Findings(blockers=[_not_in_region(wanted, found, list(replicas), account.location)])
    image = _describe(services, wanted, found, list(replicas), poll)
    if isinstance(image, Problem):
        return Findings(blockers=[image])
    if denied := image_choice.contradiction(wanted, image):
        return Findings(blockers=[denied])
    image = _with_driver_of_pools(plan, image, counted)
    unsuitable = image_choice.advised(
        drivers.pool_problems(plan.pools, counted, gpu=image.gpu_enabled, driver=image.driver_kind),
        services.records.images(),
        plan.pools,
        counted,
    )
    unsuitable += _controller_problems(services, plan, wanted, sizes, poll)
    unsuitable += _size_problems(services, plan, image, sizes, poll)
    has_dcgm = image.dcgm_version is not None if image.build_id else None
    unsuitable += drivers.diagnosis_problems(
        plan.pools, counted, has_dcgm=has_dcgm, driver=image.driver_kind
    )
    unsuitable += pool_disks.problems(plan.pools, _luns(found), sizes)
    if not unsuitable:
        unsuitable += pool_preflight.interruptions(services, plan, image, poll)
    warnings = support.withdrawn(image) + support.too_few_in_image(plan.pools, image, replicas)
    rdma = infiniband.sizes_with_it(pool_preflight.sizes_of_pools(plan, sizes))
    warnings += infiniband.image_warnings(plan.pools, rdma, image)
    warnings += image_choice.unneeded_driver(wanted, image, plan.pools, counted)
    return Findings(blockers=unsuitable, warnings=warnings, image=image)


def _published(
    services: Services,
    plan: BuildPlan,
    wanted: ImageReference,
    sizes: dict[str, Size],
    counted: dict[str, int],
    poll: PollState,
) -> Findings:
    """An image that others publish: the nodes prove what is in it."""
    assert plan.account is not None
    assert wanted.published_id is not None
    location = plan.account.location
    found = published_images.find(services, wanted.published_id, location)
    if found is None:
        return Findings(blockers=[published_images.not_found(wanted.published_id, location)])
    image = published_images.describe(wanted, found, location)
    if isinstance(image, Problem):
        return Findings(blockers=[image])
    image = _with_driver_of_pools(plan, image, counted)
    unsuitable = _size_problems(services, plan, image, sizes, poll)
    unsuitable += pool_disks.problems(plan.pools, _luns(found.version), sizes)
    unsuitable = unsuitable or pool_preflight.interruptions(services, plan, image, poll)
    return Findings(blockers=unsuitable, image=image)


def _size_problems(
    services: Services,
    plan: BuildPlan,
    image: ImageRecord,
    sizes: dict[str, Size],
    poll: PollState,
) -> list[Problem]:
    """Which pools' sizes cannot run the image, or that it has no node agent."""
    unsuitable = _unsuitable_sizes(plan, sizes, lambda size: _mismatch(size, image))
    return unsuitable + pool_preflight.agent_problems(services, plan, image, poll)


def _unsuitable_sizes(
    plan: BuildPlan, sizes: dict[str, Size], mismatch: Callable[[Size], str | None]
) -> list[Problem]:
    """The blockers of the pools' sizes for which `mismatch` gives a reason."""
    return [
        Problem(field=f"pools[{index}].vmSize", code="SizeUnsuitable", message=why)
        for index, pool in enumerate(plan.pools)
        for name in pool.sizes
        if (size := sizes.get(name.lower())) and (why := mismatch(size))
    ]


def _mismatch(size: Size, image: ImageRecord) -> str | None:
    """Why the size cannot run the image, or None."""
    subject = f"{image.image_name} {image.version}"
    if size.architecture != image.architecture:
        other = "; give image.id of one for Arm64 that was made elsewhere, because "
        advice = other + catalogue.NOT_BUILT if image.build_id else ""
        return (
            f"{size.name} is {size.architecture}, and {subject} is for {image.architecture}{advice}"
        )
    if image.security_type is SecurityType.TRUSTED_LAUNCH and not size.trusted_launch:
        return f"{size.name} does not support TrustedLaunch, which {subject} requires"
    return None


def _with_driver_of_pools(
    plan: BuildPlan, image: ImageRecord, counted: dict[str, int]
) -> ImageRecord:
    """No record says that it has a driver: pools with GPUs take it to have one."""
    sizes = (name for pool in plan.pools for name in pool.sizes)
    if not image.build_id and any(catalogue.gpus_in(name, counted) for name in sizes):
        return replace(image, gpu_enabled=True)
    return image


def _candidates(
    services: Services, plan: BuildPlan, wanted: ImageReference, counted: dict[str, int]
) -> list[ImageRecord]:
    """The recorded images that a request without a name may mean, the best one first."""
    if wanted.choice is None:
        return []
    images = services.records.images()
    of_any_version = replace(wanted, version="latest")
    for meant in (wanted, of_any_version):  # the latter for the error: which versions there are
        found = image_choice.candidates(meant, wanted.choice, images, plan.pools, counted)
        if found:
            return found
    return []


def _ambiguity(
    services: Services, plan: BuildPlan, wanted: ImageReference, counted: dict[str, int]
) -> Problem | None:
    if wanted.version == "latest":
        return None
    found = _candidates(services, plan, wanted, counted)
    fitting = [
        i
        for i in found
        if i.version == wanted.version and image_choice.suits(i, plan.pools, counted)
    ]
    return image_choice.ambiguity(wanted.version, fitting)


def _choose(
    services: Services,
    plan: BuildPlan,
    wanted: ImageReference,
    counted: dict[str, int],
    poll: PollState,
) -> tuple[ImageReference, Json | None, list[Json]]:
    """The image to use, its version on Azure and all its versions. Of several candidates it is the
    first that is there; without any, what has the plain default name.
    """
    names_ = [image.image_name for image in _candidates(services, plan, wanted, counted)]
    tried = [replace(wanted, definition=name) for name in names_] or [wanted]
    known: list[Json] = []  # versions of the first
    for one in tried:
        path = (one.gallery, one.definition, "latest", one.resource_group)
        found, others = _find_image(services, one, services.records.image(*path), poll)
        if found is not None:
            return one, found, others
        known = known or others
    return tried[0], None, known


def _replicas(version: Json) -> dict[str, int]:
    """How many replicas an image version has, by region."""
    profile = resource_state.properties(version).get("publishingProfile") or {}
    return {
        names.region(region.get("name", "")): int(
            region.get("regionalReplicaCount") or profile.get("replicaCount") or 1
        )
        for region in profile.get("targetRegions") or []
    }


def _luns(version: Json) -> list[int]:
    """The numbers of its data disks."""
    stored = resource_state.properties(version).get("storageProfile") or {}
    return [int(disk["lun"]) for disk in stored.get("dataDiskImages") or []]


def _controller_problems(
    services: Services,
    plan: BuildPlan,
    wanted: ImageReference,
    sizes: dict[str, Size],
    poll: PollState,
) -> list[Problem]:
    """Which pools' sizes boot from NVMe disks only, where the image cannot."""
    if not any(size.needs_nvme for size in pool_preflight.sizes_of_pools(plan, sizes)):
        return []
    features = resource_state.features(_definition(services, wanted, poll))
    return _unsuitable_sizes(plan, sizes, lambda size: preflight.nvme_mismatch(size, features))


def _definition(services: Services, wanted: ImageReference, poll: PollState) -> Json | None:
    """The image definition. Azure changes none of what is read here, so it is cached."""
    path = (wanted.resource_group, wanted.gallery, wanted.definition)

    def ask() -> Json | None:
        return sdk.fetch(services.azure.compute.gallery_images.get, *path)

    key = ("image definition", *path)
    return services.cache.get(key, poll.now, ask, lambda f: f is not None, cache.A_MINUTE)


def _find_image(
    services: Services, wanted: ImageReference, newest: ImageRecord | None, poll: PollState
) -> tuple[Json | None, list[Json]]:
    """The version to use, and all versions. One that is found is cached for a minute or until a
    newer one is recorded, because pool requests for one image come in bursts.
    """

    def ask() -> tuple[Json | None, list[Json]]:
        versions = _versions(services, wanted)
        if wanted.version == "latest":
            return resource_state.newest_version(versions), versions
        named = (v for v in versions if v["name"] == wanted.version and _is_ready(v))
        return next(named, None), versions

    image = (wanted.resource_group, wanted.gallery, wanted.definition, wanted.version)
    key = ("image", *image, newest.version if newest else "")
    return services.cache.get(key, poll.now, ask, lambda f: f[0] is not None, cache.A_MINUTE)


def _is_ready(version: Json) -> bool:
    return resource_state.provisioning(version) == "ready"


def _versions(services: Services, wanted: ImageReference) -> list[Json]:
    from azure.core.exceptions import ResourceNotFoundError

    calls = services.azure.compute.gallery_image_versions
    path = (wanted.resource_group, wanted.gallery, wanted.definition)
    try:
        return sdk.listed(calls.list_by_gallery_image, *path)
    except ResourceNotFoundError:
        return []


def _not_found(services: Services, wanted: ImageReference, versions: list[Json]) -> Problem:
    """The blocker, with the existing versions or, by similarity, the images' names."""
    if versions:
        ordered = sorted(versions, key=lambda v: names.version_numbers(v["name"]))
        there = ", ".join(v["name"] if _is_ready(v) else _unready(v) for v in ordered)
        message = f"{wanted.definition} has no usable version {wanted.version}; it has: {there}"
        return Problem(field="image.version", code="ImageNotFound", message=message)
    if wanted.choice:
        return image_choice.none_suits(wanted, wanted.choice, services.records.images())
    there_are = {f"{i.gallery_name}/{i.image_name}" for i in services.records.images()}
    name = f"{wanted.gallery}/{wanted.definition}"
    near = difflib.get_close_matches(name, there_are, n=5, cutoff=0.0)
    there = f"known images are: {', '.join(near)}" if near else "no image has been built yet"
    message = f"there is no image {name} in resource group {wanted.resource_group}; {there}"
    return Problem(field="image.name", code="ImageNotFound", message=message)


def _not_in_region(
    wanted: ImageReference, version: Json, regions: list[str], location: str
) -> Problem:
    message = (
        f"version {version['name']} of {wanted.definition} has no replica in {location}, where the "
        f"account is; it is in {', '.join(regions)}"
    )
    return Problem(field="image", code="ImageNotInRegion", message=message)


def _unready(version: Json) -> str:
    return f"{version['name']} ({resource_state.properties(version).get('provisioningState')})"


def _describe(
    services: Services, wanted: ImageReference, found: Json, regions: list[str], poll: PollState
) -> ImageRecord | Problem:
    group = wanted.resource_group
    version = found["name"]
    record = services.records.image(wanted.gallery, wanted.definition, version, group)
    if record is not None:
        return record
    definition = _definition(services, wanted, poll)
    architecture = resource_state.architecture(definition)
    agent = catalogue.node_agent_of(wanted.os, architecture)
    if agent is None:
        return published_images.no_agent(wanted, architecture)
    if denied := published_images.confidential(wanted, definition):
        return denied
    return ImageRecord(  # not built by batch-prep: only the request describes it
        image_id=found["id"],
        node_agent_sku=agent,
        gallery_name=wanted.gallery,
        image_name=wanted.definition,
        version=version,
        vm_size="",
        location=found["location"],
        base_os=wanted.os,
        gpu_enabled=wanted.gpu,
        resource_group=group,
        build_id="",
        created_at="",
        architecture=architecture,
        security_type=published_images.security_type(definition),
        target_regions=regions,
    )
