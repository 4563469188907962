"""Everything that people ask of a pool reaches Azure, and the nodes answer to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_pool_updates import a_subnet, writes
from tests.stories.test_pools import ACCOUNT, azure_pool
from tests.world import SETTINGS, World, a_pool, a_request, an_image, pools_only

Json = dict[str, Any]
GROUP = f"/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}/resourceGroups/images/providers"
TEAM = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/team"


def scaling(**changes: Any) -> Json:
    """A pool that scales itself."""
    pool = a_pool("dev", **changes)
    del pool["nodes"]
    return pool


def an_identity(world: World) -> str:
    """An identity of the team's own."""
    calls = world.services.azure.identities.user_assigned_identities
    calls.create_or_update("images", "team", {"location": "eastus"})
    return TEAM


def start_task_of(world: World, pool: str) -> tuple[Json, str]:
    """The start task that Azure shows for a pool, and what it wrote on the node."""
    build = world.pool(ACCOUNT, pool)
    assert build["state"] == "ready"
    account = world.services.azure.batch.batch_account.get("images", ACCOUNT).as_dict()
    service = world.services.azure.batch_service(account["properties"]["accountEndpoint"])
    (node,) = service.list_nodes(pool)
    text = b"".join(service.download_node_file(pool, node.id, "startup/stdout.txt")).decode()
    return azure_pool(world, pool)["properties"]["startTask"], text


def test_a_pool_of_the_usual_fields(built_gpu: World) -> None:
    """Users, files, variables, names, registries and scheduling, in one pool."""
    team = an_identity(built_gpu)
    reference = {"resourceId": team}
    registry = {"registryServer": "team.azurecr.io", "identityReference": reference}
    pool = a_pool(
        "dev",
        displayName="Development",
        metadata=[{"name": "team", "value": "a"}],
        tags={"cost": "a"},
        userAccounts=[{"name": "worker"}],
        taskSchedulingPolicy={"nodeFillType": "spread"},
        nodeDeallocationOption="TaskCompletion",
        resizeTimeout="PT45M",
        containerConfiguration={"containerRegistries": [registry]},
        startTask={
            "commandLine": 'echo "hello $WHO"',
            "userIdentity": {"userName": "worker"},
            "environmentSettings": [{"name": "WHO", "value": "team a"}],
            "resourceFiles": [
                {"httpUrl": "https://example.org/tool", "filePath": "tool", "fileMode": "0755"},
                {
                    "storageContainerUrl": "https://team.blob.core.windows.net/data",
                    "identityReference": reference,
                },
            ],
        },
    )

    build = built_gpu.build(pools_only("r1", pool))

    assert build["state"] == "succeeded", build["error"]
    azure = azure_pool(built_gpu, "dev")
    properties = azure["properties"]
    assert properties["displayName"] == "Development"
    assert {"name": "team", "value": "a"} in properties["metadata"]
    assert azure["tags"]["cost"] == "a"
    assert properties["userAccounts"] == [{"name": "worker", "elevationLevel": "NonAdmin"}]
    assert properties["taskSchedulingPolicy"] == {"nodeFillType": "Spread"}
    assert properties["scaleSettings"]["fixedScale"]["resizeTimeout"] == "PT45M"
    assert TEAM in azure["identity"]["userAssignedIdentities"]
    task, printed = start_task_of(built_gpu, "dev")
    assert "hello team a" in printed
    assert [file.get("filePath") for file in task["resourceFiles"]] == ["tool", None]


def test_the_same_request_again_changes_nothing(built_gpu: World) -> None:
    """Nodes and tasks stay, although Azure shows no passwords and no deallocation option."""
    pool = a_pool(
        "dev",
        userAccounts=[{"name": "worker"}],
        nodeDeallocationOption="TaskCompletion",
        metadata=[{"name": "team", "value": "a"}],
        tags={"cost": "a"},
    )
    built_gpu.build(pools_only("r1", pool))
    before = len(built_gpu.ledger())
    build = built_gpu.build(pools_only("r2", pool))

    assert build["state"] == "succeeded", build["error"]
    assert writes(built_gpu, before) == ["PATCH"]  # the new build's id


def test_an_update_changes_the_display_name(built_gpu: World) -> None:
    """A pool without a display name has its id as its name."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    build = built_gpu.build(pools_only("r2", a_pool("dev", displayName="Development")))

    assert build["state"] == "succeeded", build["error"]
    assert azure_pool(built_gpu, "dev")["properties"]["displayName"] == "Development"


def test_metadata_changes_in_place(built_gpu: World) -> None:
    """Given, changed and left out: no node is emptied for it."""
    wanted: list[list[Json]] = [
        [{"name": "team", "value": "a"}],
        [{"name": "team", "value": "b"}],
        [],
    ]
    built_gpu.build(pools_only("r0", a_pool("dev")))
    for number, metadata in enumerate(wanted, 1):
        build = built_gpu.build(pools_only(f"r{number}", a_pool("dev", metadata=metadata)))
        assert build["state"] == "succeeded", build["error"]
        pool = azure_pool(built_gpu, "dev")["properties"]
        own = [m for m in pool["metadata"] if not m["name"].startswith("batch-prep")]
        assert own == metadata
        assert pool["currentDedicatedNodes"] == 1


def test_an_identity_that_is_not_there_is_a_blocker(built_gpu: World) -> None:
    """Before anything is made."""
    pool = a_pool("dev", identity={"userAssignedIdentities": {TEAM: {}}})
    build = built_gpu.build(pools_only("r1", pool))
    assert {d["field"]: d["code"] for d in build["error"]["details"]} == {
        "pools[0].identity.userAssignedIdentities[0]": "IdentityNotFound"
    }


def test_no_password_is_kept_anywhere(built_gpu: World) -> None:
    """Azure gets one that nothing else knows: each pool another."""
    pools = [a_pool(name, nodes=0, userAccounts=[{"name": "worker"}]) for name in ("a", "b")]
    build = built_gpu.build(pools_only("r1", *pools))
    assert build["state"] == "succeeded", build["error"]
    assert "password" not in str(built_gpu.dump()["rows"]).lower()


def test_a_preset_becomes_the_formula_of_the_pool(built_gpu: World) -> None:
    """Azure evaluates it at the interval that was asked for."""
    preset = {"preset": "pendingTasks", "minNodes": 1, "maxNodes": 4}
    pool = scaling(autoscale=preset, autoscaleEvaluationInterval="PT10M")
    build = built_gpu.build(pools_only("r1", pool))

    assert build["state"] == "succeeded", build["error"]
    azure = azure_pool(built_gpu, "dev")["properties"]
    scale = azure["scaleSettings"]["autoScale"]
    assert "$PendingTasks" in scale["formula"]
    assert scale["evaluationInterval"] == "PT10M"
    assert azure["currentDedicatedNodes"] == 1
    assert build["pools"][0]["nodes"] == 1


def test_a_formula_is_evaluated_before_it_is_applied(built_gpu: World) -> None:
    """Over a pool that scales itself; the pool that is there stays as it is."""
    fixed = {"preset": "fixed", "nodes": 1}
    built_gpu.build(pools_only("r1", scaling(autoscale=fixed)))
    before = azure_pool(built_gpu, "dev")

    wrong = "$TargetDedicatedNodes = $Colour;"
    build = built_gpu.build(pools_only("r2", scaling(autoscaleFormula=wrong)))

    (problem,) = build["error"]["details"]
    assert (problem["field"], problem["code"]) == ("pools[0].autoscaleFormula", "FormulaInvalid")
    assert "$Colour" in problem["message"]
    assert azure_pool(built_gpu, "dev") == before


def an_address(world: World, allocation: str = "Static") -> str:
    """A public address of the team's own."""
    calls = world.services.azure.network.public_ip_addresses
    body = {
        "location": world.services.azure.config.default_location,
        "sku": {"name": "Standard" if allocation == "Static" else "Basic"},
        "properties": {"publicIPAllocationMethod": allocation},
    }
    calls.begin_create_or_update("images", allocation.lower(), body, polling=False)
    world.azure.settle()
    return str(calls.get("images", allocation.lower()).id)


def test_a_pool_with_own_network_disks_and_mounts(built: World) -> None:
    """Addresses, an endpoint, a cache disk, data disks, zones, blob and NFS, in one pool."""
    team = an_identity(built)
    ports = {"frontendPortRangeStart": 1000, "frontendPortRangeEnd": 1100}
    blob = {
        "accountName": "team",
        "containerName": "data",
        "relativeMountPath": "blob",
        "blobfuseOptions": "-o ro",
        "identityReference": {"resourceId": team},
    }
    nfs = {"source": "files.example.org:/data", "relativeMountPath": "nfs"}
    pool = a_pool(
        "dev",
        vmSize="Standard_D16s_v3",
        subnetId=a_subnet(built),
        publicIPAddressConfiguration={
            "provision": "usermanaged",
            "ipAddressIds": [an_address(built)],
        },
        endpointConfiguration={
            "inboundNatPools": [{"name": "ssh", "protocol": "tcp", "backendPort": 22, **ports}]
        },
        enableAcceleratedNetworking=True,
        osDisk={"ephemeralOSDiskSettings": {"placement": "cachedisk"}},
        dataDisks=[
            {"lun": 0, "diskSizeGB": 64, "managedDisk": {"storageAccountType": "premium_lrs"}}
        ],
        nodePlacementConfiguration={"policy": "Zonal"},
        securityProfile={"encryptionAtHost": True},
        mountConfiguration=[
            {"azureBlobFileSystemConfiguration": blob},
            {"nfsMountConfiguration": nfs},
        ],
    )

    build = built.build(pools_only("r1", pool))

    assert build["state"] == "succeeded", build["error"]
    azure = azure_pool(built, "dev")
    network = azure["properties"]["networkConfiguration"]
    assert network["publicIPAddressConfiguration"]["provision"] == "UserManaged"
    assert network["enableAcceleratedNetworking"] is True
    assert network["endpointConfiguration"]["inboundNatPools"][0]["protocol"] == "TCP"
    machine = azure["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["nodePlacementConfiguration"] == {"policy": "Zonal"}
    assert machine["dataDisks"][0]["managedDisk"] == {"storageAccountType": "Premium_LRS"}
    assert machine["securityProfile"] == {"encryptionAtHost": True}
    mounts = azure["properties"]["mountConfiguration"]
    assert [next(iter(each)) for each in mounts] == [
        "azureBlobFileSystemConfiguration",
        "nfsMountConfiguration",
    ]
    assert TEAM in azure["identity"]["userAssignedIdentities"]

    before = len(built.ledger())
    again = built.build(pools_only("r2", pool))
    assert again["state"] == "succeeded", again["error"]
    assert writes(built, before) == ["PATCH"]  # the new build's id


CANNOT = {
    "an ephemeral disk without a cache": (
        {"osDisk": {"ephemeralOSDiskSettings": {"placement": "CacheDisk"}}},
        ("pools[0].vmSize", "SizeUnsuitable"),
    ),
    "more data disks than the size takes": (
        {"dataDisks": [{"lun": unit, "diskSizeGB": 8} for unit in range(9)]},
        ("pools[0].vmSize", "SizeUnsuitable"),
    ),
    "more tasks at once than the size takes": (
        {"taskSlotsPerNode": 9},
        ("pools[0].vmSize", "SizeUnsuitable"),
    ),
    "a size with another processor": (
        {"vmSize": "Standard_D4ps_v6"},
        ("pools[0].vmSize", "SizeUnsuitable"),
    ),
    "a package that is not there": (
        {"applicationPackages": [{"id": "tool", "version": "1.0"}]},
        ("pools[0].applicationPackages[0]", "PackageNotFound"),
    ),
    "an address that is not there": (
        {
            "publicIPAddressConfiguration": {
                "provision": "UserManaged",
                "ipAddressIds": [f"{GROUP}/Microsoft.Network/publicIPAddresses/none"],
            }
        },
        ("pools[0].publicIPAddressConfiguration.ipAddressIds[0]", "AddressNotFound"),
    ),
}


@pytest.mark.parametrize("case", CANNOT)
def test_what_azure_would_refuse_is_a_blocker(built: World, case: str) -> None:
    """Before anything is made or changed."""
    fields, expected = CANNOT[case]
    if "publicIPAddressConfiguration" in fields:
        fields = {**fields, "subnetId": a_subnet(built)}
    before = built.resources()

    build = built.build(pools_only("r1", a_pool("dev", **fields)))

    assert [(d["field"], d["code"]) for d in build["error"]["details"]] == [expected]
    assert built.resources() == before


def test_an_address_that_may_change_is_a_blocker(built: World) -> None:
    """Batch takes static ones."""
    public = {"provision": "UserManaged", "ipAddressIds": [an_address(built, "Dynamic")]}
    pool = a_pool("dev", subnetId=a_subnet(built), publicIPAddressConfiguration=public)
    (problem,) = built.build(pools_only("r1", pool))["error"]["details"]
    assert problem["code"] == "AddressUnsuitable"


def test_zones_that_the_region_does_not_have_are_a_blocker(world: World) -> None:
    """Before the image is built."""
    placement = {"policy": "Zonal"}
    pool = a_pool("dev", nodePlacementConfiguration=placement)
    request = a_request(image=an_image(location="westus"), pools=[pool])
    details = world.build(request)["error"]["details"]
    assert ("pools[0].nodePlacementConfiguration.policy", "ZonesNotOffered") in {
        (d["field"], d["code"]) for d in details
    }


def test_nodes_without_addresses_need_a_way_out(built: World) -> None:
    """A subnet without one leaves them unusable, and the failure says so."""
    public = {"provision": "NoPublicIPAddresses"}
    pool = a_pool("dev", subnetId=a_subnet(built), publicIPAddressConfiguration=public)
    build = built.build(pools_only("r1", pool))
    assert build["error"]["code"] == "NodesUnusable", build


def test_packages_of_the_account_are_installed_and_changed_in_place(built: World) -> None:
    """Active ones only; without a version, the default one."""
    assert built.build(pools_only("r1", a_pool("dev")))["state"] == "succeeded"
    built.given_package(ACCOUNT, "images", active=False)
    pool = a_pool("dev", applicationPackages=[{"id": "tool"}])
    blocked = built.build(pools_only("r2", pool))
    assert [d["code"] for d in blocked["error"]["details"]] == ["PackageNotFound"]
    built.given_package(ACCOUNT, "images", active=True)

    before = len(built.ledger())
    build = built.build(pools_only("r3", pool))

    assert build["state"] == "succeeded", build["error"]
    (reference,) = azure_pool(built, "dev")["properties"]["applicationPackages"]
    assert reference["id"].endswith(f"/batchAccounts/{ACCOUNT}/applications/tool")
    assert writes(built, before) == ["PATCH"]
