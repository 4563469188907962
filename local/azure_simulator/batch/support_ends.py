"""When Batch ends its support of a node agent or a family of sizes, and whether it has.

`batchSupportEnds:NAME` in `/_simulator/settings` changes the date of an agent or a family. Batch
announces that it may refuse pools afterwards (https://github.com/Azure/Batch/issues/200); here it
does.
"""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.batch import iso8601


def date(azure: context.Azure, name: str, announced: str) -> str:
    """ISO 8601; empty where no end is announced."""
    return str(azure.setting(f"batchSupportEnds:{name}", announced))


def has_passed(azure: context.Azure, ends: str) -> bool:
    return bool(ends) and iso8601.epoch_seconds(ends) <= azure.now
