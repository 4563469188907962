"""The objects inside a pool's body: what Azure refuses of them, and what nodes make of the rest."""

from __future__ import annotations

import pytest
from azure_sandbox import GROUP, refused
from batch_sandbox import ACCOUNT, BatchSandbox, details, fixed_scale, patch_pool, start_task

pytestmark = pytest.mark.usefixtures("account")

USER = {"name": "worker", "password": "p"}
ELSEWHERE = {"resourceId": "/subscriptions/s/x"}
BLOB = {"accountName": "a", "containerName": "c", "relativeMountPath": "data"}
NFS = {"nfsMountConfiguration": {"source": "a:/b", "relativeMountPath": "data"}}


def files(**file: object) -> dict[str, object]:
    """A start task with one resource file."""
    return {"startTask": {"commandLine": "true", "resourceFiles": [file]}}


def users(*accounts: object) -> dict[str, object]:
    return {"userAccounts": [*accounts]}


def endpoint(**changes: object) -> dict[str, object]:
    """A pool with one endpoint for SSH."""
    ports = {"frontendPortRangeStart": 1000, "frontendPortRangeEnd": 1100}
    nat = {"name": "ssh", "protocol": "TCP", "backendPort": 22, **ports, **changes}
    return {"networkConfiguration": {"endpointConfiguration": {"inboundNatPools": [nat]}}}


def public(**addresses: object) -> dict[str, object]:
    return {"networkConfiguration": {"publicIPAddressConfiguration": addresses}}


REFUSED = {
    "two users of one name": ("userAccounts", users(USER, USER)),
    "a long name": ("userAccounts", users({**USER, "name": "x" * 21})),
    "an elevation": ("elevationLevel", users({**USER, "elevationLevel": "Root"})),
    "half an id": (
        "linuxUserConfiguration",
        users({**USER, "linuxUserConfiguration": {"uid": 1}}),
    ),
    "no such user": (
        "startTask.userIdentity.userName",
        {"startTask": {"commandLine": "true", "userIdentity": {"userName": "nobody"}}},
    ),
    "no source": ("resourceFiles", files(filePath="f")),
    "two sources": (
        "resourceFiles",
        files(httpUrl="https://a/b", storageContainerUrl="https://a/b", filePath="f"),
    ),
    "blobs of a file": ("blobPrefix", files(httpUrl="https://a/b", filePath="f", blobPrefix="b")),
    "another's identity": (
        "resourceFiles",
        files(storageContainerUrl="https://a/b", identityReference=ELSEWHERE),
    ),
    "an empty mount": ("mountConfiguration", {"mountConfiguration": [{}]}),
    "a mount without a key": (
        "mountConfiguration",
        {"mountConfiguration": [{"azureBlobFileSystemConfiguration": BLOB}]},
    ),
    "a mount with another's identity": (
        "mountConfiguration",
        {
            "mountConfiguration": [
                {"azureBlobFileSystemConfiguration": {**BLOB, "identityReference": ELSEWHERE}}
            ]
        },
    ),
    "two mounts in one place": ("relativeMountPath", {"mountConfiguration": [NFS, NFS]}),
    "a way to addresses": (
        "publicIPAddressConfiguration.provision",
        public(provision="Sometimes"),
    ),
    "own addresses without any": ("publicIPAddressConfiguration", public(provision="UserManaged")),
    "no addresses without a subnet": (
        "publicIPAddressConfiguration",
        public(provision="NoPublicIPAddresses"),
    ),
    "few ports": ("frontendPortRange", endpoint(frontendPortRangeEnd=1010)),
    "reserved ports": (
        "frontendPortRange",
        endpoint(frontendPortRangeStart=49_990, frontendPortRangeEnd=50_100),
    ),
    "a reserved port": ("backendPort", endpoint(backendPort=29876)),
    "a protocol": ("protocol", endpoint(protocol="ICMP")),
    "a placement": ("placement", {"os_disk": {"ephemeralOSDiskSettings": {"placement": "Nvme"}}}),
    "a disk type": (
        "storageAccountType",
        {"os_disk": {"managedDisk": {"storageAccountType": "UltraSSD_LRS"}}},
    ),
    "one unit for two disks": (
        "dataDisks.lun",
        {"data_disks": [{"lun": 0, "diskSizeGB": 8}, {"lun": 0, "diskSizeGB": 8}]},
    ),
    "many data disks": (
        "dataDisks",
        {"data_disks": [{"lun": unit, "diskSizeGB": 8} for unit in range(9)]},
    ),
    "encryption": ("diskEncryptionConfiguration", {"encryption": {"targets": ["OsDisk"]}}),
    "a placement of nodes": (
        "nodePlacementConfiguration.policy",
        {"placement": {"policy": "Worldwide"}},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_part_that_can_never_be_is_refused(world: BatchSandbox, case: str) -> None:
    """400 at once, with the property's name, and no pool."""
    named, changes = REFUSED[case]
    error = refused(world.make_pool, **changes)
    assert (error.status_code, error.error.code) == (400, "InvalidPropertyValue")
    assert details(error)["PropertyName"] == named
    assert refused(world.pool).status_code == 404


def test_a_file_needs_a_path(world: BatchSandbox) -> None:
    """Batch does not take it from the URL."""
    error = refused(world.make_pool, **files(httpUrl="https://a/b"))
    assert error.error.code == "MissingRequiredProperty"


def test_a_region_without_zones_has_no_zonal_pools() -> None:
    """Said when the pool is made."""
    world = BatchSandbox()
    world.make_account(location="westus")
    error = refused(world.make_pool, placement={"policy": "Zonal"})
    assert "no availability zones" in details(error)["Reason"]


def test_infiniband_does_not_reach_other_zones(world: BatchSandbox) -> None:
    """A zonal pool of a size with InfiniBand has no inter-node communication; others may."""
    zonal = {"placement": {"policy": "Zonal"}, "nodes": 0}
    talking = {**zonal, "interNodeCommunication": "Enabled"}
    error = refused(world.make_pool, size="Standard_ND40rs_v2", **talking)
    assert details(error)["PropertyName"] == "policy"
    assert world.make_pool("silent", size="Standard_ND40rs_v2", **zonal).name == "silent"
    assert world.make_pool("plain", **talking).name == "plain"


def test_nodes_of_two_kinds_do_not_talk_to_each_other(world: BatchSandbox) -> None:
    """Neither in a new pool nor by a resize."""
    error = refused(world.make_pool, interNodeCommunication="Enabled", low_priority=1)
    assert error.status_code == 400
    assert "both TargetDedicatedNodes and TargetLowPriorityNodes" in str(error)
    world.make_pool(interNodeCommunication="Enabled", nodes=0)
    world.await_steady()
    both = fixed_scale(1, targetLowPriorityNodes=1)
    assert refused(patch_pool, world, scaleSettings=both).status_code == 400


def test_a_user_without_a_password_is_refused(world: BatchSandbox) -> None:
    """Azure insists on one, also for Linux."""
    assert refused(world.make_pool, **users({"name": "worker"})).status_code == 400


def test_a_password_is_never_shown(world: BatchSandbox) -> None:
    """The account's name is."""
    pool = world.make_pool(nodes=0, **users(USER)).as_dict()
    assert pool["properties"]["userAccounts"] == [{"name": "worker"}]


def test_own_addresses_are_static_and_there(world: BatchSandbox) -> None:
    """Others would fail when nodes are allocated."""
    subnet = world.make_network()
    error = refused(
        world.make_pool,
        networkConfiguration={
            "subnetId": subnet,
            "publicIPAddressConfiguration": {
                "provision": "UserManaged",
                "ipAddressIds": [world.id("Microsoft.Network/publicIPAddresses", "none")],
            },
        },
    )
    assert details(error)["PropertyName"] == "ipAddressIds"


def test_each_node_has_a_port_at_each_endpoint(world: BatchSandbox) -> None:
    """Of the range that the pool names."""
    world.make_pool(nodes=2, **endpoint())
    ports = [
        node.endpoint_configuration.inbound_endpoints[0].frontend_port
        for node in world.await_nodes()
    ]
    assert sorted(ports) in ([1000, 1001], [1001, 1002])


def test_an_ephemeral_disk_must_fit_the_cache_of_the_size(world: BatchSandbox) -> None:
    """Compute says so when nodes are allocated."""
    disk = {"ephemeralOSDiskSettings": {"placement": "CacheDisk"}}
    world.make_pool(size="Standard_D2ds_v5", os_disk=disk)
    (error,) = world.await_steady().resize_operation_status.errors
    assert "DiffDiskPlacement is CacheDisk" in str(error.as_dict())


def test_a_start_task_that_is_changed_needs_its_user_too(world: BatchSandbox) -> None:
    """A PATCH of it alone is checked against the accounts of the pool."""
    world.make_pool(nodes=0, **users(USER))
    world.await_steady()
    patch_pool(world, startTask={"commandLine": "true", "userIdentity": {"userName": "worker"}})
    changed = {"commandLine": "true", "userIdentity": {"userName": "nobody"}}
    error = refused(
        world.batch.pool.update, GROUP, ACCOUNT, "dev", {"properties": {"startTask": changed}}
    )
    assert error.status_code == 400


def test_resource_files_are_in_the_working_directory(world: BatchSandbox) -> None:
    """Before the command runs."""
    task = start_task("true") | {"resourceFiles": [{"httpUrl": "https://a/b", "filePath": "d/f"}]}
    world.make_pool(start_task=task)
    (node,) = world.await_nodes()
    names = [file.name for file in world.service().list_node_files("dev", node.id, recursive=True)]
    assert "startup/wd/d/f" in names
