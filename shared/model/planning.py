"""From a request and the settings to a plan. Pure: nothing is asked, everything is decided."""

from __future__ import annotations

import json
from typing import Any

from shared.base import names, scripts
from shared.base.settings import Settings
from shared.base.wire import replace
from shared.model import catalogue, grid_driver, pool_planning, support
from shared.model.catalogue import DriverKind, OperatingSystem
from shared.model.image_parts import GridDriver, RegistryPlan
from shared.model.image_reference import ImageChoice, ImageReference
from shared.model.image_request import (
    DiskStorageType,
    DriverSource,
    Image,
    OutboundSubnet,
    SecurityType,
    StorageAccountType,
)
from shared.model.plans import AccountPlan, BuildPlan, ChangePlan, ImagePlan
from shared.model.pool_request import Pool
from shared.model.requests import Build, Mode, Resize

Json = dict[str, Any]


def plan_build(
    request: Build,
    settings: Settings,
    definition: str | None = None,
    kept: DriverKind | None = None,
) -> BuildPlan:
    """What `request` will do. Its request id must be set: names derive from it. `definition` is the
    image definition that was chosen when the request was accepted, `kept` the driver that its base
    image has on record.
    """
    assert request.request_id is not None
    build = names.build_id(request.request_id)
    account = pool_planning.plan_account(build, request, settings)
    builds_image = request.mode is not Mode.BATCH_ONLY
    return BuildPlan(
        build_id=build,
        mode=request.mode,
        image=_fingerprinted(_plan_image(build, request, settings, definition, kept))
        if builds_image
        else None,
        image_ref=None if builds_image else _image_reference(request, settings),
        account=account,
        pools=[
            pool_planning.plan_pool(build, account, pool, request, settings)
            for pool in request.pools
        ]
        if account
        else [],
        pool_width=settings.pool_width,
    )


def _system(image: Image) -> OperatingSystem:
    system = catalogue.find_system(*image.system)
    assert system is not None, "the request was parsed"
    base = image.base
    if base is None or base.id is not None:
        return system
    assert base.publisher is not None
    assert base.offer is not None
    assert base.sku is not None
    return replace(system, publisher=base.publisher, offer=base.offer, sku=base.sku)


def _plan_image(
    build: str, request: Build, settings: Settings, chosen: str | None, kept: DriverKind | None
) -> ImagePlan:
    image, system = request.image, _system(request.image)
    group = image.resource_group or settings.default_resource_group
    location = image.location or settings.default_location
    sizes = _builder_sizes(image, settings)
    driver = (kept or _driver(request, sizes[0])) if image.gpu else None
    return ImagePlan(
        build_id=build,
        subscription_id=settings.subscription_id,
        tenant_id=settings.tenant_id,
        resource_group=group,
        location=location,
        gallery=image.gallery or settings.default_gallery,
        definition=image.name or chosen or _default_definition(image, system, driver, settings),
        version=image.version,
        system=system,
        base_id=image.base.id if image.base else None,
        base_version=image.base.version if image.base else None,
        gpu=image.gpu,
        driver=driver,
        grid_driver=_grid_driver(image, settings, driver) if driver and driver.is_grid else None,
        fabric_manager=image.gpu and _needs_fabric_manager(request, sizes[0]),
        records_driver=driver is not None,
        **_software(image),
        os_disk_gib=image.os_disk_size_gib,
        os_disk_type=image.os_disk_storage_account_type or DiskStorageType.PREMIUM_LRS,
        data_disks=image.data_disks,
        size=sizes[0],
        other_sizes=sizes[1:],
        zone=image.zones[0] if image.zones else None,
        other_zones=image.zones[1:],
        security_type=image.security_type,
        secure_boot=_boots_securely(image, driver),
        v_tpm=image.v_tpm is not False,
        managed_image=image.managed_image,
        from_snapshot=not (image.managed_image or image.data_disks),
        outbound=_outbound(image),
        public_key=image.ssh_public_key,
        spot=image.spot,
        container_images=image.container_images,
        steps=image.steps,
        identity_id=image.identity,
        registry=_plan_registry(build, image, group, location, settings),
        registries=image.registries,
        target_regions=_target_regions(request, location, settings),
        storage_account_type=image.storage_account_type or StorageAccountType.STANDARD_LRS,
        end_of_life=image.end_of_life_date or catalogue.end_of_life(system),
        exclude_from_latest=image.exclude_from_latest,
        tags=image.tags,
        keep_vm=image.keep_vm,
        keep_hours=settings.keep_hours,
        log_container=settings.step_log_container_url,
        log_identity_id=settings.step_log_identity_id,
        log_identity_client_id=settings.step_log_identity_client_id,
        force=image.force,
    )


def _fingerprinted(image: ImagePlan) -> ImagePlan:
    """The plan with a fingerprint of everything that decides what is in the image: the request, the
    settings, and what the scripts install.
    """
    registry = image.registry and replace(image.registry, tags={})
    same = replace(image, build_id="", registry=registry, keep_hours=0, force=False)
    same = replace(same, log_container=None, log_identity_id=None, log_identity_client_id=None)
    wire = json.dumps(same.to_wire(), sort_keys=True)
    return replace(image, made_from=names.digest(wire, scripts.version(), length=16))


def _default_definition(
    image: Image, system: OperatingSystem, driver: DriverKind | None, settings: Settings
) -> str:
    base = settings.default_image_name
    return catalogue.definition_name(base, system, driver, infiniband=image.infiniband)


def _software(image: Image) -> Json:
    """What it gets as the request has it."""
    versions = ("driver_version", "container_toolkit_version", "docker_version")
    asked = ("driver_source", "scratch", "dcgm", "infiniband")
    return {name: getattr(image, name) for name in (*versions, *asked)}


def _outbound(image: Image) -> str:
    asked = image.outbound
    return asked.subnet_id if isinstance(asked, OutboundSubnet) else asked


def _boots_securely(image: Image, driver: DriverKind | None) -> bool:
    """Secure Boot refuses NVIDIA's modules, which are built on the machine."""
    is_trusted = image.security_type is SecurityType.TRUSTED_LAUNCH
    is_signed = driver is None or image.driver_source is DriverSource.CANONICAL
    return is_trusted and is_signed and image.secure_boot is not False


def _builder_sizes(image: Image, settings: Settings) -> list[str]:
    if image.builder_vm_sizes:
        return list(image.builder_vm_sizes)
    if image.builder_vm_size:
        return [image.builder_vm_size]
    # On a GPU size the driver can be proved before the image is published.
    return [settings.default_gpu_vm_size if image.gpu else settings.default_vm_size]


def _gpu_sizes(request: Build, builder_size: str) -> list[str]:
    """The sizes that the image's driver must serve: the pools' first, else the builder's."""
    pools = [size for pool in request.pools for size in pool_planning.sizes_of(pool)]
    sizes = [size for size in pools if catalogue.gpus_in(size, {})]
    return [*sizes, builder_size]


def _driver(request: Build, builder_size: str) -> DriverKind:
    """The narrowest that any size needs: Volta has no other than proprietary modules, which newer
    GPUs take, too, and partitions none but GRID, which T4 takes.
    """
    needed = [catalogue.driver_of(size) for size in _gpu_sizes(request, builder_size)]
    grid = (DriverKind.GRID, DriverKind.GRID_OPEN)
    order = (*grid, DriverKind.DATACENTER_PROPRIETARY, DriverKind.DATACENTER_OPEN)
    return next(kind for kind in order if kind in needed)


def _grid_driver(image: Image, settings: Settings, driver: DriverKind) -> GridDriver:
    """The file of the settings, which is for A10, unless the request wants a version of its own."""
    asked, usual = image.driver_version, settings.grid_driver_version
    if driver is DriverKind.GRID:
        usual = usual or grid_driver.default_version(driver)
    if asked not in (None, usual) or (asked is None and driver is DriverKind.GRID_OPEN):
        return GridDriver(version=image.driver_version)
    return GridDriver(
        version=settings.grid_driver_version,
        url=settings.grid_driver_url,
        sha256=settings.grid_driver_sha256,
    )


def _needs_fabric_manager(request: Build, builder_size: str) -> bool:
    facts = (catalogue.gpu_of(size) for size in _gpu_sizes(request, builder_size))
    return any(f.fabric_manager for f in facts if f)


def _plan_registry(
    build: str, image: Image, group: str, location: str, settings: Settings
) -> RegistryPlan | None:
    if image.registry is None:
        return None
    made, other = image.registry.build, image.registry.resource_group
    is_elsewhere = other is not None and not names.same(other, group)
    return RegistryPlan(
        subscription_id=settings.subscription_id,
        resource_group=other if other and is_elsewhere else group,
        must_exist=is_elsewhere,
        identity_group=group if is_elsewhere else None,
        identity_id=image.registry.identity,
        location=location,
        name=image.registry.name,
        build_image=made.image if made else None,
        build_source=made.source if made else None,
        build_context=made.context if made else None,
        overwrite_tag=made.overwrite_tag if made else False,
        dockerfile=made.dockerfile if made else "Dockerfile",
        build_arguments=made.arguments if made else {},
        tags={names.TAG_BUILD: build},
    )


def _target_regions(request: Build, location: str, settings: Settings) -> dict[str, int]:
    """The regions asked for, the builder's (Azure requires it) and the account's (its pools need
    replicas), each with its number of replicas.
    """
    regions = {region.name: region.replicas for region in request.image.target_regions}
    regions.setdefault(location, None)
    needed: dict[str, int] = {}
    if request.mode is Mode.FULL:
        there = pool_planning.account_location(request, settings)
        regions.setdefault(there, None)
        needed[there] = max((_replicas(pool) for pool in request.pools), default=1)
    return {name: replicas or needed.get(name, 1) for name, replicas in regions.items()}


def _replicas(pool: Pool) -> int:
    return support.replicas_for(sum(pool.most_nodes))


def _image_reference(request: Build, settings: Settings) -> ImageReference:
    image = request.image
    system = _system(image)
    asked = f"{image.os} {image.os_version or ''}".strip() if image.says_system else None
    parts = names.parse_image_version_id(image.id) if image.id else None
    choice = ImageChoice(
        base=settings.default_image_name, gpu=image.gpu if "gpu" in image.model_fields_set else None
    )
    reference = ImageReference(
        subscription_id=settings.subscription_id,
        resource_group=image.resource_group or settings.default_resource_group,
        gallery=image.gallery or settings.default_gallery,
        definition=image.name or settings.default_image_name,
        version=image.version or _version_of_pools(request.pools),
        node_agent=system.node_agent,
        os=f"{system.name} {system.version}",
        os_asked=asked,
        gpu=image.gpu,
        choice=None if image.name or parts else choice,
    )
    if image.id and (others := names.parse_published_image_id(image.id)):
        named = replace(reference, gallery=others["gallery"], definition=others["definition"])
        named = replace(named, version=others["version"], published_id=image.id)
        return replace(named, choice=None)
    if parts is None:
        return reference
    return replace(
        reference,
        subscription_id=parts["subscription"],
        resource_group=parts["group"],
        gallery=parts["gallery"],
        definition=parts["definition"],
        version=parts["version"],
    )


def _version_of_pools(pools: list[Pool]) -> str:
    """The one that some of them name, or the newest."""
    return next((pool.image for pool in pools if pool.image != "latest"), "latest")


def plan_change(
    *,
    request_id: str,
    mode: Mode,
    account: AccountPlan,
    pool_id: str,
    resize: Resize | None = None,
) -> ChangePlan:
    """A resize or deletion of one pool."""
    build = names.build_id(request_id)
    return ChangePlan(
        build_id=build,
        mode=mode,
        account=replace(account, build_id=build),
        pool_id=pool_id,
        nodes=resize.nodes if resize else None,
        low_priority_nodes=resize.low_priority_nodes if resize else None,
        node_deallocation_option=resize.node_deallocation_option if resize else None,
    )
