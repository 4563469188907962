"""What is under way when an upgrade comes: who has asked for what, and the moments of it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from local.functions_host.store import Query, Status
from tests.world import WITH_LOGS, World, a_pool, a_request, an_image
from triggers import builds, contexts, recipes

Json = dict[str, Any]
ACCOUNT = "mybatch12345"
_HOUR = 3600.0
_LOOK_SECONDS = 3  # between two looks whether the moment has come
_LOOKS_MAX = 4000
_GPU, _BIG_GPU = "Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3"
_BUSYBOX = "docker.io/library/busybox:1.36"
_NO_VERSION = {
    "effect": "allocation",
    "operation": "galleryVersions.create",
    "code": "InternalExecutionError",
    "message": "try later",
}
_BAD_NODES = {"effect": "allocation", "operation": "nodes.start", "code": "DiskFull", "times": 9}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """When a snapshot is taken."""

    name: str
    steps: tuple[str, ...]  # all of these are under way; none: nothing is
    seconds: float = 0  # later than that
    resumed: bool = False
    """Whether everything that can be resumed is resumed after the upgrade."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """What was asked for, and when snapshots of it are taken, in this order."""

    name: str
    begin: Callable[[World], None]
    moments: tuple[Moment, ...]
    settings: dict[str, str] = field(default_factory=dict)


def reach(world: World, moment: Moment) -> None:
    """Let time pass until the moment has come, and then until some work is begun and not done."""
    for _ in range(_LOOKS_MAX):
        running = steps_under_way(world)
        if set(moment.steps) <= running if moment.steps else not running:
            break
        world.engine.advance(_LOOK_SECONDS)
    else:
        raise AssertionError(f"{moment.name} never comes")
    world.engine.advance(moment.seconds)
    due = world.engine.work.next_due
    if moment.steps and due is not None:
        world.clock.advance_to(max(due, world.clock.now()))
        world.engine.step()


def steps_under_way(world: World) -> set[str]:
    """The last parts of the ids of all instances that have not ended: steps and their parents."""
    alive = Query(statuses=frozenset(status for status in Status if not status.is_final))
    return {each.id.rpartition(":")[2] for each in world.engine.store.select(alive)}


# -- builds ---------------------------------------------------------------------------------------


def _full_build(world: World) -> None:
    """A GPU image with a container image that is built in a registry, and three pools from it."""
    context = world.ask(contexts.upload_context, _packed_sources()).body["context"]
    registry = {"name": "imagesregistry1", "build": {"context": context, "image": "myapp:v1.0"}}
    pools = [
        a_pool("dev", vmSize=_GPU, verify=True),
        a_pool("test", vmSize=_GPU, nodes=2, startTask={"commandLine": "/bin/true"}),
        a_pool("prod", vmSize=_BIG_GPU, nodes=2, ttlHours=200),
    ]
    image = an_image(gpu=True, containerImages=[_BUSYBOX], registry=registry)
    world.start(a_request(image=image, pools=pools))


def _packed_sources() -> bytes:
    """A tar.gz, the same bytes whenever it is made."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = b"FROM scratch\n"
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return gzip.compress(packed.getvalue(), mtime=0)


def _other_images(world: World) -> None:
    """One keeps its builder, one builds its driver alone, and one has just been cancelled."""
    kept = an_image(name="kept", keepVm=True, managedImage=True, outbound="defaultAccess")
    world.start({"mode": "image-only", "requestId": "kept", "image": kept})
    el = an_image(name="el", gpu=True, os="almalinux", osVersion="9")
    world.start({"mode": "image-only", "requestId": "el", "image": el})
    other = an_image(name="cancelled")
    build = world.start({"mode": "image-only", "requestId": "cancelled", "image": other})
    world.engine.advance(200)
    assert world.ask(builds.cancel_build, id=build).status == 202


def _failed_image(world: World) -> None:
    """The builder's script fails, so that everything goes again."""
    world.fault({"effect": "script", "step": "docker", "exitCode": 23, "message": "mirror"})
    world.start(a_request())


def _kept_for_resume(world: World) -> None:
    """A sealed builder whose version failed, and a pool that failed beside a good one."""
    _image(world)
    world.fault({"effect": "allocation", "operation": "pools.allocate", "times": 1})
    pools = [a_pool("one"), a_pool("two", verify=True)]
    assert world.build(a_request(mode="batch-only", requestId="p", pools=pools))["resumable"]
    world.fault(_NO_VERSION)
    other = an_image(name="other")
    assert world.build(a_request(requestId="r2", image=other, pools=[a_pool("x")]))["resumable"]


def _resumed(world: World) -> None:
    """The same, resumed before the upgrade."""
    _kept_for_resume(world)
    for build in resumable(world):
        assert world.ask(builds.resume_build, id=build).status == 202


def resumable(world: World) -> list[str]:
    """The builds that somebody can resume."""
    return [each["buildId"] for each in world.builds() if each["resumable"]]


def _rebuild(world: World) -> None:
    """The weekly rebuild of two recipes; a third one is off."""
    for name, enabled in (("a", True), ("b", True), ("off", False)):
        request = {"mode": "image-only", "image": an_image(name=name)}
        recipe = {"enabled": enabled, "request": request}
        assert world.ask(recipes.put_recipe, recipe, name=name).status == 200
    world.begin_rebuild()


# -- pools ----------------------------------------------------------------------------------------


def _image(world: World) -> None:
    """An image is there."""
    image = an_image(containerImages=[_BUSYBOX])
    build = world.build({"mode": "image-only", "requestId": "image", "image": image})
    assert build["state"] == "succeeded", build["error"]


def _batch_only(world: World) -> None:
    """A pool that scales itself and one with fixed nodes, both proved; one by a message."""
    _image(world)
    auto = a_pool("auto", autoscaleFormula="$TargetDedicatedNodes=1;", verify=True)
    del auto["nodes"]
    check = {"image": _BUSYBOX, "command": "/bin/sh -c 'exit 3'", "exitCode": 3}
    fixed = a_pool("fixed", nodes=3, lowPriorityNodes=1, verify=True, checks=[check])
    world.start(a_request(mode="batch-only", requestId="pools", pools=[auto, fixed]))
    message = {"requestId": "q1", "image": an_image(), "pool": a_pool("asked", verify=True)}
    account = {"name": ACCOUNT, "resourceGroup": "images"}
    world.deliver(json.dumps({**message, "batchAccount": account}))


def _failed_pool(world: World) -> None:
    """One pool's nodes are broken, so that they go; the other pool's come."""
    _image(world)
    world.fault({**_BAD_NODES, "path": "/pools/bad"})
    pools = [a_pool("bad", nodes=2), a_pool("good", verify=True)]
    world.start(a_request(mode="batch-only", requestId="pools", pools=pools))


def _changes(world: World) -> None:
    """One pool is resized, another one deleted, a third one left as it is."""
    _image(world)
    pools = [a_pool("grows"), a_pool("goes"), a_pool("stays")]
    world.build(a_request(mode="batch-only", requestId="pools", pools=pools))
    size = {"nodes": 3}
    assert world.ask(pools.resize_pool, size, account=ACCOUNT, pool="grows").status == 202
    assert world.ask(pools.delete_pool, account=ACCOUNT, pool="goes").status == 202


def _sweep(world: World) -> None:
    """The sweep meets a kept builder and a pool whose time is over, a pool that was left with
    nodes, and a build that died.
    """
    _image(world)
    world.fault({**_BAD_NODES, "path": "/pools/left"})
    refusal = {"effect": "status", "status": 503, "method": "PATCH", "path": "/pools/left"}
    world.fault({**refusal, "times": 1000})
    pools = [a_pool("left"), a_pool("short", ttlHours=1), a_pool("stays")]
    world.build(a_request(mode="batch-only", requestId="pools", pools=pools))
    world.fault(_NO_VERSION)
    other = an_image(name="other")
    world.build({"mode": "image-only", "requestId": "kept", "image": other})
    dead = {"mode": "image-only", "requestId": "dead", "image": an_image(name="dead")}
    build = world.start(dead)
    world.engine.advance(400)
    world.engine.terminate(build, "the host was lost")
    world.engine.advance(9 * _HOUR)
    world.azure.faults.clear()
    world.begin_sweep()


SCENARIOS = (
    Scenario(
        name="full-build",
        begin=_full_build,
        settings=dict(WITH_LOGS),
        moments=(
            Moment(name="builder", steps=("builder_vm", "push_image", "image_definition")),
            Moment(name="install", steps=("install", "preload"), seconds=120),
            Moment(name="publish", steps=("image_version",), seconds=240),
            Moment(name="pools", steps=("remove_builder_vm", "pool-dev", "nodes")),
            Moment(name="verify", steps=("verify",)),
        ),
    ),
    Scenario(
        name="other-images",
        begin=_other_images,
        moments=(
            Moment(name="cancelling", steps=("install",)),
            Moment(name="publish", steps=("image_version",), seconds=400),
        ),
    ),
    Scenario(
        name="failed-image",
        begin=_failed_image,
        moments=(
            Moment(name="builder", steps=("remove_builder_vm",)),
            Moment(name="made", steps=("remove_gallery",)),
        ),
    ),
    Scenario(
        name="kept",
        begin=_kept_for_resume,
        moments=(Moment(name="resumable", steps=(), resumed=True),),
    ),
    Scenario(
        name="resumed",
        begin=_resumed,
        moments=(
            Moment(name="publish", steps=("image_version", "nodes")),
            Moment(name="pools", steps=("cleanup", "pool-x")),
        ),
    ),
    Scenario(
        name="rebuild",
        begin=_rebuild,
        moments=(Moment(name="install", steps=("install",), seconds=60),),
    ),
    Scenario(
        name="batch-only",
        begin=_batch_only,
        moments=(
            Moment(name="nodes", steps=("nodes",), seconds=30),
            Moment(name="verify", steps=("pool-fixed", "verify")),
        ),
    ),
    Scenario(
        name="failed-pool",
        begin=_failed_pool,
        moments=(Moment(name="empty", steps=("empty_pool",)),),
    ),
    Scenario(
        name="changes",
        begin=_changes,
        moments=(Moment(name="both", steps=("resize", "remove_pool")),),
    ),
    Scenario(
        name="sweep",
        begin=_sweep,
        moments=(
            Moment(name="leftovers", steps=("sweep_1",)),
            Moment(name="expired", steps=("remove_pool",)),
            Moment(name="left", steps=("empty_pool",)),
        ),
    ),
)
