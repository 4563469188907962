"""The builder's surroundings: resource group, NAT gateway with its address, virtual network."""

from __future__ import annotations

from activities.arm_resource import Resource, creation, removal
from shared.azure import bodies
from shared.base import names
from shared.model.plans import GroupPlan, ImagePlan

# Many builds share a group, so it is created only where it does not exist, and never changed.
ensure_resource_group = creation(
    "ensure_resource_group",
    Resource(
        noun="resource group",
        calls=lambda azure: azure.resources.resource_groups,
        plan=GroupPlan,
        path=lambda plan: (plan.name,),
        id=lambda plan: plan.name,
        body=lambda plan: bodies.resource_group(plan.location, bodies.lasting(plan.tags)),
        create_call="create_or_update",
    ),
)


_public_ip = Resource(
    noun="NAT gateway's public address",
    calls=lambda azure: azure.network.public_ip_addresses,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, names.public_ip(plan.build_id)),
    id=lambda plan: plan.public_ip_id,
    body=bodies.public_ip,
)
_nat_gateway = Resource(
    noun="NAT gateway",
    calls=lambda azure: azure.network.nat_gateways,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, names.nat_gateway(plan.build_id)),
    id=lambda plan: plan.nat_gateway_id,
    body=lambda plan: bodies.nat_gateway(plan, plan.public_ip_id),
)
_network = Resource(
    noun="builder's virtual network",
    calls=lambda azure: azure.network.virtual_networks,
    plan=ImagePlan,
    path=lambda plan: (plan.resource_group, names.network(plan.build_id)),
    id=lambda plan: plan.virtual_network_id,
    body=lambda plan: bodies.network(plan, plan.nat_gateway_id if plan.outbound == "nat" else None),
)


def _build(plan: ImagePlan) -> str:
    return plan.build_id


create_public_ip = creation("create_public_ip", _public_ip)
create_nat_gateway = creation("create_nat_gateway", _nat_gateway)
create_network = creation("create_network", _network)
remove_public_ip = removal("remove_public_ip", _public_ip, _build)
remove_nat_gateway = removal("remove_nat_gateway", _nat_gateway, _build)
remove_network = removal("remove_network", _network, _build)
