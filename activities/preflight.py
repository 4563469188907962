"""Checks of the image before a build creates anything. Each check returns
`Findings`.
"""

from __future__ import annotations

from collections.abc import Iterable

from activities import base_image, container_cuda, named_resources
from activities.gallery import definition_conflict
from shared.azure import image_bodies, quotas, resource_state, sdk
from shared.azure.quotas import Size
from shared.azure.sdk import Started
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Start, Wait
from shared.model import (
    catalogue,
    disk_size,
    drivers,
    field_words,
    grid_driver,
    step_logs,
    support,
    version_floors,
)
from shared.model.catalogue import DriverKind
from shared.model.image_parts import BaseImage
from shared.model.image_request import SecurityType, StorageAccountType
from shared.model.plans import BuildPlan, ImagePlan
from shared.model.results import Findings


def _subscription(plan: BuildPlan) -> str:
    owner = plan.image or plan.image_ref
    assert owner is not None
    return f"/subscriptions/{owner.subscription_id}"


# -- credentials, subscription, resource providers ------------------------------------------------


_REGISTERED = "Registered"


def _namespaces(plan: BuildPlan) -> list[str]:
    needed = ["Microsoft.Compute"]
    if plan.image:
        needed.append("Microsoft.Network")
        if plan.image.registry:
            needed += ["Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity"]
    if plan.account:
        needed.append("Microsoft.Batch")
    return needed


def _observe_providers(services: Services, plan: BuildPlan, poll: PollState) -> Json | None:
    return {n: _registration(services, n, poll) for n in _namespaces(plan)}


def _registration(services: Services, namespace: str, poll: PollState) -> str:
    def ask() -> str:
        found = sdk.fetch(services.azure.resources.providers.get, namespace) or {}
        return str(found.get("registrationState", "NotRegistered"))

    return services.cache.get(("provider", namespace), poll.now, ask, lambda s: s == _REGISTERED)


def _register(services: Services, plan: BuildPlan, poll: PollState) -> Started:
    for namespace, state in (_observe_providers(services, plan, poll) or {}).items():
        if state == "NotRegistered":
            sdk.send(services.azure.resources.providers.register, namespace)
    return Started(status=200, body=None, operation=None, retry_after=None)


def _decide_providers(_: BuildPlan, observed: Json | None, poll: PollState) -> Decision[Findings]:
    states = observed or {}
    open_ = [n for n, state in states.items() if state != _REGISTERED]
    if not open_:
        return Done(result=Findings())
    if any(states[n] in {"NotRegistered", "Unregistered"} for n in open_) and poll.started is None:
        return Start(action="register")
    return Wait(note=f"registering {', '.join(open_)}")


check_providers = Reconciler(
    name="check_providers",
    plan=BuildPlan,
    result=Findings,
    verb="reach the subscription and register its resource providers",
    subject=_subscription,
    observe=_observe_providers,
    decide=_decide_providers,
    actions={"register": _register},
)


# -- the base image and the gallery ---------------------------------------------------------------


@short_activity(BuildPlan, Findings, verb="look up the base image", subject=_subscription)
def check_image_source(services: Services, plan: BuildPlan, poll: PollState) -> Findings:
    """Find the base image's newest version, and check the gallery's definition and version."""
    image = plan.image
    assert image is not None
    base = base_image.find(services, image)
    if isinstance(base, Problem):
        return Findings(blockers=[base])
    definition = sdk.fetch(
        services.azure.compute.gallery_images.get,
        *(image.resource_group, image.gallery, image.definition),
    )
    terms = base_image.check_terms(services, image, base)
    problems = _controller_problems(services, plan, base, definition, poll) + terms.blockers
    if definition is not None:
        problems += _gallery_problems(services, image, base, definition)
    newest = services.records.image(image.gallery, image.definition, "latest", image.resource_group)
    return Findings(
        blockers=problems + disk_size.problems(image, base),
        warnings=support.unproven_system(plan) + terms.warnings,
        base=base,
        os_disk_gib=disk_size.derived(image, base, newest),
        last_good_kernel=drivers.last_good_kernel(image, newest),
    )


def _controller_problems(
    services: Services, plan: BuildPlan, base: BaseImage, definition: Json | None, poll: PollState
) -> list[Problem]:
    """Which sizes boot from NVMe disks only, where the definition's images cannot."""
    image = plan.image
    assert image is not None
    known = base.features if definition is None else resource_state.features(definition)
    named = [("image.builderVmSize", image.location, image.sizes)] + [
        (f"pools[{i}].vmSize", pool.account.location, pool.sizes)
        for i, pool in enumerate(plan.pools)
    ]
    problems = []
    for field, location, sizes in named:
        skus = _compute_sizes(services, location, poll)
        for size in (quotas.read_size(skus[s.lower()]) for s in sizes if s.lower() in skus):
            if base.generation not in size.generations:
                other = f"{size.name} does not boot the base image: it is of {base.generation}"
                problems.append(Problem(field=field, code="SizeUnsuitable", message=other))
            if why := nvme_mismatch(size, known):
                if definition is not None:
                    why += (
                        f", as image definition {image.definition} was made: Azure changes none, "
                        f"so give another image.name, such as {image.definition[:75]}-nvme"
                    )
                problems.append(Problem(field=field, code="SizeUnsuitable", message=why))
    return problems


def nvme_mismatch(size: Size, features: dict[str, str]) -> str | None:
    """Why a size cannot boot images whose definition has these features, or None."""
    if not size.needs_nvme or "NVMe" in features.get("DiskControllerTypes", "SCSI"):
        return None
    return f"{size.name} boots from NVMe disks, and the image is for SCSI disks only"


def _gallery_problems(
    services: Services, image: ImagePlan, base: BaseImage, definition: Json
) -> list[Problem]:
    compute, problems = services.azure.compute, []
    path = (image.resource_group, image.gallery, image.definition)
    if why := definition_conflict(replace(image, base=base), definition):
        message = f"image definition {image.definition} exists and cannot take this image: {why}"
        problems.append(Problem(field="image.name", code="Conflict", message=message))
    if why := _other_contents(services, image, definition):
        beginning = services.azure.config.default_image_name
        default = catalogue.definition_name(
            beginning, image.system, image.driver, infiniband=image.infiniband
        )
        message = (
            f"image definition {image.definition} holds images of {why}: a definition takes one "
            f"system and one driver, so leave image.name out (then it is {default}) or give "
            "another"
        )
        problems.append(Problem(field="image.name", code="Conflict", message=message))
    if image.version:
        version = sdk.fetch(compute.gallery_image_versions.get, *path, image.version)
        if version is not None:
            message = f"version {image.version} exists already, and versions are never overwritten"
            problems.append(Problem(field="image.version", code="VersionExists", message=message))
    return problems


def _other_contents(services: Services, image: ImagePlan, definition: Json) -> str | None:
    """The system and driver of a definition's images; None if they are those of this image."""
    path = (image.gallery, image.definition, "latest", image.resource_group)
    newest = services.records.image(*path)
    system = f"{image.system.name} {image.system.version}"
    if newest is not None:
        kinds = (newest.driver_kind or image.driver) if newest.gpu_enabled else None
        if (newest.base_os, kinds) == (system, image.driver):
            return None
        return f"{newest.base_os} {_with_driver(kinds)}"
    there = (image.resource_group, image.gallery, image.definition)
    versions = services.azure.compute.gallery_image_versions
    if not sdk.listed(versions.list_by_gallery_image, *there):
        return None  # a build made it that published nothing
    identifier = resource_state.properties(definition).get("identifier") or {}
    made_for = str(identifier.get("offer"))
    is_ours = identifier.get("publisher") == image_bodies.PUBLISHER
    if not is_ours or made_for == image_bodies.offer(image):
        return None
    return made_for


def _with_driver(driver: DriverKind | None) -> str:
    return f"with the NVIDIA driver {driver}" if driver else "without an NVIDIA driver"


# -- the builder's size and quota -----------------------------------------------------------------


@short_activity(BuildPlan, Findings, verb="look up sizes and compute quotas", subject=_subscription)
def check_builder(services: Services, plan: BuildPlan, poll: PollState) -> Findings:
    """Keep the builder sizes that Azure offers and whose quota suffices; one of them is enough."""
    image = plan.image
    assert image is not None
    skus = _compute_sizes(services, image.location, poll)
    usages, today = sdk.listed_at(services.azure.compute.usage.list, image.location)
    services.telemetry.quotas("compute", image.location, quotas.compute_uses(usages))
    problems, usable = [], []
    for name in image.sizes if skus else ():
        problem = _builder_problem(image, name, skus, usages)
        if problem:
            problems.append(problem)
        else:
            usable.append(name)
    no_grid = grid_driver.problem(image, base_image.kept_driver(services, image))
    missing = [p for p in (no_grid, step_logs.problem(image)) if p]
    missing += version_floors.problems(image) + drivers.image_problems(image)
    missing += _region_problems(services, image, poll) + _storage_problems(services, image, poll)
    named = named_resources.check_image(services, image)
    gpus = quotas.gpus_beyond_catalogue(quotas.read_size(skus[name.lower()]) for name in usable)
    return Findings(
        blockers=missing + named.blockers + ([] if usable else problems),
        warnings=support.system_ends_soon(plan, today)
        + named.warnings
        + container_cuda.warnings(services, image, poll),
        sizes=usable,
        gpus=gpus,
        identity_client_id=named.identity_client_id,
    )


def _region_problems(services: Services, image: ImagePlan, poll: PollState) -> list[Problem]:
    """The regions that are none of the subscription's: Azure would only refuse the version, after
    everything else.
    """
    if own := unknown_regions(services, "image.location", [image.location], poll):
        return [own]
    others = unknown_regions(services, "image.targetRegions", image.target_regions, poll)
    return [others] if others else []


def unknown_regions(
    services: Services, field: str, regions: Iterable[str], poll: PollState
) -> Problem | None:
    """The blocker for those of a field's regions in which Azure offers no size."""
    unknown = [region for region in regions if not _compute_sizes(services, region, poll)]
    if not unknown:
        return None
    message = f"Azure offers this subscription no VM size in {', '.join(unknown)}: correct the name"
    return Problem(field=field, code="RegionNotOffered", message=message)


def no_region(services: Services, plan: BuildPlan, poll: PollState) -> Problem:
    """The blocker of an account's region in which Batch takes no size; where that is the image's
    region as well and unknown, it is that of `check_builder`.
    """
    assert plan.account is not None
    region = plan.account.location
    is_of_image = plan.image is not None and plan.image.location == region
    field = "image.location" if is_of_image else "batchAccount.location"
    message = f"Batch is not offered in {region}: choose another region"
    return unknown_regions(services, field, [region], poll) or Problem(
        field="batchAccount.location", code="RegionNotOffered", message=message
    )


def _storage_problems(services: Services, image: ImagePlan, poll: PollState) -> list[Problem]:
    """The regions whose storage cannot hold the image in several zones."""
    if image.storage_account_type is not StorageAccountType.STANDARD_ZRS:
        return []
    without = [r for r in image.target_regions if not has_zones(services, r, poll)]
    message = f"Standard_ZRS needs availability zones, and {', '.join(without)} has none"
    field = "image.storageAccountType"
    return [Problem(field=field, code="StorageUnsuitable", message=message)] if without else []


def has_zones(services: Services, region: str, poll: PollState) -> bool:
    """Whether a region has availability zones: it offers a size in one."""
    sizes = _compute_sizes(services, region, poll).values()
    return any(place.get("zones") for sku in sizes for place in sku.get("locationInfo") or [])


def _compute_sizes(services: Services, location: str, poll: PollState) -> dict[str, Json]:
    def ask() -> dict[str, Json]:
        skus, here = services.azure.compute.resource_skus, f"location eq '{location}'"
        return quotas.sizes_by_name(sdk.listed(skus.list, filter=here))

    return services.cache.get(("compute sizes", location), poll.now, ask)


def _builder_problem(
    image: ImagePlan, name: str, skus: dict[str, Json], usages: list[Json]
) -> Problem | None:
    field, sku = "image.builderVmSize", skus.get(name.lower())
    if sku is None or not quotas.offered(sku, image.location):
        message = f"{name} is not offered to this subscription in {image.location}"
        if sku is None:
            message += field_words.near(name, (each["name"] for each in skus.values()), most=3)
        return Problem(field=field, code="SizeNotOffered", message=message)
    size = quotas.read_size(sku)
    mismatch = size_mismatch(size, image.security_type)
    if len(image.data_disks) > size.data_disks:
        mismatch = f"{size.name} takes {size.data_disks} data disks, not {len(image.data_disks)}"
    gpus = catalogue.gpus_in(name, quotas.gpus_beyond_catalogue([size]))
    if mismatch := mismatch or drivers.builder_mismatch(image, name, gpus):
        return Problem(field=field, code="SizeUnsuitable", message=mismatch)
    others = (quotas.read_size(s) for s in skus.values() if quotas.offered(s, image.location))
    return quotas.compute_shortage(
        field, size, usages, others, spot=image.spot, location=image.location
    )


def size_mismatch(size: Size, security: SecurityType, *, builds: bool = True) -> str | None:
    """Why a size cannot run the images that batch-prep builds, or None. Where it `builds` none, the
    image that is there says its architecture.
    """
    if "V2" not in size.generations:
        return f"{size.name} does not run generation 2 images"
    if builds and size.architecture != catalogue.BUILT_FOR:
        return f"{size.name} is {size.architecture}, and {catalogue.NOT_BUILT}"
    if security is SecurityType.TRUSTED_LAUNCH and not size.trusted_launch:
        return f"{size.name} does not support TrustedLaunch"
    return None
