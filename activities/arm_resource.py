"""A resource of Resource Manager, described once; its creation and its removal are made from that
description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from shared.azure import clients
from shared.azure.clients import Azure, Started
from shared.base import names
from shared.base.wire import Wire
from shared.engine import decisions
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done

PlanT = TypeVar("PlanT", bound=Wire)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource(Generic[PlanT]):
    """`calls` is the SDK's group of operations, `path` its positional arguments (resource group,
    names ...).
    """

    noun: str
    calls: Callable[[Azure], Any]
    plan: type[PlanT]
    path: Callable[[PlanT], tuple[str, ...]]
    id: Callable[[PlanT], str]
    body: Callable[[PlanT], Json]
    create_call: str = "begin_create_or_update"
    delete_options: Json = field(default_factory=dict)

    def observe(self, services: Services, plan: PlanT, _: PollState) -> Json | None:
        """The resource as wire JSON, or None."""
        return clients.fetch(self.calls(services.azure).get, *self.path(plan))

    def create(self, services: Services, plan: PlanT, _: PollState) -> Started:
        """Ask for the resource as the plan describes it."""
        call = getattr(self.calls(services.azure), self.create_call)
        return clients.send(call, *self.path(plan), self.body(plan))

    def delete(self, services: Services, plan: PlanT, _: PollState) -> Started:
        """Ask for its removal."""
        call = self.calls(services.azure).begin_delete
        return clients.send_delete(call, *self.path(plan), **self.delete_options)


def creation(
    name: str,
    resource: Resource[PlanT],
    *,
    result: Callable[[Json], Json] = lambda _: {},
    conflict: Callable[[PlanT, Json], str | None] = lambda _plan, _observed: None,
) -> Reconciler[PlanT]:
    """Make the resource where it is absent. `conflict` says why an existing one cannot serve; such
    a one is never overwritten. `result` picks from the finished resource what later steps need.
    """

    def decide(plan: PlanT, observed: Json | None, poll: PollState) -> Decision:
        subject = resource.id(plan)
        if observed is not None and (why := conflict(plan, observed)):
            advice = "Give another name in the request, or remove the existing one."
            return decisions.Fail(failure=decisions.foreign(subject, why, advice))
        picked = result(observed) if observed is not None else {}
        return decisions.created(subject, observed, started=poll.started, result=picked)

    return Reconciler(
        name=name,
        plan=resource.plan,
        verb=f"create the {resource.noun}",
        subject=resource.id,
        observe=resource.observe,
        decide=decide,
        actions={"create": resource.create},
    )


def removal(
    name: str, resource: Resource[PlanT], owner: Callable[[PlanT], str]
) -> Reconciler[PlanT]:
    """Remove the resource, if it carries the tag of the build that `owner` names; what does not is
    left alone.
    """

    def decide(plan: PlanT, observed: Json | None, poll: PollState) -> Decision:
        if observed is not None and not is_tagged(observed, owner(plan)):
            return Done(result={"foreign": True})
        return decisions.removed(resource.id(plan), observed, started=poll.started)

    return Reconciler(
        name=name,
        plan=resource.plan,
        verb=f"remove the {resource.noun}",
        subject=resource.id,
        observe=resource.observe,
        decide=decide,
        actions={"delete": resource.delete},
    )


def is_tagged(observed: Json | None, build: str) -> bool:
    """Whether a resource carries this build's tag."""
    return bool(((observed or {}).get("tags") or {}).get(names.TAG_BUILD) == build)
