"""`AzureSandbox` for Batch and container registries: their clients, images, pools and tasks."""

from __future__ import annotations

import json
from typing import Any

from azure.batch import BatchClient
from azure.batch import models as batch_models
from azure.mgmt.authorization.models import RoleAssignmentCreateParameters
from azure.mgmt.batch import BatchManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
from azure_sandbox import GROUP, LOCATION, AzureSandbox, result_line

from local.azure_simulator import store
from local.azure_simulator.container_registry import registries
from local.azure_simulator.machine import contents

ACCOUNT = "mybatch12345"
HOST = f"{ACCOUNT}.{LOCATION}"  # the path below which the account's data plane is
T4 = "Standard_NC4as_T4_v3"
CPU = "Standard_D4s_v5"
AGENT = "batch.node.ubuntu 24.04"
BUSYBOX = "docker.io/library/busybox:1.36"
CUDA = "docker.io/nvidia/cuda:12.4.1-base-ubuntu22.04"
VERIFY = "/bin/bash -c '#!/bin/bash\n# batch-prep step: verify\nrun_step verify verify_node\n'"


class BatchSandbox(AzureSandbox):
    """Has a resource group from the start, and no Batch account."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.batch = self._client(BatchManagementClient)
        self.registries = self._client(ContainerRegistryManagementClient)
        self.registry_tasks = self._client(ContainerRegistryTasksMgmtClient)
        self._services: dict[str, Any] = {}
        self.make_group()

    # --- accounts and images -----------------------------------------------------------------

    def make_account(self, name: str = ACCOUNT, location: str = LOCATION, **changes: Any) -> Any:
        body = {"location": location, **changes}
        return self.batch.batch_account.begin_create(GROUP, name, body).result()

    def service(self, account: str = ACCOUNT) -> Any:
        """A client of the account's data plane, at the endpoint that the account names."""
        if account not in self._services:
            endpoint = self.batch.batch_account.get(GROUP, account).account_endpoint
            self._services[account] = BatchClient(
                f"https://{endpoint}", self.credential, transport=self.wire, retry_total=0
            )
        return self._services[account]

    def leap(self) -> None:
        """Let the next thing happen."""
        due = self.azure.store.next_due() or self.now()
        self.wait(max(1.0, due - self.now()))

    def make_image(
        self,
        name: str = "image",
        *,
        features: dict[str, str] | None = None,
        regions: list[str] | None = None,
        inside: dict[str, Any] | None = None,
        **properties: Any,
    ) -> str:
        """A gallery version as a build would have left it; returns its id."""
        gallery = self.id("Microsoft.Compute/galleries", "gallery")
        described = {
            "osState": "Generalized",
            "hyperVGeneration": "V2",
            "architecture": "x64",
            "features": [
                {"name": key, "value": value}
                for key, value in (features or {"SecurityType": "Standard"}).items()
            ],
            **properties,
        }
        kind = "Microsoft.Compute/galleries/images"
        definition = {"properties": described, "location": LOCATION}
        self._file(f"{gallery}/images/{name}", kind, definition, {})
        version = {"properties": {"provisioningState": "Succeeded"}, "location": LOCATION}
        copies = {region: {"start": 0.0, "end": 0.0} for region in regions or [LOCATION]}
        hidden = {
            "contents": image_contents(**(inside or {})),
            "regions": copies,
            "diskGb": 64,
            "source": "",
        }
        self._file(f"{gallery}/images/{name}/versions/1.0.0", f"{kind}/versions", version, hidden)
        return f"{gallery}/images/{name}/versions/1.0.0"

    def make_gpu_image(self, **options: Any) -> str:
        inside = {"driver": "580.173.02", "driverKind": "datacenter-open", "driverLoaded": True}
        images = [as_preloaded(CUDA), as_preloaded(BUSYBOX)]
        return self.make_image(inside={**inside, "images": images}, **options)

    def _file(self, item_id: str, kind: str, document: Any, state: Any) -> None:
        known = {"id": item_id, "name": item_id.rpartition("/")[2], "type": kind}
        resource = store.Resource(id=item_id, type=kind, document={**known, **document})
        resource.state.update(state)
        self.azure.store.add(resource)

    def assign_role(self, identity: Any, scope: str, role: str) -> None:
        """A role for an identity; it works some minutes later."""
        definition = (
            f"/subscriptions/{self.azure.subscription}/providers/Microsoft.Authorization/"
            f"roleDefinitions/{role}"
        )
        parameters = RoleAssignmentCreateParameters(
            role_definition_id=definition,
            principal_id=identity.principal_id,
            principal_type="ServicePrincipal",
        )
        name = self.azure.new_guid("test role assignment")
        self.authorization.role_assignments.create(scope, name, parameters)

    # --- pools -------------------------------------------------------------------------------

    def make_pool(self, name: str = "dev", account: str = ACCOUNT, **changes: Any) -> Any:
        return self.batch.pool.create(GROUP, account, name, pool_body(**changes))

    def pool(self, name: str = "dev") -> Any:
        return self.batch.pool.get(GROUP, ACCOUNT, name)

    def await_steady(self, name: str = "dev") -> Any:
        for _ in range(200):
            pool = self.pool(name)
            if pool.allocation_state == "Steady":
                return pool
            self.leap()
        raise AssertionError(f"{name} is not steady: {pool.allocation_state}")

    def await_nodes(self, name: str = "dev") -> list[Any]:
        """The nodes of the pool, once none of them is on its way."""
        moving = {"creating", "starting", "waitingforstarttask", "rebooting", "reimaging"}
        self.await_steady(name)
        for _ in range(200):
            nodes = list(self.service().list_nodes(name))
            if not moving & {node.state for node in nodes}:
                return nodes
            self.leap()
        raise AssertionError(f"nodes do not settle: {[node.state for node in nodes]}")

    def make_ready_pool(self, **changes: Any) -> None:
        """A pool whose nodes have settled, and an empty job on it."""
        self.make_pool(**changes)
        self.await_nodes()
        self.make_job()

    def resize_errors(self, name: str = "dev") -> list[Any]:
        pool = self.await_steady(name)
        return pool.resize_operation_status.errors or []

    # --- jobs and tasks ----------------------------------------------------------------------

    def make_job(self, job: str = "job", pool: str = "dev", **changes: Any) -> None:
        options = {"id": job, "poolInfo": {"poolId": pool}, **changes}
        self.service().create_job(batch_models.BatchJobCreateOptions(options))

    def add_task(self, task: str = "task", job: str = "job", **changes: Any) -> None:
        options = {"id": task, "commandLine": "/bin/bash -c 'echo hello'", **changes}
        self.service().create_task(job, batch_models.BatchTaskCreateOptions(options))

    def await_task(self, task: str = "task", job: str = "job") -> Any:
        for _ in range(100):
            found = self.service().get_task(job, task)
            if found.state == "completed":
                return found
            self.leap()
        raise AssertionError(f"{task} does not end: {found.state}")

    def task_output(self, task: str = "task", job: str = "job", **options: Any) -> str:
        parts = self.service().download_task_file(job, task, "stdout.txt", **options)
        return b"".join(parts).decode()

    def node_output(self, pool: str, node: str, path: str = "startup/stdout.txt") -> str:
        return b"".join(self.service().download_node_file(pool, node, path)).decode()


def image_contents(**changes: Any) -> dict[str, Any]:
    """What a sealed image with Docker holds."""
    base = contents.new(
        source="Canonical:ubuntu-24_04-lts:server:1",
        os="ubuntu",
        os_version="24.04",
        kernel="6.8.0-1041-azure",
    )
    return {**base, "docker": "29.7.2", "toolkit": "1.20.0", "diskGb": 64, **changes}


def as_preloaded(name: str) -> dict[str, Any]:
    return {"name": name, "digest": f"sha256:{'0' * 64}", "sizeBytes": 1}


_OF_THE_MACHINE = {
    "containers": "containerConfiguration",
    "security": "securityProfile",
    "os_disk": "osDisk",
    "data_disks": "dataDisks",
    "encryption": "diskEncryptionConfiguration",
    "placement": "nodePlacementConfiguration",
}


def pool_body(**changes: Any) -> dict[str, Any]:
    """A pool of one node. Changes: image, size, nodes, low_priority, containers, identity, agent,
    security, os_disk, data_disks, encryption, placement, start_task, scale, metadata; anything
    else is a property of the pool."""
    machine: dict[str, Any] = {
        "imageReference": reference(changes.pop("image", None)),
        "nodeAgentSkuId": changes.pop("agent", AGENT),
    }
    for option, name in _OF_THE_MACHINE.items():
        if option in changes:
            machine[name] = changes.pop(option)
    fixed = {
        "targetDedicatedNodes": changes.pop("nodes", 1),
        "targetLowPriorityNodes": changes.pop("low_priority", 0),
        "resizeTimeout": changes.pop("resize_timeout", "PT15M"),
    }
    body: dict[str, Any] = {}
    if "identity" in changes:
        attached = {changes.pop("identity"): {}}
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": attached}
    if "start_task" in changes:
        changes["startTask"] = changes.pop("start_task")
    body["properties"] = {
        "vmSize": changes.pop("size", CPU),
        "deploymentConfiguration": {"virtualMachineConfiguration": machine},
        "scaleSettings": changes.pop("scale", {"fixedScale": fixed}),
        **changes,
    }
    return body


def patch_pool(world: BatchSandbox, **properties: object) -> Any:
    """Change properties of the pool `dev`, by PATCH."""
    return world.batch.pool.update(GROUP, ACCOUNT, "dev", {"properties": properties})


def fixed_scale(nodes: int, **changes: object) -> dict[str, object]:
    return {"fixedScale": {"targetDedicatedNodes": nodes, **changes}}


def reference(image: Any) -> dict[str, Any]:
    """An image reference: the id of a version, a whole reference, or (None) the marketplace's."""
    if isinstance(image, str):
        return {"id": image}
    marketplace = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    return image or {**marketplace, "version": "latest"}


def containers_of(*images: str, **changes: Any) -> dict[str, Any]:
    return {"type": "DockerCompatible", "containerImageNames": list(images), **changes}


def start_task(command: str = VERIFY, **environment: str) -> dict[str, Any]:
    """An elevated start task; the environment as names and values."""
    settings = [{"name": name, "value": value} for name, value in environment.items()]
    return {
        "commandLine": command,
        "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}},
        "environmentSettings": settings,
        "waitForSuccess": True,
    }


def verified(world: BatchSandbox, **changes: Any) -> tuple[str, dict[str, Any]]:
    """State of the one node of a new pool, and the result line of its start task."""
    environment = changes.pop("environment", {})
    changes.setdefault("start_task", start_task(**environment))
    image = changes.pop("image", None) or world.make_gpu_image()
    world.make_pool(image=image, **changes)
    (node,) = world.await_nodes()
    return node.state, result_line(world.node_output("dev", node.id))


def failed_codes(result: dict[str, Any]) -> list[str]:
    """Of the checks in a result line."""
    return [check["code"] for check in result["data"]["checks"] if check["status"] == "fail"]


def details(error: Any) -> dict[str, str]:
    """Details of a Batch error of Resource Manager: name to text."""
    document = json.loads(error.response.text())["error"]
    return {item["code"]: item["message"] for item in document.get("details", [])}


def code_of(error: Any) -> str:
    """The service's code of a refused download, which the SDK does not read by itself."""
    return str(json.loads(error.response.body())["code"])


def inner_error(error: Any) -> dict[str, str]:
    """The error of compute inside an AllocationFailed."""
    found = {item.code: item.message for item in error.details}
    inner: dict[str, str] = json.loads(found["Provider Error Json"])["error"]
    return inner


def stored_image(registry_id: str) -> store.Resource:
    """`app:1` as a registry holds it."""
    document = {"repository": "app", "tag": "1", "digest": "sha256:1", "sizeBytes": 1}
    image_id = f"{registry_id}/images/app:1"
    return store.Resource(id=image_id, type=registries.IMAGE_TYPE, document=document)
