"""A stretch of a world's life, measured."""

from __future__ import annotations

import dataclasses
import pathlib
import resource
import time

from bench import critical_path
from bench.measured_world import Asked, Happening, Look, MeasuredWorld


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What happened between two moments; seconds are simulated, except the processor's."""

    makespan: float
    cpu: float  # of app and host; the simulator's own is not counted
    replayed: int  # events of histories that the SDK has read
    looks: tuple[Look, ...]
    happenings: tuple[Happening, ...]
    tasks: tuple[critical_path.Task, ...]

    @property
    def asked(self) -> list[Asked]:
        return [asked for look in self.looks for asked in look.asked]

    @property
    def critical(self) -> float:
        return critical_path.longest(self.tasks)[0]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """The moment from which is measured."""

    world: MeasuredWorld
    at: float
    cpu: float
    replayed: int
    looks: int
    happenings: int

    def until_now(self) -> Stretch:
        """From the mark to now."""
        cpu = _cpu(self.world) - self.cpu
        known = self.world.happenings[self.happenings :]
        happenings = tuple(one for one in known if one.ended > self.at)  # others were noticed late
        return Stretch(
            makespan=self.world.elapsed() - self.at,
            cpu=cpu,
            replayed=self.world.replayed - self.replayed,
            looks=tuple(self.world.looks[self.looks :]),
            happenings=happenings,
            tasks=tuple(critical_path.graph(happenings)),
        )


def mark(world: MeasuredWorld) -> Mark:
    """Begin to measure."""
    return Mark(
        world=world,
        at=world.elapsed(),
        cpu=_cpu(world),
        replayed=world.replayed,
        looks=len(world.looks),
        happenings=len(world.happenings),
    )


def _cpu(world: MeasuredWorld) -> float:
    return time.process_time() - world.simulator_seconds


def peak_rss_mib() -> float:
    """The most memory that this process ever held."""
    return _peak_kib() / 1024


def _peak_kib() -> float:
    """Linux lets a process inherit `ru_maxrss` from the one that started it; this it does not."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    if found:
        return float(found[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # bytes, on macOS
