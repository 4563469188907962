"""Pools on sizes with InfiniBand (Azure's capability `RdmaEnabled`), and images with its stack.
Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from shared.base.errors import Problem
from shared.model.outcomes import ImageRecord
from shared.model.plans import PoolPlan


class _Size(Protocol):
    """A VM size as a region offers it (`quotas.Size`)."""

    @property
    def name(self) -> str: ...

    @property
    def rdma(self) -> bool: ...


def sizes_with_it(sizes: Iterable[_Size]) -> list[str]:
    """The lower-case names of the sizes that have InfiniBand."""
    return sorted({size.name.lower() for size in sizes if size.rdma})


def warnings(
    pools: Sequence[PoolPlan], rdma_sizes: Collection[str], *, in_image: bool
) -> list[Problem]:
    """What a person should know of pools whose nodes have InfiniBand and cannot use it: without the
    stack their MPI talks by TCP, and without inter-node communication Batch may place the nodes
    in networks that do not reach each other.
    """
    found = []
    for index, pool in enumerate(pools):
        named = [size for size in pool.sizes if size.lower() in rdma_sizes]
        talks = pool.pool.inter_node_communication
        field = f"pools[{index}].interNodeCommunication"
        if named and talks and not in_image:
            message = (
                f"{named[0]} has InfiniBand, and the image has no stack for it: the nodes talk by "
                "TCP. Build an image with image.infiniband"
            )
            found.append(Problem(field=field, code="NoInfiniband", message=message))
        elif named and in_image and not talks:
            message = (
                f"{named[0]} and the image have InfiniBand, and the nodes may not talk to each "
                "other: set interNodeCommunication, unless each task runs on one node"
            )
            found.append(Problem(field=field, code="InfinibandUnused", message=message))
        if named and talks and pool.pool.task_slots_per_node > 1:
            message = "Batch never starts multi-instance tasks on nodes with more than one slot"
            field = f"pools[{index}].taskSlotsPerNode"
            found.append(Problem(field=field, code="NoMultiInstanceTasks", message=message))
    return found


def image_warnings(
    pools: Sequence[PoolPlan], rdma_sizes: Collection[str], image: ImageRecord
) -> list[Problem]:
    """The same of pools from an image that is there, if batch-prep made it: of others nothing is
    known.
    """
    has_stack = image.infiniband_version is not None
    return warnings(pools, rdma_sizes, in_image=has_stack) if image.build_id else []


def zonal_problems(pools: Sequence[PoolPlan], rdma_sizes: Collection[str]) -> list[Problem]:
    """Pools that Batch refuses, because InfiniBand does not reach from one zone to another.
    https://learn.microsoft.com/azure/batch/create-pool-availability-zones
    """
    message = (
        "InfiniBand does not reach other zones: Batch makes no zonal pool with inter-node "
        "communication on a size that has it"
    )
    return [
        Problem(
            field=f"pools[{index}].nodePlacementConfiguration.policy",
            code="InfinibandIsRegional",
            message=message,
        )
        for index, pool in enumerate(pools)
        if (placement := pool.pool.node_placement_configuration)
        and placement.policy == "Zonal"
        and pool.pool.inter_node_communication
        and any(size.lower() in rdma_sizes for size in pool.sizes)
    ]
