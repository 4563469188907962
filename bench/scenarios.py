"""What is measured: each scenario, from one seed to one measured stretch."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable

from bench import baseline, wanted
from bench.baseline import OldRun
from bench.measured_world import MeasuredWorld
from bench.measuring import Stretch, mark
from bench.wanted import ACCOUNT, BUSYBOX, GPU_SIZE, POOLS_PER_ACCOUNT, SMALL_SIZE
from local.functions_host import local_client
from tests.world import Json, a_pool, an_image
from triggers import pools, recipes, timers


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run of a scenario: the world it left, the stretch that counts, and what to know of it."""

    world: MeasuredWorld
    stretch: Stretch
    outcomes: Counter[str]
    is_one_graph: bool = True  # else there is no critical path to speak of


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """`run` measures one seed, `old` is the old script's run; with several, figures are means.
    `small` is one of its kind that is measured before and after it, in the same process: the speed
    of a machine changes from minute to minute, and only seconds of one speed can be compared.
    """

    run: Callable[[int], Measured]
    old: Callable[[int], OldRun]
    about: str
    seeds: int = 1
    small: Callable[[int], Measured] | None = None


# --- what is asked for ------------------------------------------------------------------------


def gpu_image(**changes: object) -> Json:
    """A GPU image: one container image from outside, one built in a registry, both preloaded."""
    build = {"source": wanted.SOURCE, "image": wanted.BUILT_IMAGE}
    registry = {"name": wanted.REGISTRY, "build": build}
    return an_image(gpu=True, **{"containerImages": [BUSYBOX], "registry": registry, **changes})


def image_request(image: Json, request_id: str = "image") -> Json:
    """A build of nothing but an image."""
    return {"mode": "image-only", "requestId": request_id, "image": image}


def full_request(pools: int) -> Json:
    """A build of the GPU image and of so many verified pools of one small GPU node."""
    return {
        "mode": "full",
        "requestId": "full",
        "image": gpu_image(),
        "batchAccount": {"name": ACCOUNT, "resourceGroup": "images"},
        "pools": [gpu_pool(f"pool-{n}") for n in range(pools)],
    }


def gpu_pool(name: str) -> Json:
    return a_pool(name, vmSize=GPU_SIZE, verify=True)


def pools_request(request_id: str, *pools: Json) -> Json:
    """Pools from the image that is there."""
    return {
        "mode": "batch-only",
        "requestId": request_id,
        "image": an_image(),
        "batchAccount": {"name": ACCOUNT, "resourceGroup": "images"},
        "pools": list(pools),
    }


# --- scenarios --------------------------------------------------------------------------------


def build(seed: int, request: Json) -> Measured:
    """One build in a fresh world."""
    return _build(MeasuredWorld(seed), request)


def full(pools: int, seed: int) -> Measured:
    """Image and pools in one build."""
    world = MeasuredWorld(seed)
    world.change_facts(wanted.room_for(pools))
    return _build(world, full_request(pools))


def image_only(seed: int) -> Measured:
    """The GPU image, and the removal of its builder."""
    return build(seed, image_request(gpu_image()))


def registry_preload(images: int, seed: int) -> Measured:
    """An image with so many preloaded container images, one of them built in a registry."""
    public = wanted.public_images(images - 1)
    return build(seed, image_request(gpu_image(containerImages=public)))


def slow_replication(seed: int) -> Measured:
    """Azure allows replication six hours; this one takes 5 h 50 min."""
    world = MeasuredWorld(seed, duration_band=(1.0, 1.0))
    world.fault(wanted.slow_replication(world.azure.durations))
    return _build(world, image_request(gpu_image()))


def unchanged_rebuild(seed: int) -> Measured:
    """The weekly rebuild of an image of which nothing has changed meanwhile."""
    world = MeasuredWorld(seed)
    _put_recipe(world, "weekly", an_image(gpu=True, containerImages=wanted.public_images(2)))
    _rebuild(world)
    world.engine.advance(7 * 24 * 3600)
    return _rebuild(world)


def refresh(seed: int) -> Measured:
    """One more container image on the image that is there: driver and Docker are kept."""
    world = MeasuredWorld(seed)
    _succeed(world, image_request(gpu_image()))
    (version,) = world.azure.store.of_type("Microsoft.Compute/galleries/images/versions")
    more = [BUSYBOX, *wanted.public_images(1)]
    return _build(
        world, image_request(gpu_image(base={"id": version.id}, containerImages=more), "again")
    )


def pool_of(nodes: int, seed: int) -> Measured:
    """One verified pool of so many GPU nodes, from an image that is there."""
    pool = a_pool("dev", vmSize=GPU_SIZE, verify=True, nodes=nodes)
    return _build(_world_with_image(seed), pools_request("first", pool))


def pool_update(seed: int) -> Measured:
    """A ready pool of one node gets two more."""
    world = _world_with_image(seed)
    _succeed(world, pools_request("first", gpu_pool("dev")))
    begun = mark(world)
    change = world.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 3})
    return _measured(world, begun.until_now(), Counter([change["state"]]))


def pool_iterations(rounds: int, seed: int) -> Measured:
    """One image, then pool after pool, each asked for when the one before has ended."""
    world = _world_with_image(seed)
    begun = mark(world)
    states = Counter(
        world.build(pools_request(f"r{n}", gpu_pool(f"pool-{n}")))["state"] for n in range(rounds)
    )
    chained = _chained(begun.until_now())
    return Measured(world=world, stretch=chained, outcomes=states)


def pools_at_once(count: int, seed: int) -> Measured:
    """One request for so many verified pools of one small node."""
    world = MeasuredWorld(seed)
    world.change_facts({"batchQuota:standardDSv5Family": 2 * count})
    _succeed(world, image_request(an_image(containerImages=[BUSYBOX])))
    pools = [a_pool(f"pool-{n}", vmSize=SMALL_SIZE, verify=True) for n in range(count)]
    return _build(world, pools_request("many", *pools))


def queue(pools: int, seed: int, *, share_of_quota: float = 1.0) -> Measured:
    """So many pool requests on the queue at once, 100 for each Batch account."""
    world = MeasuredWorld(seed)
    accounts = -(-pools // POOLS_PER_ACCOUNT)
    cores = int(2 * min(pools, POOLS_PER_ACCOUNT) * share_of_quota)
    quota = {"batchQuota:accounts": accounts, "batchQuota:standardDSv5Family": cores}
    world.change_facts(quota)
    _succeed(world, image_request(an_image(containerImages=[BUSYBOX])))
    for number in range(accounts):
        _make_account(world, f"account{number}")
    begun = mark(world)
    for number in range(pools):
        world.deliver(json.dumps(_message(number)), message_id=f"m{number}")
    world.engine.run_until_idle()
    stretch = begun.until_now()
    return _measured(world, stretch, _states(world, "batch-only"))


def weekly_rebuild(count: int, seed: int) -> Measured:
    """The weekly timer fires: every recipe becomes an image."""
    world = MeasuredWorld(seed)
    for number in range(count):
        _put_recipe(world, f"recipe{number}", an_image(name=f"image{number}"))
    return _rebuild(world)


def _put_recipe(world: MeasuredWorld, name: str, image: Json) -> None:
    request = {"mode": "image-only", "image": image}
    answer = world.ask(recipes.put_recipe, {"enabled": True, "request": request}, name=name)
    assert answer.status == 200, answer.body


def _rebuild(world: MeasuredWorld) -> Measured:
    begun = mark(world)
    asyncio.run(timers.begin_rebuild(local_client.open_client(world.engine)))
    world.engine.run_until_idle()
    stretch = begun.until_now()
    states = _states(world, "image-only")
    return Measured(world=world, stretch=stretch, outcomes=states, is_one_graph=False)


SCENARIOS: dict[str, Scenario] = {
    **{
        f"full_{pools}_pools": Scenario(
            run=functools.partial(full, pools),
            old=functools.partial(baseline.full, pools),
            about=f"GPU image with registry build and preload, {pools} verified pools",
            seeds=20,
        )
        for pools in (1, 3, 5, 10)
    },
    "image_only": Scenario(
        run=image_only,
        old=baseline.image_only,
        about="the same image alone, and the builder's removal",
        seeds=20,
    ),
    "pool_update": Scenario(
        run=pool_update,
        old=baseline.pool_update,
        about="one ready pool, from 1 to 3 nodes",
        seeds=20,
    ),
    "pool_iterations_10": Scenario(
        run=functools.partial(pool_iterations, 10),
        old=functools.partial(baseline.pool_after_pool_anew, 10),
        about="ten pools from one image, one after another",
    ),
    "unchanged_rebuild": Scenario(
        run=unchanged_rebuild,
        old=baseline.image_again,
        about="weekly rebuild of an image of which nothing has changed",
    ),
    "refresh": Scenario(
        run=refresh,
        old=baseline.image_again,
        about="one more container image on the image that is there",
        seeds=20,
    ),
    "registry_preload_10": Scenario(
        run=functools.partial(registry_preload, 10),
        old=functools.partial(baseline.registry_preload, 10),
        about="ten container images preloaded",
    ),
    "pools_100": Scenario(
        run=functools.partial(pools_at_once, 100),
        old=functools.partial(baseline.queue, 100),
        about="100 verified pools in one request",
    ),
    "queue_100_pools": Scenario(
        run=functools.partial(queue, 100),
        old=functools.partial(baseline.queue, 100),
        about="100 verified pools from the queue, one account",
    ),
    "queue_1000_pools": Scenario(
        run=functools.partial(queue, 1000),
        old=functools.partial(baseline.queue, 1000),
        about="1,000 verified pools, ten accounts",
        small=functools.partial(queue, 10),
    ),
    "queue_1000_pools_half_quota": Scenario(
        run=functools.partial(queue, 1000, share_of_quota=0.5),
        old=functools.partial(baseline.queue, 500),
        about="1,000 requests, quota for 500: the others are refused",
    ),
    "recipes_50": Scenario(
        run=functools.partial(weekly_rebuild, 50),
        old=functools.partial(baseline.images_anew, 50),
        about="weekly rebuild of 50 images, five at once; no path is critical for all",
    ),
    "slow_replication_6h": Scenario(
        run=slow_replication,
        old=baseline.slow_replication,
        about="replication of the image takes 5 h 50 min",
    ),
}
ONLY_FOR_SCALE: dict[str, Scenario] = {
    "queue_10_pools": Scenario(
        run=functools.partial(queue, 10),
        old=functools.partial(baseline.queue, 10),
        about="10 pools from the queue",
        seeds=5,
    ),
    "pool_of_4_nodes": Scenario(
        run=functools.partial(pool_of, 4),
        old=functools.partial(baseline.pool_of, 4),
        about="one verified pool of four nodes",
    ),
}
"""For the curves and the cost per pool and node; not rows of the table."""
ALL = {**SCENARIOS, **ONLY_FOR_SCALE}


# --- helpers ----------------------------------------------------------------------------------


def _world_with_image(seed: int) -> MeasuredWorld:
    world = MeasuredWorld(seed)
    _succeed(world, image_request(gpu_image()))
    return world


def _succeed(world: MeasuredWorld, request: Json) -> None:
    build = world.build(request)
    assert build["state"] == "succeeded", build["error"]


def _build(world: MeasuredWorld, request: Json) -> Measured:
    begun = mark(world)
    build = world.build(request)
    return _measured(world, begun.until_now(), Counter([build["state"]]))


def _measured(world: MeasuredWorld, stretch: Stretch, outcomes: Counter[str]) -> Measured:
    return Measured(world=world, stretch=stretch, outcomes=outcomes)


def _states(world: MeasuredWorld, mode: str) -> Counter[str]:
    return Counter(str(row["State"]) for row in world.build_rows() if row["Mode"] == mode)


def _message(number: int) -> Json:
    return {
        "requestId": f"q{number}",
        "batchAccount": {
            "name": f"account{number // POOLS_PER_ACCOUNT}",
            "resourceGroup": "images",
        },
        "image": an_image(),
        "pool": a_pool(f"pool-{number}", vmSize=SMALL_SIZE, verify=True),
    }


def _make_account(world: MeasuredWorld, name: str) -> None:
    """As an account that existed before."""
    calls = world.services.azure.batch.batch_account
    calls.begin_create("images", name, {"location": "swedencentral"}, polling=False)
    world.engine.advance(60)


def _chained(stretch: Stretch) -> Stretch:
    """Pools one after another: what each waits for is the one before."""
    names: list[str] = []
    tasks = []
    for task in stretch.tasks:
        tasks.append(dataclasses.replace(task, after=(*task.after, *names[-1:])))
        names.append(task.name)
    return dataclasses.replace(stretch, tasks=tuple(tasks))
