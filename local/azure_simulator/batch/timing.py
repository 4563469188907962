"""How long the events of Batch take. Operations have their durations where they are registered.

A pool is ready in 5 to 10 minutes: machines are allocated (2.5), boot (3), and run a start task.
Where nothing is published, the figure is an estimate within that total, and says so.
"""

from __future__ import annotations

from local.azure_simulator import context, durations

TASK_COUNTS_LAG_SECONDS = 5.0
"""Recorded: no active task two seconds after one was added."""

_POOL = "estimate, within the 5 to 10 minutes of a pool"

ROWS = {
    "pools.allocate": durations.Duration(typical=150, source=_POOL),
    "pools.refuse": durations.Duration(typical=45, source="estimate: no machine was allocated"),
    "pools.shrink": durations.Duration(typical=45, source="estimate"),
    "pools.settle": durations.Duration(typical=3, source="estimate: nothing to allocate"),
    "pools.stop": durations.Duration(typical=10, source="estimate"),
    "nodes.create": durations.Duration(typical=30, source=_POOL),
    "nodes.start": durations.Duration(typical=150, source=_POOL),
    "nodes.pullImage": durations.Duration(typical=25, source="estimate, per image"),
    "nodes.startTask": durations.Duration(typical=25, source=_POOL),
    "nodes.reboot": durations.Duration(typical=90, source="estimate"),
    "nodes.reimage": durations.Duration(typical=180, source="estimate"),
    "tasks.schedule": durations.Duration(typical=4, source="estimate"),
    "tasks.run": durations.Duration(typical=10, source="estimate, with the container's start"),
    "jobs.terminate": durations.Duration(typical=6, source="estimate"),
    "jobs.delete": durations.Duration(typical=12, source="estimate"),
}


def register(azure: context.Azure) -> None:
    azure.durations.add(ROWS)
