"""Pools in Resource Manager: what is refused, what changes when, and what a resize tells later."""

from __future__ import annotations

import json

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from batch_world import (
    ACCOUNT,
    AGENT,
    BUSYBOX,
    CPU,
    T4,
    BatchWorld,
    containers_of,
    details,
    pool_body,
    start_task,
)
from simulated_world import GROUP, LOCATION, refused


@pytest.fixture
def world() -> BatchWorld:
    world = BatchWorld()
    world.make_account()
    return world


def _patch(world: BatchWorld, **properties: object):  # type: ignore[no-untyped-def]
    return world.batch.pool.update(GROUP, ACCOUNT, "dev", {"properties": properties})


def _scale(nodes: int, **changes: object) -> dict[str, object]:
    return {"fixedScale": {"targetDedicatedNodes": nodes, **changes}}


# --- creation ----------------------------------------------------------------------------------


def test_a_pool_is_answered_at_once_and_allocated_later(world):
    """Recorded: 200, provisioningState Succeeded, allocationState Resizing; Steady minutes later."""
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
    _patch(world, metadata=[{"name": "a", "value": "b"}])
    condition = {"etag": before, "match_condition": MatchConditions.IfNotModified}
    body = {"properties": {"metadata": []}}
    assert (
        refused(world.batch.pool.update, GROUP, ACCOUNT, "dev", body, **condition).status_code
        == 412
    )


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"size": "Standard_NC6"}, "InvalidPropertyValue", "vmSize"),
        ({"size": "Standard_D4ps_v5"}, "InvalidPropertyValue", "vmSize"),
        ({"agent": "batch.node.ubuntu 20.04"}, "InvalidPropertyValue", "nodeAgentSkuId"),
        ({"agent": "batch.node.debian 12"}, "InvalidPropertyValue", "nodeAgentSkuId"),
        ({"agent": ""}, "MissingRequiredProperty", "nodeAgentSkuId"),
        ({"image": {"id": "/x", "publisher": "p"}}, "InvalidPropertyValue", "imageReference"),
        ({"image": {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2"}},
         "InvalidPropertyValue", "imageReference"),
        ({"containers": {"containerImageNames": [BUSYBOX]}}, "MissingRequiredProperty", "type"),
        ({"containers": {"type": "Podman"}}, "InvalidPropertyValue", "type"),
        ({"scale": {"fixedScale": {"resizeTimeout": "PT1M"}}}, "InvalidPropertyValue", "resizeTimeout"),
        ({"scale": {"autoScale": {"formula": "$TargetDedicatedNodes=1;", "evaluationInterval": "PT1M"}}},
         "InvalidPropertyValue", "evaluationInterval"),
        ({"scale": {"autoScale": {"formula": "x=1;"}, "fixedScale": {"targetDedicatedNodes": 1}}},
         "InvalidPropertyValue", "scaleSettings"),
        ({"taskSlotsPerNode": 17}, "InvalidPropertyValue", "taskSlotsPerNode"),
        ({"start_task": {"environmentSettings": []}}, "MissingRequiredProperty", "commandLine"),
        ({"networkConfiguration": {"subnetId": "/subscriptions/s/resourceGroups/g/providers/"
          "Microsoft.Network/virtualNetworks/v/subnets/s"}}, "InvalidPropertyValue", "subnetId"),
        ({"metadata": [{"name": str(n), "value": ""} for n in range(51)]}, "InvalidPropertyValue", "metadata"),
    ],
)  # fmt: skip
def test_a_body_that_can_never_be_a_pool_is_refused(world, changes, code, named):
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
    world.azure.store.find(world.id("Microsoft.Batch/batchAccounts", ACCOUNT)).properties[
        "poolQuota"
    ] = 1
    world.make_pool("one", nodes=0)
    error = refused(world.make_pool, "two", nodes=0)
    assert (error.status_code, error.error.code) == (409, "PoolQuotaReached")


def test_a_pool_without_its_account_is_refused(world):
    """The parent is looked for first."""
    assert refused(world.make_pool, account="nobody123").status_code == 404


# --- images ------------------------------------------------------------------------------------


def test_an_image_must_exist(world):
    """A wrong id is found out at once."""
    missing = world.make_image().replace("1.0.0", "1.0.1")
    error = refused(world.make_pool, image=missing)
    assert details(error)["Reason"] == "The specified image is not found."


def test_an_image_must_be_one_version_of_a_gallery(world):
    """A definition would let nodes of one pool differ."""
    definition = world.make_image().rpartition("/versions/")[0]
    assert "image version" in details(refused(world.make_pool, image=definition))["Reason"]


def test_an_image_must_be_generalized(world):
    """Batch takes no specialized images."""
    image = world.make_image(osState="Specialized")
    assert "not generalized" in details(refused(world.make_pool, image=image))["Reason"]


def test_an_image_must_be_provisioned(world):
    """A version that is still being copied is no image yet."""
    image = world.make_image()
    world.azure.store.find(image).properties["provisioningState"] = "Creating"
    assert "not provisioned" in details(refused(world.make_pool, image=image))["Reason"]


@pytest.mark.parametrize(
    ("system", "version", "agent", "fits"),
    [
        ("ubuntu", "24.04", AGENT, True),
        ("ubuntu", "22.04", AGENT, False),
        ("almalinux", "9.6", "batch.node.el 9", True),
        ("rocky", "8.10", "batch.node.el 8", True),
        ("almalinux", "10.0", "batch.node.el 9", False),
        ("debian", "12", AGENT, False),
    ],
)
def test_the_agent_must_be_made_for_the_images_system(world, system, version, agent, fits):
    """What is inside the image decides, not its name."""
    image = world.make_image(inside={"os": system, "osVersion": version})
    if fits:
        assert world.make_pool(image=image, agent=agent, nodes=0).name == "dev"
    else:
        error = refused(world.make_pool, image=image, agent=agent)
        assert details(error)["PropertyName"] == "nodeAgentSkuId"


def test_an_image_without_a_copy_in_the_region_fails_the_allocation(world):
    """The pool is made; compute's refusal shows as an error of the resize."""
    image = world.make_image(regions=["westeurope"])
    world.make_pool(image=image)
    (error,) = world.resize_errors()
    assert error.code == "AllocationFailed"
    inner = _inner(error)
    assert inner["code"] == "GalleryImageNotFound"
    assert "is not available in swedencentral region" in inner["message"]


@pytest.mark.parametrize(
    ("definition", "size", "security", "words"),
    [
        ({"hyperVGeneration": "V1"}, "Standard_NC40ads_H100_v5", {}, "cannot boot Hypervisor"),
        ({"architecture": "Arm64"}, CPU, {}, "CPU architecture"),
        ({"features": {"SecurityType": "TrustedLaunch"}}, CPU, {}, "'TrustedLaunch' security type"),
        ({}, CPU, {"security": {"securityType": "trustedLaunch"}}, "TrustedLaunch"),
        ({}, "Standard_D4s_v6", {}, "disk controller"),
    ],
)  # fmt: skip
def test_an_image_that_compute_cannot_boot_fails_the_allocation(
    world, definition, size, security, words
):
    """Generation, architecture, security type and disk controller must fit the size."""
    world.make_pool(image=world.make_image(**definition), size=size, **security)
    (error,) = world.resize_errors()
    assert words in _inner(error)["message"]
    assert world.pool().current_dedicated_nodes == 0


def test_a_trusted_launch_image_makes_a_trusted_launch_pool(world):
    """Both spellings of the security type meet."""
    image = world.make_image(features={"SecurityType": "TrustedLaunch"})
    world.make_pool(image=image, security={"securityType": "trustedLaunch"})
    assert world.resize_errors() == []


def test_a_pool_cannot_grow_after_its_image_was_deleted(world):
    """Deleting a version is allowed, and felt at the next resize."""
    image = world.make_image()
    world.make_pool(image=image)
    world.await_steady()
    world.azure.store.remove(image)
    _patch(world, scaleSettings=_scale(2))
    (error,) = world.resize_errors()
    assert error.code == "AllocationFailed"
    assert world.pool().current_dedicated_nodes == 1


# --- identities --------------------------------------------------------------------------------


def _identity(world: BatchWorld, name: str = "pull") -> str:
    body = {"location": LOCATION}
    return str(world.identities.user_assigned_identities.create_or_update(GROUP, name, body).id)


def test_identities_must_exist(world):
    """A pool cannot be given an identity that was deleted."""
    missing = world.id("Microsoft.ManagedIdentity/userAssignedIdentities", "gone")
    assert refused(world.make_pool, identity=missing).status_code == 400


def test_a_registrys_identity_must_be_listed_at_the_pool(world):
    """Naming it in the registry alone is not enough."""
    identity = _identity(world)
    registry = {"registryServer": "x.azurecr.io", "identityReference": {"resourceId": identity}}
    containers = containers_of(containerRegistries=[registry])
    error = refused(world.make_pool, containers=containers)
    assert details(error)["PropertyName"] == "identityReference"
    pool = world.make_pool(containers=containers, identity=identity, nodes=0)
    shown = next(iter(pool.identity.user_assigned_identities.values()))
    assert shown.client_id


def test_a_registry_has_one_way_in(world):
    """Name and password, or an identity: not both, not none."""
    containers = containers_of(containerRegistries=[{"registryServer": "x.azurecr.io"}])
    assert (
        details(refused(world.make_pool, containers=containers))["PropertyName"]
        == "containerRegistries"
    )


# --- quota and capacity ------------------------------------------------------------------------


def test_cores_beyond_the_familys_quota_show_as_a_resize_error(world):
    """The pool gets what fits: 16 T4 nodes of 64 cores."""
    world.make_pool(size=T4, nodes=20, image=world.make_gpu_image())
    (error,) = world.resize_errors()
    assert error.code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 16


def test_cores_beyond_the_accounts_quota_show_as_a_resize_error(world):
    """The smaller of the two quotas is the one that is named."""
    account = world.azure.store.find(world.id("Microsoft.Batch/batchAccounts", ACCOUNT))
    account.properties["dedicatedCoreQuota"] = 8
    world.make_pool(nodes=3)
    (error,) = world.resize_errors()
    assert error.code == "AccountCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 2


def test_two_pools_share_one_quota(world):
    """Cores are taken when a resize begins, so two pools never get the same ones."""
    image = world.make_gpu_image()
    world.make_pool("one", size=T4, nodes=10, image=image)
    world.make_pool("two", size=T4, nodes=10, image=image)
    assert world.resize_errors("one") == []
    (error,) = world.resize_errors("two")
    assert error.code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool("two").current_dedicated_nodes == 6


def test_cores_come_back_with_a_deleted_pool(world):
    """A quota counts what exists."""
    image = world.make_gpu_image()
    world.make_pool("one", size=T4, nodes=16, image=image)
    world.await_steady("one")
    world.batch.pool.begin_delete(GROUP, ACCOUNT, "one").result()
    world.make_pool("two", size=T4, nodes=16, image=image)
    assert world.resize_errors("two") == []


def test_a_family_without_quota_gives_no_node(world):
    """Most of the 64 families have none."""
    world.make_pool(size="Standard_E4ds_v5")
    assert world.resize_errors()[0].code == "AccountVMSeriesCoreQuotaReached"
    assert world.pool().current_dedicated_nodes == 0


def test_low_priority_nodes_have_a_quota_of_their_own(world):
    """100 cores shared by all families."""
    world.make_pool(nodes=1, low_priority=26)
    (error,) = world.resize_errors()
    assert error.code == "AccountLowPriorityCoreQuotaReached"
    pool = world.pool()
    assert (pool.current_dedicated_nodes, pool.current_low_priority_nodes) == (1, 25)


def test_capacity_that_runs_out_is_an_allocation_failure_with_its_reason_inside(world):
    """An injected failure of compute keeps its own code as the inner error."""
    world.add_fault(effect="allocation", operation="pools.allocate", code="SkuNotAvailable")
    world.make_pool()
    (error,) = world.resize_errors()
    assert (error.code, _inner(error)["code"]) == ("AllocationFailed", "SkuNotAvailable")


def test_an_injected_code_of_batch_is_told_as_it_is(world):
    """Faults may ask for any error of the resize."""
    world.add_fault(effect="allocation", operation="pools.allocate", code="AccountCoreQuotaReached")
    world.make_pool()
    assert world.resize_errors()[0].code == "AccountCoreQuotaReached"


def test_a_slow_allocation_meets_the_resize_timeout(world):
    """At its time-out a resize ends, without nodes and with AllocationTimedOut."""
    world.add_fault(effect="slow", operation="pools.allocate", factor=20)
    world.make_pool(resize_timeout="PT5M")
    began = world.now()
    (error,) = world.resize_errors()
    assert error.code == "AllocationTimedOut"
    assert 290 <= world.now() - began <= 320
    assert world.pool().current_dedicated_nodes == 0


def test_communicating_nodes_are_at_most_a_hundred(world):
    """The limit of pools with inter-node communication."""
    world.make_pool(size="Standard_D2s_v5", nodes=101, interNodeCommunication="Enabled")
    codes = [error.code for error in world.resize_errors()]
    assert "CommunicationEnabledPoolReachedMaxVMCount" in codes


def test_nodes_cost_money_from_allocation_to_removal(world):
    """What /_simulator/resources shows; low-priority nodes cost a fifth."""
    world.make_pool(nodes=1, low_priority=5)
    assert world.listed()["dev"]["costPerHour"] == 0
    world.await_steady()
    assert world.listed()["dev"]["costPerHour"] == pytest.approx(2 * 0.192)
    _patch(world, scaleSettings=_scale(0))
    world.await_steady()
    assert world.listed()["dev"]["costPerHour"] == 0


# --- updates -----------------------------------------------------------------------------------


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
    error = refused(_patch, world, **properties)
    name = next(iter(properties))
    assert (error.status_code, error.error.code) == (400, "PropertyCannotBeUpdated")
    assert details(error)["PropertyPath"] == f"properties.{name}"


def test_with_nodes_scale_start_task_and_metadata_can_be_updated(world):
    """PATCH answers 200 with the changed pool."""
    world.make_pool()
    world.await_steady()
    _patch(world, metadata=[{"name": "image", "value": "1.0.1"}])
    _patch(world, startTask=start_task("echo hello"))
    pool = _patch(world, scaleSettings=_scale(2))
    assert pool.allocation_state == "Resizing"
    assert pool.metadata[0].value == "1.0.1"
    assert pool.start_task.command_line == "echo hello"
    assert world.await_steady().current_dedicated_nodes == 2


def test_an_empty_start_task_removes_it(world):
    """There is no other way to say it in a PATCH."""
    world.make_pool(start_task=start_task("echo hello"), nodes=0)
    world.await_steady()
    assert _patch(world, startTask={}).start_task is None


def test_an_empty_pool_takes_a_new_image(world):
    """The way to update a pool in place: to zero, new image, back."""
    world.make_pool(image=world.make_image("old"))
    world.await_steady()
    _patch(world, scaleSettings=_scale(0))
    assert world.await_steady().current_dedicated_nodes == 0
    deployment = pool_body(image=world.make_image("new"))["properties"]["deploymentConfiguration"]
    _patch(world, deploymentConfiguration=deployment)
    _patch(world, scaleSettings=_scale(1))
    assert world.resize_errors() == []
    machine = world.pool().deployment_configuration.virtual_machine_configuration
    assert "/images/new/" in machine.image_reference.id


def test_while_a_pool_resizes_its_scale_cannot_change(world):
    """409 OperationInvalidForCurrentState, and time cures it; other properties may change."""
    world.make_pool()
    error = refused(_patch, world, scaleSettings=_scale(2))
    assert (error.status_code, error.error.code) == (409, "OperationInvalidForCurrentState")
    _patch(world, metadata=[])
    world.await_steady()
    _patch(world, scaleSettings=_scale(2))


def test_a_second_put_replaces_what_may_change(world):
    """The same body again changes nothing; another image on a pool with nodes is refused."""
    world.make_pool(nodes=1)
    world.await_steady()
    assert world.make_pool(nodes=1).allocation_state == "Steady"
    assert world.make_pool(nodes=2).allocation_state == "Resizing"
    world.await_steady()
    error = refused(world.make_pool, nodes=2, image=world.make_image())
    assert error.error.code == "PropertyCannotBeUpdated"


# --- resizing ----------------------------------------------------------------------------------


def test_a_resize_can_be_stopped(world):
    """Stopping, then Steady with ResizeStopped and no nodes."""
    world.make_pool()
    assert world.batch.pool.stop_resize(GROUP, ACCOUNT, "dev").allocation_state == "Stopping"
    (error,) = world.resize_errors()
    assert error.code == "ResizeStopped"
    assert world.pool().current_dedicated_nodes == 0
    assert refused(world.batch.pool.stop_resize, GROUP, ACCOUNT, "dev").status_code == 409


def test_a_formula_sizes_the_pool(world):
    """Evaluated when the pool is made, and again at each interval."""
    scale = {"autoScale": {"formula": "$TargetDedicatedNodes = 2;", "evaluationInterval": "PT5M"}}
    pool = world.make_pool(scale=scale)
    assert "$TargetDedicatedNodes=2" in pool.auto_scale_run.results
    assert world.await_steady().current_dedicated_nodes == 2
    changed = {"autoScale": {**scale["autoScale"], "formula": "$TargetDedicatedNodes = 1 + 2;"}}
    _patch(world, scaleSettings=changed)
    assert world.await_steady().current_dedicated_nodes == 3


def test_a_formula_follows_the_tasks(world):
    """The usual formula: one node for each waiting task, up to a limit."""
    formula = (
        "maximum = 2; // nodes\n"
        "samples = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);\n"
        "pending = samples < 70 ? 1 : avg($PendingTasks.GetSample(180 * TimeInterval_Second));\n"
        "$TargetDedicatedNodes = min(maximum, pending); $NodeDeallocationOption = taskcompletion;"
    )
    world.make_pool(scale={"autoScale": {"formula": formula, "evaluationInterval": "PT5M"}})
    assert world.await_steady().current_dedicated_nodes == 0
    world.make_job()
    for number in range(3):
        world.add_task(f"t{number}")
    world.wait(400)
    assert world.await_steady().current_dedicated_nodes == 2


def test_auto_scale_is_disabled_with_the_present_size(world):
    """The pool keeps its targets, and evaluates no more."""
    world.make_pool(scale={"autoScale": {"formula": "$TargetDedicatedNodes = 2;"}})
    world.await_steady()
    pool = world.batch.pool.disable_auto_scale(GROUP, ACCOUNT, "dev")
    assert pool.scale_settings.fixed_scale.target_dedicated_nodes == 2
    assert pool.scale_settings.auto_scale is None
    world.wait(3600)
    assert world.pool().allocation_state == "Steady"


# --- deletion and lists ------------------------------------------------------------------------


def test_a_pool_is_deleted_by_location(world):
    """202 + Location, Deleting meanwhile, gone afterwards; 204 when there is none."""
    world.make_pool()
    world.await_steady()
    path = world.id("Microsoft.Batch/batchAccounts", f"{ACCOUNT}/pools/dev")
    started = world.send("DELETE", f"{path}?api-version=2025-06-01")
    assert started.status == 202
    assert "Azure-AsyncOperation" not in started.headers
    assert world.pool().provisioning_state == "Deleting"
    assert refused(_patch, world, metadata=[]).error.code == "PoolBeingDeleted"
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
    world = BatchWorld(page_size=2)
    world.make_account()
    for number in range(5):
        world.make_pool(f"p{number}", nodes=0)
    found = world.batch.pool.list_by_batch_account(GROUP, ACCOUNT)
    assert [pool.name for pool in found] == [f"p{number}" for number in range(5)]


def test_a_subnet_with_a_pool_in_it_cannot_be_deleted(world):
    """The pool's nodes live there."""
    subnet = world.make_network()
    world.make_pool(nodes=0, networkConfiguration={"subnetId": subnet})
    error = refused(world.network.subnets.begin_delete, GROUP, "net", "build")
    assert error.error.code == "InUseSubnetCannotBeDeleted"


def test_a_subnet_must_be_in_the_accounts_region():
    """Region of the network and of the account must be one."""
    world = BatchWorld()
    world.make_account(location="westeurope")
    network = {"subnetId": world.make_network()}
    error = refused(world.make_pool, networkConfiguration=network)
    assert "another region" in details(error)["Reason"]


def _inner(error: object) -> dict[str, str]:
    """The error of compute inside an AllocationFailed."""
    found = {item.code: item.message for item in error.details}
    inner: dict[str, str] = json.loads(found["Provider Error Json"])["error"]
    return inner
