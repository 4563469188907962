"""A simulator for one test, with a virtual clock and the SDK's own clients on top of it.

Nothing waits: the sleep of the SDK's pollers moves the virtual clock.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.core.polling.arm_polling import ARMPolling
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from local import clock
from local.azure_simulator import core, model, tokens, transport

START = 1_790_000_000.0
GROUP = "batch-images-rg"
LOCATION = "swedencentral"
# Security type of a VM or its disk, that of the definition, and whether Azure makes a version:
# the disk holds the state of the guest's firmware. "Supported" is for other sources.
SECURITY_TYPES = [
    ("Standard", "Standard", True),
    ("TrustedLaunch", "TrustedLaunch", True),
    ("Standard", "TrustedLaunchSupported", False),
    ("Standard", "TrustedLaunch", False),
    ("TrustedLaunch", "Standard", False),
]
UBUNTU = {
    "publisher": "Canonical",
    "offer": "ubuntu-24_04-lts",
    "sku": "server",
    "version": "latest",
}


class Unwatched(ARMPolling):  # type: ignore[misc]
    """A poller that starts an operation and looks away: no thread, no loop."""

    def run(self) -> None: ...


class AzureSandbox:
    """Options are those of `core.Simulator`, and `start`: the time at which the clock begins."""

    def __init__(self, **options: Any) -> None:
        self.clock = clock.VirtualClock(options.pop("start", START))
        self.azure = core.Simulator(clock=self.clock, **options)
        self.wire = transport.SimulatorTransport(self.azure)
        self.credential = transport.SimulatorCredential(self.azure)

    @functools.cached_property
    def compute(self) -> Any:
        return self._client(ComputeManagementClient)

    @functools.cached_property
    def network(self) -> Any:
        return self._client(NetworkManagementClient)

    @functools.cached_property
    def resources(self) -> Any:
        return self._client(ResourceManagementClient)

    @functools.cached_property
    def identities(self) -> Any:
        return self._client(ManagedServiceIdentityClient)

    @functools.cached_property
    def authorization(self) -> Any:
        return self._client(AuthorizationManagementClient)

    def _client(self, kind: Any) -> Any:
        """Without retries, so that a test sees each answer once."""
        return kind(self.credential, self.azure.subscription, transport=self.wire, retry_total=0)

    def close(self) -> None:
        self.azure.close()

    # --- time --------------------------------------------------------------------------------

    def now(self) -> float:
        return self.clock.now()

    def wait(self, seconds: float) -> None:
        self.clock.advance_to(self.clock.now() + seconds)

    # --- requests below the SDK --------------------------------------------------------------

    def send(
        self, method: str, path: str, body: object = None, *, token: str | None = "", **headers: str
    ) -> model.Response:
        """One request as it is on the wire. `token` None sends none, "" a good one."""
        if token == "":
            token, _ = tokens.new_token(self.azure, "https://management.azure.com/")
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = b"" if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else f"https://management.azure.com{path}"
        return self.azure.handle(model.Request.from_url(method, url, headers=sent, body=data))

    def ledger(self) -> list[dict[str, Any]]:
        return self.azure.store.ledger()

    def listed(self) -> dict[str, dict[str, Any]]:
        """`/_simulator/resources` by name."""
        found = self.send("GET", "/_simulator/resources", token=None).json()
        return {item["id"].rpartition("/")[2]: item for item in found}

    def add_fault(self, **fault: Any) -> None:
        self.send("POST", "/_simulator/faults", fault, token=None)

    def set(self, **settings: Any) -> None:
        named = {name.replace("__", ":"): value for name, value in settings.items()}
        self.send("PUT", "/_simulator/settings", named, token=None)

    # --- ids ---------------------------------------------------------------------------------

    def group_id(self, group: str = GROUP) -> str:
        return f"/subscriptions/{self.azure.subscription}/resourceGroups/{group}"

    def id(self, kind: str, name: str) -> str:
        return f"{self.group_id()}/providers/{kind}/{name}"

    # --- things a builder needs --------------------------------------------------------------

    def make_group(self, group: str = GROUP) -> None:
        self.resources.resource_groups.create_or_update(group, {"location": LOCATION})

    def make_network(self, name: str = "net", *, outbound: bool = True, prefix: str = "") -> str:
        """Group, network and one subnet; returns the subnet's id."""
        self.make_group()
        properties: dict[str, Any] = {"addressPrefix": prefix or "10.20.0.0/25"}
        if outbound:
            properties["defaultOutboundAccess"] = True
        body = {
            "location": LOCATION,
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.20.0.0/24"]},
                "subnets": [{"name": "build", "properties": properties}],
            },
        }
        self.network.virtual_networks.begin_create_or_update(GROUP, name, body).result()
        return self.id("Microsoft.Network/virtualNetworks", f"{name}/subnets/build")

    def vm_body(self, subnet_id: str | None = None, **changes: Any) -> dict[str, Any]:
        """The smallest useful builder. Changes: size, image, security, disk_gb, plan, priority."""
        subnet_id = subnet_id or self.id("Microsoft.Network/virtualNetworks", "net/subnets/build")
        interface = {
            "primary": True,
            "deleteOption": "Delete",
            "ipConfigurations": [
                {"name": "ip", "properties": {"primary": True, "subnet": {"id": subnet_id}}}
            ],
        }
        key = {"path": "/home/builder/.ssh/authorized_keys", "keyData": "ssh-rsa AAAA"}
        body: dict[str, Any] = {
            "location": LOCATION,
            "tags": {"build": "b1"},
            "properties": {
                "hardwareProfile": {"vmSize": changes.get("size", "Standard_D4s_v5")},
                "storageProfile": {
                    "imageReference": dict(changes.get("image", UBUNTU)),
                    "osDisk": {
                        "createOption": "FromImage",
                        "diskSizeGB": changes.get("disk_gb", 64),
                        "deleteOption": "Delete",
                        "managedDisk": {"storageAccountType": "Premium_LRS"},
                    },
                },
                "osProfile": {
                    "computerName": "builder",
                    "adminUsername": "builder",
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {"publicKeys": [key]},
                    },
                },
                "networkProfile": {
                    "networkApiVersion": "2022-11-01",
                    "networkInterfaceConfigurations": [{"name": "nic", "properties": interface}],
                },
                "securityProfile": {"securityType": changes.get("security", "Standard")},
                "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            },
        }
        if "plan" in changes:
            body["plan"] = changes["plan"]
        if "identity" in changes:
            body["identity"] = {
                "type": "UserAssigned",
                "userAssignedIdentities": {changes["identity"]: {}},
            }
        return body

    def make_vm(self, name: str = "builder", **changes: Any) -> Any:
        """A machine that runs; its agent is ready."""
        self.make_network()
        vm = self.compute.virtual_machines.begin_create_or_update(
            GROUP, name, self.vm_body(**changes)
        ).result()
        self.wait(60)
        return vm

    def vm_id(self, name: str = "builder") -> str:
        return self.id("Microsoft.Compute/virtualMachines", name)

    def codes(self, name: str = "builder") -> list[str]:
        """Status codes of the instance view."""
        vm = self.compute.virtual_machines.get(GROUP, name, expand="instanceView")
        return [status.code for status in vm.instance_view.statuses]

    def agent(self, name: str = "builder") -> str | None:
        vm = self.compute.virtual_machines.get(GROUP, name, expand="instanceView")
        found = vm.instance_view.vm_agent
        return None if found is None else found.statuses[0].display_status

    def run(self, name: str, script: str, vm: str = "builder", **parameters: str) -> Any:
        """Run a script to its end; returns its instance view."""
        body = run_body(script, **parameters)
        commands = self.compute.virtual_machine_run_commands
        commands.begin_create_or_update(GROUP, vm, name, body).result()
        return self.await_run(name, vm)

    def await_run(self, name: str, vm: str = "builder", looks: int = 400) -> Any:
        for _ in range(looks):
            view = self.run_view(name, vm)
            if view.execution_state not in {"Pending", "Running"}:
                return view
            self.wait(15)
        raise AssertionError(f"{name} does not end: {view.execution_state}")

    def run_view(self, name: str, vm: str = "builder") -> Any:
        commands = self.compute.virtual_machine_run_commands
        found = commands.get_by_virtual_machine(GROUP, vm, name, expand="instanceView")
        return found.instance_view

    def step(self, step: str, nonce: str = "n1", **parameters: str) -> dict[str, Any]:
        """Run a build step; returns its result line."""
        name = f"{step}-{nonce}"
        view = self.run(name, step_script(step), NONCE=nonce, BUILD_ID="b1", **parameters)
        return result_line(view.output)

    def make_sealed_vm(self, **changes: Any) -> None:
        """A builder that was prepared, sealed and generalized."""
        self.make_vm(**changes)
        self.step("docker")
        self.step("seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="20")
        self.wait(90)
        self.generalize()

    def generalize(self, name: str = "builder") -> None:
        self.compute.virtual_machines.begin_deallocate(GROUP, name).result()
        self.compute.virtual_machines.generalize(GROUP, name)

    def make_definition(
        self, name: str = "image", gallery: str = "gallery", **changes: Any
    ) -> None:
        galleries, images = self.compute.galleries, self.compute.gallery_images
        galleries.begin_create_or_update(GROUP, gallery, {"location": LOCATION}).result()
        body = definition_body(**changes)
        images.begin_create_or_update(GROUP, gallery, name, body).result()

    def make_version(self, version: str = "1.0.0", **changes: Any) -> Any:
        versions = self.compute.gallery_image_versions
        body = self.version_body(**changes)
        return versions.begin_create_or_update(GROUP, "gallery", "image", version, body).result()

    def version_body(self, **changes: Any) -> dict[str, Any]:
        regions = [{"name": name} for name in changes.get("regions", [LOCATION])]
        source = {"virtualMachineId": changes.get("vm_id", self.vm_id())}
        return {
            "location": changes.get("location", LOCATION),
            "properties": {
                "publishingProfile": {
                    "targetRegions": regions,
                    "replicationMode": changes.get("mode", "Full"),
                },
                "storageProfile": {"source": changes.get("source", source)},
            },
        }


def definition_body(**changes: Any) -> dict[str, Any]:
    properties = {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "architecture": "x64",
        "identifier": {"publisher": "acme", "offer": "batch", "sku": "ubuntu"},
        "features": [{"name": "SecurityType", "value": "Standard"}],
    }
    return {"location": LOCATION, "properties": {**properties, **changes}}


def run_body(
    script: str, *, asynchronous: bool = True, timeout: int = 3600, **parameters: str
) -> Any:
    given = [{"name": name, "value": value} for name, value in parameters.items()]
    return {
        "location": LOCATION,
        "properties": {
            "source": {"script": script},
            "parameters": given,
            "asyncExecution": asynchronous,
            "timeoutInSeconds": timeout,
        },
    }


def step_script(step: str) -> str:
    return f"#!/bin/bash\n# batch-prep step: {step}\nset -euo pipefail\nrun_step {step}\n"


def result_line(output: str) -> dict[str, Any]:
    """The JSON of the last line; an empty object when there is none."""
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("batch-prep-result "):
        return {}
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("batch-prep-result "))
    return found


def refused(call: Any, *arguments: Any, **options: Any) -> HttpResponseError:
    """The error with which a call is refused, also when only its poller tells."""
    try:
        answer = call(*arguments, **options)
        if hasattr(answer, "result"):
            answer.result()
    except HttpResponseError as error:
        return error
    raise AssertionError("the call was not refused")


def put_vm(world: AzureSandbox, body: dict[str, Any], name: str = "builder") -> Any:
    begin = world.compute.virtual_machines.begin_create_or_update
    return begin(GROUP, name, body)


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one value replaced, or removed when it is None."""
    *parents, last = path.split(".")
    place = body
    for name in parents:
        place = place[name]
    place[last] = value
    if value is None:
        del place[last]
    return body
