"""Microsoft.Network: public addresses, NAT gateways, security groups, networks, interfaces."""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.network import (
    interfaces,
    nat_gateways,
    public_addresses,
    security_groups,
    subnets,
    virtual_networks,
)


def register(azure: context.Azure) -> None:
    for module in (
        public_addresses,
        nat_gateways,
        security_groups,
        virtual_networks,
        subnets,
        interfaces,
    ):
        module.register(azure)
