"""The script that this project replaces, in the order that its owners documented, really run.

A third opinion beside the app and the simulator: its own minimal bodies, Azure's SDK clients, and
waits as `az` does them: the SDKs' own pollers (every 30 seconds, or as Retry-After asks), and a
look every 15 seconds where a shell script has to look by itself. One thing at a time, always.

Kinder than the script can have been where that is not known: nothing that exists is made again,
and what a shell script does on its own machine takes no time. It has what was documented and no
more: no final kernel, no check of the image, no start task on the nodes, no gateway.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from azure.core.exceptions import ResourceNotFoundError

from bench import old_bodies as bodies
from bench import old_clients
from local.azure_simulator import core

LOOK_SECONDS = 15
_LOOKS_MAX = 2000
_VM, _NETWORK, _ADDRESS, _INTERFACE = "builder", "builderVNET", "builderPublicIP", "builderVMNic"
_GALLERY = "batchImageGallery"
_RUN_ENDS = frozenset({"Succeeded", "Failed", "Canceled", "Error", "Timeout"})


class WentWrong(Exception):  # noqa: N818 - what a shell script would say before `exit 1`
    """The script stops here."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where everything is made."""

    group: str
    location: str
    account: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """What the image shall have inside."""

    name: str = "batchCustomImage"
    vm_size: str
    gpu: bool
    containers: tuple[str, ...]  # from outside
    registry: str = ""  # where one more is built
    built: str = ""  # its name and tag there
    source: str = ""  # its Dockerfile's repository

    @property
    def preloaded(self) -> tuple[str, ...]:
        own = [f"{self.registry}.azurecr.io/{self.built}"] if self.registry else []
        return (*self.containers, *own)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """One pool, and how it is tried out."""

    name: str
    vm_size: str
    gpu: bool
    nodes: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One of the script's steps; times in simulated seconds."""

    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class OldScript:
    """Runs of the script, one after the other. `steps` are those of all runs, in their order."""

    def __init__(self, azure: core.Simulator, place: Place) -> None:
        self.steps: list[Step] = []
        self._clock, self._place = azure.clock, place
        self._group, self._location = place.group, place.location
        self._to = old_clients.Clients(azure)
        self._image_id = ""  # what image_metadata.json keeps
        self._containers: tuple[str, ...] = ()

    # --- the three modes ----------------------------------------------------------------------

    def full(self, image: Image, pool: Pool) -> None:
        """`batch-prep.sh --verify`: everything."""
        self._make_image(image)
        self._make_pool(pool)
        self._clean_up(image)

    def image_only(self, image: Image) -> None:
        """`batch-prep.sh --image-only`."""
        self._make_image(image)
        self._clean_up(image)

    def batch_only(self, pool: Pool) -> None:
        """`batch-prep.sh --batch-only --verify`, from the image of the last run."""
        self._make_pool(pool)

    def resize(self, pool: Pool, nodes: int) -> None:
        """`az batch pool resize`, until the pool is steady; its new nodes still boot then."""
        with self._step("resize"):
            account, body = self._place.account, bodies.scale(nodes)
            self._to.batch.pool.update(self._group, account, pool.name, body)
            self._look_until(lambda: self._is_steady(pool))

    # --- the image ----------------------------------------------------------------------------

    def _make_image(self, image: Image) -> None:
        self._create_group()
        self._create_vm(image.vm_size)
        if image.gpu:
            self._install_driver()
        self._install_docker(gpu=image.gpu)
        if image.registry:
            self._create_registry(image.registry)
            self._build_container_image(image)
        if image.preloaded:
            self._preload(image.preloaded)
        self._generalize_vm()
        self._create_gallery()
        self._create_definition(image.name)
        managed_id = self._create_managed_image(image.name)
        self._image_id = self._create_version(image.name, managed_id)
        self._containers = image.preloaded

    def _create_group(self) -> None:
        with self._step("resource group"):
            body = {"location": self._location}
            self._to.resources.resource_groups.create_or_update(self._group, body)

    def _create_vm(self, size: str) -> None:
        """`az vm create`: address, network, interface, machine. (The simulator has no security
        groups.)
        """
        network, group, location = self._to.network, self._group, self._location
        with self._step("network of the VM"):
            address = network.public_ip_addresses.begin_create_or_update(
                group, _ADDRESS, bodies.public_ip(location)
            ).result()
            net = network.virtual_networks.begin_create_or_update(
                group, _NETWORK, bodies.network(location)
            ).result()
            interface = network.network_interfaces.begin_create_or_update(
                group,
                _INTERFACE,
                bodies.interface(location, net.id, address.id),
                polling_interval=1,  # there at once; half a minute would be the poller's alone
            ).result()
        with self._step("VM"):
            body = bodies.machine(location, size, interface.id)
            self._to.compute.virtual_machines.begin_create_or_update(group, _VM, body).result()
            self._look_until(self._is_agent_ready)

    def _install_driver(self) -> None:
        with self._step("NVIDIA driver"):
            self._run_step("driver", DRIVER_KIND="datacenter-open")
        with self._step("restart for the driver"):
            self._to.compute.virtual_machines.begin_restart(self._group, _VM).result()
            self._look_until(self._is_agent_ready)

    def _install_docker(self, *, gpu: bool) -> None:
        with self._step("Docker"):
            self._run_step("docker", **({"GPU": "true"} if gpu else {}))

    def _create_registry(self, name: str) -> None:
        with self._step("registry"):
            registries = self._to.registries.registries
            if not _exists(registries.get, self._group, name):
                body = bodies.registry(self._location)
                registries.begin_create(self._group, name, body).result()

    def _build_container_image(self, image: Image) -> None:
        """`az acr build`, which pushes what it built."""
        tasks, group, registry = self._to.registry_tasks, self._group, image.registry
        with self._step("image build and push"):
            body = bodies.image_build(image.source, image.built)
            run = tasks.registries.schedule_run(group, registry, body)

            def status() -> Any:
                return tasks.runs.get(group, registry, run.name).properties.status

            self._look_until(lambda: status() in _RUN_ENDS)
            _expect(status() == "Succeeded", "The image was not built.")

    def _preload(self, images: tuple[str, ...]) -> None:
        with self._step("preload"):
            self._run_step("preload", IMAGES=" ".join(images))

    def _generalize_vm(self) -> None:
        with self._step("deprovision"):
            self._run(["#!/bin/bash", "waagent -deprovision+user -force"])
        with self._step("deallocate, generalize"):
            self._to.compute.virtual_machines.begin_deallocate(self._group, _VM).result()
            self._to.compute.virtual_machines.generalize(self._group, _VM)

    def _create_gallery(self) -> None:
        with self._step("gallery"):
            galleries = self._to.compute.galleries
            if not _exists(galleries.get, self._group, _GALLERY):
                body = {"location": self._location}
                galleries.begin_create_or_update(self._group, _GALLERY, body).result()

    def _create_definition(self, name: str) -> None:
        with self._step("image definition"):
            images = self._to.compute.gallery_images
            if not _exists(images.get, self._group, _GALLERY, name):
                body = bodies.definition(self._location, name)
                images.begin_create_or_update(self._group, _GALLERY, name, body).result()

    def _create_managed_image(self, name: str) -> str:
        with self._step("managed image"):
            machine = self._to.compute.virtual_machines.get(self._group, _VM)
            body = bodies.managed_image(self._location, machine.id)
            images = self._to.compute.images
            return str(images.begin_create_or_update(self._group, name, body).result().id)

    def _create_version(self, name: str, managed_id: str) -> str:
        with self._step("image version"):
            versions = self._to.compute.gallery_image_versions
            known = versions.list_by_gallery_image(self._group, _GALLERY, name)
            number = f"1.0.{len(list(known))}"
            made = versions.begin_create_or_update(
                self._group, _GALLERY, name, number, bodies.version(self._location, managed_id)
            ).result()
            return str(made.id)

    # --- pools --------------------------------------------------------------------------------

    def _make_pool(self, pool: Pool) -> None:
        self._create_group()
        self.create_account()
        self._create_pool(pool)
        self._verify(pool)

    def create_account(self) -> None:
        """`az batch account create`, unless it is there."""
        with self._step("Batch account"):
            accounts, name = self._to.batch.batch_account, self._place.account
            if not _exists(accounts.get, self._group, name):
                body = {"location": self._location}
                accounts.begin_create(self._group, name, body).result()

    def _create_pool(self, pool: Pool) -> None:
        body = bodies.pool(pool.vm_size, pool.nodes, self._image_id, self._containers)
        with self._step("pool"):
            self._to.batch.pool.create(self._group, self._place.account, pool.name, body)
            self._look_until(lambda: self._is_steady(pool))
        with self._step("nodes"):
            service = self._service()
            self._look_until(lambda: _idle_nodes(service, pool) == pool.nodes)

    def _service(self) -> Any:
        account = self._to.batch.batch_account.get(self._group, self._place.account)
        return self._to.batch_service(account.account_endpoint)

    def _is_steady(self, pool: Pool) -> bool:
        found = self._to.batch.pool.get(self._group, self._place.account, pool.name)
        return bool(found.allocation_state == "Steady")

    def _verify(self, pool: Pool) -> None:
        """`--verify`: a job with one task in a container."""
        from azure.batch import models as batch_models

        name, service = f"verify-{pool.name}", self._service()
        command = "ls /dev/nvidia0" if pool.gpu else "echo it runs"
        with self._step("verification job"):
            service.create_job(batch_models.BatchJobCreateOptions(bodies.job(name, pool.name)))
            task = bodies.container_task("verify", self._containers[0], command)
            service.create_task(name, batch_models.BatchTaskCreateOptions(task))
            self._look_until(lambda: service.get_task(name, "verify").state == "completed")
            ended = service.get_task(name, "verify").execution_info
            _expect(ended.exit_code == 0, f"The verification of {pool.name} failed.")

    # --- cleanup ------------------------------------------------------------------------------

    def _clean_up(self, image: Image) -> None:
        """What only the image's making needed, in the order in which Azure lets it go."""
        group, network = self._group, self._to.network
        disk = self._to.compute.virtual_machines.get(group, _VM).storage_profile.os_disk.name
        with self._step("cleanup: VM"):
            self._to.compute.virtual_machines.begin_delete(group, _VM).result()
        with self._step("cleanup: interface, disk"):
            network.network_interfaces.begin_delete(group, _INTERFACE).result()
            self._to.compute.disks.begin_delete(group, disk).result()
        with self._step("cleanup: address, network"):
            network.public_ip_addresses.begin_delete(group, _ADDRESS).result()
            network.virtual_networks.begin_delete(group, _NETWORK).result()
        with self._step("cleanup: managed image"):
            self._to.compute.images.begin_delete(group, image.name).result()

    # --- how it waits and runs ----------------------------------------------------------------

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = self._clock.now()
        yield
        self.steps.append(Step(name=name, began=began, ended=self._clock.now()))

    def _look_until(self, is_so: Callable[[], bool]) -> None:
        """`until …; do sleep 15; done`."""
        for _ in range(_LOOKS_MAX):
            if is_so():
                return
            self._to.sleep(LOOK_SECONDS)
        raise WentWrong("What the script waits for does not happen.")

    def _is_agent_ready(self) -> bool:
        view = self._to.compute.virtual_machines.get(
            self._group, _VM, expand="instanceView"
        ).instance_view
        is_running = any(status.code == "PowerState/running" for status in view.statuses)
        reported = view.vm_agent.statuses if is_running and view.vm_agent else []
        return any(status.display_status == "Ready" for status in reported)

    def _run_step(self, step: str, **parameters: str) -> None:
        """The mark lets the scripted machine know what the script does and how long that takes."""
        printed = self._run(["#!/bin/bash", f"# batch-prep step: {step}"], **parameters)
        _expect('"ok": true' in printed, f"The step {step} failed: {printed}")

    def _run(self, lines: list[str], **parameters: str) -> str:
        """`az vm run-command invoke`; what it prints."""
        body = bodies.script(lines, **parameters)
        (status,) = (
            self._to.compute.virtual_machines.begin_run_command(self._group, _VM, body)
            .result()
            .value
        )
        return str(status.message)


def _exists(get: Callable[..., Any], *names: str) -> bool:
    """`az … show`."""
    try:
        get(*names)
    except ResourceNotFoundError:
        return False
    return True


def _expect(is_so: bool, problem: str) -> None:
    if not is_so:
        raise WentWrong(problem)


def _idle_nodes(service: Any, pool: Pool) -> int:
    states = [node.state for node in service.list_nodes(pool.name)]
    _expect("unusable" not in states, f"A node of {pool.name} is unusable.")
    return states.count("idle")
