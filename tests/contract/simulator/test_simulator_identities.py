"""User-assigned identities and role assignments."""

from typing import Any

from azure.mgmt.authorization import models
from azure_sandbox import GROUP, LOCATION, AzureSandbox, refused

from local.azure_simulator.identity import role_assignments

PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def make_identity(world: AzureSandbox) -> Any:
    world.make_group()
    identities = world.identities.user_assigned_identities
    return identities.create_or_update(GROUP, "pull", {"location": LOCATION})


def assign(
    world: AzureSandbox,
    principal: str,
    name: str = "1" * 8,
    *,
    kind: str | None = "ServicePrincipal",
) -> Any:
    role = f"/subscriptions/{world.azure.subscription}/providers/Microsoft.Authorization"
    parameters = models.RoleAssignmentCreateParameters(
        role_definition_id=f"{role}/roleDefinitions/{PULL}",
        principal_id=principal,
        principal_type=kind,
    )
    guid = f"{name}-1111-1111-1111-111111111111"
    return world.authorization.role_assignments.create(world.group_id(), guid, parameters)


def test_an_identity_keeps_its_ids(world: AzureSandbox) -> None:
    """PUT is plain and repeatable."""
    first = make_identity(world)
    second = make_identity(world)

    assert first.principal_id != first.client_id
    assert (first.principal_id, first.client_id) == (second.principal_id, second.client_id)


def test_a_deleted_identity_is_gone(world: AzureSandbox) -> None:
    """Twice is harmless."""
    make_identity(world)
    identities = world.identities.user_assigned_identities

    identities.delete(GROUP, "pull")
    identities.delete(GROUP, "pull")

    assert refused(identities.get, GROUP, "pull").error.code == "ResourceNotFound"


def test_a_role_is_assigned_once(world: AzureSandbox) -> None:
    """409 RoleAssignmentExists means that all is well."""
    identity = make_identity(world)
    made = assign(world, identity.principal_id)

    error = refused(assign, world, identity.principal_id, "2" * 8)

    assert made.scope == world.group_id()
    assert (error.status_code, error.error.code) == (409, "RoleAssignmentExists")


def test_a_fresh_principal_needs_its_type(world: AzureSandbox) -> None:
    """The directory does not know it yet; later it does."""
    identity = make_identity(world)

    error = refused(assign, world, identity.principal_id, kind=None)

    assert (error.status_code, error.error.code) == (400, "PrincipalNotFound")
    world.wait(600)
    assign(world, identity.principal_id, kind=None)


def test_a_role_works_after_a_while(world: AzureSandbox) -> None:
    """Propagation takes minutes; then it holds for everything below the scope."""
    identity = make_identity(world)
    assign(world, identity.principal_id)
    below = world.id("Microsoft.ContainerRegistry/registries", "acr")

    def holds(scope: str) -> bool:
        world.azure.settle()
        return role_assignments.holds(world.azure, identity.principal_id, PULL, scope)

    assert not holds(below)
    world.wait(900)
    assert holds(below)
    assert not holds(world.group_id("other"))


def test_assignments_are_listed_by_scope_and_principal(world: AzureSandbox) -> None:
    """As the app looks before it assigns."""
    identity = make_identity(world)
    assign(world, identity.principal_id)
    listing = world.authorization.role_assignments.list_for_scope

    mine = listing(world.group_id(), filter=f"principalId eq '{identity.principal_id}'")
    other = listing(world.group_id(), filter="principalId eq 'other'")

    assert [item.principal_id for item in mine] == [identity.principal_id]
    assert list(other) == []
    subscription = world.authorization.role_assignments.list_for_subscription
    below = subscription(filter=f"principalId eq '{identity.principal_id}'")
    assert [item.principal_id for item in below] == [identity.principal_id]
    assert list(subscription(filter="atScope()")) == []


def test_a_removed_assignment_holds_no_more(world: AzureSandbox) -> None:
    """DELETE is plain; a second one is harmless."""
    identity = make_identity(world)
    made = assign(world, identity.principal_id)
    delete = world.authorization.role_assignments.delete

    delete(world.group_id(), made.name)
    delete(world.group_id(), made.name)

    assert list(world.authorization.role_assignments.list_for_scope(world.group_id())) == []


def test_a_scope_must_exist(world: AzureSandbox) -> None:
    """Roles on what is not there help nobody."""
    assert refused(assign, world, "principal").error.code == "ResourceGroupNotFound"
