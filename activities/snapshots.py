"""The snapshot of the sealed builder's disk, from which Azure copies the image version. With it the
builder and its network can go while Azure copies (docs/decisions/0008-copy-from-a-snapshot.md).
"""

from __future__ import annotations

from activities import builder_vm
from activities.arm_resource import Resource, build_of, creation, is_tagged, removal
from shared.azure import by_id, image_bodies, resource_state, sdk
from shared.base import names, resource_types
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine.activity import Json, PollState, Services
from shared.model.plans import ImagePlan


def _source(services: Services, plan: ImagePlan, poll: PollState) -> str:
    """The id of the builder's disk, which has a name that Azure chose."""
    vm = builder_vm.observe(services, plan, poll)
    if vm is None:
        raise StepFailed(builder_vm.lost(plan))
    if resource_state.power_state(vm) in {"starting", "running"}:
        raise StepFailed(builder_vm.booted(plan))
    storage = resource_state.properties(vm)["storageProfile"]
    return str(storage["osDisk"]["managedDisk"]["id"])


class _Snapshot(Resource[ImagePlan]):
    """Its body names the disk, which is looked up when the snapshot is taken."""

    def asked(self, services: Services, plan: ImagePlan, poll: PollState) -> Json:
        """Raises StepFailed if the builder is gone or runs."""
        return image_bodies.snapshot(plan, _source(services, plan, poll))


_snapshot = _Snapshot(
    noun="snapshot of the builder's disk",
    calls=lambda azure: azure.compute.snapshots,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, names.snapshot(plan.build_id)),
    id=lambda plan: plan.snapshot_id,
    body=lambda plan: image_bodies.snapshot(plan, ""),
)


def observe(services: Services, plan: ImagePlan, poll: PollState) -> Json | None:
    """The snapshot, or None."""
    return _snapshot.observe(services, plan, poll)


def lost(plan: ImagePlan) -> Failure:
    """The failure of a step whose snapshot does not exist any more."""
    return Failure(
        code="SnapshotLost",
        kind=Kind.MISSING,
        message=f"The snapshot {names.snapshot(plan.build_id)} of the builder's disk, from which "
        "Azure copies the image version, is gone: it was deleted from outside.",
        resource=plan.snapshot_id,
        next_action="Start a new build: this one cannot go on without it.",
    )


def _conflict(plan: ImagePlan, observed: Json) -> str | None:
    return None if is_tagged(observed, plan.build_id) else "it is not this build's"


def is_copied(services: Services, build: str) -> bool:
    """Whether Azure copies an image version from the build's snapshot; the build may have died
    since.
    """
    versions = f"resourceType eq '{resource_types.IMAGE_VERSION}'"
    listed = sdk.listed(services.azure.resources.resources.list, filter=versions)
    own = (version["id"] for version in listed if build_of(version) == build)
    return not all(resource_state.is_settled(by_id.fetch(services.azure, id_)) for id_ in own)


take_snapshot = creation("take_snapshot", _snapshot, conflict=_conflict)
remove_snapshot = removal("remove_snapshot", _snapshot, lambda plan: plan.build_id)
