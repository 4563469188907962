"""A resource of Azure Resource Manager, described once; activities that create and remove it are
made from the description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic

from shared.azure import sdk
from shared.azure.clients import Azure
from shared.azure.sdk import Started
from shared.base import names
from shared.engine import decisions
from shared.engine.activity import Json, NoResult, P, PollState, R, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource(Generic[P]):
    """`calls` is the SDK's group of operations, `path` its positional arguments (resource group,
    names ...).
    """

    noun: str
    calls: Callable[[Azure], Any]
    plan: type[P]
    path: Callable[[P], tuple[str, ...]]
    id: Callable[[P], str]
    body: Callable[[P], Json]
    create_call: str = "begin_create_or_update"
    delete_options: Json = field(default_factory=dict)

    def observe(self, services: Services, plan: P, _: PollState) -> Json | None:
        """The resource as wire JSON, or None."""
        return sdk.fetch(self.calls(services.azure).get, *self.path(plan))

    def asked(self, _services: Services, plan: P, _poll: PollState) -> Json:
        """The body of the request. A resource that needs more than its plan overrides it."""
        return self.body(plan)

    def create(self, services: Services, plan: P, poll: PollState) -> Started:
        """Request the resource."""
        call = getattr(self.calls(services.azure), self.create_call)
        return sdk.send(call, *self.path(plan), self.asked(services, plan, poll))

    def delete(self, services: Services, plan: P, _: PollState) -> Started:
        """Request the deletion of the resource."""
        call = self.calls(services.azure).begin_delete
        return sdk.send_delete(call, *self.path(plan), **self.delete_options)


def _never(_plan: object, _observed: Json) -> None:
    """No existing resource conflicts with the plan."""


def creation(
    name: str, resource: Resource[P], *, conflict: Callable[[P, Json], str | None] = _never
) -> Reconciler[P, NoResult]:
    """The activity that creates the resource where it is absent.

    `conflict` returns why an existing resource cannot serve; such a resource is never overwritten.
    """
    return creation_of(name, resource, NoResult, lambda _: NoResult(), conflict=conflict)


def creation_of(
    name: str,
    resource: Resource[P],
    result: type[R],
    read: Callable[[Json], R | None],
    *,
    conflict: Callable[[P, Json], str | None] = _never,
) -> Reconciler[P, R]:
    """The same for a resource of which later steps need a `result`. `read` makes it from the
    resource as Azure shows it, and returns None while that lacks what is needed.
    """

    def decide(plan: P, observed: Json | None, poll: PollState) -> Decision[R]:
        subject = resource.id(plan)
        if observed is not None and (why := conflict(plan, observed)):
            advice = "Give another name in the request, or remove the existing one."
            return Fail(failure=decisions.foreign(subject, why, advice))
        made = read(observed) if observed is not None else None
        return decisions.created(subject, observed, started=poll.started, result=made)

    return Reconciler(
        name=name,
        plan=resource.plan,
        result=result,
        verb=f"create the {resource.noun}",
        subject=resource.id,
        observe=resource.observe,
        decide=decide,
        actions={"create": resource.create},
    )


def removal(name: str, resource: Resource[P], owner: Callable[[P], str]) -> Reconciler[P, NoResult]:
    """The activity that deletes the resource if it carries the tag of the build that `owner` names,
    and leaves any other resource alone.
    """

    def decide(plan: P, observed: Json | None, poll: PollState) -> Decision[NoResult]:
        if observed is not None and not is_tagged(observed, owner(plan)):
            return Done(result=NoResult())
        subject, result = resource.id(plan), NoResult()
        return decisions.removed(subject, observed, started=poll.started, result=result)

    return Reconciler(
        name=name,
        plan=resource.plan,
        result=NoResult,
        verb=f"remove the {resource.noun}",
        subject=resource.id,
        observe=resource.observe,
        decide=decide,
        actions={"delete": resource.delete},
    )


def is_tagged(observed: Json | None, build: str) -> bool:
    """Whether a resource carries this build's tag."""
    return build_of(observed) == build


def build_of(observed: Json | None) -> str:
    """The build that a resource's tag names; empty without the tag."""
    return str(((observed or {}).get("tags") or {}).get(names.TAG_BUILD, ""))
