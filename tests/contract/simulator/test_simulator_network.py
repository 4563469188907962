"""Networks: references that exist, one operation at a time, an order of deletion."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox, refused

ADDRESSES = "Microsoft.Network/publicIPAddresses"
GATEWAYS = "Microsoft.Network/natGateways"
NETWORKS = "Microsoft.Network/virtualNetworks"
INTERFACES = "Microsoft.Network/networkInterfaces"


def make_address(world: AzureSandbox, name: str = "address", sku: str = "Standard") -> str:
    body = {
        "location": LOCATION,
        "sku": {"name": sku},
        "properties": {"publicIPAllocationMethod": "Static"},
    }
    world.network.public_ip_addresses.begin_create_or_update(GROUP, name, body).result()
    return world.id(ADDRESSES, name)


def gateway_body(*address_ids: str, sku: str = "Standard") -> dict[str, Any]:
    addresses = [{"id": address_id} for address_id in address_ids]
    properties = {"publicIpAddresses": addresses}
    return {"location": LOCATION, "sku": {"name": sku}, "properties": properties}


def make_gateway(world: AzureSandbox) -> str:
    begin = world.network.nat_gateways.begin_create_or_update
    begin(GROUP, "nat", gateway_body(make_address(world))).result()
    return world.id(GATEWAYS, "nat")


def network_body(*subnets: dict[str, Any], prefix: str = "10.20.0.0/24") -> dict[str, Any]:
    return {
        "location": LOCATION,
        "properties": {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": list(subnets)},
    }


def subnet(name: str = "build", prefix: str = "10.20.0.0/25", **more: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"addressPrefix": prefix, **more}}


def interface_body(subnet_id: str, **more: Any) -> dict[str, Any]:
    properties = {"primary": True, "subnet": {"id": subnet_id}, **more}
    configurations = [{"name": "ip", "properties": properties}]
    return {"location": LOCATION, "properties": {"ipConfigurations": configurations}}


def make_interface(world: AzureSandbox, subnet_id: str, name: str = "nic") -> None:
    begin = world.network.network_interfaces.begin_create_or_update
    begin(GROUP, name, interface_body(subnet_id)).result()


# --- addresses and gateways ----------------------------------------------------------------


def test_an_address_gets_its_number_when_it_is_ready(world: AzureSandbox) -> None:
    """And costs from the beginning."""
    world.make_group()
    make_address(world)

    address = world.network.public_ip_addresses.get(GROUP, "address")

    assert address.provisioning_state == "Succeeded"
    assert address.ip_address.startswith("20.")
    assert world.listed()["address"]["costPerHour"] > 0


def test_a_standard_address_is_static(world: AzureSandbox) -> None:
    """Azure refuses a dynamic one."""
    world.make_group()
    body = {
        "location": LOCATION,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Dynamic"},
    }

    error = refused(
        world.network.public_ip_addresses.begin_create_or_update, GROUP, "address", body
    )

    assert error.error.code == "StandardSkuPublicIPAddressesMustBeStatic"


def test_a_gateway_is_standard(world: AzureSandbox) -> None:
    """There is no basic NAT gateway."""
    world.make_group()
    begin = world.network.nat_gateways.begin_create_or_update

    assert refused(begin, GROUP, "nat", gateway_body(sku="Basic")).status_code == 400


def test_a_gateway_needs_a_standard_address(world: AzureSandbox) -> None:
    """A basic address does not fit."""
    world.make_group()
    address = make_address(world, sku="Basic")
    begin = world.network.nat_gateways.begin_create_or_update

    assert refused(begin, GROUP, "nat", gateway_body(address)).status_code == 400


def test_a_gateway_needs_an_address_that_exists(world: AzureSandbox) -> None:
    """The usual answer to a dangling reference."""
    world.make_group()
    begin = world.network.nat_gateways.begin_create_or_update

    error = refused(begin, GROUP, "nat", gateway_body(world.id(ADDRESSES, "none")))

    assert (error.status_code, error.error.code) == (400, "InvalidResourceReference")


def test_an_address_in_use_stays(world: AzureSandbox) -> None:
    """First the gateway, then its address."""
    world.make_group()
    make_gateway(world)
    addresses, gateways = world.network.public_ip_addresses, world.network.nat_gateways

    error = refused(addresses.begin_delete, GROUP, "address")

    assert (error.status_code, error.error.code) == (400, "PublicIPAddressCannotBeDeleted")
    gateways.begin_delete(GROUP, "nat").result()
    addresses.begin_delete(GROUP, "address").result()


def test_a_gateway_in_use_stays(world: AzureSandbox) -> None:
    """First the subnet that uses it."""
    world.make_group()
    gateway = make_gateway(world)
    body = network_body(subnet(natGateway={"id": gateway}))
    world.network.virtual_networks.begin_create_or_update(GROUP, "net", body).result()

    assert refused(world.network.nat_gateways.begin_delete, GROUP, "nat").status_code == 400

    world.network.virtual_networks.begin_delete(GROUP, "net").result()
    world.network.nat_gateways.begin_delete(GROUP, "nat").result()


# --- networks and subnets ------------------------------------------------------------------


def test_new_subnets_are_private(world: AzureSandbox) -> None:
    """Network API 2025-07-01 and later: no outbound access unless it is asked for."""
    world.make_network(outbound=False)

    found = world.network.subnets.get(GROUP, "net", "build")

    assert found.default_outbound_access is False
    assert found.provisioning_state == "Succeeded"


def test_a_subnet_lies_within_its_network(world: AzureSandbox) -> None:
    """Else its addresses lead nowhere."""
    world.make_group()
    begin = world.network.virtual_networks.begin_create_or_update

    error = refused(begin, GROUP, "net", network_body(subnet(prefix="10.99.0.0/25")))

    assert (error.status_code, error.error.code) == (400, "NetcfgSubnetRangeOutsideVnet")


def test_a_network_has_addresses(world: AzureSandbox) -> None:
    """An empty address space is refused."""
    world.make_group()
    begin = world.network.virtual_networks.begin_create_or_update

    assert refused(begin, GROUP, "net", {"location": LOCATION}).status_code == 400


def test_a_subnet_refers_to_a_gateway_that_exists(world: AzureSandbox) -> None:
    """In the same region."""
    world.make_group()
    begin = world.network.virtual_networks.begin_create_or_update
    body = network_body(subnet(natGateway={"id": world.id(GATEWAYS, "none")}))

    assert refused(begin, GROUP, "net", body).error.code == "InvalidResourceReference"


def test_a_network_at_work_takes_no_second_write(world: AzureSandbox) -> None:
    """409 AnotherOperationInProgress; time cures it."""
    world.make_group()
    begin = world.network.virtual_networks.begin_create_or_update
    begin(GROUP, "net", network_body(subnet()), polling=False)

    error = refused(begin, GROUP, "net", network_body(subnet()))

    assert (error.status_code, error.error.code) == (409, "AnotherOperationInProgress")
    world.wait(60)
    begin(GROUP, "net", network_body(subnet())).result()


def test_a_network_at_work_is_not_deleted(world: AzureSandbox) -> None:
    """Nor anything that its operation touches."""
    world.make_group()
    networks = world.network.virtual_networks
    networks.begin_create_or_update(GROUP, "net", network_body(subnet()), polling=False)

    error = refused(networks.begin_delete, GROUP, "net")

    assert error.error.code == "AnotherOperationInProgress"


def test_a_network_in_use_stays(world: AzureSandbox) -> None:
    """First the interfaces, then the network."""
    subnet_id = world.make_network()
    make_interface(world, subnet_id)
    networks = world.network.virtual_networks

    error = refused(networks.begin_delete, GROUP, "net")

    assert (error.status_code, error.error.code) == (400, "InUseSubnetCannotBeDeleted")
    world.network.network_interfaces.begin_delete(GROUP, "nic").result()
    networks.begin_delete(GROUP, "net").result()


def test_a_put_without_a_used_subnet_is_refused(world: AzureSandbox) -> None:
    """PUT replaces: what it leaves out would be deleted."""
    subnet_id = world.make_network()
    make_interface(world, subnet_id)
    begin = world.network.virtual_networks.begin_create_or_update

    error = refused(begin, GROUP, "net", network_body())

    assert error.error.code == "InUseSubnetCannotBeDeleted"


def test_subnets_have_routes_of_their_own(world: AzureSandbox) -> None:
    """Created, listed and deleted beside those of the network's body."""
    world.make_network()
    subnets = world.network.subnets
    body = {"properties": {"addressPrefix": "10.20.0.128/25"}}

    made = subnets.begin_create_or_update(GROUP, "net", "pool", body).result()

    assert made.name == "pool"
    assert [item.name for item in subnets.list(GROUP, "net")] == ["build", "pool"]
    subnets.begin_delete(GROUP, "net", "pool").result()
    assert [item.name for item in subnets.list(GROUP, "net")] == ["build"]
    assert refused(subnets.get, GROUP, "net", "pool").error.code == "ResourceNotFound"


def test_a_used_subnet_is_not_deleted(world: AzureSandbox) -> None:
    """The same rule on its own route."""
    make_interface(world, world.make_network())

    error = refused(world.network.subnets.begin_delete, GROUP, "net", "build")

    assert error.error.code == "InUseSubnetCannotBeDeleted"


def test_a_subnet_write_waits_for_the_network(world: AzureSandbox) -> None:
    """They share one operation at a time."""
    world.make_group()
    begin = world.network.virtual_networks.begin_create_or_update
    begin(GROUP, "net", network_body(subnet()), polling=False)
    subnets = world.network.subnets
    body = {"properties": {"addressPrefix": "10.20.0.128/25"}}

    put = refused(subnets.begin_create_or_update, GROUP, "net", "pool", body)
    deleted = refused(subnets.begin_delete, GROUP, "net", "build")

    assert put.error.code == deleted.error.code == "AnotherOperationInProgress"


# --- interfaces ----------------------------------------------------------------------------


def test_an_interface_is_ready_at_once(world: AzureSandbox) -> None:
    """201 and Succeeded, with the operation's header all the same."""
    subnet_id = world.make_network()
    path = f"{world.id(INTERFACES, 'nic')}?api-version=2025-05-01"

    answer = world.send("PUT", path, interface_body(subnet_id))

    assert answer.status == 201
    assert answer.json()["properties"]["provisioningState"] == "Succeeded"
    assert "Azure-AsyncOperation" in answer.headers


def test_an_interface_needs_its_subnet(world: AzureSandbox) -> None:
    """A dangling reference again."""
    world.make_group()
    begin = world.network.network_interfaces.begin_create_or_update
    body = interface_body(world.id(NETWORKS, "none/subnets/none"))

    assert refused(begin, GROUP, "nic", body).error.code == "InvalidResourceReference"


def test_an_interface_needs_its_public_address(world: AzureSandbox) -> None:
    """The other reference."""
    subnet_id = world.make_network()
    begin = world.network.network_interfaces.begin_create_or_update
    body = interface_body(subnet_id, publicIPAddress={"id": world.id(ADDRESSES, "none")})

    assert refused(begin, GROUP, "nic", body).error.code == "InvalidResourceReference"


def test_a_subnet_fills_up(world: AzureSandbox) -> None:
    """Azure keeps five addresses of each: a /29 holds three."""
    subnet_id = world.make_network(prefix="10.20.0.0/29")
    for number in range(3):
        make_interface(world, subnet_id, f"nic{number}")

    error = refused(make_interface, world, subnet_id, "nic3")

    assert (error.status_code, error.error.code) == (400, "SubnetIsFull")


def test_writing_an_interface_again_needs_no_more_room(world: AzureSandbox) -> None:
    """An update of the third is not a fourth."""
    subnet_id = world.make_network(prefix="10.20.0.0/29")
    for number in range(3):
        make_interface(world, subnet_id, f"nic{number}")
    world.wait(60)

    make_interface(world, subnet_id, "nic2")


def test_an_interface_in_use_stays(world: AzureSandbox) -> None:
    """First the machine."""
    world.make_vm()
    (name,) = [item.name for item in world.network.network_interfaces.list(GROUP)]

    error = refused(world.network.network_interfaces.begin_delete, GROUP, name)

    assert (error.status_code, error.error.code) == (400, "NicInUse")


@pytest.mark.parametrize("kind", ["address", "nat"])
def test_every_paid_thing_is_listed_with_its_cost(world: AzureSandbox, kind: str) -> None:
    """What a failed cleanup costs must be seen."""
    world.make_group()
    make_gateway(world)

    assert world.listed()[kind]["costPerHour"] > 0
