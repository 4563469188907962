"""What a reconciler decides when it has observed the state of a resource. Pure.

Start(action)  something is missing: carry out this one action
Wait           Azure is working on it: observe again later
Done(result)   the resource is as wanted
Fail(failure)  waiting will not make it so
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.azure import resource_state
from shared.base.errors import Failure, Kind
from shared.base.wire import Wire
from shared.model.simulation_marks import Marks

Json = dict[str, Any]
R = TypeVar("R", bound=Wire)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Observe again later, after `retry_after` seconds if Azure named a time.

    `left` is the number of seconds that it takes at least, and `expected` the number that it should
    take, where the observation shows that. `memory` replaces what later calls remember; None leaves
    that unchanged.
    """

    note: str = ""
    retry_after: float | None = None
    left: float | None = None
    expected: float | None = None
    memory: Json | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done(Generic[R]):
    """The resource is as wanted."""

    result: R


@dataclass(frozen=True, kw_only=True, slots=True)
class Start(Generic[R]):
    """Carry out the named action of the reconciler.

    `memory` is passed to the action and kept if the action succeeds. `then` is the decision that
    follows at once when Azure accepts the request; without it the answer's body is judged.
    """

    action: str
    memory: Json | None = None
    then: Done[R] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """Waiting will not help. `marks` are the simulator's on the result that shows it."""

    failure: Failure
    marks: Marks | None = None


Decision = Start[R] | Wait | Done[R] | Fail
BROKEN = "ProvisioningFailed"  # the code of a failure whose reason only the long operation reports


def created(
    subject: str, observed: Json | None, *, started: str | None, result: R | None
) -> Decision[R]:
    """Decide on a resource that is to exist: create it if it is absent, wait until it is ready.

    `result` is None while the observed resource lacks what the result needs.
    """
    match resource_state.provisioning(observed):
        case "ready":
            incomplete = Wait(note=f"{subject} is not complete yet")
            return incomplete if result is None else Done(result=result)
        case "absent" if started != "create":
            return Start(action="create")
        case "broken" if started == "create":
            return Fail(failure=broken(subject))
        case "broken":  # an earlier try left it so: the same request repairs it
            return Start(action="create")
        case _:
            return Wait(note=f"{subject} is being created")


def removed(subject: str, observed: Json | None, *, started: str | None, result: R) -> Decision[R]:
    """Decide on a resource that is to be absent: delete it once, and wait until it is gone."""
    match resource_state.provisioning(observed):
        case "absent":
            return Done(result=result)
        case "deleting":
            return Wait(note=f"{subject} is being deleted")
        case "broken":  # an earlier deletion failed; Azure accepts another one
            return Start(action="delete")
        case _ if started == "delete":
            return Wait(note=f"{subject} is being deleted")
        case _:
            return Start(action="delete")


def broken(subject: str) -> Failure:
    """The failure of a resource whose provisioningState is Failed: Azure gives no reason there."""
    return Failure(
        code=BROKEN,
        kind=Kind.REFUSED,
        message=f"Azure reports that {subject} failed.",
        resource=subject,
        next_action="Look at the resource's activity log in the Azure portal.",
    )


def foreign(subject: str, why: str, advice: str) -> Failure:
    """The failure where a resource of the planned name exists and differs from the plan."""
    return Failure(
        code="Conflict",
        kind=Kind.CONFLICT,
        message=f"{subject} exists already: {why}.",
        resource=subject,
        next_action=advice,
    )
