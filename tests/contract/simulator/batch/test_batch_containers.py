"""Tasks in containers: settings, images, GPUs, and who may pull."""

from __future__ import annotations

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION
from batch_sandbox import (
    BUSYBOX,
    CUDA,
    T4,
    BatchSandbox,
    as_preloaded,
    containers_of,
    stored_image,
)

from local.azure_simulator.container_registry import pulls

CONTAINER = {"containerSettings": {"imageName": CUDA}}


pytestmark = pytest.mark.usefixtures("account")


def _gpu_pool(world: BatchSandbox, **changes: Any) -> None:
    image = changes.pop("image", None) or world.make_gpu_image()
    options = {"size": T4, "image": image, "containers": containers_of(CUDA)}
    world.make_ready_pool(**{**options, **changes})


def test_a_container_sees_the_gpus_of_its_node(world):
    """One line for each GPU of the size: Batch adds the option for them itself."""
    _gpu_pool(world)
    world.add_task(commandLine="nvidia-smi -L", **CONTAINER)
    task = world.await_task()
    assert task.execution_info.exit_code == 0
    assert task.execution_info.container_info.state == "exited"
    assert world.task_output().count("Tesla T4") == 1


@pytest.mark.parametrize(("size", "count"), [("Standard_NC64as_T4_v3", 4), (T4, 1)])
def test_the_number_of_gpus_is_that_of_the_size(world, size, count):
    """So that a verification can compare."""
    _gpu_pool(world, size=size)
    world.add_task(commandLine="/bin/bash -c 'nvidia-smi -L'", **CONTAINER)
    world.await_task()
    assert len(world.task_output().splitlines()) == count


def test_without_a_driver_there_is_no_nvidia_smi(world):
    """127 as from a shell."""
    image = world.make_image(inside={"images": [as_preloaded(CUDA)]})
    _gpu_pool(world, image=image)
    world.add_task(commandLine="nvidia-smi -L", **CONTAINER)
    assert world.await_task().execution_info.exit_code == 127


def test_an_image_without_glibc_sees_the_devices_but_cannot_run_nvidia_tools(world):
    """The tools are mounted from the host and need its C library; device files need nothing."""
    _gpu_pool(world)
    small = {"containerSettings": {"imageName": BUSYBOX}}
    world.add_task("tool", commandLine="nvidia-smi -L", **small)
    world.add_task("files", commandLine="/bin/sh -c 'ls -d /dev/nvidia[0-9]*'", **small)
    assert world.await_task("tool").execution_info.exit_code == 127
    assert world.await_task("files").execution_info.exit_code == 0
    assert world.task_output("files") == "/dev/nvidia0\n"


def test_without_a_gpu_there_are_no_device_files(world):
    """Whatever the image has inside."""
    _gpu_pool(world, size="Standard_D4s_v5")
    world.add_task(commandLine="/bin/sh -c 'ls -d /dev/nvidia[0-9]*'", **CONTAINER)
    assert world.await_task().execution_info.exit_code == 2


def test_a_driver_without_the_container_toolkit_starts_no_container(world):
    """Docker cannot select a device driver for the GPUs Batch asks for."""
    inside = {"driver": "580", "toolkit": "", "images": [as_preloaded(CUDA)]}
    _gpu_pool(world, image=world.make_image(inside=inside))
    world.add_task(**CONTAINER)
    failure = world.await_task().execution_info.failure_info
    assert "could not select device driver" in failure.details[0].value


@pytest.mark.parametrize("has_containers", [True, False])
def test_container_settings_and_container_pools_go_together(world, has_containers):
    """Each without the other is a failed task."""
    image = world.make_gpu_image()
    containers = {"containers": containers_of()} if has_containers else {}
    world.make_ready_pool(image=image, **containers)
    world.add_task(**({} if has_containers else CONTAINER))
    information = world.await_task().execution_info
    assert (information.result, information.exit_code) == ("failure", None)
    assert information.failure_info.code == "ContainerInvalidSettings"


def test_asking_for_gpus_oneself_is_refused(world):
    """Seen: the option is not recognized or unsupported."""
    _gpu_pool(world)
    settings = {"imageName": CUDA, "containerRunOptions": "--gpus all"}
    world.add_task(containerSettings=settings)
    failure = world.await_task().execution_info.failure_info
    assert failure.code == "ContainerInvalidSettings"


def test_an_image_that_is_not_there_is_pulled_first(world):
    """preparing, then running; the next task finds it."""
    _gpu_pool(world)
    settings = {"containerSettings": {"imageName": "docker.io/library/python:3.13"}}
    world.add_task("first", **settings)
    world.wait(8)
    assert world.service().get_task("job", "first").state == "preparing"
    world.await_task("first")
    world.add_task("second", **settings)
    world.wait(8)
    assert world.service().get_task("job", "second").state == "running"


def test_an_image_that_cannot_be_pulled_fails_the_task(world):
    """With the code and the values the service gives."""
    _gpu_pool(world)
    world.add_task(containerSettings={"imageName": "docker.io/nobody/nothing:1"})
    failure = world.await_task().execution_info.failure_info
    values = {item.name: item.value for item in failure.details}
    assert failure.code == "ContainerInvalidImage"
    assert failure.message == "One or more container images specified are invalid"
    assert values["ContainerImage"] == "docker.io/nobody/nothing:1"


@pytest.mark.parametrize("where", ["pool", "task"])
def test_a_task_pulls_with_an_identity_of_its_own_or_of_the_pool(world, where):
    """Both name the registry; without the role the registry stays closed."""
    registry = world.registries.registries.begin_create(
        GROUP, "myacr", {"location": LOCATION, "sku": {"name": "Basic"}}
    ).result()
    body = {"location": LOCATION}
    identity = world.identities.user_assigned_identities.create_or_update(GROUP, "pull", body)
    entry = {
        "registryServer": registry.login_server,
        "identityReference": {"resourceId": identity.id},
    }
    in_pool = {"containerRegistries": [entry]} if where == "pool" else {}
    in_task = {"registry": entry} if where == "task" else {}
    options = {"image": world.make_image(), "identity": identity.id}
    world.make_ready_pool(containers=containers_of(**in_pool), **options)
    world.azure.store.add(stored_image(registry.id))
    settings = {"imageName": f"{registry.login_server}/app:1", **in_task}
    world.add_task("early", containerSettings=settings)
    failure = world.await_task("early").execution_info.failure_info
    assert "unauthorized" in {item.name: item.value for item in failure.details}["Message"]
    world.assign_role(identity, registry.id, pulls.ACR_PULL)
    world.wait(900)
    world.add_task("late", containerSettings=settings)
    assert world.await_task("late").execution_info.result == "success"


def test_faults_meet_tasks(world):
    """A service error, and an exit code."""
    world.make_ready_pool()
    world.add_fault(effect="allocation", operation="tasks.run", code="TaskPreparationFailed")
    world.add_task("one")
    assert world.await_task("one").execution_info.failure_info.category == "servererror"
    world.add_fault(effect="script", step="task", exitCode=9)
    world.add_task("two")
    assert world.await_task("two").execution_info.exit_code == 9
