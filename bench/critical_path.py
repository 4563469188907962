"""The shortest time in which Azure could do a build.

Written from what Azure requires, and from nothing of the app: durations are what the simulator
really took, the graph says what must wait for what. No client of Azure can be faster than
`longest`, because an end is only known once it was seen.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Protocol


class Span(Protocol):
    """Something that took its time; times in seconds."""

    @property
    def kind(self) -> str: ...
    @property
    def resource(self) -> str: ...
    @property
    def began(self) -> float: ...
    @property
    def seconds(self) -> float: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One operation of the graph."""

    name: str
    seconds: float
    after: tuple[str, ...] = ()


def longest(tasks: Sequence[Task]) -> tuple[float, list[str]]:
    """Seconds of the longest chain and its names; tasks stand after those they wait for."""
    ends: dict[str, tuple[float, list[str]]] = {}
    for task in tasks:
        before, path = max((ends[name] for name in task.after), default=(0.0, []))
        ends[task.name] = (before + task.seconds, [*path, task.name])
    return max(ends.values(), default=(0.0, []))


def graph(spans: Sequence[Span]) -> list[Task]:
    """The operations of a build that happened, with what Azure makes each wait for."""
    truth = _Truth(spans)
    return [
        *_network(truth),
        *_registry(truth),
        *_machine(truth),
        *_capture(truth),
        *_removal(truth),
        *_pools(truth),
    ]


class _Truth:
    """Look up what something took."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._of_kind: dict[str, list[Span]] = {}
        for span in sorted(spans, key=lambda s: s.began):
            self._of_kind.setdefault(span.kind, []).append(span)

    def spans(self, *kinds: str, of: str = "") -> list[Span]:
        """Everything of these kinds on resources whose id contains `of`, as they began."""
        return [s for kind in kinds for s in self._of_kind.get(kind, []) if of in s.resource]

    def total(self, *kinds: str, of: str = "") -> float:
        return sum(s.seconds for s in self.spans(*kinds, of=of))

    def reach(self, step: str, agent: float) -> float:
        """Seconds until a script begins that is sent to a machine as it comes up: the agent takes
        it up once it answers itself.
        """
        began = self.spans("runCommands.start", of=f"/runcommands/{step}")
        return max(began[0].seconds, agent) if began else 0.0

    def parts(self, step: str) -> list[float]:
        """Seconds after its begin at which each part of a script was done, but the last."""
        found = self.spans("runCommands.progress", of=f"/runcommands/{step}")
        return [span.seconds for span in found]

    def work(self, step: str) -> float:
        """What the script itself takes."""
        return self.total("runCommands.end", of=f"/runcommands/{step}")

    def report(self, step: str) -> float:
        """Until the agent has reported its end."""
        return self.total("runCommands.report", of=f"/runcommands/{step}")


_NODE = (
    "simulator.batchNode.created",
    "simulator.batchNode.started",
    "simulator.batchNode.startTaskEnded",
)
_TASK = (
    "simulator.batchTask.begin",
    "simulator.batchTask.ready",
    "simulator.batchTask.finish",
)


def _network(truth: _Truth) -> list[Task]:
    """A subnet names its gateway, a gateway its address, a machine its subnet."""
    return [
        Task(name="public address", seconds=truth.total("publicIPAddresses.write")),
        Task(name="gateway", seconds=truth.total("natGateways.write"), after=("public address",)),
        Task(name="network", seconds=truth.total("virtualNetworks.write"), after=("gateway",)),
    ]


def _registry(truth: _Truth) -> list[Task]:
    runs = truth.total("simulator.registryRun.start", "simulator.registryRun.finish")
    return [
        Task(name="registry", seconds=truth.total("registries.write")),
        Task(name="image build", seconds=runs, after=("registry",)),
    ]


def _machine(truth: _Truth) -> list[Task]:
    """One machine; container images are pulled once Docker is there, beside the driver."""
    agents = [s.seconds for s in truth.spans("virtualMachines.agentReady")] or [0.0]
    restarts = [s.seconds for s in truth.spans("virtualMachines.restart")]
    reached = truth.reach("install", agents[0])
    whole = reached + truth.work("install")
    docker = truth.parts("install")[1:] or [whole - reached]
    tasks = [
        Task(name="machine", seconds=truth.total("virtualMachines.create"), after=("network",)),
        Task(name="install", seconds=whole + truth.report("install"), after=("machine",)),
        Task(name="docker", seconds=reached + docker[0], after=("machine",)),
    ]
    last = "install"
    if truth.work("driver"):  # in a step of its own: the kernel must run that it is built for
        seconds = restarts.pop(0) if len(restarts) > 1 else 0.0
        tasks.append(Task(name="kernel restart", seconds=seconds, after=("install",)))
        seconds = truth.reach("driver", agents[1] if seconds and len(agents) > 1 else 0.0)
        seconds += truth.work("driver") + truth.report("driver")
        tasks.append(Task(name="driver", seconds=seconds, after=("kernel restart",)))
        last = "driver"
    preload = truth.work("preload") + truth.report("preload")
    checked = truth.reach("seal", agents[-1] if restarts else 0.0) + truth.work("seal")
    return [
        *tasks,
        Task(name="preload", seconds=preload, after=("docker", "image build")),
        Task(name="restart", seconds=sum(restarts), after=(last, "preload")),
        Task(name="check", seconds=checked, after=("restart",)),
    ]


def _capture(truth: _Truth) -> list[Task]:
    """The machine seals itself when its check has passed, whether or not that was reported."""
    return [
        Task(name="gallery", seconds=truth.total("galleries.write")),
        Task(name="definition", seconds=truth.total("galleryImages.write"), after=("gallery",)),
        Task(name="sealing", seconds=truth.total("virtualMachines.guest"), after=("check",)),
        Task(name="snapshot", seconds=truth.total("snapshots.write"), after=("sealing",)),
        Task(
            name="version",
            seconds=truth.total("galleryVersions.create", "galleryVersions.createShallow"),
            after=("snapshot", "definition"),
        ),
    ]


def _removal(truth: _Truth) -> list[Task]:
    """What is used by something goes after it; the version is copied from the snapshot alone."""
    machine = truth.total("virtualMachines.delete", "virtualMachines.forceDelete")
    return [
        Task(
            name="snapshot removed",
            seconds=truth.total("snapshots.delete"),
            after=("version",),
        ),
        Task(name="machine removed", seconds=machine, after=("snapshot",)),
        Task(
            name="network removed",
            seconds=truth.total("virtualNetworks.delete"),
            after=("machine removed",),
        ),
        Task(
            name="gateway removed",
            seconds=truth.total("natGateways.delete"),
            after=("network removed",),
        ),
        Task(
            name="address removed",
            seconds=truth.total("publicIPAddresses.delete"),
            after=("gateway removed",),
        ),
    ]


def _pools(truth: _Truth) -> list[Task]:
    """Every pool by itself: machines, then each node's boot and start task, then its proof."""
    found = [Task(name="account", seconds=truth.total("batchAccounts.create"))]
    nodes = _by_pool(truth.spans(*_NODE))
    proofs = _by_pool(truth.spans(*_TASK))
    for pool, resizes in _by_pool(truth.spans("pools.resized")).items():
        seconds = sum(resize.seconds for resize in resizes)
        found += [
            Task(name=f"allocate {pool}", seconds=seconds, after=("version", "account")),
            Task(
                name=f"nodes {pool}",
                seconds=_slowest(nodes.get(pool, [])),
                after=(f"allocate {pool}",),
            ),
            Task(
                name=f"proof {pool}",
                seconds=_extent(proofs.get(pool, [])),
                after=(f"nodes {pool}",),
            ),
        ]
    return found


def _by_pool(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """By `account/pool`, from ids like `.../batchaccounts/a/pools/p/nodes/n`."""
    found: dict[str, list[Span]] = {}
    for span in spans:
        place = re.search(r"batchaccounts/([^/]+)/pools/([^/]+)", span.resource)
        if place is not None:
            found.setdefault("/".join(place.groups()), []).append(span)
    return found


def _slowest(spans: Sequence[Span]) -> float:
    """Nodes come up side by side, each through its own chain."""
    chains: dict[str, float] = {}
    for span in spans:
        chains[span.resource] = chains.get(span.resource, 0.0) + span.seconds
    return max(chains.values(), default=0.0)


def _extent(spans: Sequence[Span]) -> float:
    """From the first beginning to the last end."""
    ends = [span.began + span.seconds for span in spans]
    return max(ends) - min(span.began for span in spans) if ends else 0.0
