"""An account's data plane: who is let in, what it lists, and its pools."""

from __future__ import annotations

import json

import pytest
from azure_sandbox import GROUP, refused
from batch_sandbox import ACCOUNT, AGENT, CPU, HOST, T4, BatchSandbox, start_task

from local.azure_simulator import tokens

pytestmark = pytest.mark.usefixtures("account")


def test_supported_images_name_agent_capabilities_and_end(world):
    """The authority on which systems a pool can run."""
    images = list(world.service().list_supported_images())
    agents = {image.node_agent_sku_id for image in images}
    assert {"batch.node.ubuntu 24.04", "batch.node.el 9"} <= agents
    assert not any("20.04" in agent or "debian" in agent for agent in agents)
    jammy = next(i for i in images if i.image_reference.sku == "22_04-lts")
    assert jammy.batch_support_end_of_life.year == 2027
    hpc = next(i for i in images if i.image_reference.offer == "ubuntu-hpc")
    assert "DockerCompatible" in hpc.capabilities
    assert {image.verification_type for image in images} == {"verified", "unverified"}
    assert {image.os_type for image in images} == {"linux", "windows"}


def test_another_audiences_token_is_refused(world):
    """The data plane takes tokens for Batch only, Resource Manager none of those."""

    url = f"https://management.azure.com/{HOST}/pools?api-version=2025-06-01"
    refused_answer = world.send("GET", url)
    assert refused_answer.status == 401
    assert refused_answer.json()["code"] == "AuthenticationFailed"
    token, _ = tokens.new_token(world.azure, "https://batch.core.windows.net/")
    assert world.send("GET", url, token=token).status == 200
    path = world.id("Microsoft.Batch/batchAccounts", ACCOUNT) + "?api-version=2025-06-01"
    assert world.send("GET", path, token=token).status == 401


def test_an_unknown_account_has_no_service(world):
    """Its host name would not resolve."""
    url = "https://management.azure.com/nobody/pools?api-version=2025-06-01"

    token, _ = tokens.new_token(world.azure, "https://batch.core.windows.net/")
    assert world.send("GET", url, token=token).status == 404


def test_errors_have_the_services_own_form(world):
    """No envelope; a message with its language; RequestId and Time inside it."""
    error = refused(world.service().get_pool, "nobody")
    document = json.loads(error.response.text())
    assert (error.status_code, error.error.code) == (404, "PoolNotFound")
    assert document["message"]["lang"] == "en-US"
    assert "\nRequestId:" in document["message"]["value"]
    assert document["odata.metadata"].endswith("/@Element")


def test_the_service_resizes_a_steady_pool_only(world):
    """202, then 409 PoolBeingResized until it is steady; auto-scaled pools refuse."""
    world.make_pool(nodes=1)
    service = world.service()
    body = {"targetDedicatedNodes": 2}
    assert refused(service.begin_resize_pool, "dev", body).error.code == "PoolBeingResized"
    world.await_steady()
    service.begin_resize_pool("dev", body)
    assert service.get_pool("dev").allocation_state == "resizing"
    assert len(world.await_nodes()) == 2
    formula = {"autoScaleFormula": "$TargetDedicatedNodes = 2;"}
    service.enable_pool_auto_scale("dev", formula)
    assert refused(service.begin_resize_pool, "dev", body).error.code == "PoolAutoScaleEnabled"


def test_a_resize_may_bring_its_own_timeout(world):
    """It is kept, within the limits of any time-out."""
    world.make_pool(nodes=0)
    world.await_steady()
    body = {"targetLowPriorityNodes": 1, "resizeTimeout": "PT1M"}
    assert refused(world.service().begin_resize_pool, "dev", body).status_code == 400
    world.service().begin_resize_pool("dev", {**body, "resizeTimeout": "PT20M"})
    assert world.pool().scale_settings.fixed_scale.resize_timeout.total_seconds() == 1200
    assert world.await_steady().current_low_priority_nodes == 1


def test_a_formula_is_tried_and_auto_scale_switched_off_on_the_service(world):
    """Trying changes nothing, and needs auto scale to be on."""
    world.make_pool(nodes=1)
    world.await_steady()
    service = world.service()
    trial = {"autoScaleFormula": "$TargetDedicatedNodes = 7;"}
    error = refused(service.evaluate_pool_auto_scale, "dev", trial)
    assert error.error.code == "AutoScaleNotEnabled"
    service.enable_pool_auto_scale("dev", {"autoScaleFormula": "$TargetDedicatedNodes = 1;"})
    found = service.evaluate_pool_auto_scale("dev", trial)
    assert "$TargetDedicatedNodes=7" in found.results
    service.disable_pool_auto_scale("dev")
    assert not service.get_pool("dev").enable_auto_scale
    assert world.pool().scale_settings.fixed_scale.target_dedicated_nodes == 1


def test_the_service_shows_pools_in_lower_case(world):
    """Enumerations differ between the two planes."""
    world.make_pool(nodes=1, size=T4, image=world.make_gpu_image())
    world.await_steady()
    pool = world.service().get_pool("dev")
    assert (pool.state, pool.allocation_state, pool.vm_size) == ("active", "steady", T4.lower())
    assert (pool.current_dedicated_nodes, pool.target_dedicated_nodes) == (1, 1)
    machine = pool.virtual_machine_configuration
    assert machine.node_agent_sku_id == "batch.node.ubuntu 24.04"
    assert machine.image_reference.virtual_machine_image_id.endswith("/versions/1.0.0")


def test_the_service_knows_a_pool_that_is_being_deleted(world):
    """It is shown as deleting, and nothing can be done with it."""
    world.make_pool(nodes=1)
    world.await_steady()
    service = world.service()
    assert (
        refused(service.begin_resize_pool, "dev", {"targetDedicatedNodes": -1}).status_code == 400
    )
    path = world.id("Microsoft.Batch/batchAccounts", f"{ACCOUNT}/pools/dev")
    world.send("DELETE", f"{path}?api-version=2025-06-01")
    assert service.get_pool("dev").state == "deleting"
    for call in (service.begin_resize_pool, service.begin_remove_nodes):
        error = refused(call, "dev", {"targetDedicatedNodes": 1})
        assert (error.status_code, error.error.code) == (409, "PoolBeingDeleted")


def test_resize_errors_show_on_both_planes(world):
    """The data plane calls their details values."""
    world.make_pool(size="Standard_E4ds_v5")
    world.await_steady()
    (error,) = world.service().get_pool("dev").resize_errors
    assert error.code == "AccountVMSeriesCoreQuotaReached"
    assert {item.name for item in error.error_values} == {"VM Family Name"}


def test_nodes_are_counted_by_state(world):
    """One listing tells all pools; the names are in camel case."""
    world.make_pool(nodes=2, low_priority=1)
    world.await_nodes()
    (counts,) = world.service().list_pool_node_counts()
    assert (counts.pool_id, counts.dedicated.idle, counts.dedicated.total) == ("dev", 2, 2)
    assert counts.low_priority.idle == 1
    kinds = {node.id[-2:]: node.is_dedicated for node in world.service().list_nodes("dev")}
    assert kinds == {"_d": True, "_p": False}


def test_a_pool_is_made_on_the_data_plane(world: BatchSandbox) -> None:
    """As the Azure CLI makes them: a flat body, and numbers as text; 409 the second time."""
    world.make_account()
    image = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    body = {
        "id": "p",
        "vmSize": CPU,
        "virtualMachineConfiguration": {
            "imageReference": {**image, "version": "latest"},
            "nodeAgentSKUId": AGENT,
        },
        "targetDedicatedNodes": "1",
        "enableInterNodeCommunication": True,
    }
    token, _ = tokens.new_token(world.azure, "https://batch.core.windows.net/")

    answer = world.send("POST", f"/{HOST}/pools?api-version=2025-06-01", body, token=token)
    again = world.send("POST", f"/{HOST}/pools?api-version=2025-06-01", body, token=token)

    assert (answer.status, answer.headers["Location"].rpartition("/")[2]) == (201, "p")
    assert (again.status, again.json()["code"]) == (409, "PoolExists")
    made = world.pool("p")
    assert made.inter_node_communication == "Enabled"
    assert made.scale_settings.fixed_scale.target_dedicated_nodes == 1
    assert [node.state for node in world.await_nodes("p")] == ["idle"]


def test_an_account_has_two_keys_until_it_takes_none(world: BatchSandbox) -> None:
    accounts = world.batch.batch_account
    world.make_account()

    first = accounts.get_keys(GROUP, ACCOUNT)
    second = accounts.regenerate_key(GROUP, ACCOUNT, {"keyName": "Primary"})

    assert first.primary != second.primary
    assert first.secondary == second.secondary == accounts.get_keys(GROUP, ACCOUNT).secondary
    accounts.update(GROUP, ACCOUNT, {"properties": {"allowedAuthenticationModes": ["AAD"]}})
    assert refused(accounts.get_keys, GROUP, ACCOUNT).status_code == 400


def test_a_pool_is_changed_on_the_data_plane(world: BatchSandbox) -> None:
    """PATCH leaves what it does not name; `updateproperties` takes it away."""
    world.make_account()
    world.make_pool(nodes=0, metadata=[{"name": "a", "value": "1"}], start_task=start_task("true"))
    token, _ = tokens.new_token(world.azure, "https://batch.core.windows.net/")

    def send(method: str, path: str, name: str) -> int:
        body = {"metadata": [{"name": name, "value": "1"}]}
        url = f"/{HOST}/pools/dev{path}?api-version=2025-06-01"
        return world.send(method, url, body, token=token).status

    assert send("PATCH", "", "b") == 200
    assert [item.name for item in world.pool().metadata] == ["b"]
    assert world.pool().start_task.command_line == "true"
    assert send("POST", "/updateproperties", "c") == 204
    assert [item.name for item in world.pool().metadata] == ["c"]
    assert world.pool().start_task is None
