"""The record of a published image version, from the results of the steps that made it. Pure."""

from __future__ import annotations

from shared.model import bill_of_materials, catalogue, simulation_marks
from shared.model.image_parts import PreloadedImage
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan
from shared.model.results import (
    BillOfMaterials,
    BuilderReady,
    ManagedImageReady,
    RegistryReady,
    ScriptResult,
    VersionClaimed,
    VersionPublished,
)
from shared.model.simulation_marks import Marks


def of(
    plan: ImagePlan,
    now: str,
    *,
    builder: BuilderReady,
    installed: ScriptResult,
    driver: ScriptResult | None,
    features: ScriptResult | None,
    preloaded: ScriptResult | None,
    own: list[ScriptResult],
    sealed: ScriptResult,
    bill: BillOfMaterials | None,
    registry: RegistryReady | None,
    managed_image: ManagedImageReady | None,
    claimed: VersionClaimed,
    published: VersionPublished,
) -> ImageRecord:
    """The record; None stands for a step that this image did not need or that was skipped."""
    marks = _marks(installed, driver, features, preloaded, *own, sealed)
    return ImageRecord(
        image_id=published.image_id,
        node_agent_sku=plan.system.node_agent,
        gallery_name=plan.gallery,
        image_name=plan.definition,
        version=claimed.version,
        vm_size=builder.size,
        location=plan.location,
        base_os=f"{plan.system.name} {plan.system.version}",
        gpu_enabled=plan.gpu,
        resource_group=plan.resource_group,
        build_id=plan.build_id,
        created_at=now,
        security_type=plan.security_type,
        secure_boot=plan.secure_boot,
        v_tpm=plan.v_tpm,
        excluded_from_latest=plan.exclude_from_latest,
        base_image_version=plan.base.version if plan.base else None,
        made_from=plan.made_from,
        docker_version=sealed.docker_version or installed.docker_version,
        toolkit_version=installed.toolkit_version,
        driver_version=driver_version(installed, driver),
        driver_kind=plan.driver if plan.records_driver else None,
        driver_source=plan.driver_source,
        dcgm_version=features.dcgm_version if features else None,
        scratch=plan.scratch,
        infiniband_version=installed.infiniband_version,
        kernel=sealed.kernel or installed.kernel,
        pending=_pending(plan, builder, sealed),
        bill_of_materials=bill.document if bill else None,
        bill_of_materials_note=bill.note if bill else bill_of_materials.NO_CONTAINER,
        container_images=_container_images(plan, preloaded),
        target_regions=list(plan.target_regions),
        registry_login_server=registry.login_server if registry else None,
        pull_identity_id=plan.pull_identity_id,
        pull_identities={r.login_server: r.identity for r in plan.registries if r.identity},
        signed_registries=_without_pull(plan, registry),
        managed_image_id=managed_image.image_id if managed_image else None,
        **marks.model_dump(),
    )


def _container_images(plan: ImagePlan, preloaded: ScriptResult | None) -> list[PreloadedImage]:
    """Those of the base image are there too, unless they were pulled anew."""
    pulled = preloaded.images if preloaded else []
    names = {image.name for image in pulled}
    there = plan.base.container_images if plan.base else []
    return [*(image for image in there if image.name not in names), *pulled]


def _without_pull(plan: ImagePlan, registry: RegistryReady | None) -> list[str]:
    """The registries from which the builder has images, and pools cannot pull."""
    signed = [r.login_server for r in plan.registries if r.credentials]
    own = {r.login_server for r in plan.registries if r.identity}
    if registry:
        own.add(registry.login_server)
    base = plan.base.private_registries if plan.base else []
    return [*signed, *(r for r in base if r not in own and r not in signed)]


def _marks(*scripts: ScriptResult | None) -> Marks:
    return simulation_marks.combine([script for script in scripts if script is not None])


def driver_version(installed: ScriptResult, driver: ScriptResult | None) -> str | None:
    """The NVIDIA driver's version: from its own script, where it has one, or from `install`."""
    return (driver or installed).driver_version


def _pending(plan: ImagePlan, builder: BuilderReady, sealed: ScriptResult) -> list[str]:
    """The checks that the builder could not make: those that its check reported or, where the VM
    went off before it reported them, those that its size does not allow.
    """
    if sealed.scheduled:
        return sealed.pending
    has_gpu = catalogue.gpus_in(builder.size, plan.gpus) != 0
    return ["gpu"] if plan.gpu and not has_gpu else []
