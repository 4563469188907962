"""The shortest time in which Azure could do it, from hand-made durations."""

from __future__ import annotations

from bench import critical_path
from bench.critical_path import Task
from bench.measured_world import Happening

VM = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachines/builder"
BATCH = "/subscriptions/s/resourcegroups/g/providers/microsoft.batch/batchaccounts"


def took(kind: str, resource: str, seconds: float, began: float = 0.0) -> Happening:
    """Something that took so many seconds on Azure."""
    return Happening(kind=kind, resource=resource, began=began, ended=began + seconds)


def a_pool(name: str, allocation: float, *nodes: float) -> list[Happening]:
    """A pool and its nodes, each up after so many seconds."""
    pool = f"{BATCH}/account/pools/{name}"
    return [
        took("pools.resized", pool, allocation),
        *[
            took("simulator.batchNode.started", f"{pool}/nodes/n{number}", seconds)
            for number, seconds in enumerate(nodes)
        ],
    ]


def test_the_longest_chain_counts() -> None:
    """Two ways from a to d: the slower one decides, and the time beside it is free."""
    tasks = [
        Task(name="a", seconds=10),
        Task(name="quick", seconds=1, after=("a",)),
        Task(name="slow", seconds=7, after=("a",)),
        Task(name="d", seconds=2, after=("quick", "slow")),
    ]
    assert critical_path.longest(tasks) == (19, ["a", "slow", "d"])


def test_nothing_takes_no_time() -> None:
    """A rebuild that does nothing is no division by a missing path."""
    assert critical_path.longest([]) == (0.0, [])


def test_pools_come_up_side_by_side_and_their_nodes_too() -> None:
    """The slowest node of the slowest pool decides."""
    spans = [*a_pool("one", 100, 30, 50), *a_pool("two", 90, 10)]
    tasks = critical_path.graph(spans)

    seconds, path = critical_path.longest(tasks)

    assert seconds == 150
    assert path[-3:] == ["allocate account/one", "nodes account/one", "proof account/one"]


def test_pools_of_one_name_in_two_accounts_are_two() -> None:
    """A thousand pools lie in ten accounts."""
    other = took("pools.resized", f"{BATCH}/other/pools/one", 40)
    tasks = critical_path.graph([*a_pool("one", 100), other])
    assert critical_path.longest(tasks)[0] == 100


COMMANDS = f"{VM}/runcommands"


def test_images_are_pulled_while_the_driver_is_built_then_the_machine_restarts() -> None:
    """Docker is there before the script has ended that installs it and the driver."""
    spans = [
        took("virtualMachines.create", VM, 100),
        took("virtualMachines.agentReady", VM, 20, began=100),
        took("runCommands.start", f"{COMMANDS}/install-1", 25, began=100),
        took("runCommands.progress", f"{COMMANDS}/install-1", 60, began=125),
        took("runCommands.progress", f"{COMMANDS}/install-1", 110, began=125),
        took("runCommands.end", f"{COMMANDS}/install-1", 300, began=125),
        took("runCommands.report", f"{COMMANDS}/install-1", 5, began=425),
        took("runCommands.end", f"{COMMANDS}/preload-1", 60, began=235),
        took("virtualMachines.restart", VM, 35, began=500),
        took("virtualMachines.agentReady", VM, 30, began=535),
        took("runCommands.start", f"{COMMANDS}/seal-1", 20, began=535),
        took("runCommands.end", f"{COMMANDS}/seal-1", 15, began=566),
    ]
    tasks = {task.name: task.seconds for task in critical_path.graph(spans)}

    assert tasks["docker"] == 25 + 110
    assert tasks["install"] == 25 + 300 + 5
    assert tasks["check"] == 30 + 15  # the agent answers later than it could begin
    assert critical_path.longest(critical_path.graph(spans))[0] == 100 + 330 + 35 + 45


def test_a_driver_that_needs_its_kernel_waits_for_the_first_restart() -> None:
    """It is in a step of its own then."""
    spans = [
        took("virtualMachines.create", VM, 100),
        took("virtualMachines.agentReady", VM, 20, began=100),
        took("runCommands.end", f"{COMMANDS}/install-1", 120, began=125),
        took("virtualMachines.restart", VM, 30, began=300),
        took("virtualMachines.agentReady", VM, 10, began=330),
        took("runCommands.start", f"{COMMANDS}/driver-1", 20, began=330),
        took("runCommands.end", f"{COMMANDS}/driver-1", 200, began=350),
        took("virtualMachines.restart", VM, 35, began=600),
    ]
    seconds, path = critical_path.longest(critical_path.graph(spans))

    assert seconds == 100 + 120 + 30 + 20 + 200 + 35
    assert path[:6] == [
        "public address",
        "gateway",
        "network",
        "machine",
        "install",
        "kernel restart",
    ]
