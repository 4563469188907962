"""The steps of an image as data: each with its activity, its plan and the steps it comes after.

`build_image` follows them, and a forecast adds up their durations. The shape of an image is decided
here: a step that this image does not need is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities import (
    bill_of_materials,
    builder_vm,
    gallery,
    registry,
    run_script,
    sealing,
    snapshots,
)
from orchestrators import ground_steps, own_steps
from orchestrators.ground_steps import Ground
from shared.base.wire import replace
from shared.engine.activity import NoResult
from shared.engine.step_graph import Results, Step
from shared.model import catalogue, image_record, image_scripts
from shared.model.bill_of_materials import BillPlan
from shared.model.image_parts import RegistryPlan
from shared.model.outcomes import ImageRecord
from shared.model.own_steps import When
from shared.model.plans import ImagePlan, ScriptPlan, VersionPlan
from shared.model.results import (
    BillOfMaterials,
    BuilderReady,
    ContainerImageBuilt,
    ManagedImageReady,
    PullIdentity,
    RegistryReady,
    ScriptResult,
    VersionClaimed,
    VersionPublished,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """The registry, an identity that may pull from it, and the image that is built in it."""

    identity: Step[RegistryPlan, PullIdentity]
    registry: Step[RegistryPlan, RegistryReady]
    access: Step[RegistryPlan, NoResult] | None
    push: Step[RegistryPlan, ContainerImageBuilt] | None

    @property
    def all(self) -> list[Step[Any, Any]]:
        """The steps in order."""
        optional = (self.access, self.push)
        return [self.identity, self.registry, *(step for step in optional if step)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Software:
    """What is installed on the builder. Container images are pulled while the driver is built:
    `preload` begins beside `install`, and waits on the machine until Docker is there. One restart
    proves all of it. The owner's steps run before, in between and after.
    """

    before: list[Step[Any, Any]]
    install: Step[ScriptPlan, ScriptResult]
    restart: Step[ImagePlan, NoResult] | None  # into the kernel that the driver is built for
    driver: Step[ScriptPlan, ScriptResult] | None
    features: Step[ScriptPlan, ScriptResult] | None
    preload: Step[ScriptPlan, ScriptResult] | None
    between: list[Step[Any, Any]]
    reboot: Step[ImagePlan, NoResult]
    after: list[Step[Any, Any]]

    @property
    def all(self) -> list[Step[Any, Any]]:
        """The steps in order."""
        optional = (self.restart, self.driver, self.features, self.preload)
        ours = [self.install, *(step for step in optional if step)]
        return [*self.before, *ours, *self.between, self.reboot, *self.after]

    @property
    def own(self) -> list[Step[Any, Any]]:
        """The owner's steps, and the restarts that they ask for."""
        return [*self.before, *self.between, *self.after]


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSteps:
    """All steps of an image."""

    plan: ImagePlan
    ground: Ground
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
            *self.ground.all,
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
    ground = ground_steps.plan_ground(plan)
    gallery_ = Step("gallery", gallery.create_gallery, plan, after=[ground.group])
    definition = Step("image_definition", gallery.create_image_definition, plan, after=[gallery_])
    version = Step("version", gallery.claim_version, plan, after=[definition])
    registry_ = _registry(plan.registry, ground) if plan.registry else None
    builder = _builder(plan, ground, registry_)
    software = _software(plan, builder, registry_)
    seal = _seal(plan, builder, software)
    captured = _captured(plan, seal)
    made = Step("managed_image", gallery.create_managed_image, plan, after=[captured])
    managed = made if plan.managed_image else None
    return ImageSteps(
        plan=plan,
        ground=ground,
        gallery=gallery_,
        definition=definition,
        version=version,
        registry=registry_,
        builder=builder,
        software=software,
        seal=seal,
        bill=_bill_of_materials(plan, seal, version),
        captured=captured,
        managed_image=managed,
        publish=_publish(plan, managed or captured, version),
    )


def _registry(plan: RegistryPlan, ground: Ground) -> Registry:
    identity = Step("pull_identity", registry.ensure_pull_identity, plan, after=[ground.group])
    made = Step("registry", registry.create_registry, plan, after=[ground.group])

    def with_principal(done: Results) -> RegistryPlan:
        return replace(plan, principal_id=done[identity].principal_id)

    access = Step("pull_access", registry.grant_pull, with_principal, after=[made, identity])
    push = Step("push_image", registry.push_image, plan, after=[made])
    return Registry(
        identity=identity,
        registry=made,
        access=None if plan.identity_id else access,
        push=push if plan.build_image else None,
    )


def _builder(
    plan: ImagePlan, ground: Ground, registry_: Registry | None
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
        after=[ground.last, registry_.identity] if registry_ else [ground.last],
    )


def _software(
    plan: ImagePlan, builder: Step[ImagePlan, BuilderReady], registry_: Registry | None
) -> Software:
    before = own_steps.chain(plan, When.BEFORE_DOCKER, [builder])
    begin = before[-1] if before else builder
    script = image_scripts.install(plan)
    install = Step(_name(plan, "install"), run_script.run_script, script, after=[begin])
    restart, driver = None, None
    if image_scripts.builds_driver_alone(plan):
        restart = Step(
            "reboot_for_kernel",
            builder_vm.restart_builder,
            plan,
            after=[install],
            when=lambda done: done[install].reboot_required,
        )
        script = image_scripts.driver(plan)
        driver = Step(_name(plan, "driver"), run_script.run_script, script, after=[restart])
    features = None
    if image_scripts.has_features(plan):
        script = image_scripts.features(plan)
        features = Step("features", run_script.run_script, script, after=[driver or install])
    preload = _preload(plan, restart or begin, registry_) if image_scripts.preloads(plan) else None
    scripts = [step for step in (install, driver, features, preload) if step]
    between = own_steps.chain(plan, When.AFTER_DOCKER, scripts)
    reboot = _reboot(plan, scripts, between)
    return Software(
        before=before,
        install=install,
        restart=restart,
        driver=driver,
        features=features,
        preload=preload,
        between=between,
        reboot=reboot,
        after=own_steps.chain(plan, When.AFTER_RESTART, [reboot]),
    )


def _name(plan: ImagePlan, step: str) -> str:
    """The same script takes minutes on a system, and seconds on an image that it has made: the
    record has another name there, by which its duration is known.
    """
    return step if plan.base_id is None else f"refresh_{step}"


def _reboot(
    plan: ImagePlan, scripts: list[Step[ScriptPlan, ScriptResult]], between: list[Step[Any, Any]]
) -> Step[ImagePlan, NoResult]:
    """The restart that proves what is installed, unless the owner's last step has just asked for
    one. A step that is to run after the restart gets one in any case. A builder that started from
    an own image has booted with the driver that is kept.
    """
    own = {step.when: step for step in plan.steps}  # the last of each time

    def is_needed(done: Results) -> bool:
        if When.AFTER_DOCKER in own and own[When.AFTER_DOCKER].restart:
            return False
        if When.AFTER_RESTART in own or (plan.gpu and plan.base_id is None):
            return True
        return any(done[script].reboot_required for script in scripts)

    after = between[-1:] or scripts
    return Step("reboot", builder_vm.restart_builder, plan, after=after, when=is_needed)


def _preload(
    plan: ImagePlan, before: Step[Any, Any], registry_: Registry | None
) -> Step[ScriptPlan, ScriptResult]:
    def with_registry(done: Results) -> ScriptPlan:
        if registry_ is None:
            return image_scripts.preload(plan, None, None)
        return image_scripts.preload(plan, done[registry_.registry], done[registry_.identity])

    after = [before]
    if registry_:
        after += registry_.all
    return Step(_name(plan, "preload"), run_script.run_script, with_registry, after=after)


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
