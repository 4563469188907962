"""What network, disks and mounts of a pool allow by themselves, but not beside the others. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.base.errors import Problem
from shared.model.field_problems import impossible, twice
from shared.model.pool_hardware import InboundNatPool
from shared.model.pool_request import Pool

# https://learn.microsoft.com/rest/api/batchmanagement/pool/create (InboundNatPool)
_RESERVED_BACKEND = (29876, 29877)
_RESERVED_FRONTEND = range(50_000, 55_001)
_PORTS_MIN = 40
_RULES_MAX = 25
_NODES_OF_AN_ADDRESS = 100  # dedicated, and as many spot nodes


def problems_of(pool: Pool, field: str) -> Iterator[Problem]:
    """Every combination in the pool at `field` that cannot work."""
    yield from _mount_problems(pool, f"{field}.mountConfiguration")
    yield from _address_problems(pool, f"{field}.publicIPAddressConfiguration")
    if pool.endpoint_configuration:
        nat_pools = pool.endpoint_configuration.inbound_nat_pools
        yield from _endpoint_problems(nat_pools, f"{field}.endpointConfiguration.inboundNatPools")
    yield from twice(f"{field}.dataDisks", [f"lun {disk.lun}" for disk in pool.data_disks])


def _mount_problems(pool: Pool, field: str) -> Iterator[Problem]:
    paths = []
    for index, mount in enumerate(pool.mount_configuration):
        systems = (mount.azure_blob_file_system_configuration, mount.nfs_mount_configuration)
        given = [system for system in systems if system]
        paths += [system.relative_mount_path for system in given]
        if len(given) != 1:
            message = "give azureBlobFileSystemConfiguration or nfsMountConfiguration, exactly one"
            yield impossible(f"{field}[{index}]", message)
    yield from twice(field, paths)


def _address_problems(pool: Pool, field: str) -> Iterator[Problem]:
    public = pool.public_ip_address_configuration
    if public is None:
        return
    addresses = len(public.ip_address_ids)
    if (public.provision == "UserManaged") != bool(addresses):
        yield impossible(f"{field}.ipAddressIds", "UserManaged has addresses, and only that has")
    if public.provision != "BatchManaged" and not pool.subnet_id:
        message = f"{public.provision} needs a subnet with a way to Batch: give subnetId"
        yield impossible(f"{field}.provision", message)
    if public.provision == "NoPublicIPAddresses" and pool.endpoint_configuration:
        message = (
            "nodes without public addresses have no endpoints: leave endpointConfiguration out"
        )
        yield impossible(f"{field}.provision", message)
    most = addresses * _NODES_OF_AN_ADDRESS
    nodes = max(pool.most_nodes)
    if addresses and nodes > most:
        message = f"one address serves {_NODES_OF_AN_ADDRESS} nodes of a kind: {nodes} need more"
        yield impossible(f"{field}.ipAddressIds", message)


def _endpoint_problems(nat_pools: Sequence[InboundNatPool], field: str) -> Iterator[Problem]:
    yield from twice(field, [each.name for each in nat_pools])
    yield from twice(field, [f"backendPort {each.backend_port}" for each in nat_pools])
    rules = sum(len(each.network_security_group_rules) for each in nat_pools)
    if rules > _RULES_MAX:
        yield impossible(field, f"a pool has {_RULES_MAX} rules at most, not {rules}")
    taken: list[range] = [_RESERVED_FRONTEND]
    for index, each in enumerate(nat_pools):
        own = f"{field}[{index}]"
        if each.backend_port in _RESERVED_BACKEND:
            yield impossible(f"{own}.backendPort", f"Batch itself uses {each.backend_port}")
        ports = range(each.frontend_port_range_start, each.frontend_port_range_end + 1)
        if len(ports) < _PORTS_MIN:
            message = f"a range has {_PORTS_MIN} ports at least"
            yield impossible(f"{own}.frontendPortRangeEnd", message)
        elif any(ports[0] <= other[-1] and other[0] <= ports[-1] for other in taken):
            message = "the range overlaps another one, or Batch's own from 50000 to 55000"
            yield impossible(f"{own}.frontendPortRangeStart", message)
        else:
            taken.append(ports)
