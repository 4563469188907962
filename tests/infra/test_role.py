"""The roles of the deployment: what the app does needs all of it, and nothing else.

The scenarios run on a simulator that lets the deployed identity do only what the roles of the
template permit, each at the scope at which the template assigns it.
"""

from __future__ import annotations

import json
import re

import pytest

from local.azure_simulator.identity import authorization, permissions
from local.stack import layout
from tests.infra import deployed, scenarios, template
from tests.world import PERMITTED, World, image_only

ROLE = json.loads((template.INFRA / "role.json").read_text())


@pytest.fixture(scope="module")
def all_used() -> dict[str, set[str]]:
    """The permissions that let requests in over all scenarios, by role of role.json."""
    roles = authorization.Assigned()
    scenarios.in_one_group(deployed.world(template.DEFAULT, roles))
    scenarios.in_the_subscription(deployed.world(template.EVERYTHING, roles))
    found: dict[str, set[str]] = {}
    for name, action in roles.used:
        found.setdefault(name.split()[1], set()).add(action.lower())
    return found


def granted(role: str) -> set[str]:
    """The permissions of a role."""
    return {action.lower() for action in [*ROLE[role]["actions"], *ROLE[role]["dataActions"]]}


@pytest.mark.parametrize("role", ROLE)
def test_a_role_has_no_permission_that_nothing_needs(
    all_used: dict[str, set[str]], role: str
) -> None:
    """What is needed and not there has failed the scenarios before."""
    assert granted(role) - all_used[role] == set()


@pytest.mark.parametrize("role", ROLE)
def test_every_permission_names_an_activity_that_needs_it(role: str) -> None:
    """The reasons are for people who review the role: the module that they name is there."""
    modules = {path.stem for path in (layout.ROOT / "activities").glob("*.py")}
    for action, reason in {**ROLE[role]["actions"], **ROLE[role]["dataActions"]}.items():
        named = set(re.findall(r"[a-z_]+", reason)) & modules
        assert named, f"{action}: {reason}"
        assert "*" not in action


def without(role: str, action: str) -> World:
    """The app deployed with one permission less."""
    world = deployed.world(template.DEFAULT)
    for found in world.azure.store.of_type("Microsoft.Authorization/roleDefinitions"):
        if found.properties["roleName"].split()[1] == role:
            found.properties["permissions"][0]["actions"].remove(action)
    return world


def test_a_permission_that_is_missing_fails_the_build() -> None:
    """And the error names it: otherwise the scenarios would prove nothing."""
    action = "Microsoft.Compute/virtualMachines/write"
    build = without("builds", action).build(image_only(resourceGroup=deployed.GROUP))

    assert build["state"] == "failed"
    assert build["error"]["code"] == "PermissionMissing"
    assert action in build["error"]["message"]


def test_a_permission_on_a_linked_resource_fails_it_too() -> None:
    """Azure asks for rights on what a body names: here the builder's subnet."""
    action = "Microsoft.Network/virtualNetworks/subnets/join/action"
    build = without("builds", action).build(image_only(resourceGroup=deployed.GROUP))

    assert build["error"]["azureCode"] == "LinkedAuthorizationFailed"
    assert action in build["error"]["message"]


def test_a_story_fails_where_no_role_permits_a_request() -> None:
    """Every story is a scenario of the roles, too."""
    action = "Microsoft.Network/publicIPAddresses/write"
    build = World(authorization=authorization.Listed(PERMITTED - {action})).build(image_only())

    assert build["error"]["code"] == "PermissionMissing"
    assert action in build["error"]["message"]


def test_another_group_is_out_of_reach() -> None:
    """The template names the groups that the app may build in."""
    build = deployed.world(template.DEFAULT).build(image_only(resourceGroup="payroll"))

    assert build["state"] == "failed"
    assert build["error"]["code"] == "PermissionMissing"


@pytest.mark.parametrize(
    ("role", "status"),
    [("7f951dda-4ed3-4680-a7ca-43fe172d538d", 201), ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", 403)],
)
def test_the_app_gives_away_the_right_to_pull_and_nothing_else(role: str, status: int) -> None:
    """Whoever takes over the app cannot make anybody owner."""
    from azure.core.exceptions import HttpResponseError

    world = deployed.world(template.DEFAULT)
    calls = world.services.azure.authorization.role_assignments
    properties = {
        "roleDefinitionId": f"{deployed.SUBSCRIPTION}/providers/Microsoft.Authorization/"
        f"roleDefinitions/{role}",
        "principalId": "00000000-0000-0000-0000-0000000000aa",
        "principalType": "ServicePrincipal",
    }
    scope = f"{deployed.SUBSCRIPTION}/resourceGroups/{deployed.GROUP}"
    try:
        calls.create(scope, "00000000-0000-0000-0000-0000000000ab", {"properties": properties})
        answered = 201
    except HttpResponseError as error:
        answered = int(error.status_code or 0)
    assert answered == status


def test_permissions_are_named_as_azure_names_them() -> None:
    """A few whose names do not follow from the path alone."""
    from local.azure_simulator import model

    base = deployed.SUBSCRIPTION
    named = {
        ("GET", f"{base}/resourceGroups/g/resources"): (
            "Microsoft.Resources/subscriptions/resourceGroups/resources/read"
        ),
        ("GET", f"{base}/providers/Microsoft.Batch"): (
            "Microsoft.Resources/subscriptions/providers/read"
        ),
        ("POST", f"{base}/providers/Microsoft.Batch/register"): "Microsoft.Batch/register/action",
        ("POST", f"{base}/providers/Microsoft.ContainerRegistry/checkNameAvailability"): (
            "Microsoft.ContainerRegistry/checkNameAvailability/read"
        ),
        ("POST", f"{base}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v/start"): (
            "Microsoft.Compute/virtualMachines/start/action"
        ),
        ("GET", f"{base}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines"): (
            "Microsoft.Compute/virtualMachines/read"
        ),
    }
    for (method, path), action in named.items():
        first = permissions.of_arm(model.Request(method=method, path=path))[0]
        assert first.action == action
