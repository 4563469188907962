"""Deployments of templates: what they make, in which order, and how they end."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis
import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox
from hypothesis import strategies as st

from local.azure_simulator import model
from local.azure_simulator.resources import templates

VERSION = "?api-version=2025-04-01"
NETWORK = "Microsoft.Network"


def resource(kind: str, name: str, **more: Any) -> dict[str, Any]:
    common = {"type": kind, "apiVersion": "2025-05-01", "name": name, "location": LOCATION}
    return {**common, "properties": {}, **more}


def network(**more: Any) -> dict[str, Any]:
    subnets = [{"name": "build", "properties": {"addressPrefix": "10.0.0.0/25"}}]
    space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/24"]}, "subnets": subnets}
    return resource(f"{NETWORK}/virtualNetworks", "net", properties=space, **more)


def deploy(world: AzureSandbox, *resources: Any, **template: Any) -> Any:
    """The answer to a new deployment `d`."""
    world.make_group()
    parameters = template.pop("given", {})
    body = {"mode": "Incremental", "template": {"resources": list(resources), **template}}
    path = world.id("Microsoft.Resources/deployments", "d")
    return world.send("PUT", path + VERSION, {"properties": {**body, "parameters": parameters}})


def deployed(world: AzureSandbox) -> Any:
    """What became of it."""
    world.wait(900)
    return world.send("GET", world.id("Microsoft.Resources/deployments", "d") + VERSION).json()


def test_resources_are_made_after_those_that_they_depend_on(world: AzureSandbox) -> None:
    """An interface that is written first waits for its network."""
    subnet = "[concat(resourceId('Microsoft.Network/virtualNetworks', 'net'), '/subnets/build')]"
    configuration = {"name": "ip", "properties": {"subnet": {"id": subnet}}}
    nic = resource(
        f"{NETWORK}/networkInterfaces",
        "nic",
        dependsOn=["Microsoft.Network/virtualNetworks/net"],
        properties={"ipConfigurations": [configuration]},
    )

    answer = deploy(world, nic, network())
    properties = deployed(world)["properties"]

    assert (answer.status, answer.json()["properties"]["provisioningState"]) == (201, "Accepted")
    assert properties["provisioningState"] == "Succeeded"
    made = [item["id"].rpartition("/")[2] for item in properties["outputResources"]]
    assert made == ["net", "nic"]
    nic_made = world.network.network_interfaces.get(GROUP, "nic")
    assert nic_made.ip_configurations[0].private_ip_address == "10.0.0.4"


def test_parameters_variables_and_outputs(world: AzureSandbox) -> None:
    """A secure parameter never comes back."""
    answer = deploy(
        world,
        resource(f"{NETWORK}/networkSecurityGroups", "[variables('name')]"),
        parameters={
            "stem": {"type": "string", "defaultValue": "a"},
            "secret": {"type": "secureString"},
        },
        variables={"name": "[toLower(format('{0}-{1}', parameters('stem'), 'RULES'))]"},
        outputs={"made": {"type": "string", "value": "[variables('name')]"}},
        given={"stem": {"value": "b"}, "secret": {"value": "hidden"}},
    )
    properties = deployed(world)["properties"]

    assert b"hidden" not in answer.body
    assert properties["outputs"]["made"]["value"] == "b-rules"
    assert world.network.network_security_groups.get(GROUP, "b-rules").default_security_rules


def test_an_output_of_a_parameter_without_a_value_is_refused_at_once(world: AzureSandbox) -> None:
    """Also where no resource needs the parameter."""
    answer = deploy(
        world,
        parameters={"stem": {"type": "string"}},
        outputs={"made": {"type": "string", "value": "[parameters('stem')]"}},
    )
    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidTemplate")


def test_a_refused_resource_ends_the_deployment_and_is_among_its_details(
    world: AzureSandbox,
) -> None:
    """What was made before it stays."""
    address = resource(
        f"{NETWORK}/publicIPAddresses",
        "ip",
        sku={"name": "Standard"},
        properties={"publicIPAllocationMethod": "Dynamic"},
        dependsOn=["net"],
    )

    answer = deploy(world, network(), address)
    state = deployed(world)["properties"]["provisioningState"]
    error = world.send("GET", answer.headers["Azure-AsyncOperation"]).json()["error"]

    assert (state, error["code"]) == ("Failed", "DeploymentFailed")
    assert error["details"][0]["code"] == "StandardSkuPublicIPAddressesMustBeStatic"
    assert world.network.virtual_networks.get(GROUP, "net").provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("[parameters('none')]", "the template parameter 'none' is not provided"),
        ("[reverse('a')]", "the function 'reverse' is not known here"),
        ("[concat('a']", "ends too early"),
    ],
)
def test_a_template_that_cannot_be_read_is_refused(
    world: AzureSandbox, expression: str, problem: str
) -> None:
    """Before anything is made."""
    answer = deploy(world, resource(f"{NETWORK}/networkSecurityGroups", expression))

    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidTemplate")
    assert problem in answer.json()["error"]["message"]


def test_resources_that_wait_for_each_other_are_refused(world: AzureSandbox) -> None:
    kind = f"{NETWORK}/networkSecurityGroups"

    first, second = (resource(kind, name, dependsOn=[other]) for name, other in ("ab", "ba"))
    answer = deploy(world, first, second)

    assert "Circular dependency" in answer.json()["error"]["message"]


def test_a_security_group_cannot_be_deleted_while_an_interface_uses_it(
    world: AzureSandbox,
) -> None:
    group = f"{world.group_id()}/providers/{NETWORK}/networkSecurityGroups/rules"
    world.make_network()
    made = resource(f"{NETWORK}/networkSecurityGroups", "rules")
    subnet = f"{world.group_id()}/providers/{NETWORK}/virtualNetworks/net/subnets/build"
    nic = resource(
        f"{NETWORK}/networkInterfaces",
        "nic",
        dependsOn=["rules"],
        properties={
            "networkSecurityGroup": {"id": group},
            "ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}],
        },
    )
    deploy(world, made, nic)
    deployed(world)

    answer = world.send("DELETE", f"{group}{VERSION}")

    assert answer.json()["error"]["code"] == "InUseNetworkSecurityGroupCannotBeDeleted"


def test_a_rule_is_added_to_a_security_group_and_removed(world: AzureSandbox) -> None:
    deploy(world, resource(f"{NETWORK}/networkSecurityGroups", "rules"))
    deployed(world)
    rules = world.network.security_rules
    allowed = {"access": "Allow", "direction": "Inbound", "priority": 100, "protocol": "Tcp"}

    rules.begin_create_or_update(GROUP, "rules", "ssh", {"properties": allowed}).result()

    assert [rule.name for rule in rules.list(GROUP, "rules")] == ["ssh"]
    assert rules.get(GROUP, "rules", "ssh").priority == 100
    rules.begin_delete(GROUP, "rules", "ssh").result()
    assert list(rules.list(GROUP, "rules")) == []


def test_the_operations_of_a_deployment_name_what_it_makes(world: AzureSandbox) -> None:
    """Their address has no `providers` in it."""
    deploy(world, network())
    deployed(world)

    path = f"{world.group_id()}/deployments/d/operations{VERSION}"
    (made,) = world.send("GET", path).json()["value"]

    assert made["properties"]["provisioningState"] == "Succeeded"
    assert made["properties"]["targetResource"]["resourceName"] == "net"


WORDS = ("concat", "parameters", "resourceId", "format", "if", "(", ")", "[", "]", "'a/b'", "'{0}'",
         ",", ".", " ", "1", "'", "id", "subscription()")  # fmt: skip


@hypothesis.given(words=st.lists(st.sampled_from(WORDS), max_size=8))
def test_no_expression_is_an_error_of_the_simulator(words: list[str]) -> None:
    """Whatever is written between the brackets has a value or is refused."""
    group = "/subscriptions/s/resourceGroups/g"
    made = resource(f"{NETWORK}/publicIPAddresses", f"[{''.join(words)}]")
    with contextlib.suppress(model.Refusal):
        templates.read({"resources": [made]}, {}, group, LOCATION)


def test_what_refers_to_itself_is_refused(world: AzureSandbox) -> None:
    answer = deploy(
        world,
        resource(f"{NETWORK}/networkSecurityGroups", "[variables('a')]"),
        variables={"a": "[variables('b')]", "b": "[variables('a')]"},
    )

    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidTemplate")
