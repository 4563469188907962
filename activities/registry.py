"""The container registry: create it with an identity that may pull from it, and build an image in
it.

A registry that was there before may have repository permissions (`AbacRepositoryPermissions`). Then
it ignores the roles of registries, AcrPull among them, and a build in it has no access of its own.
https://learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions
"""

from __future__ import annotations

from activities.arm_resource import Resource, creation_of
from shared.azure import bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import names
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.image_parts import RegistryPlan
from shared.model.results import ContainerImageBuilt, PullIdentity, RegistryReady

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
_ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
_REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
_BUILD_MINUTES = 60


def _id(plan: RegistryPlan) -> str:
    return plan.registry_id


def _path(plan: RegistryPlan) -> tuple[str, str]:
    return plan.resource_group, plan.name


def _observe_registry(services: Services, plan: RegistryPlan) -> Json | None:
    return sdk.fetch(services.azure.registries.registries.get, *_path(plan))


def _has_repository_permissions(registry: Json | None) -> bool:
    mode = resource_state.properties(registry).get("roleAssignmentMode")
    return mode == "AbacRepositoryPermissions"


def _ready(observed: Json) -> RegistryReady | None:
    server = resource_state.properties(observed).get("loginServer")
    return RegistryReady(login_server=server) if server else None


create_registry = creation_of(
    "create_registry",
    Resource(
        noun="container registry",
        calls=lambda azure: azure.registries.registries,
        plan=RegistryPlan,
        path=_path,
        id=_id,
        body=bodies.registry,
        create_call="begin_create",
    ),
    RegistryReady,
    _ready,
)


@short_activity(
    RegistryPlan,
    PullIdentity,
    verb="create the identity that pulls images",
    subject=lambda _: names.PULL_IDENTITY,
)
def ensure_pull_identity(services: Services, plan: RegistryPlan, _: PollState) -> PullIdentity:
    """Create the identity with which builders and pools pull, where it does not exist. One that the
    request names is only looked up.
    """
    calls = services.azure.identities.user_assigned_identities
    path = (plan.identity_group or plan.resource_group, names.PULL_IDENTITY)
    if plan.identity_id:
        path = (plan.identity_id.split("/")[4], plan.identity_id.rpartition("/")[2])
    identity = sdk.fetch(calls.get, *path)
    if identity is None and plan.identity_id:
        raise StepFailed(_identity_gone(plan))
    if identity is None:
        from azure.mgmt.msi.models import Identity

        body = Identity(location=plan.location, tags=bodies.lasting(plan.tags))
        identity = sdk.send(calls.create_or_update, *path, body).body or {}
    found = identity["properties"]
    return PullIdentity(client_id=found["clientId"], principal_id=found["principalId"])


def _identity_gone(plan: RegistryPlan) -> Failure:
    return Failure(
        code="IdentityNotFound",
        kind=Kind.MISSING,
        message="The identity that is to pull from the registry does not exist any more.",
        resource=plan.identity_id,
        next_action="Name another in image.registry.identity, or none: then one is made.",
    )


@short_activity(RegistryPlan, NoResult, verb="let the identity pull from the registry", subject=_id)
def grant_pull(services: Services, plan: RegistryPlan, _: PollState) -> NoResult:
    """Grant the identity the role with which one pulls from this registry. The assignment's name
    derives from scope, identity and role, so a repeated grant is the same assignment.
    """
    from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters

    principal = plan.principal_id
    assert principal is not None, "the identity comes before the grant"
    registry = _observe_registry(services, plan)
    role = _REPOSITORY_READER if _has_repository_permissions(registry) else _ACR_PULL
    scope = _id(plan)
    kind = "/providers/Microsoft.Authorization/roleDefinitions/"
    body = RoleAssignmentCreateParameters(
        role_definition_id=f"/subscriptions/{plan.subscription_id}{kind}{role}",
        principal_id=principal,
        principal_type="ServicePrincipal",  # else a fresh identity is refused as not found
    )
    name = names.role_assignment(scope, principal, role)
    calls = services.azure.authorization.role_assignments
    if sdk.fetch(calls.get, scope, name) is None:
        sdk.send(calls.create, scope, name, body)
    return NoResult()


def revoke_pulls(services: Services, identity: Json) -> None:
    """Remove the grants of an identity that is about to be deleted: an assignment outlives its
    principal. Those that batch-prep did not make stay; their names are others.
    https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---role-assignments-with-identity-not-found
    """
    principal = identity["properties"]["principalId"]
    calls = services.azure.authorization.role_assignments
    for grant in sdk.listed(calls.list_for_subscription, filter=f"principalId eq '{principal}'"):
        scope, role = grant["properties"]["scope"], grant["properties"]["roleDefinitionId"]
        ours = names.role_assignment(scope, principal, role.rpartition("/")[2])
        if names.same(grant["name"], ours):
            sdk.send_delete(calls.delete, scope, ours)


def has_images(services: Services, registry: str) -> bool:
    """Whether anything is stored in a registry, by its id."""
    usages = services.azure.registries.registries.list_usages
    name = registry.rpartition("/")[2]
    found = (sdk.fetch(usages, names.group_of(registry), name) or {}).get("value") or []
    return [usage.get("currentValue") for usage in found if usage.get("name") == "Size"] != [0]


# -- building inside the registry -----------------------------------------------------------------

# Run states: https://learn.microsoft.com/rest/api/containerregistry/runs/get
_GOING = {"queued", "started", "running"}
_AS_CALLER = "asCaller"  # in the memory: the run logs in as the app
_PUSH_ROLE = (
    " This registry has repository permissions: a build pushes only if the app's identity has the "
    "role Container Registry Repository Writer there."
)


def _observe_run(services: Services, plan: RegistryPlan, poll: PollState) -> Json | None:
    """The run that this step has started, and before that the registry. A repeated start builds the
    same image again, which does no harm.
    """
    if not poll.operation:
        return _observe_registry(services, plan)
    return sdk.fetch(services.azure.registry_tasks.get_run, *_path(plan), poll.operation)


def _schedule(services: Services, plan: RegistryPlan, poll: PollState) -> Started:
    services.records.note_push(plan, plan.tags[names.TAG_BUILD])
    calls = services.azure.registry_tasks
    source = plan.build_source or _upload_context(services, plan)
    as_caller = bool(poll.memory.get(_AS_CALLER))
    body = bodies.registry_build(plan, source, _BUILD_MINUTES, as_caller=as_caller)
    answer = sdk.send(calls.schedule_run, *_path(plan), body)
    run = resource_state.properties(answer.body).get("runId")
    if not run:
        raise StepFailed(_build_failed(plan, "Azure gave no run id"))
    return Started(
        status=answer.status, body=answer.body, operation=run, retry_after=answer.retry_after
    )


def _upload_context(services: Services, plan: RegistryPlan) -> str:
    """Upload the context to the place that the registry names, and return its path there."""
    assert plan.build_context is not None, "a build has a source or a context"
    calls = services.azure.registry_tasks
    place = sdk.fetch(calls.get_build_source_upload_url, *_path(plan)) or {}
    services.azure.put_url(place["uploadUrl"], services.outbox.get_context(plan.build_context))
    return str(place["relativePath"])


def _decide_run(
    plan: RegistryPlan, observed: Json | None, poll: PollState
) -> Decision[ContainerImageBuilt]:
    if not poll.operation:
        memory = {_AS_CALLER: True} if _has_repository_permissions(observed) else None
        return Wait() if poll.started else Start(action="build", memory=memory)
    if observed is None:
        return Wait()
    found = resource_state.properties(observed)
    status = str(found.get("status", "")).lower()
    if status in _GOING:
        return Wait(note=f"the build is {status}")
    if status == "succeeded":
        digest = next((i.get("digest") for i in found.get("outputImages") or []), None)
        return Done(result=ContainerImageBuilt(image=plan.build_image, digest=digest))
    why = f"{status}: {found.get('runErrorMessage') or ''}"
    return Fail(failure=_build_failed(plan, why, _PUSH_ROLE if poll.memory.get(_AS_CALLER) else ""))


def _build_failed(plan: RegistryPlan, why: str, advice: str = "") -> Failure:
    return Failure(
        code="ContainerBuildFailed",
        kind=Kind.REFUSED,
        message=f"Could not build {plan.build_image} in registry {plan.name}: {why}",
        resource=_id(plan),
        next_action=f"Read the run's log in the registry and correct the source.{advice}",
    )


push_image = Reconciler(
    name="push_image",
    plan=RegistryPlan,
    result=ContainerImageBuilt,
    verb="build and push the container image",
    subject=_id,
    observe=_observe_run,
    decide=_decide_run,
    actions={"build": _schedule},
)
