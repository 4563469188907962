"""Requests to a container registry: make it, build an image in it, pull from it."""

from __future__ import annotations

from typing import Any

from azure_sandbox import GROUP, LOCATION
from batch_sandbox import BatchSandbox

from local.azure_simulator.container_registry import pulls

REGISTRY = "myacr"
SERVER = "myacr.azurecr.io"
ACR_PULL = pulls.ACR_PULL


def make_registry(world: BatchSandbox, sku: str = "Basic", **properties: Any) -> Any:
    body = {"location": LOCATION, "sku": {"name": sku}, "properties": properties}
    return world.registries.registries.begin_create(GROUP, REGISTRY, body).result()


def quick_build(**changes: Any) -> dict[str, Any]:
    return {
        "type": "DockerBuildRequest",
        "imageNames": ["team/app:v1.0"],
        "isPushEnabled": True,
        "dockerFilePath": "Dockerfile",
        "platform": {"os": "Linux", "architecture": "amd64"},
        "sourceLocation": "https://example.org/app.git#main",
        **changes,
    }


def run_build(world: BatchSandbox, **changes: Any) -> Any:
    """A quick build at its end."""
    registries, runs = world.registry_tasks.registries, world.registry_tasks.runs
    run = registries.schedule_run(GROUP, REGISTRY, quick_build(**changes))
    for _ in range(100):
        found = runs.get(GROUP, REGISTRY, run.name)
        if found.properties.status not in {"Queued", "Started", "Running"}:
            return found
        world.wait(10)
    raise AssertionError("the build does not end")


def make_identity(world: BatchSandbox, name: str = "pull") -> Any:
    body = {"location": LOCATION}
    return world.identities.user_assigned_identities.create_or_update(GROUP, name, body)


def assign_role(world: BatchSandbox, identity: Any, role: str = ACR_PULL, scope: str = "") -> None:
    own_scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    world.assign_role(identity, scope or own_scope, role)


def try_pull(world: BatchSandbox, reference: str, *identities: Any) -> Any:
    world.azure.settle()
    return pulls.find(world.azure, reference, [identity.id for identity in identities])
