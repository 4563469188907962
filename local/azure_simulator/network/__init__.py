"""Microsoft.Network: public addresses, NAT gateways, virtual networks, network interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.azure_simulator.network import (
    interfaces,
    nat_gateways,
    public_addresses,
    subnets,
    virtual_networks,
)

if TYPE_CHECKING:
    from local.azure_simulator import core


def register(azure: core.Simulator) -> None:
    for module in (public_addresses, nat_gateways, virtual_networks, subnets, interfaces):
        module.register(azure)
