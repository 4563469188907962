"""What an operator's deployment does in its life: builds that use everything that the app can do on
Azure. Each runs as the deployed identity, on an Azure that refuses what its roles do not permit.
"""

from __future__ import annotations

import io
import tarfile

from tests.infra import deployed
from tests.world import Json, World, a_pool
from triggers import builds, contexts, images, pools, recipes

GROUP = deployed.GROUP
ACCOUNT = "mybatch12345"
GALLERY = "batchImageGallery"
DEFINITION = "batchCustomImage-ubuntu-24.04-cpu"
PROVIDERS = ("Batch", "Compute", "ContainerRegistry", "ManagedIdentity", "Network")
NO_CAPACITY = {"effect": "allocation", "operation": "virtualMachines.create", "times": 9}
NOT_BUILT = {"effect": "status", "status": 400, "code": "BadRequest", "path": "scheduleRun"}
REGISTRY = {"build": {"source": "https://example.org/app.git#main", "image": "app:v2"}}
_HOUR = 3600.0


def image(group: str = GROUP, **more: object) -> Json:
    """A CPU image in the group that the app may build in."""
    return {"resourceGroup": group, "location": "swedencentral", **more}


def request(request_id: str, mode: str, *pools: Json, group: str = GROUP, **more: object) -> Json:
    """A request for a build; `more` is about the image."""
    named: Json = {"mode": mode, "requestId": request_id, "image": image(group, **more)}
    if not pools:
        return named
    return {
        **named,
        "pools": list(pools),
        "batchAccount": {"name": ACCOUNT, "resourceGroup": group},
    }


def build(world: World, body: Json, state: str = "succeeded") -> Json:
    """Let a build end as it should."""
    shown = world.build(body)
    assert shown["state"] == state, shown["error"]
    return shown


def in_one_group(world: World) -> None:
    """Everything that needs no more than one resource group, one build after the other."""
    for name in PROVIDERS:
        url = f"https://management.azure.com{deployed.SUBSCRIPTION}/providers/Microsoft."
        world.azure.dispatch("POST", f"{url}{name}/unregister?api-version=2025-04-01", {})
    a_first_build(world)
    pools_that_change(world)
    nodes_that_fail(world)
    images_of_every_kind(world)
    builds_that_end_badly(world)
    the_weekly_rebuild(world)


def a_context() -> bytes:
    """The smallest folder that an image can be built from."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        text = b"FROM scratch\n"
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


def a_first_build(world: World) -> None:
    """Image with a registry and its own container image, a replica elsewhere, two proved pools."""
    context = world.ask(contexts.upload_context, a_context()).body["context"]
    registry = {"name": "imagesregistry1", "build": {"context": context, "image": "app:v1"}}
    regions = [{"name": "westeurope", "replicas": 1}]
    pools = (a_pool("dev", verify=True), a_pool("prod", nodes=2, verify=True))
    body = request("first", "full", *pools, registry=registry, targetRegions=regions)
    build(world, body)


def pools_that_change(world: World) -> None:
    """Updated in place, emptied and replaced, resized, deleted, expired."""
    for number, more in enumerate(
        (
            {"startTask": {"commandLine": "/bin/true"}},
            {"taskSlotsPerNode": 2},
            {"ifExists": "replace"},
        )
    ):
        build(world, request(f"again-{number}", "batch-only", a_pool("dev", **more)))
    world.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 2})
    world.change(pools.delete_pool, ACCOUNT, "dev")
    world.given_package(ACCOUNT, GROUP, active=True)
    packages = [{"id": "tool"}]
    build(world, request("packages", "batch-only", a_pool("dev", applicationPackages=packages)))
    build(world, request("short", "batch-only", a_pool("short", ttlHours=1)))
    world.engine.advance(2 * _HOUR)
    world.sweep()


def nodes_that_fail(world: World) -> None:
    """A node is rebooted, reimaged, and its pool shrunk."""
    world.fault(
        {"effect": "script", "step": "verify", "exitCode": 30, "times": 99, "message": "no"}
    )
    build(world, request("bad", "batch-only", a_pool("bad", verify=True)), "failed")
    world.azure.faults.clear()


def images_of_every_kind(world: World) -> None:
    """A kept builder, a managed image; images on another base; a version that is withdrawn."""
    build(world, request("kept", "image-only", name="kept", keepVm=True))
    build(world, request("managed", "image-only", name="managed", managedImage=True, spot=True))
    build(world, request("terms", "image-only", name="terms", os="rocky"))
    own = f"{deployed.SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute"
    base = {"id": f"{own}/galleries/{GALLERY}/images/terms"}
    build(world, request("refresh", "image-only", name="terms", base=base))
    for kind, permissions in (("Community", "Community"), ("Shared", "Groups")):
        base = {"id": f"/{kind}Galleries/{published(world, permissions)}/Versions/1.0.0"}
        build(world, request(kind, "image-only", name=kind, base=base, os="ubuntu"))
    path = {"gallery": GALLERY, "name": DEFINITION, "version": "1.0.0"}
    change = {"excludeFromLatest": True}
    assert world.ask(images.change_image, change, **path).status == 200
    a_builder_that_waits(world)
    world.ask(builds.plan_build, request("plan", "full", a_pool("dev")))


def a_builder_that_waits(world: World) -> None:
    """A registry allows no more pulls: the builder is deallocated until the build is resumed."""
    world.fault({"effect": "script", "step": "preload", "exitCode": 26, "message": "no"})
    images = ["docker.io/library/busybox:1.36"]
    body = request("waits", "image-only", name="waits", containerImages=images)
    waiting = build(world, body, "failed")
    world.azure.faults.clear()
    assert world.ask(builds.resume_build, id=waiting["buildId"]).status == 202
    world.engine.run_until_complete(waiting["buildId"])
    assert world.show(waiting["buildId"])["state"] == "succeeded"


def published(world: World, permissions: str) -> str:
    """Let others see the gallery; its name there, and that of the image."""
    group = f"{deployed.SUBSCRIPTION}/resourceGroups/{GROUP}"
    gallery = f"{group}/providers/Microsoft.Compute/galleries/{GALLERY}"
    found = world.azure.store.find(gallery)
    assert found is not None
    found.properties["sharingProfile"] = {
        "permissions": permissions,
        "communityGalleryInfo": {"publicNames": ["public"]},
    }
    own = found.properties["identifier"]["uniqueName"]
    return f"{'public' if permissions == 'Community' else own}/Images/{DEFINITION}"


def builds_that_end_badly(world: World) -> None:
    """Failed, cancelled, given up: whatever they made goes."""
    world.fault(NO_CAPACITY)
    build(world, request("r2", "image-only", name="r2", gallery="g2"), "failed")
    world.azure.faults.clear()
    cancelled = world.start(request("cancelled", "image-only", name="cancelled"))
    world.engine.advance(300)
    world.ask(builds.cancel_build, id=cancelled)
    world.engine.run_until_complete(cancelled)
    assert world.show(cancelled)["state"] == "cancelled"
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    lost = request("lost", "image-only", name="lost", managedImage=True)
    build(world, lost, "failed")
    world.engine.advance(9 * _HOUR)
    world.sweep()
    world.sweep()  # what would last goes once the build is given up
    operations_that_fail(world)


def operations_that_fail(world: World) -> None:
    """Azure accepted them, and says in the end why they came to nothing."""
    fault = {"effect": "allocation", "code": "BadRequest", "times": 9}
    for name, more in (
        ("natGateways", {}),
        ("registries", {"registry": {**REGISTRY, "name": "thirdregistry1"}}),
    ):
        world.fault({**fault, "operation": f"{name}.write"})
        build(world, request(name, "image-only", name=name, **more), "failed")
        world.azure.faults.clear()


def the_weekly_rebuild(world: World) -> None:
    """A recipe is built again."""
    recipe = {"request": {"mode": "image-only", "image": image(name="weekly")}}
    assert world.ask(recipes.put_recipe, recipe, name="weekly").status < 300
    before = len(world.images())
    world.begin_rebuild()
    world.engine.run_until_idle()
    assert len(world.images()) == before + 1


def in_the_subscription(world: World) -> None:
    """Groups of the app's own, and subnets of another group."""
    world.fault(NOT_BUILT)
    registry = {**REGISTRY, "name": "imagesregistry1"}
    build(world, request("r1", "image-only", group="own-rg", registry=registry), "failed")
    assert world.azure.store.find(f"{deployed.SUBSCRIPTION}/resourceGroups/own-rg") is None
    world.fault({"effect": "script", "step": "driver", "exitCode": 40, "message": "no headers"})
    body = request("r2", "image-only", group="own-rg", registry=registry, gpu=True)
    build(world, body, "failed")
    subnet = deployed.make_subnet(world.azure)
    body = request("r3", "full", a_pool("dev", subnetId=subnet), group="own-rg")
    body["image"]["outbound"] = {"subnetId": subnet}
    build(world, body)
