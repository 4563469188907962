"""The steps that install software on the builder: our scripts, those of the owner, restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities import builder_vm, run_script
from orchestrators import own_steps
from orchestrators.registry_steps import Registry
from shared.engine.activity import NoResult
from shared.engine.step_graph import Results, Step
from shared.model import image_scripts
from shared.model.own_steps import When
from shared.model.plans import ImagePlan, ScriptPlan
from shared.model.results import BuilderReady, ScriptResult


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


def plan_software(
    plan: ImagePlan, builder: Step[ImagePlan, BuilderReady], registry: Registry | None
) -> Software:
    """The scripts and restarts of this image, up to the restart and the owner's steps after it."""
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
    preload = _preload(plan, restart or begin, registry) if image_scripts.preloads(plan) else None
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
    plan: ImagePlan, before: Step[Any, Any], registry: Registry | None
) -> Step[ScriptPlan, ScriptResult]:
    def with_registry(done: Results) -> ScriptPlan:
        if registry is None:
            return image_scripts.preload(plan, None, None)
        return image_scripts.preload(plan, done[registry.registry], done[registry.identity])

    after = [before]
    if registry:
        after += registry.all
    return Step(_name(plan, "preload"), run_script.run_script, with_registry, after=after)
