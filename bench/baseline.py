"""What the old script takes for each scenario: it is really run, on an Azure with the same seed."""

from __future__ import annotations

import dataclasses

from bench import old_script, wanted
from bench.old_script import Image, OldScript, Place, Pool, Step
from local import clock
from local.azure_simulator import control, core
from local.azure_simulator.model import JsonObject

_TRIED = 3
"""Of many pools so many are made; the others take as long as these do on average."""
_CPU_BUILDER_SIZE = "Standard_D4s_v5"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OldRun:
    """How long the script takes, in simulated seconds, and the steps that were really run."""

    seconds: float
    steps: tuple[Step, ...]


def full(pools: int, seed: int) -> OldRun:
    """One pool: everything in one run. Several: the image, then pool after pool from it."""
    script = _script(seed, facts=wanted.room_for(pools))
    if pools == 1:
        script.full(gpu_image(), gpu_pool("pool-0"))
        return _ran(script)
    script.image_only(gpu_image())
    for number in range(pools):
        script.batch_only(gpu_pool(f"pool-{number}"))
    return _ran(script)


def image_only(seed: int) -> OldRun:
    """The GPU image."""
    script = _script(seed)
    script.image_only(gpu_image())
    return _ran(script)


def registry_preload(images: int, seed: int) -> OldRun:
    """The GPU image with so many container images."""
    script = _script(seed)
    script.image_only(gpu_image(*wanted.public_images(images - 1)))
    return _ran(script)


def slow_replication(seed: int) -> OldRun:
    """The GPU image, on an Azure that takes six hours to replicate it."""
    azure = core.Simulator(clock=clock.VirtualClock(), seed=seed, duration_band=(1.0, 1.0))
    azure.faults.add(wanted.slow_replication(azure.durations))
    script = OldScript(azure, _place())
    script.image_only(gpu_image())
    return _ran(script)


def image_again(seed: int) -> OldRun:
    """The GPU image once more: the script makes all of it anew."""
    script = _script(seed)
    script.image_only(gpu_image())
    known = len(script.steps)
    script.image_only(gpu_image())
    return _ran(script, known)


def images_anew(count: int, seed: int) -> OldRun:
    """A plain image, so many times."""
    script = _script(seed)
    script.image_only(_cpu_image())
    return _times(_ran(script), count)


def pool_after_pool_anew(rounds: int, seed: int) -> OldRun:
    """The old method: everything anew for each pool."""
    script = _script(seed)
    for number in range(rounds):
        script.full(gpu_image(), gpu_pool(f"pool-{number}"))
    return _ran(script)


def pool_of(nodes: int, seed: int) -> OldRun:
    """One pool from an image that is there."""
    script = _script(seed)
    script.image_only(gpu_image())
    known = len(script.steps)
    script.batch_only(gpu_pool("dev", nodes))
    return _ran(script, known)


def pool_update(seed: int) -> OldRun:
    """A ready pool of one node gets two more."""
    script = _script(seed)
    script.full(gpu_image(), gpu_pool("dev"))
    known = len(script.steps)
    script.resize(gpu_pool("dev"), nodes=3)
    return _ran(script, known)


def queue(pools: int, seed: int) -> OldRun:
    """So many pools of one small node, one after the other, from an image that is there."""
    script = _script(seed, account="account0")
    script.image_only(_cpu_image(wanted.BUSYBOX))
    script.create_account()
    known = len(script.steps)
    for number in range(_TRIED):
        script.batch_only(Pool(name=f"pool-{number}", vm_size=wanted.SMALL_SIZE, gpu=False))
    return _times(_ran(script, known), pools / _TRIED)


# --- what it is asked for ---------------------------------------------------------------------


def gpu_image(*containers: str) -> Image:
    """With these container images (one, unless others are named) and one built in a registry."""
    return Image(
        vm_size=wanted.GPU_SIZE,
        gpu=True,
        containers=containers or (wanted.BUSYBOX,),
        registry=wanted.REGISTRY,
        built=wanted.BUILT_IMAGE,
        source=wanted.SOURCE,
    )


def gpu_pool(name: str, nodes: int = 1) -> Pool:
    return Pool(name=name, vm_size=wanted.GPU_SIZE, gpu=True, nodes=nodes)


def _cpu_image(*containers: str) -> Image:
    return Image(vm_size=_CPU_BUILDER_SIZE, gpu=False, containers=containers)


# --- helpers ----------------------------------------------------------------------------------


def _script(seed: int, *, facts: JsonObject | None = None, account: str = "") -> OldScript:
    """A fresh Azure, and nothing in it."""
    azure = core.Simulator(clock=clock.VirtualClock(), seed=seed)
    control.change_settings(azure, facts or {})
    return OldScript(azure, _place(account))


def _place(account: str = "") -> Place:
    return old_script.Place(
        group=wanted.GROUP, location=wanted.LOCATION, account=account or wanted.ACCOUNT
    )


def _ran(script: OldScript, known: int = 0) -> OldRun:
    """What was run after the first `known` steps."""
    steps = tuple(script.steps[known:])
    return OldRun(seconds=steps[-1].ended - steps[0].began, steps=steps)


def _times(ran: OldRun, factor: float) -> OldRun:
    return dataclasses.replace(ran, seconds=ran.seconds * factor)
