"""Pools in Resource Manager: what is refused, and what may change when."""

from __future__ import annotations

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure_sandbox import GROUP, refused
from batch_sandbox import (
    ACCOUNT,
    BUSYBOX,
    CPU,
    BatchSandbox,
    details,
    fixed_scale,
    patch_pool,
    pool_body,
    start_task,
)

pytestmark = pytest.mark.usefixtures("account")


# --- creation -----------------------------------------------------------------------------------


def test_a_pool_is_answered_at_once_and_allocated_later(world):
    """Recorded: 200, Succeeded and Resizing; it is Steady minutes later."""
    pool = world.make_pool(nodes=2)
    assert (pool.provisioning_state, pool.allocation_state) == ("Succeeded", "Resizing")
    assert (pool.vm_size, pool.current_dedicated_nodes) == (CPU, 0)
    began = world.now()
    pool = world.await_steady()
    assert pool.current_dedicated_nodes == 2
    assert pool.resize_operation_status.errors is None
    assert 60 < world.now() - began < 300


def test_azure_fills_in_defaults(world):
    """What the body leaves out is there when it is read back."""
    pool = world.make_pool(scale={"fixedScale": {"targetDedicatedNodes": 0}})
    assert pool.scale_settings.fixed_scale.resize_timeout.total_seconds() == 900
    assert pool.task_slots_per_node == 1
    assert pool.inter_node_communication == "Disabled"
    assert pool.task_scheduling_policy.node_fill_type == "Spread"


def test_if_none_match_makes_a_put_create_only(world):
    """Two builds that race for one pool: the second is told, and changes nothing."""
    condition = {"etag": "*", "match_condition": MatchConditions.IfMissing}
    world.batch.pool.create(GROUP, ACCOUNT, "dev", pool_body(nodes=1), **condition)
    with pytest.raises(ResourceExistsError) as caught:
        world.batch.pool.create(GROUP, ACCOUNT, "dev", pool_body(nodes=3), **condition)
    assert caught.value.status_code == 412
    assert world.pool().scale_settings.fixed_scale.target_dedicated_nodes == 1


def test_an_old_etag_refuses_a_patch(world):
    """A pool that was changed in between is not overwritten."""
    before = world.make_pool(nodes=0).etag
    world.await_steady()
    patch_pool(world, metadata=[{"name": "a", "value": "b"}])
    condition = {"etag": before, "match_condition": MatchConditions.IfNotModified}
    body = {"properties": {"metadata": []}}
    assert (
        refused(world.batch.pool.update, GROUP, ACCOUNT, "dev", body, **condition).status_code
        == 412
    )


_FORMULA = {"formula": "$TargetDedicatedNodes=1;"}
_DEBIAN = {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2"}
_NETWORK = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
)
_INVALID = [
    ("vmSize", {"size": "Standard_NC6"}),
    ("vmSize", {"size": "Standard_D4ps_v5"}),
    ("nodeAgentSkuId", {"agent": "batch.node.ubuntu 20.04"}),
    ("nodeAgentSkuId", {"agent": "batch.node.debian 12"}),
    ("imageReference", {"image": {"id": "/x", "publisher": "p"}}),
    ("imageReference", {"image": _DEBIAN}),
    ("type", {"containers": {"type": "Podman"}}),
    ("resizeTimeout", {"scale": fixed_scale(1, resizeTimeout="PT1M")}),
    ("duration", {"scale": fixed_scale(1, resizeTimeout="15 minutes")}),
    ("fixedScale", {"scale": fixed_scale(-1)}),
    ("evaluationInterval", {"scale": {"autoScale": {**_FORMULA, "evaluationInterval": "PT1M"}}}),
    ("scaleSettings", {"scale": {"autoScale": _FORMULA, **fixed_scale(1)}}),
    ("taskSlotsPerNode", {"taskSlotsPerNode": 17}),
    ("subnetId", {"networkConfiguration": {"subnetId": _NETWORK}}),
    ("metadata", {"metadata": [{"name": str(number), "value": ""} for number in range(51)]}),
    ("mountConfiguration", {"mountConfiguration": [{} for _ in range(11)]}),
]
_MISSING = [
    ("vmSize", {"size": ""}),
    ("nodeAgentSkuId", {"agent": ""}),
    ("imageReference", {"deploymentConfiguration": {}}),
    ("type", {"containers": {"containerImageNames": [BUSYBOX]}}),
    ("formula", {"scale": {"autoScale": {}}}),
    ("commandLine", {"start_task": {"environmentSettings": []}}),
]


@pytest.mark.parametrize(
    ("code", "named", "changes"),
    [("InvalidPropertyValue", *case) for case in _INVALID]
    + [("MissingRequiredProperty", *case) for case in _MISSING],
)
def test_a_body_that_can_never_be_a_pool_is_refused(world, code, named, changes):
    """400 at once, with the property's name, and no pool."""
    error = refused(world.make_pool, **changes)
    assert (error.status_code, error.error.code) == (400, code)
    assert details(error)["PropertyName"] == named
    assert refused(world.pool).status_code == 404


def test_properties_of_older_versions_are_refused(world):
    """Classic node communication has gone with this version of the API."""
    error = refused(world.make_pool, targetNodeCommunicationMode="Simplified")
    assert error.error.code == "InvalidRequestBody"
    assert "targetNodeCommunicationMode" in details(error)["Reason"]


@pytest.mark.parametrize("name", ["has space", "dot.dot", "x" * 65])
def test_a_bad_pool_name_is_refused(world, name):
    """1 to 64 letters, digits, hyphens, underscores."""
    path = world.id("Microsoft.Batch/batchAccounts", f"{ACCOUNT}/pools/{name}").replace(" ", "%20")
    assert world.send("PUT", f"{path}?api-version=2025-06-01", pool_body()).status == 400


def test_a_formula_that_cannot_be_read_is_refused(world):
    """The place of the mistake is in the reason."""
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes = ;"}}
    error = refused(world.make_pool, scale=scale)
    assert error.error.code == "AutoScalingFormulaSyntaxError"


def test_more_pools_than_the_quota_are_refused(world):
    """The account's pool quota counts pools, not nodes."""
    world.set(**{"batchQuota:pools": 1})
    world.make_pool("one", nodes=0)
    error = refused(world.make_pool, "two", nodes=0)
    assert (error.status_code, error.error.code) == (409, "PoolQuotaReached")


def test_a_pool_without_its_account_is_refused(world):
    """The parent is looked for first."""
    assert refused(world.make_pool, account="nobody123").status_code == 404


# --- updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {"vmSize": "Standard_D2s_v5"},
        {"deploymentConfiguration": pool_body()["properties"]["deploymentConfiguration"]},
        {"taskSlotsPerNode": 2},
        {"networkConfiguration": {}},
        {"mountConfiguration": []},
    ],
    ids=lambda given: next(iter(given)),
)
def test_with_nodes_most_properties_cannot_be_updated(world, properties):
    """Recorded: 400 PropertyCannotBeUpdated names the property, even if its value is the same."""
    world.make_pool()
    world.await_steady()
    error = refused(patch_pool, world, **properties)
    name = next(iter(properties))
    assert (error.status_code, error.error.code) == (400, "PropertyCannotBeUpdated")
    assert details(error)["PropertyPath"] == f"properties.{name}"


def test_with_nodes_the_identity_cannot_be_updated(world):
    """It lies beside the properties, under the same rule."""
    world.make_pool()
    world.await_steady()
    body = {"identity": {"type": "None"}}
    error = refused(world.batch.pool.update, GROUP, ACCOUNT, "dev", body)
    assert error.error.code == "PropertyCannotBeUpdated"


def test_with_nodes_scale_start_task_and_metadata_can_be_updated(world):
    """PATCH answers 200 with the changed pool."""
    world.make_pool()
    world.await_steady()
    patch_pool(world, metadata=[{"name": "image", "value": "1.0.1"}])
    patch_pool(world, startTask=start_task("echo hello"))
    pool = patch_pool(world, scaleSettings=fixed_scale(2))
    assert pool.allocation_state == "Resizing"
    assert pool.metadata[0].value == "1.0.1"
    assert pool.start_task.command_line == "echo hello"
    assert world.await_steady().current_dedicated_nodes == 2


def test_an_empty_start_task_removes_it(world):
    """There is no other way to say it in a PATCH."""
    world.make_pool(start_task=start_task("echo hello"), nodes=0)
    world.await_steady()
    assert patch_pool(world, startTask={}).start_task is None


def test_an_empty_pool_takes_a_new_image(world):
    """The way to update a pool in place: to zero, new image, back."""
    world.make_pool(image=world.make_image("old"))
    world.await_steady()
    patch_pool(world, scaleSettings=fixed_scale(0))
    assert world.await_steady().current_dedicated_nodes == 0
    deployment = pool_body(image=world.make_image("new"))["properties"]["deploymentConfiguration"]
    patch_pool(world, deploymentConfiguration=deployment)
    patch_pool(world, scaleSettings=fixed_scale(1))
    assert world.resize_errors() == []
    machine = world.pool().deployment_configuration.virtual_machine_configuration
    assert "/images/new/" in machine.image_reference.id


def test_a_change_must_be_possible_too(world):
    """A PATCH of an empty pool is checked like a new pool."""
    world.make_pool(nodes=0)
    world.await_steady()
    assert details(refused(patch_pool, world, vmSize="Standard_NC6"))["PropertyName"] == "vmSize"
    scale = fixed_scale(1, resizeTimeout="PT1M")
    assert (
        details(refused(patch_pool, world, scaleSettings=scale))["PropertyName"] == "resizeTimeout"
    )


def test_tags_are_patched(world):
    """They lie beside the properties; a pool without an identity shows none."""
    world.make_pool(nodes=0)
    pool = world.batch.pool.update(GROUP, ACCOUNT, "dev", {"tags": {"build": "b2"}})
    assert pool.tags == {"build": "b2"}
    assert "identity" not in pool


def test_while_a_pool_resizes_its_scale_cannot_change(world):
    """409 OperationInvalidForCurrentState, and time cures it; other properties may change."""
    world.make_pool()
    error = refused(patch_pool, world, scaleSettings=fixed_scale(2))
    assert (error.status_code, error.error.code) == (409, "OperationInvalidForCurrentState")
    patch_pool(world, metadata=[])
    world.await_steady()
    patch_pool(world, scaleSettings=fixed_scale(2))


def test_a_second_put_replaces_what_may_change(world):
    """The same body again changes nothing; another image on a pool with nodes is refused."""
    world.make_pool(nodes=1)
    world.await_steady()
    assert world.make_pool(nodes=1).allocation_state == "Steady"
    assert world.make_pool(nodes=2).allocation_state == "Resizing"
    world.await_steady()
    error = refused(world.make_pool, nodes=2, image=world.make_image())
    assert error.error.code == "PropertyCannotBeUpdated"


def test_a_put_gives_what_it_leaves_out_its_default(world):
    """A pool of zero nodes: the subnet and the start task go, the slots are one again."""
    body = pool_body(nodes=0, taskSlotsPerNode=2, startTask={"commandLine": "true"})
    world.batch.pool.create(GROUP, ACCOUNT, "dev", body)
    world.await_steady()
    world.batch.pool.create(GROUP, ACCOUNT, "dev", pool_body(nodes=0))
    pool = world.pool()
    assert (pool.task_slots_per_node, pool.start_task) == (1, None)


def test_the_display_name_needs_an_empty_pool(world):
    """As all properties do that the documentation does not except."""
    world.make_pool(nodes=1)
    world.await_steady()
    error = refused(patch_pool, world, displayName="other")
    assert error.error.code == "PropertyCannotBeUpdated"


def test_not_all_that_was_written_is_shown(world):
    """The specification's examples show neither `osDisk` nor `nodeDeallocationOption` again."""
    machine = pool_body(nodes=0)["properties"]["deploymentConfiguration"]
    machine["virtualMachineConfiguration"]["osDisk"] = {"caching": "ReadWrite"}
    scale = fixed_scale(0, nodeDeallocationOption="Requeue")
    body = pool_body(nodes=0, deploymentConfiguration=machine, scaleSettings=scale)
    shown = world.batch.pool.create(GROUP, ACCOUNT, "dev", body).as_dict()["properties"]
    assert "osDisk" not in shown["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert "nodeDeallocationOption" not in shown["scaleSettings"]["fixedScale"]


# --- deletion and lists -------------------------------------------------------------------------


def test_a_pool_is_deleted_by_location(world):
    """202 + Location, Deleting meanwhile, gone afterwards; 204 when there is none."""
    world.make_pool()
    world.await_steady()
    path = world.id("Microsoft.Batch/batchAccounts", f"{ACCOUNT}/pools/dev")
    started = world.send("DELETE", f"{path}?api-version=2025-06-01")
    assert started.status == 202
    assert "Azure-AsyncOperation" not in started.headers
    again = world.send("DELETE", f"{path}?api-version=2025-06-01")
    monitors = [answer.headers["Location"].partition("?")[0] for answer in (started, again)]
    assert monitors[0] == monitors[1]
    assert world.pool().provisioning_state == "Deleting"
    assert refused(patch_pool, world, metadata=[]).error.code == "PoolBeingDeleted"
    world.batch.pool.begin_delete(GROUP, ACCOUNT, "dev").result()
    assert refused(world.pool).status_code == 404
    assert world.send("DELETE", f"{path}?api-version=2025-06-01").status == 204


def test_a_gateway_timeout_of_a_delete_is_cured_by_trying_again(world):
    """Recorded: 504 GatewayTimeout of a pool DELETE, which succeeded when tried again."""
    world.make_pool(nodes=0)
    world.add_fault(effect="status", operation="pools.delete", status=504, code="GatewayTimeout")
    error = refused(world.batch.pool.begin_delete, GROUP, ACCOUNT, "dev")
    assert (error.status_code, error.error.code) == (504, "GatewayTimeout")
    world.batch.pool.begin_delete(GROUP, ACCOUNT, "dev").result()
    assert refused(world.pool).status_code == 404


def test_pools_are_listed_in_pages():
    """The SDK follows nextLink."""
    world = BatchSandbox(page_size=2)
    world.make_account()
    for number in range(5):
        world.make_pool(f"p{number}", nodes=0)
    found = world.batch.pool.list_by_batch_account(GROUP, ACCOUNT)
    assert [pool.name for pool in found] == [f"p{number}" for number in range(5)]


def test_a_list_leaves_out_the_properties_that_nobody_selected(world):
    """Whoever counts cores need not read every start task."""
    world.make_pool("p1", nodes=0)
    select = "properties/vmSize,properties/scaleSettings"
    [pool] = world.batch.pool.list_by_batch_account(GROUP, ACCOUNT, select=select)
    assert pool.name == "p1"
    assert pool.as_dict()["properties"].keys() == {"vmSize", "scaleSettings"}


def test_a_subnet_with_a_pool_in_it_cannot_be_deleted(world):
    """The pool's nodes live there."""
    subnet = world.make_network()
    world.make_pool(nodes=0, networkConfiguration={"subnetId": subnet})
    error = refused(world.network.subnets.begin_delete, GROUP, "net", "build")
    assert error.error.code == "InUseSubnetCannotBeDeleted"


def test_a_subnet_must_be_in_the_accounts_region():
    """Region of the network and of the account must be one."""
    world = BatchSandbox()
    world.make_account(location="westeurope")
    network = {"subnetId": world.make_network()}
    error = refused(world.make_pool, networkConfiguration=network)
    assert "another region" in details(error)["Reason"]
