"""Gallery, image definition, image version; the legacy managed image on request."""

from __future__ import annotations

from activities import builder_vm, snapshots
from activities.arm_resource import Resource, creation, creation_of, is_tagged
from shared.azure import by_id, image_bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import errors, names
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine import decisions
from shared.engine.activity import Json, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.plans import ImagePlan, VersionPlan
from shared.model.results import ManagedImageReady, VersionClaimed, VersionPublished


def _id(plan: ImagePlan, *more: str) -> str:
    kind = "Microsoft.Compute/galleries"
    return names.resource_id(plan.subscription_id, plan.resource_group, kind, plan.gallery, *more)


_gallery = Resource(
    noun="gallery",
    calls=lambda azure: azure.compute.galleries,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, plan.gallery),
    id=_id,
    body=image_bodies.gallery,
)
_definition = Resource(
    noun="image definition",
    calls=lambda azure: azure.compute.gallery_images,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, plan.gallery, plan.definition),
    id=lambda plan: _id(plan, "images", plan.definition),
    body=image_bodies.image_definition,
)


def definition_conflict(plan: ImagePlan, observed: Json) -> str | None:
    """Why an existing definition cannot hold this image, or None. Azure does not change one."""
    wanted = image_bodies.image_definition(plan)["properties"]
    found = resource_state.properties(observed)
    for key in ("osType", "osState", "hyperVGeneration"):
        if not names.same(found.get(key), wanted[key]):
            return f"its {key} is {found.get(key)}, and this image's is {wanted[key]}"
    there = resource_state.architecture(observed)
    if not names.same(there, wanted["architecture"]):
        return f"its architecture is {there}, not {wanted['architecture']}"
    features = resource_state.features(observed)
    security = features.get("SecurityType", "Standard")
    if not names.same(security, plan.security_type.value):
        return f"its security type is {security}, and this image's is {plan.security_type.value}"
    if (found.get("purchasePlan") or None) != wanted.get("purchasePlan"):
        return "its purchase plan differs from the base image's"
    return None


create_gallery = creation("create_gallery", _gallery)
create_image_definition = creation(
    "create_image_definition", _definition, conflict=definition_conflict
)


# -- the version ----------------------------------------------------------------------------------


@short_activity(
    ImagePlan,
    VersionClaimed,
    verb="choose a version number",
    subject=lambda plan: _id(plan, "images", plan.definition),
)
def claim_version(services: Services, plan: ImagePlan, _: PollState) -> VersionClaimed:
    """Claim a number that no other build has or had; a repeated call returns the same number."""
    versions = services.azure.compute.gallery_image_versions
    path = (plan.resource_group, plan.gallery, plan.definition)
    taken = [v["name"] for v in sdk.listed(versions.list_by_gallery_image, *path)]
    partition = names.image_partition(*path)
    version = services.records.claim_version(partition, plan.build_id, plan.version, taken)
    if version is None:
        raise StepFailed(_version_taken(plan, plan.version or ""))
    return VersionClaimed(version=version)


def _version_taken(plan: ImagePlan, version: str) -> Failure:
    return Failure(
        code="VersionExists",
        kind=Kind.CONFLICT,
        message=f"Version {version} of {plan.definition} exists already, and versions are never "
        "overwritten.",
        resource=_id(plan, "images", plan.definition, "versions", version),
        next_action="Leave the version out, and the next free one is taken.",
    )


_PROGRESS_MIN = 10  # percent


def _version_path(plan: VersionPlan) -> tuple[str, str, str, str]:
    image = plan.image
    return image.resource_group, image.gallery, image.definition, plan.version


def _version_id(plan: VersionPlan) -> str:
    image = plan.image
    return names.image_version_id(
        image.subscription_id, image.resource_group, image.gallery, image.definition, plan.version
    )


def _observe_version(services: Services, plan: VersionPlan, _: PollState) -> Json | None:
    versions = services.azure.compute.gallery_image_versions
    return sdk.fetch(versions.get, *_version_path(plan), expand="ReplicationStatus")


def _publish(services: Services, plan: VersionPlan, poll: PollState) -> Started:
    """Request the version. Raises StepFailed if what Azure would copy is gone."""
    image = plan.image
    if lost := _lost_source(services, image, poll):
        raise StepFailed(lost)
    versions = services.azure.compute.gallery_image_versions
    body = image_bodies.image_version(image)
    return sdk.send(versions.begin_create_or_update, *_version_path(plan), body)


def _lost_source(services: Services, image: ImagePlan, poll: PollState) -> Failure | None:
    source = snapshots if image.from_snapshot else builder_vm
    return (
        None
        if is_tagged(source.observe(services, image, poll), image.build_id)
        else source.lost(image)
    )


def _delete_version(services: Services, plan: VersionPlan, _: PollState) -> Started:
    versions = services.azure.compute.gallery_image_versions
    return sdk.send_delete(versions.begin_delete, *_version_path(plan))


def _decide_version(
    plan: VersionPlan, observed: Json | None, poll: PollState
) -> Decision[VersionPublished]:
    """Done when the version is replicated to every region. A version that another build published
    is never touched.
    """
    subject = _version_id(plan)
    if observed is not None and not is_tagged(observed, plan.image.build_id):
        return Fail(failure=_version_taken(plan.image, plan.version))
    match resource_state.provisioning(observed):
        case "absent":
            return Wait() if poll.started == "create" else Start(action="create")
        case "broken" if poll.started == "create":
            return Fail(failure=decisions.broken(subject))
        case "broken":  # an earlier try of this build: it was never published, so delete it
            return Wait() if poll.started == "delete" else Start(action="delete")
        case "ready":
            return _replicated(subject, observed or {}, poll)
        case _:
            return _on_its_way(observed or {}, poll)


def _replicated(subject: str, observed: Json, poll: PollState) -> Decision[VersionPublished]:
    status = resource_state.properties(observed).get("replicationStatus") or {}
    match str(status.get("aggregatedState", "Unknown")).lower():
        case "completed":
            return Done(result=VersionPublished(image_id=observed.get("id", subject)))
        case "failed":
            regions = [r for r in _regions(observed) if r.get("state") == "Failed"]
            reasons = "; ".join(f"{r.get('region')}: {r.get('details')}" for r in regions)
            failure = errors.from_azure(
                attempted="replicate the image version",
                resource=subject,
                status=200,
                code="ReplicationFailed",
                message=reasons,
            )
            return Fail(failure=failure)
        case _:
            return _on_its_way(observed, poll)


def _on_its_way(observed: Json, poll: PollState) -> Wait:
    """Wait, with the progress of each region and the seconds that the slowest should still take."""
    regions = _regions(observed)
    if not regions:
        return Wait(note="the version is being created")
    shown = ", ".join(f"{r.get('region')} {r.get('progress', 0)} %" for r in regions)
    slowest = min(int(r.get("progress") or 0) for r in regions)
    # Azure rounds down: the first few percent are too coarse for an estimate.
    expected = poll.elapsed * (100 - slowest) / slowest if slowest >= _PROGRESS_MIN else None
    return Wait(note=f"replicating: {shown}", expected=expected)


def _regions(observed: Json) -> list[Json]:
    status = resource_state.properties(observed).get("replicationStatus") or {}
    return status.get("summary") or []


publish_image_version = Reconciler(
    name="publish_image_version",
    plan=VersionPlan,
    result=VersionPublished,
    verb="publish the image version",
    subject=_version_id,
    observe=_observe_version,
    decide=_decide_version,
    actions={"create": _publish, "delete": _delete_version},
)


def is_needed(services: Services, version: str, build: str) -> bool:
    """Whether the version of a build that failed must stay, by its id. Azure may finish one after
    its build has ended without an image. That one may go if the build cannot be resumed and no pool
    has it, unless a build that runs may begin to use it.
    """
    found = by_id.fetch(services.azure, version)
    state = resource_state.properties(found).get("provisioningState")
    if state != "Succeeded":
        return state != "Failed"
    outcome = services.records.outcome(build)
    if outcome is None or outcome.image is not None or outcome.resumable:
        return True
    has_pools = any(names.same(pool.image_id, version) for pool in services.records.pools())
    return has_pools or bool(services.records.running())


# -- the legacy managed image ---------------------------------------------------------------------


def _managed_id(plan: ImagePlan) -> str:
    name = names.managed_image(plan.build_id)
    kind = "Microsoft.Compute/images"
    return names.resource_id(plan.subscription_id, plan.resource_group, kind, name)


class _ManagedImage(Resource[ImagePlan]):
    """It is made from the builder."""

    def asked(self, services: Services, plan: ImagePlan, poll: PollState) -> Json:
        """Raises StepFailed if the builder is gone."""
        if lost := _lost_source(services, plan, poll):
            raise StepFailed(lost)
        return super().asked(services, plan, poll)


_managed_image = _ManagedImage(
    noun="managed image",
    calls=lambda azure: azure.compute.images,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, names.managed_image(plan.build_id)),
    id=_managed_id,
    body=image_bodies.managed_image,
)
create_managed_image = creation_of(
    "create_managed_image",
    _managed_image,
    ManagedImageReady,
    lambda observed: ManagedImageReady(image_id=observed.get("id")),
)
