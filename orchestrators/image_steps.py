"""The steps of an image as data: each with its activity, its plan and the steps it comes after.

`build_image` follows them, and a forecast adds up their durations. The shape of an image is decided
here: a step that this image does not need is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities import bill_of_materials, builder_vm, gallery, sealing, snapshots
from orchestrators import prerequisite_steps, registry_steps, software_steps
from orchestrators.prerequisite_steps import Prerequisites
from orchestrators.registry_steps import Registry
from orchestrators.software_steps import Software
from shared.base.wire import replace
from shared.engine.activity import NoResult
from shared.engine.step_graph import Results, Step
from shared.model import catalogue, image_record, image_scripts
from shared.model.bill_of_materials import BillPlan
from shared.model.outcomes import ImageRecord
from shared.model.plans import ImagePlan, ScriptPlan, VersionPlan
from shared.model.results import (
    BillOfMaterials,
    BuilderReady,
    ManagedImageReady,
    ScriptResult,
    VersionClaimed,
    VersionPublished,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSteps:
    """All steps of an image."""

    plan: ImagePlan
    prerequisites: Prerequisites
    gallery: Step[ImagePlan, NoResult]
    definition: Step[ImagePlan, NoResult]
    version: Step[ImagePlan, VersionClaimed]
    registry: Registry | None
    builder: Step[ImagePlan, BuilderReady]
    software: Software
    seal: Step[ScriptPlan, ScriptResult]
    bill: Step[BillPlan, BillOfMaterials]
    captured: Step[ImagePlan, NoResult]  # ends when nothing but its disk is needed of the builder
    managed_image: Step[ImagePlan, ManagedImageReady] | None
    publish: Step[VersionPlan, VersionPublished]

    @property
    def all(self) -> list[Step[Any, Any]]:
        """The steps in order: where several fail, the first one's failure is the build's."""
        return [
            *self.prerequisites.all,
            self.gallery,
            self.definition,
            self.version,
            *(self.registry.all if self.registry else []),
            self.builder,
            *self.software.all,
            self.seal,
            self.bill,
            self.captured,
            *([self.managed_image] if self.managed_image else []),
            self.publish,
        ]

    def record(self, results: Results, now: str) -> ImageRecord:
        """The record of the published image."""
        return image_record.of(
            self.plan,
            now,
            builder=results[self.builder],
            installed=results[self.software.install],
            driver=results.get(self.software.driver),
            features=results.get(self.software.features),
            preloaded=results.get(self.software.preload),
            own=[
                done
                for step in self.software.own
                if isinstance(done := results[step], ScriptResult)
            ],
            sealed=results[self.seal],
            bill=results.get(self.bill),
            registry=results.get(self.registry.registry) if self.registry else None,
            managed_image=results.get(self.managed_image),
            claimed=results[self.version],
            published=results[self.publish],
        )


def plan_steps(plan: ImagePlan) -> ImageSteps:
    """The steps of an image, each beginning as soon as what it needs is there."""
    prerequisites = prerequisite_steps.plan_prerequisites(plan)
    gallery_ = Step("gallery", gallery.create_gallery, plan, after=[prerequisites.group])
    definition = Step("image_definition", gallery.create_image_definition, plan, after=[gallery_])
    version = Step("version", gallery.claim_version, plan, after=[definition])
    registry = registry_steps.plan_registry(plan.registry, prerequisites) if plan.registry else None
    builder = _builder(plan, prerequisites, registry)
    software = software_steps.plan_software(plan, builder, registry)
    seal = _seal(plan, builder, software)
    captured = _captured(plan, seal)
    made = Step("managed_image", gallery.create_managed_image, plan, after=[captured])
    managed = made if plan.managed_image else None
    return ImageSteps(
        plan=plan,
        prerequisites=prerequisites,
        gallery=gallery_,
        definition=definition,
        version=version,
        registry=registry,
        builder=builder,
        software=software,
        seal=seal,
        bill=_bill_of_materials(plan, seal, version),
        captured=captured,
        managed_image=managed,
        publish=_publish(plan, managed or captured, version),
    )


def _builder(
    plan: ImagePlan, prerequisites: Prerequisites, registry: Registry | None
) -> Step[ImagePlan, BuilderReady]:
    """The builder VM; where Azure has no capacity, the next zone and then the next size."""
    first, *others = [
        replace(plan, size=size, zone=zone)
        for size in plan.sizes
        for zone in [plan.zone, *plan.other_zones]
    ]
    return Step(
        "builder_vm",
        builder_vm.create_builder_vm,
        first,
        alternatives=others,
        after=[prerequisites.last, registry.identity] if registry else [prerequisites.last],
    )


def _seal(
    plan: ImagePlan, builder: Step[ImagePlan, BuilderReady], software: Software
) -> Step[ScriptPlan, ScriptResult]:
    """One script checks the finished system, and seals it if all is well."""

    def with_findings(done: Results) -> ScriptPlan:
        return image_scripts.seal(
            plan,
            gpus=catalogue.gpus_in(done[builder].size, plan.gpus),
            installed=done[software.install],
            driver=done.get(software.driver),
            preloaded=done.get(software.preload),
        )

    return Step(
        "seal", sealing.seal_builder, with_findings, after=software.after[-1:] or [software.reboot]
    )


def _bill_of_materials(
    plan: ImagePlan,
    seal: Step[ScriptPlan, ScriptResult],
    version: Step[ImagePlan, VersionClaimed],
) -> Step[BillPlan, BillOfMaterials]:
    """Keep the list of what is installed: the check has written it into the step's log blob."""

    def with_version(done: Results) -> BillPlan:
        return BillPlan(check=image_scripts.check(plan), version=done[version].version)

    return Step(
        "bill_of_materials",
        bill_of_materials.keep_bill_of_materials,
        with_version,
        after=[seal, version],
        when=lambda _: plan.log_container is not None,
    )


def _captured(plan: ImagePlan, seal: Step[Any, Any]) -> Step[ImagePlan, NoResult]:
    """A snapshot of the disk of the system that has shut down, or else the builder itself."""
    if plan.from_snapshot:
        return Step("snapshot", snapshots.take_snapshot, plan, after=[seal])
    return Step("generalize", builder_vm.generalize_builder, plan, after=[seal])


def _publish(
    plan: ImagePlan, source: Step[Any, Any], version: Step[ImagePlan, VersionClaimed]
) -> Step[VersionPlan, VersionPublished]:
    return Step(
        "image_version",
        gallery.publish_image_version,
        lambda done: VersionPlan(image=plan, version=done[version].version),
        after=[source, version],
        cancellable=False,  # Azure would finish the version all the same, without a record of it
    )
