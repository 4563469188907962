"""Nodes: how they come up, what holds them back, how they are repaired and removed."""

from __future__ import annotations

import json

import pytest
from azure_sandbox import GROUP, LOCATION, refused, result_line
from batch_sandbox import (
    ACCOUNT,
    BUSYBOX,
    CPU,
    HOST,
    T4,
    VERIFY,
    BatchSandbox,
    as_preloaded,
    code_of,
    containers_of,
    failed_codes,
    start_task,
    stored_image,
    verified,
)

# Left out, these options make the SDK raise ValueError before it sends anything.
REBOOT = {"nodeRebootOption": "requeue"}
REIMAGE = {"nodeReimageOption": "requeue"}


pytestmark = pytest.mark.usefixtures("account")


# --- the life of a node -------------------------------------------------------------------------


def test_a_node_takes_minutes_and_passes_through_its_states(world):
    """creating, starting, waitingforstarttask, idle: a pool is ready in 5 to 10 minutes."""
    world.make_pool(start_task=start_task("echo hello"))
    assert list(world.service().list_nodes("dev")) == []
    began, seen = world.now(), []
    while "idle" not in seen:
        world.wait(5)
        for node in world.service().list_nodes("dev"):
            seen += [] if node.state in seen else [node.state]
    assert seen == ["creating", "starting", "waitingforstarttask", "idle"]
    assert 240 < world.now() - began < 660


def test_a_node_shows_what_the_service_shows(world):
    """Lower-case states and sizes, its image, its start task and how that went."""
    image = world.make_image()
    world.make_pool(image=image, start_task=start_task("echo hello"))
    (node,) = world.await_nodes()
    assert node.id.startswith("tvmps_")
    assert (node.vm_size, node.is_dedicated, node.scheduling_state) == (
        CPU.lower(),
        True,
        "enabled",
    )
    assert node.virtual_machine_info.image_reference.virtual_machine_image_id == image
    assert node.start_task_info.state == "completed"
    user = node["startTask"]["userIdentity"]["autoUser"]
    assert user == {"scope": "pool", "elevationLevel": "admin"}
    shown = world.service().get_pool("dev")["startTask"]
    assert shown["commandLine"] == "echo hello"
    assert (node.start_task_info.exit_code, node.start_task_info.result) == (0, "success")
    assert node.url.endswith(f"/{HOST}/pools/dev/nodes/{node.id}")
    assert world.service().get_node("dev", node.id).id == node.id


def test_without_a_start_task_a_node_is_idle_when_it_has_booted(world):
    """Nothing to wait for, no file to read."""
    world.make_pool()
    (node,) = world.await_nodes()
    assert (node.state, node.start_task_info) == ("idle", None)
    error = refused(world.node_output, "dev", node.id)
    assert (error.status_code, code_of(error)) == (404, "FileNotFound")


def test_a_failing_start_task_holds_the_node_back(world):
    """starttaskfailed, with the exit code and the reason, as many times as it may be retried."""
    task = {**start_task("/bin/bash -c 'echo sorry; exit 3'"), "maxTaskRetryCount": 2}
    world.make_pool(start_task=task)
    (node,) = world.await_nodes()
    info = node.start_task_info
    assert node.state == "starttaskfailed"
    assert (info.exit_code, info.result, info.retry_count) == (3, "failure", 2)
    assert (info.failure_info.category, info.failure_info.code) == ("usererror", "FailureExitCode")
    assert world.node_output("dev", node.id) == "sorry\n"


def test_a_start_task_may_be_retried_without_limit(world):
    """maxTaskRetryCount -1; the simulator stops at a hundred."""
    task = {**start_task("/bin/bash -c 'exit 3'"), "maxTaskRetryCount": -1}
    world.make_pool(start_task=task)
    (node,) = world.await_nodes()
    assert node.start_task_info.retry_count == 100


def test_a_node_that_does_not_wait_for_its_start_task_is_idle_though_it_fails(world):
    """waitForSuccess false: the task's result is only shown."""
    task = {**start_task("/bin/bash -c 'exit 3'"), "waitForSuccess": False}
    world.make_pool(start_task=task)
    (node,) = world.await_nodes()
    assert node.state == "idle"
    world.wait(60)
    (node,) = world.await_nodes()
    assert (node.state, node.start_task_info.result) == ("idle", "failure")


def test_a_late_start_task_does_not_disturb_a_running_node(world):
    """The node that did not wait works already when its start task ends."""
    world.add_fault(effect="slow", operation="nodes.startTask", factor=2)
    world.add_fault(effect="slow", operation="tasks.run", factor=30)
    task = {**start_task("echo hello"), "waitForSuccess": False}
    world.make_pool(start_task=task)
    world.await_nodes()
    world.make_job()
    world.add_task()
    states = []
    for _ in range(30):
        world.wait(5)
        (node,) = world.service().list_nodes("dev")
        states.append((node.start_task_info.state, node.state))
    assert ("running", "running") in states
    assert ("completed", "running") in states
    assert ("completed", "idle") not in states[: states.index(("completed", "running"))]


def test_a_command_line_is_no_shell(world):
    """Operators and variables mean nothing without /bin/bash -c."""
    world.make_pool("plain", start_task=start_task("echo $A && exit 1", A="x"))
    world.make_pool("shell", start_task=start_task("/bin/bash -c 'echo $A && exit 1'", A="x"))
    (plain,) = world.await_nodes("plain")
    (shell,) = world.await_nodes("shell")
    assert (plain.state, world.node_output("plain", plain.id)) == ("idle", "$A && exit 1\n")
    assert (shell.state, world.node_output("shell", shell.id)) == ("starttaskfailed", "x\n")


def test_a_script_that_is_too_long_for_one_argument_cannot_start(world):
    """Linux takes 128 KiB for one argument."""
    world.make_pool(start_task=start_task(f"/bin/bash -c 'echo {'x' * 140_000}'"))
    (node,) = world.await_nodes()
    assert (node.state, node.start_task_info.exit_code) == ("starttaskfailed", 126)


# --- what makes nodes unusable ------------------------------------------------------------------


def test_an_image_that_cannot_be_prefetched_makes_nodes_unusable(world):
    """With the image's name and Docker's words; the node does not recover."""
    image = world.make_image()
    world.make_pool(image=image, containers=containers_of("docker.io/nobody/nothing:1"))
    (node,) = world.await_nodes()
    assert node.state == "unusable"
    (error,) = node.errors
    values = {item.name: item.value for item in error.error_details}
    assert error.code == "ContainerInvalidImage"
    assert values["ContainerImage"] == "docker.io/nobody/nothing:1"
    assert "pull access denied" in values["Message"]
    assert code_of(refused(world.node_output, "dev", node.id)) == "NodeNotReady"


def test_images_in_the_system_image_are_not_pulled(world):
    """A preloaded image needs no registry, however its name is spelled, and saves the time."""
    inside = {"images": [as_preloaded("docker.io/nobody/private:1"), as_preloaded("busybox:1.36")]}
    wanted = containers_of("nobody/private:1", BUSYBOX)
    world.make_pool(image=world.make_image(inside=inside), containers=wanted)
    (node,) = world.await_nodes()
    assert node.state == "idle"


def test_a_container_pool_needs_docker_in_its_image(world):
    """The agent cannot do its work without it."""
    world.make_pool(image=world.make_image(inside={"docker": ""}), containers=containers_of())
    (node,) = world.await_nodes()
    assert node.state == "unusable"
    assert "Docker is not installed" in node.errors[0].message


def test_a_pool_without_public_addresses_needs_another_way_out(world):
    """NoPublicIPAddresses has no implied outbound access."""
    addresses = {"provision": "NoPublicIPAddresses"}
    closed = world.make_network("closed", outbound=False)
    opened = world.make_network("opened", outbound=True)
    for name, subnet in (("no", closed), ("yes", opened)):
        network = {"subnetId": subnet, "publicIPAddressConfiguration": addresses}
        world.make_pool(name, networkConfiguration=network)
    assert [node.state for node in world.await_nodes("no")] == ["unusable"]
    assert [node.state for node in world.await_nodes("yes")] == ["idle"]


def test_an_injected_boot_failure_makes_one_node_unusable(world):
    """Faults meet nodes one by one."""
    world.add_fault(effect="allocation", operation="nodes.start", code="DiskFull")
    world.make_pool(nodes=2)
    assert sorted(node.state for node in world.await_nodes()) == ["idle", "unusable"]


# --- repairing and removing ---------------------------------------------------------------------


def test_a_changed_start_task_takes_effect_after_a_reboot(world):
    """A PATCH alone changes nothing on nodes that are there."""
    world.make_pool(start_task=start_task("/bin/bash -c 'exit 3'"))
    (node,) = world.await_nodes()
    body = {"properties": {"startTask": start_task("echo better")}}
    world.batch.pool.update(GROUP, ACCOUNT, "dev", body)
    assert world.service().get_node("dev", node.id).state == "starttaskfailed"
    world.service().begin_reboot_node("dev", node.id, REBOOT)
    assert world.service().get_node("dev", node.id).state == "rebooting"
    (node,) = world.await_nodes()
    assert (node.state, world.node_output("dev", node.id)) == ("idle", "better\n")


def test_a_reimaged_node_begins_again_from_the_image(world):
    """A reboot keeps what was pulled; reimaging does not, and here it cannot be pulled again."""
    body = {
        "location": LOCATION,
        "sku": {"name": "Standard"},
        "properties": {"anonymousPullEnabled": True},
    }
    registry = world.registries.registries.begin_create(GROUP, "myacr", body).result()
    stored = world.azure.store.add(stored_image(registry.id))
    wanted = containers_of(f"{registry.login_server}/app:1")
    world.make_pool(image=world.make_image(), containers=wanted)
    (node,) = world.await_nodes()
    world.azure.store.remove(stored.id)
    world.service().begin_reboot_node("dev", node.id, REBOOT)
    assert world.await_nodes()[0].state == "idle"
    world.service().begin_reimage_node("dev", node.id, REIMAGE)
    assert world.service().get_node("dev", node.id).state == "reimaging"
    assert world.await_nodes()[0].state == "unusable"


def test_reimaging_takes_longer_than_a_reboot():
    """Three minutes against one and a half, typically."""
    world = BatchSandbox(duration_band=(1, 1))
    world.make_account()
    world.make_pool(nodes=2)
    first, second = world.await_nodes()
    world.service().begin_reboot_node("dev", first.id, REBOOT)
    world.service().begin_reimage_node("dev", second.id, REIMAGE)
    world.wait(100)
    assert [node.state for node in world.service().list_nodes("dev")] == ["idle", "reimaging"]


def test_a_node_on_its_way_cannot_be_rebooted(world):
    """409 while it is created or started."""
    world.make_pool()
    world.await_steady()
    (node,) = world.service().list_nodes("dev")
    error = refused(world.service().begin_reboot_node, "dev", node.id, REBOOT)
    assert (error.status_code, error.error.code) == (409, "NodeNotReady")


def test_nodes_are_removed_by_name(world):
    """The pool shrinks by exactly these, and its target with it."""
    world.make_pool(nodes=3)
    bad, *good = world.await_nodes()
    world.service().begin_remove_nodes("dev", {"nodeList": [bad.id]})
    assert world.service().get_node("dev", bad.id).state == "leavingpool"
    assert {node.id for node in world.await_nodes()} == {node.id for node in good}
    assert world.pool().scale_settings.fixed_scale.target_dedicated_nodes == 2
    assert refused(world.service().get_node, "dev", bad.id).error.code == "NodeNotFound"


def test_only_nodes_of_the_pool_are_removed(world):
    """1 to 100 of them; an unknown name refuses the whole request."""
    world.make_pool(nodes=1)
    (node,) = world.await_nodes()
    remove = world.service().begin_remove_nodes
    assert refused(remove, "dev", {"nodeList": [node.id, "x"]}).error.code == "NodeNotFound"
    assert refused(remove, "dev", {"nodeList": []}).error.code == "InvalidPropertyValue"
    assert refused(remove, "dev", {"nodeList": ["x"] * 101}).error.code == "InvalidPropertyValue"
    assert world.pool().allocation_state == "Steady"


def test_logs_can_be_asked_for(world):
    """The answer names the folder; an incomplete request is refused."""
    world.make_pool()
    (node,) = world.await_nodes()
    body = {
        "containerUrl": "https://x.blob.core.windows.net/logs?sig=1",
        "startTime": "2026-01-01T00:00:00Z",
    }
    result = world.service().upload_node_logs("dev", node.id, body)
    assert result.number_of_files_uploaded > 0
    assert refused(world.service().upload_node_logs, "dev", node.id, {}).status_code == 400


def test_a_run_of_the_simulator_repeats_with_its_seed():
    """Node names and times depend on the seed alone."""

    def run(seed: int) -> list[tuple[str, float]]:
        world = BatchSandbox(seed=seed)
        world.make_account()
        world.make_pool(nodes=2, start_task=start_task(VERIFY))
        return [(node.id, world.now()) for node in world.await_nodes()]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_nodes_survive_a_restart_of_the_simulator(tmp_path):
    """Everything is in the store: killed in the middle of a boot, it goes on."""
    first = BatchSandbox(path=tmp_path / "azure.sqlite")
    first.make_account()
    first.make_pool(start_task=start_task(EXPECT_IMAGES=BUSYBOX))
    first.await_steady()
    now = first.now()
    first.close()
    second = BatchSandbox(path=tmp_path / "azure.sqlite", start=now)
    (node,) = second.await_nodes()
    assert failed_codes(result_line(second.node_output("dev", node.id))) == [
        "DOCKER_DOWN",
        "IMAGE_MISSING",
    ]
    second.close()


def test_the_result_line_stays_below_its_limit(world):
    """Run commands and readers keep 3 KB."""
    images = "\n".join(f"docker.io/library/python:3.{n}" for n in range(30))
    _, result = verified(world, size=T4, environment={"EXPECT_IMAGES": images})
    assert len(json.dumps(result)) < 3072
