"""The steps that must end before the builder VM can be created. A build runs them beside the
creation of its Batch account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities import network
from shared.engine.activity import NoResult
from shared.engine.step_graph import Step
from shared.model.plans import GroupPlan, ImagePlan


@dataclass(frozen=True, kw_only=True, slots=True)
class Prerequisites:
    """The resource group of the image and the network of its builder. Both cost next to nothing."""

    group: Step[GroupPlan, NoResult]
    network: list[Step[ImagePlan, NoResult]]

    @property
    def all(self) -> list[Step[Any, Any]]:
        """The steps in order; the group comes first."""
        return [self.group, *self.network]

    @property
    def last(self) -> Step[Any, Any]:
        """The step after which a VM can be created."""
        return self.all[-1]


def plan_prerequisites(plan: ImagePlan) -> Prerequisites:
    """The resource group, and a network unless the request names a subnet."""
    group = Step(
        "resource_group",
        network.ensure_resource_group,
        GroupPlan(name=plan.resource_group, location=plan.location, tags=plan.tags),
    )
    if not plan.own_network:
        return Prerequisites(group=group, network=[])
    if plan.outbound != "nat":
        net = Step("network", network.create_network, plan, after=[group])
        return Prerequisites(group=group, network=[net])
    address = Step("public_ip", network.create_public_ip, plan, after=[group])
    nat = Step("nat_gateway", network.create_nat_gateway, plan, after=[address])
    net = Step("network", network.create_network, plan, after=[nat])
    return Prerequisites(group=group, network=[address, nat, net])
