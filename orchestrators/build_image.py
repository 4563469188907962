"""Publish one gallery image version: the story of an image, from an empty resource group to a
replicated version.

Removing the builder is not told here: whoever asks for the image removes the builder, whether this
works or fails.
"""

from __future__ import annotations

from typing import Any

from shared.azure.bodies import BUILDER_USER
from shared.base import names, timing
from shared.base.errors import StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.engine.workflow import Step
from shared.model import bill_of_materials, catalogue, planning, simulation_marks
from shared.model.bill_of_materials import BillPlan
from shared.model.plans import (
    GridDriver,
    GroupPlan,
    ImagePlan,
    ImageRecord,
    PreloadedImage,
    RegistryPlan,
    ScriptPlan,
    VersionPlan,
)


class ImageWork(Wire):
    """Input: the image and whose steps these are."""

    image: ImagePlan
    scope: StepContext
    done: dict[str, Json] = {}  # results of the steps that an earlier try has finished


def build_image(context: Context) -> Workflow:
    """Orchestration: `ImageWork` → `{"image": ImageRecord}` or `{"error": Failure}`."""
    work = ImageWork.from_wire(context.get_input())
    try:
        done = yield from workflow.follow(context, work.scope, story(work.image), work.done)
        image = _record(work.image, done, workflow.now(context))
        yield from workflow.note(context, "record_image", image)
    except workflow.StoryFailed as failed:
        return {"error": failed.failure.to_wire(), "sealed": "generalize" in failed.done}
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"image": image.to_wire()}


def story(plan: ImagePlan) -> list[Step]:
    """The steps of an image, each beginning as soon as what it needs is there."""
    return [
        *ground(plan),
        *_gallery(plan),
        *_registry(plan),
        *_machine(plan),
        *_software(plan),
        *_capture(plan),
    ]


def ground(plan: ImagePlan) -> list[Step]:
    """What the builder stands on: resource group and network. It costs next to nothing."""
    group = Step(
        name="resource_group",
        activity="ensure_resource_group",
        plan=GroupPlan(name=plan.resource_group, location=plan.location, tags=plan.tags),
    )
    return [group, *_network(plan)]


def _gallery(plan: ImagePlan) -> list[Step]:
    """Beside the VM: where the version will go, and its number."""
    return [
        Step(name="gallery", activity="create_gallery", plan=plan, after=("resource_group",)),
        Step(
            name="image_definition",
            activity="create_image_definition",
            plan=plan,
            after=("gallery",),
        ),
        Step(name="version", activity="claim_version", plan=plan, after=("image_definition",)),
    ]


def _registry(plan: ImagePlan) -> list[Step]:
    """Beside the VM: a registry, an identity that may pull from it, and the image built in it."""
    registry = plan.registry
    if registry is None:
        return []

    def with_principal(done: dict[str, Json]) -> RegistryPlan:
        return registry.model_copy(update={"principal_id": done["pull_identity"]["principalId"]})

    found = [
        Step(
            name="pull_identity",
            activity="ensure_pull_identity",
            plan=registry,
            after=("resource_group",),
        ),
        Step(name="registry", activity="create_registry", plan=registry, after=("resource_group",)),
        Step(
            name="pull_access",
            activity="grant_pull",
            plan=with_principal,
            after=("registry", "pull_identity"),
        ),
    ]
    if registry.build_image:
        push = Step(name="push_image", activity="push_image", plan=registry, after=("registry",))
        found.append(push)
    return found


def _network(plan: ImagePlan) -> list[Step]:
    if not plan.own_network:
        return []
    if plan.outbound != "nat":
        return [
            Step(name="network", activity="create_network", plan=plan, after=("resource_group",))
        ]
    return [
        Step(name="public_ip", activity="create_public_ip", plan=plan, after=("resource_group",)),
        Step(name="nat_gateway", activity="create_nat_gateway", plan=plan, after=("public_ip",)),
        Step(name="network", activity="create_network", plan=plan, after=("nat_gateway",)),
    ]


def _machine(plan: ImagePlan) -> list[Step]:
    """The builder VM; where Azure has no capacity, the next zone and then the next size."""
    first = "network" if plan.own_network else "resource_group"
    places = [
        plan.model_copy(update={"size": size, "zone": zone})
        for size in [plan.size, *plan.other_sizes]
        for zone in [plan.zone, *plan.other_zones]
    ]
    return [
        Step(
            name="builder_vm",
            activity="create_builder_vm",
            plan=places[0],
            otherwise=tuple(places[1:]),
            after=(first, "pull_identity") if plan.registry else (first,),
        )
    ]


def _software(plan: ImagePlan) -> list[Step]:
    """What is installed. Container images are pulled while the driver is built: `preload` begins
    beside `install`, and waits on the machine itself until Docker is there. One restart proves all.
    """
    found, installed, last = [_install(plan)], ["install"], "builder_vm"
    if _builds_driver_alone(plan):
        restart = Step(
            name="reboot_for_kernel",
            activity="restart_builder",
            plan=plan,
            after=("install",),
            when=lambda done: bool(done["install"]["rebootRequired"]),
        )
        driver = _script(plan, "driver", after=restart.name, **_driver_parameters(plan))
        found += [restart, driver]
        installed.append("driver")
        last = restart.name
    if _preloads(plan):
        found.append(_preload(plan, after=last))
        installed.append("preload")
    reboot = Step(
        name="reboot",
        activity="restart_builder",
        plan=plan,
        after=tuple(installed),
        when=lambda done: plan.gpu or any(done[s].get("rebootRequired") for s in installed),
    )
    return [*found, reboot]


def _builds_driver_alone(plan: ImagePlan) -> bool:
    driver = plan.driver
    return driver is not None and catalogue.driver_needs_its_kernel(plan.system, driver)


def _install(plan: ImagePlan) -> Step:
    """All packages in one script: each script costs half a minute besides its work."""
    parameters = {"BUILDER_USER": BUILDER_USER, "GPU": "true" if plan.gpu else ""}
    variant = "install-gpu" if plan.gpu else "install"
    if plan.gpu and not _builds_driver_alone(plan):
        variant = "install-gpu-driver"
        parameters |= _driver_parameters(plan)
    return _script(plan, "install", script=variant, after="builder_vm", **parameters)


def _driver_parameters(plan: ImagePlan) -> dict[str, str]:
    return {
        "DRIVER_KIND": plan.driver.value if plan.driver else "",
        "FABRIC_MANAGER": "true" if plan.fabric_manager else "",
        **_grid_parameters(plan.grid_driver or GridDriver()),
    }


def _grid_parameters(driver: GridDriver) -> dict[str, str]:
    given = {
        "DRIVER_VERSION": driver.version,
        "DRIVER_URL": driver.url,
        "DRIVER_SHA256": driver.sha256,
    }
    return {name: value for name, value in given.items() if value}


def _preloads(plan: ImagePlan) -> bool:
    return bool(plan.container_images or (plan.registry and plan.registry.build_image))


def _preload(plan: ImagePlan, *, after: str) -> Step:
    def with_registry(done: dict[str, Json]) -> ScriptPlan:
        server = done["registry"]["loginServer"] if plan.registry else ""
        return _script_plan(
            plan,
            "preload",
            IMAGES="\n".join(planning.images_to_preload(plan, server)),
            REGISTRY_LOGIN_SERVER=server,
            IDENTITY_CLIENT_ID=done["pull_identity"]["clientId"] if plan.registry else "",
            TENANT_ID=plan.tenant_id or "" if plan.registry else "",
        )

    needed = [after]
    if plan.registry:
        needed.append("pull_access")
        if plan.registry.build_image:
            needed.append("push_image")
    return Step(name="preload", activity="run_script", plan=with_registry, after=tuple(needed))


def _capture(plan: ImagePlan) -> list[Step]:
    """Checked, sealed, stopped, generalized, published."""

    def with_version(done: dict[str, Json]) -> VersionPlan:
        return VersionPlan(image=plan, version=done["version"]["version"])

    found = [
        _seal(plan),
        _bill_of_materials(plan),
        Step(name="generalize", activity="generalize_builder", plan=plan, after=("seal",)),
    ]
    source = "generalize"
    if plan.managed_image:
        source = "managed_image"
        found.append(
            Step(
                name="managed_image",
                activity="create_managed_image",
                plan=plan,
                after=("generalize",),
            )
        )
    publish = Step(
        name="image_version",
        activity="publish_image_version",
        plan=with_version,
        after=(source, "version"),
        cancellable=False,  # Azure would finish it all the same, and nobody would know of it
    )
    return [*found, publish]


def _seal(plan: ImagePlan) -> Step:
    """The finished system is checked, and seals itself if all is well."""

    def with_findings(done: dict[str, Json]) -> ScriptPlan:
        gpu = catalogue.gpu_of(done["builder_vm"]["size"])
        images = done.get("preload", {}).get("images", [])
        digests = [f"{i['name']} {i['digest']}" for i in images if i.get("digest")]
        return _script_plan(
            plan,
            "seal",
            BUILDER_USER=BUILDER_USER,
            # What a builder without a GPU cannot prove is left to the pools' verification.
            EXPECT_GPU="none" if not plan.gpu else str(gpu.count) if gpu else "driver-only",
            SIZE_HAS_GPU="true" if gpu else "",
            EXPECT_DOCKER=done["install"].get("dockerVersion", ""),
            EXPECT_TOOLKIT=done["install"].get("toolkitVersion", ""),
            EXPECT_DRIVER=_driver_version(done) or "",
            EXPECT_IMAGES="\n".join(i["name"] for i in images),
            EXPECT_DIGESTS="\n".join(digests),
            VERIFY_IMAGE=images[0]["name"] if images else "",
        )

    return Step(name="seal", activity="seal_builder", plan=with_findings, after=("reboot",))


def _driver_version(done: dict[str, Json]) -> str | None:
    found = done.get("driver") or done["install"]
    return found.get("driverVersion")


def _bill_of_materials(plan: ImagePlan) -> Step:
    """What the check has listed is fetched from the step's blob and kept."""

    def with_version(done: dict[str, Json]) -> BillPlan:
        return BillPlan(check=_script_plan(plan, "seal"), version=done["version"]["version"])

    return Step(
        name="bill_of_materials",
        activity="keep_bill_of_materials",
        plan=with_version,
        after=("seal", "version"),
        when=lambda _: plan.log_container is not None,
    )


def _script(
    plan: ImagePlan, step: str, *, after: str, script: str | None = None, **parameters: str
) -> Step:
    return Step(
        name=step,
        activity="run_script",
        plan=_script_plan(plan, step, script, **parameters),
        after=(after,),
    )


def _script_plan(
    plan: ImagePlan, step: str, script: str | None = None, **parameters: str
) -> ScriptPlan:
    """Every script gets a nonce of its own, and a deadline some minutes before Azure's."""
    minutes = int(timing.pace_of(step).limit_minutes)
    common = {
        "BUILD_ID": plan.build_id,
        "NONCE": names.digest(plan.build_id, step),
        "DEADLINE_SECONDS": str((minutes - 5) * 60),
    }
    return ScriptPlan(
        image=plan, step=script or step, parameters=common | parameters, timeout_minutes=minutes
    )


def _pending(plan: ImagePlan, done: dict[str, Json]) -> list[str]:
    """What the builder could not prove: what its check says, or its size, where the machine went
    off before that was reported.
    """
    if "scheduled" in done["seal"]:
        return list(done["seal"].get("pending", []))
    has_gpu = catalogue.gpu_of(done["builder_vm"]["size"]) is not None
    return ["gpu"] if plan.gpu and not has_gpu else []


def _record(plan: ImagePlan, done: dict[str, Json], now: str) -> ImageRecord:
    registry = plan.registry
    installed: dict[str, Any] = done["install"]
    checked: dict[str, Any] = {**installed, **done["seal"]}
    how = simulation_marks.together(list(done.values()))
    bill = done.get("bill_of_materials", {})
    return ImageRecord(
        image_id=done["image_version"]["imageId"],
        node_agent_sku=plan.system.node_agent,
        gallery_name=plan.gallery,
        image_name=plan.definition,
        version=done["version"]["version"],
        vm_size=done["builder_vm"]["size"],
        location=plan.location,
        base_os=f"{plan.system.name} {plan.system.version}",
        gpu_enabled=plan.gpu,
        resource_group=plan.resource_group,
        build_id=plan.build_id,
        created_at=now,
        security_type=plan.security_type,
        base_image_version=plan.base.version if plan.base else None,
        docker_version=checked.get("dockerVersion"),
        toolkit_version=installed.get("toolkitVersion"),
        driver_version=_driver_version(done),
        kernel=checked.get("kernel"),
        pending=_pending(plan, done),
        bill_of_materials=bill.get("document"),
        bill_of_materials_note=bill_of_materials.NO_CONTAINER
        if bill.get("skipped")
        else bill.get("note"),
        container_images=[
            PreloadedImage.from_wire(i) for i in done.get("preload", {}).get("images", [])
        ],
        target_regions=list(plan.target_regions),
        registry_login_server=done["registry"]["loginServer"] if registry else None,
        pull_identity_id=plan.pull_identity_id,
        managed_image_id=done.get("managed_image", {}).get("imageId"),
        scripted=how["scripted"],
        scripted_parts=how["scriptedParts"],
        stand_in=how["standIn"],
    )
