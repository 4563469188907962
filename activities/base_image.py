"""The image that a builder starts from: of the marketplace, of a gallery, or a managed image.
Whether it is there, whether our scripts can build on it, and whether its terms are accepted.
"""

from __future__ import annotations

from activities import published_images
from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Json, Services
from shared.model import catalogue, version_floors
from shared.model.image_parts import BaseImage
from shared.model.image_request import SecurityType
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan
from shared.model.results import Findings
from shared.store import base_records

_FIELD = "image.base"
_SPECIALIZED = "it is specialized, and a builder starts from a generalized one"
_WITH_DATA = "it has data disks, and dataDisks of an image are empty ones"
_AGREEMENTS = "2021-01-01"  # the API version of Microsoft.MarketplaceOrdering
# What definitions say of images that boot with TrustedLaunch, and of those that boot without; Azure
# writes Vm and VM. A ConfidentialVMSupported image makes ordinary VMs, too:
# https://learn.microsoft.com/azure/confidential-computing/create-confidential-vm-from-compute-gallery
_EITHER = {"trustedlaunchsupported", "trustedlaunchandconfidentialvmsupported"}
_TRUSTED = {"trustedlaunch", *_EITHER}
_STANDARD = {"standard", "confidentialvmsupported", *_EITHER}


def find(services: Services, image: ImagePlan) -> BaseImage | Problem:
    """The base image as Azure knows it now, or why the image cannot be built on it."""
    if image.base_id is None:
        return _of_marketplace(services, image)
    if parts := names.parse_gallery_image_id(image.base_id):
        found = _of_gallery(services, image, parts)
    elif names.parse_published_image_id(image.base_id):
        found = _published(services, image, image.base_id)
    else:
        found = _managed(services, image, image.base_id)
    return found if isinstance(found, Problem) else _fit(services, image, found)


def _of_marketplace(services: Services, image: ImagePlan) -> BaseImage | Problem:
    calls, system = services.azure.compute.virtual_machine_images, image.system
    path = (image.location, system.publisher, system.offer, system.sku)
    version = image.base_version
    if version in (None, "latest"):
        version = _newest_of_marketplace(services, path)
    details = sdk.fetch(calls.get, *path, version) if version else None
    if details is None:
        urn = ":".join((*path[1:], *([image.base_version] if image.base_version else [])))
        usual = catalogue.find_system(system.name, system.version)
        field = "image.os" if system == usual else _FIELD
        return _not_found(f"{image.location} offers no image {urn}", field)
    properties = resource_state.properties(details)
    base = _described(str(version), properties, properties)
    base = replace(base, publisher=system.publisher, offer=system.offer, sku=system.sku)
    base = replace(base, purchase_plan=properties.get("plan"))
    if base.generation == "V1" and image.security_type is SecurityType.TRUSTED_LAUNCH:
        return _unsuitable(
            "it is of generation 1, which has no TrustedLaunch", "image.securityType"
        )
    return _of_x64(base)


def _newest_of_marketplace(services: Services, path: tuple[str, str, str, str]) -> str | None:
    from azure.core.exceptions import ResourceNotFoundError

    calls = services.azure.compute.virtual_machine_images
    try:
        found = calls.list(*path, top=1, orderby="name desc")
    except ResourceNotFoundError:
        return None
    return str(found[0]["name"]) if found else None


def _of_gallery(services: Services, image: ImagePlan, parts: dict[str, str]) -> BaseImage | Problem:
    compute = services.azure.compute
    path = (parts["group"], parts["gallery"], parts["definition"])
    definition = sdk.fetch(compute.gallery_images.get, *path)
    version = _version(services, path, parts["version"]) if definition else None
    if definition is None or version is None:
        return _not_found(f"there is no such image version: {image.base_id}")
    properties = resource_state.properties(version)
    regions = properties["publishingProfile"].get("targetRegions") or []
    there = [names.region(region["name"]) for region in regions]
    if image.location not in there:
        message = (
            f"version {version['name']} has no replica in {image.location}, where the builder is; "
            f"it is in {', '.join(there)}"
        )
        return _unsuitable(message)
    stored = properties.get("storageProfile") or {}
    if stored.get("dataDiskImages"):
        return _unsuitable(_WITH_DATA)
    about = resource_state.properties(definition)
    if about.get("osState") == "Specialized":
        return _unsuitable(_SPECIALIZED)
    disk = (stored.get("osDiskImage") or {}).get("sizeInGB")
    base = _described(version["name"], about, {"osDiskImage": {"sizeInGb": disk}})
    return replace(base, id=version["id"], purchase_plan=about.get("purchasePlan"))


def _version(services: Services, path: tuple[str, str, str], version: str) -> Json | None:
    versions = services.azure.compute.gallery_image_versions
    if version != "latest":
        return sdk.fetch(versions.get, *path, version)
    return resource_state.newest_version(sdk.listed(versions.list_by_gallery_image, *path))


def _published(services: Services, image: ImagePlan, id_: str) -> BaseImage | Problem:
    found = published_images.find(services, id_, image.location)
    if found is None:
        return _not_found(f"{image.location} has no such image: {id_}")
    about = resource_state.properties(found.definition)
    if about.get("osState") == "Specialized":
        return _unsuitable(_SPECIALIZED)
    stored = resource_state.properties(found.version).get("storageProfile") or {}
    if stored.get("dataDiskImages"):
        return _unsuitable(_WITH_DATA)
    disk = (stored.get("osDiskImage") or {}).get("diskSizeGB")
    base = _described(found.version["name"], about, {"osDiskImage": {"sizeInGb": disk}})
    return replace(base, id=found.id, purchase_plan=about.get("purchasePlan"))


def _managed(services: Services, image: ImagePlan, id_: str) -> BaseImage | Problem:
    parts = names.parse_managed_image_id(id_)
    assert parts is not None, "the request was parsed"
    found = sdk.fetch(services.azure.compute.images.get, parts["group"], parts["image"])
    if found is None:
        return _not_found(f"there is no such managed image: {id_}")
    if not names.same(names.region(found["location"]), image.location):
        return _unsuitable(f"it is in {found['location']}, and the builder in {image.location}")
    properties = resource_state.properties(found)
    stored = properties.get("storageProfile") or {}
    if stored.get("dataDisks"):
        return _unsuitable(_WITH_DATA)
    disk = stored.get("osDisk") or {}
    about = {"hyperVGeneration": properties.get("hyperVGeneration") or "V1", **disk}
    base = _described(parts["image"], about, {"osDiskImage": {"sizeInGb": disk.get("diskSizeGB")}})
    return replace(base, id=found["id"])


def _described(version: str, about: Json, disks: Json) -> BaseImage:
    """`about` names generation, architecture and features, as images and definitions do."""
    return BaseImage(
        version=version,
        generation=about.get("hyperVGeneration") or "V2",
        architecture=resource_state.architecture({"properties": about}),
        features=resource_state.features({"properties": about}),
        disk_gib=(disks.get("osDiskImage") or {}).get("sizeInGb"),
    )


def _fit(services: Services, image: ImagePlan, base: BaseImage) -> BaseImage | Problem:
    """The base with what is kept of it, or why it does not fit the request."""
    security = base.features.get("SecurityType", "Standard")
    if published_images.is_confidential(security):
        return _unsuitable(f"{published_images.ONLY_CONFIDENTIAL}, and builds run on none")
    wanted = image.security_type
    if security.lower() not in (_TRUSTED if wanted is SecurityType.TRUSTED_LAUNCH else _STANDARD):
        message = f"its security type is {security}, and image.securityType is {wanted.value}"
        return _unsuitable(message, "image.securityType")
    assert image.base_id is not None
    record = base_records.of(services.records, image.base_id)
    if record is None:
        return _of_x64(base)
    return _other_contents(image, record) or _with_contents(base, image, record)


def _with_contents(base: BaseImage, image: ImagePlan, record: ImageRecord) -> BaseImage:
    """Other versions of a definition have the same driver, but not the same container images."""
    base = replace(base, kept=kept(image, record))
    if not names.same(base.id, record.image_id):
        return base
    private = [*record.pull_identities, *record.signed_registries]
    if record.registry_login_server:
        private.append(record.registry_login_server)
    return replace(base, container_images=record.container_images, private_registries=private)


def _of_x64(base: BaseImage) -> BaseImage | Problem:
    if base.architecture == catalogue.BUILT_FOR:
        return base
    return _unsuitable(f"it is for {base.architecture}, and {catalogue.NOT_BUILT}")


def _other_contents(image: ImagePlan, record: ImageRecord) -> Problem | None:
    system = f"{image.system.name} {image.system.version}"
    if record.base_os != system:
        return _unsuitable(f"its system is {record.base_os}, and {system} is asked for", "image.os")
    if removed := _removed(image, record):
        return removed
    if record.gpu_enabled and image.infiniband and not record.infiniband_version:
        message = (
            "it has an NVIDIA driver that was built without InfiniBand, and would not work with "
            "it: build on a system instead"
        )
        return _unsuitable(message, "image.infiniband")
    if record.gpu_enabled and image.driver_source is not record.driver_source:
        message = (
            f"its driver is from {record.driver_source}, and stays: leave driverSource out, or "
            "build on a system instead"
        )
        return _unsuitable(message, "image.driverSource")
    return None


def _removed(image: ImagePlan, record: ImageRecord) -> Problem | None:
    """The problem of a request that excludes software of its base image: a refresh removes none."""
    found = (
        ("gpu", record.gpu_enabled and not image.gpu, "an NVIDIA driver"),
        ("infiniband", record.infiniband_version and not image.infiniband, "the InfiniBand stack"),
        ("dcgm", record.dcgm_version and not image.dcgm, "DCGM"),
        ("scratch", record.scratch and not image.scratch, "the unit that makes /scratch"),
    )
    for name, is_removed, what in found:
        if is_removed:
            message = f"it has {what}: image.{name} false removes nothing"
            return _unsuitable(message, f"image.{name}")
    return None


def kept(image: ImagePlan, record: ImageRecord) -> dict[str, str]:
    """The versions that stay, unless the request names others. One with a vulnerability does not:
    the scripts install a newer one in its place. GRID drivers have no floor (`version_floors`).
    """
    there = {
        "docker": record.docker_version,
        "containerToolkit": record.toolkit_version if image.gpu else None,
        "driver": record.driver_version if image.gpu else None,
    }
    without_floor = {"driver"} if image.driver and image.driver.is_grid else set()
    return {
        software: version
        for software, version in there.items()
        if version
        if software in without_floor or not version_floors.below_floor(software, version)
    }


def kept_driver(services: Services, image: ImagePlan) -> str | None:
    """The version of the driver that stays in a refresh, unless the request names another."""
    record = base_records.of(services.records, image.base_id) if image.base_id else None
    return kept(image, record).get("driver") if record else None


def check_terms(services: Services, image: ImagePlan, base: BaseImage) -> Findings:
    """Whether the subscription has accepted the terms of an image with a purchase plan: else Azure
    refuses the builder. https://learn.microsoft.com/azure/virtual-machines/linux/cli-ps-findimage
    """
    plan = base.purchase_plan
    if plan is None:
        return Findings()
    from azure.core.exceptions import HttpResponseError

    publisher, product, name = plan["publisher"], plan["product"], plan["name"]
    agreement = (
        f"/subscriptions/{image.subscription_id}/providers/Microsoft.MarketplaceOrdering/offerTypes"
        f"/virtualmachine/publishers/{publisher}/offers/{product}/plans/{name}/agreements/current"
    )
    command = f"az vm image terms accept --publisher {publisher} --offer {product} --plan {name}"
    try:
        calls = services.azure.resources.resources
        found = sdk.fetch(calls.get_by_id, agreement, api_version=_AGREEMENTS)
    except HttpResponseError as error:
        if error.status_code not in {401, 403}:
            raise
        message = (
            f"the app may not look whether the terms of plan {name} are accepted. If they are not, "
            f"Azure refuses the builder: {command}"
        )
        return Findings(warnings=[Problem(field=_FIELD, code="TermsUnknown", message=message)])
    if resource_state.properties(found).get("accepted"):
        return Findings()
    message = (
        f"the terms of plan {name} of {publisher}:{product} are not accepted in this subscription. "
        f"Read and accept them: {command} --subscription {image.subscription_id}"
    )
    return Findings(blockers=[Problem(field=_FIELD, code="TermsNotAccepted", message=message)])


def _not_found(message: str, field: str = _FIELD) -> Problem:
    return Problem(field=field, code="BaseImageNotFound", message=message)


def _unsuitable(message: str, field: str = _FIELD) -> Problem:
    return Problem(field=field, code="BaseImageUnsuitable", message=f"the base image: {message}")
