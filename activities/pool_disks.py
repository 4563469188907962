"""Data disks of pools beside those of their image; see `preflight`."""

from __future__ import annotations

from shared.azure.quotas import Size
from shared.base.errors import Problem
from shared.model.field_problems import impossible
from shared.model.plans import PoolPlan


def problems(pools: list[PoolPlan], luns: list[int], sizes: dict[str, Size]) -> list[Problem]:
    """Which pools cannot have their own data disks beside those of the image, which each node gets.
    https://learn.microsoft.com/azure/batch/batch-sig-images
    """
    found = []
    for index, pool in enumerate(pools if luns else []):
        own = [disk.lun for disk in pool.pool.data_disks]
        if taken := sorted(set(luns) & set(own)):
            message = f"the image has a data disk with lun {taken[0]}: give it another number"
            found.append(impossible(f"pools[{index}].dataDisks", message))
        needed = len(luns) + len(own)
        asked = [sizes[name.lower()] for name in pool.sizes if name.lower() in sizes]
        if asked and all(size.data_disks < needed for size in asked):
            message = (
                f"{asked[0].name} takes {asked[0].data_disks} data disks; image and pool have "
                f"{needed}"
            )
            field = f"pools[{index}].vmSize"
            found.append(Problem(field=field, code="SizeUnsuitable", message=message))
    return found
