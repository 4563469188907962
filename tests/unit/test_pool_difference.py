"""What an update of a pool changes: every field of a request counts, and nothing is forgotten."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure import batch_bodies, pool_difference
from shared.azure.pool_difference import Change, Nothing, Reshape
from shared.base import errors, names, settings
from shared.base.wire import replace
from shared.model import parsing, plan_updates, planning
from shared.model.outcomes import ImageRecord
from shared.model.plans import PoolPlan
from shared.model.pool_request import Pool

Json = dict[str, Any]

CONFIG = settings.load(
    {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001", "AzureWebJobsStorage": "x"}
)
SUBNET = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/"
    "Microsoft.Network/virtualNetworks/n/subnets/s"
)

IDENTITY = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/g/providers/"
    "Microsoft.ManagedIdentity/userAssignedIdentities/team"
)

# Every field of a request that is a property of the pool, by an example that is not its default.
PROPERTIES: dict[str, Json] = {
    "dcgm": {"dcgm": True},
    "vm_size": {"vmSize": "Standard_D4s_v5"},
    "vm_sizes": {"vmSizes": ["Standard_D8s_v5", "Standard_D4s_v5"]},
    "nodes": {"nodes": 3},
    "low_priority_nodes": {"lowPriorityNodes": 2},
    "autoscale_formula": {"autoscaleFormula": "$TargetDedicatedNodes=2;"},
    "task_slots_per_node": {"taskSlotsPerNode": 2},
    "inter_node_communication": {"interNodeCommunication": True},
    "subnet_id": {"subnetId": SUBNET},
    "start_task": {"startTask": {"commandLine": "/bin/true"}},
    "display_name": {"displayName": "Development"},
    "metadata": {"metadata": [{"name": "team", "value": "a"}]},
    "tags": {"tags": {"team": "a"}},
    "identity": {"identity": {"userAssignedIdentities": {IDENTITY: {}}}},
    "container_configuration": {
        "containerConfiguration": {
            "containerImageNames": ["team.azurecr.io/app:1"],
            "containerRegistries": [
                {
                    "registryServer": "team.azurecr.io",
                    "identityReference": {"resourceId": IDENTITY},
                }
            ],
        }
    },
    "application_packages": {"applicationPackages": [{"id": "tool", "version": "1.0"}]},
    "user_accounts": {"userAccounts": [{"name": "worker"}]},
    "task_scheduling_policy": {"taskSchedulingPolicy": {"nodeFillType": "Spread"}},
    "autoscale": {"autoscale": {"preset": "fixed", "nodes": 2}},
    "autoscale_evaluation_interval": {
        "autoscaleFormula": "$TargetDedicatedNodes=2;",
        "autoscaleEvaluationInterval": "PT30M",
    },
    "node_deallocation_option": {"nodeDeallocationOption": "TaskCompletion"},
    "resize_timeout": {"resizeTimeout": "PT1H"},
    "mount_configuration": {
        "mountConfiguration": [
            {"nfsMountConfiguration": {"source": "a.example.org:/b", "relativeMountPath": "data"}}
        ]
    },
    "public_ip_address_configuration": {
        "subnetId": SUBNET,
        "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
    },
    "endpoint_configuration": {
        "endpointConfiguration": {
            "inboundNatPools": [
                {
                    "name": "ssh",
                    "protocol": "TCP",
                    "backendPort": 22,
                    "frontendPortRangeStart": 1000,
                    "frontendPortRangeEnd": 1100,
                }
            ]
        }
    },
    "enable_accelerated_networking": {"enableAcceleratedNetworking": True},
    "os_disk": {
        "osDisk": {"diskSizeGB": 128, "managedDisk": {"storageAccountType": "Premium_LRS"}}
    },
    "data_disks": {"dataDisks": [{"lun": 0, "diskSizeGB": 64}]},
    "security_profile": {"securityProfile": {"encryptionAtHost": True}},
    "node_placement_configuration": {"nodePlacementConfiguration": {"policy": "Zonal"}},
}
# The others, each with an example and why it changes nothing of an existing pool.
CHECK = {"image": "docker.io/library/busybox:1.36", "command": "/bin/true"}
NO_PROPERTIES: dict[str, tuple[Json, str]] = {
    "id": ({}, "it names the pool: another id is another pool"),
    "image": ({"image": "1.0.0"}, "it selects the image version, which the build looks up"),
    "verify": ({"verify": True}, "it is work of the build once the nodes are there"),
    "checks": ({"checks": [CHECK]}, "they are tasks of that verification"),
    "if_exists": ({"ifExists": "replace"}, "it chooses between update and replacement"),
    "interrupt_tasks": ({"interruptTasks": True}, "it allows a change that the rest asks for"),
    "ttl_hours": ({"ttlHours": 8}, "the app's own record says when the pool is deleted"),
}

IMAGE = ImageRecord(
    image_id="/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i/1",
    node_agent_sku="batch.node.ubuntu 24.04",
    gallery_name="g",
    image_name="i",
    version="1.0.0",
    vm_size="Standard_D2s_v5",
    location="eastus",
    base_os="ubuntu 24.04",
    gpu_enabled=False,
    resource_group="g",
    build_id="b",
    created_at="c",
)


def a_plan(request_id: str = "r1", **pool: object) -> PoolPlan:
    """The plan of pool `dev`."""
    request = {
        "mode": "batch-only",
        "requestId": request_id,
        "batchAccount": {"name": "mybatch12345"},
        "pools": [{"id": "dev", **pool}],
    }
    (plan,) = planning.plan_build(parsing.parse_build(request, CONFIG), CONFIG).pools
    return plan_updates.with_image(plan, IMAGE)


def described(plan: PoolPlan) -> Json:
    """The whole pool of a plan."""
    return batch_bodies.described_pool(plan, "COMMAND")


def on_azure(plan: PoolPlan) -> Json:
    """The pool as Azure shows it, steady and with all of its nodes."""
    return steady(copy.deepcopy(batch_bodies.pool(plan, "COMMAND")))


def steady(pool: Json) -> Json:
    """A pool that Azure has given everything."""
    fixed = pool["properties"]["scaleSettings"].get("fixedScale") or {}
    pool["properties"] |= {
        "allocationState": "Steady",
        "currentDedicatedNodes": fixed.get("targetDedicatedNodes", 0),
        "currentLowPriorityNodes": fixed.get("targetLowPriorityNodes", 0),
    }
    return pool


def applied(wanted: PoolPlan, found: Json) -> Json:
    """The pool after the difference was sent, as Azure treats a PATCH and a PUT."""
    difference = pool_difference.compare(described(wanted), found)
    if isinstance(difference, Change):
        body = pool_difference.change_body(described(wanted), difference.properties)
        assert body["properties"].keys() <= pool_difference.IN_PLACE
        return steady({**found, "properties": {**found["properties"], **body["properties"]}})
    if isinstance(difference, Reshape):
        return steady(copy.deepcopy(batch_bodies.whole_pool(wanted, "COMMAND")))
    return found


def test_every_field_of_a_pool_request_is_decided() -> None:
    """Whoever adds a field says what it changes, or why it changes nothing."""
    assert not PROPERTIES.keys() & NO_PROPERTIES.keys()
    assert PROPERTIES.keys() | NO_PROPERTIES.keys() == Pool.model_fields.keys()


@pytest.mark.parametrize("field", sorted(PROPERTIES))
def test_a_property_makes_a_difference_given_and_left_out(field: str) -> None:
    """At creation and at an update, in both directions."""
    plain, other = a_plan(), a_plan(**PROPERTIES[field])
    assert batch_bodies.pool(plain, "COMMAND") != batch_bodies.pool(other, "COMMAND")
    for before, after in ((plain, other), (other, plain)):
        difference = pool_difference.compare(described(after), on_azure(before))
        assert isinstance(difference, Reshape) or (
            isinstance(difference, Change) and difference.properties
        )
        again = pool_difference.compare(described(after), applied(after, on_azure(before)))
        assert again == Nothing()


@pytest.mark.parametrize("field", sorted(NO_PROPERTIES))
def test_a_field_that_is_no_property_changes_no_pool(field: str) -> None:
    """The reason given is true."""
    example, reason = NO_PROPERTIES[field]
    assert described(a_plan(**example)) == described(a_plan()), reason


def test_another_image_version_needs_an_empty_pool() -> None:
    """Whatever selected it."""
    other = replace(a_plan(), image_id=IMAGE.image_id + "1")
    difference = pool_difference.compare(described(other), on_azure(a_plan()))
    assert difference == Reshape(reasons={"deploymentConfiguration": pool_difference.ASKED})


POOLS = st.fixed_dictionaries(
    {},
    optional={
        "vmSize": st.sampled_from(["Standard_D2s_v5", "Standard_D4s_v5"]),
        "nodes": st.integers(0, 2500),
        "taskSlotsPerNode": st.integers(1, 4),
        "subnetId": st.just(SUBNET),
        "startTask": st.sampled_from(["/bin/true", "/bin/TRUE"]).map(lambda c: {"commandLine": c}),
    },
)


@given(before=POOLS, after=POOLS)
def test_one_update_is_enough(before: Json, after: Json) -> None:
    """Whatever was asked before, the pool is then as it is asked for, and stays so."""
    wanted = a_plan("r2", **after)
    pool = applied(wanted, on_azure(a_plan(**before)))
    assert pool_difference.compare(described(wanted), pool) == Nothing()
    asked = pool_difference.sendable(described(wanted))["properties"]
    del asked["startTask"]  # it names the build that sent it last
    assert {name: pool["properties"][name] for name in asked} == asked


def test_a_property_that_nobody_thought_of_needs_an_empty_pool() -> None:
    """Inside the properties or beside them, new, changed, or gone."""
    plain = described(a_plan())
    fresh = copy.deepcopy(plain)
    fresh["properties"]["upgradePolicy"] = {"mode": "manual"}
    fresh["zones"] = ["1"]
    found = pool_difference.compare(fresh, on_azure(a_plan()))
    assert isinstance(found, Reshape)
    assert found.reasons.keys() == {"upgradePolicy", "zones"}

    fresh["properties"]["metadata"][1]["value"] = pool_difference.record(fresh)
    found = pool_difference.compare(plain, steady(pool_difference.sendable(fresh)))
    assert found == Reshape(
        reasons={
            "upgradePolicy": pool_difference.LEFT_OUT,
            "zones": pool_difference.LEFT_OUT,
        }
    )


def without_record(pool: Json) -> Json:
    """The pool as an older version made it."""
    told = pool["properties"]["metadata"]
    pool["properties"]["metadata"] = [m for m in told if m["name"] != names.TAG_ASKED]
    return pool


def test_azures_own_way_of_showing_a_pool_is_no_difference() -> None:
    """Other case, other order, defaults, equal durations, hidden members."""
    plan = replace(
        a_plan(nodes=2000, lowPriorityNodes=1000, subnetId=SUBNET),
        container_images=["a:1", "b:1"],
        pull_identity_id=SUBNET + "x",
    )
    pool = on_azure(plan)
    properties = pool["properties"]
    machine = properties["deploymentConfiguration"]["virtualMachineConfiguration"]
    machine["containerConfiguration"]["containerImageNames"].reverse()
    del machine["osDisk"]
    properties["scaleSettings"]["fixedScale"]["resizeTimeout"] = "PT1H"
    properties["vmSize"] = properties["vmSize"].upper()
    properties["networkConfiguration"] = {
        "subnetId": SUBNET.lower(),
        "publicIPAddressConfiguration": {"provision": "BatchManaged"},
    }
    properties["startTask"]["environmentSettings"].reverse()
    pool["identity"]["userAssignedIdentities"] = {SUBNET.upper() + "X": {"clientId": "c"}}
    assert pool_difference.compare(described(plan), pool) == Nothing()
    old = pool_difference.compare(described(plan), without_record(pool))
    assert old == Change(properties=["scaleSettings", "startTask"])


def test_an_older_versions_pool_loses_what_is_left_out() -> None:
    """There is no record, but Azure shows a subnet and an identity that nobody asks for now."""
    before = replace(a_plan(subnetId=SUBNET), pull_identity_id=SUBNET)
    found = pool_difference.compare(described(a_plan()), without_record(on_azure(before)))
    assert isinstance(found, Reshape)
    assert set(found.reasons) == {"networkConfiguration", "identity"}
    assert set(found.reasons.values()) == {pool_difference.LEFT_OUT}


def test_a_pool_that_got_fewer_nodes_than_it_wants_is_asked_again() -> None:
    """Its quota may have grown; while Azure is still at work it is left alone."""
    pool = on_azure(a_plan(nodes=3))
    pool["properties"]["currentDedicatedNodes"] = 1
    wanted = described(a_plan(nodes=3))
    assert pool_difference.compare(wanted, pool) == Change(properties=["scaleSettings"])
    pool["properties"]["allocationState"] = "Resizing"
    assert pool_difference.compare(wanted, pool) == Nothing()


def test_another_build_writes_its_name_and_nothing_else() -> None:
    """The nodes' start task names the first build; that is no reason to touch it."""
    found = pool_difference.compare(described(a_plan("r2")), on_azure(a_plan("r1")))
    assert found == Change(properties=[])


@pytest.mark.parametrize(
    "pool", [{}, {"properties": {}}, {"properties": {"metadata": None, "vmSize": 3}}], ids=str
)
def test_no_pool_is_too_strange(pool: Json) -> None:
    """Whatever Azure shows, there is an answer."""
    assert isinstance(pool_difference.compare(described(a_plan()), pool), Reshape)


def test_what_azure_never_changes_is_advised_to_be_replaced() -> None:
    """No property is documented as such; if Azure refuses one, the failure says what helps."""
    failure = errors.from_azure(
        attempted="create the pool",
        resource="/pools/dev",
        status=400,
        code="PropertyCannotBeUpdated",
        message="A property that cannot be updated was specified as part of the request.",
    )
    assert "replace" in str(failure.next_action)
