"""What was seen on Azure → what to do. Pure: tables and a few small functions, no calls.

A judgement returns one verdict:
    Start(action)  something is missing: do this one thing
    Wait           it is under way: look again later
    Done(result)   it is as it should be
    Fail(failure)  it will not become so by waiting
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.azure import resource_state
from shared.base.errors import Failure, Kind

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Look again later; `retry_after` in seconds if Azure named a time. Where what was seen tells
    it, `left` are the seconds that it still takes at least, `expected` those that it should take.
    `memory` is what the next look is to know; None leaves what earlier looks remembered.
    """

    note: str = ""
    retry_after: float | None = None
    left: float | None = None
    expected: float | None = None
    memory: Json | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """It is as it should be."""

    result: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Do the named action of the operation, which knows `memory`; it is kept if that succeeds.
    `then` is the verdict where Azure's yes ends it.
    """

    action: str
    memory: Json | None = None
    then: Done | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fail:
    """It will not become so by waiting."""

    failure: Failure


Decision = Start | Wait | Done | Fail
BROKEN = "ProvisioningFailed"  # a failure whose reason only the long operation knows


def created(subject: str, observed: Json | None, *, started: str | None, result: Json) -> Decision:
    """The judgement of most resources: create it if it is absent, wait, done."""
    match resource_state.provisioning(observed):
        case "ready":
            return Done(result=result)
        case "absent" if started != "create":
            return Start(action="create")
        case "broken" if started == "create":
            return Fail(failure=broken(subject))
        case "broken":  # left by an earlier try: the same request repairs it
            return Start(action="create")
        case _:
            return Wait(note=f"{subject} is being made")


def removed(subject: str, observed: Json | None, *, started: str | None) -> Decision:
    """The judgement of a removal: gone is done, and what is going needs no second request."""
    match resource_state.provisioning(observed):
        case "absent":
            return Done()
        case "deleting":
            return Wait(note=f"{subject} is being removed")
        case "broken":  # an earlier removal failed; Azure takes another one
            return Start(action="delete")
        case _ if started == "delete":
            return Wait(note=f"{subject} is being removed")
        case _:
            return Start(action="delete")


def broken(subject: str) -> Failure:
    """Azure says "Failed" and, in the resource itself, no more."""
    return Failure(
        code=BROKEN,
        kind=Kind.REFUSED,
        message=f"Azure reports that {subject} failed.",
        resource=subject,
        next_action="Look at the resource's activity log in the Azure portal.",
    )


def foreign(subject: str, why: str, advice: str) -> Failure:
    """Something of that name exists and is not what the request describes."""
    return Failure(
        code="Conflict",
        kind=Kind.CONFLICT,
        message=f"{subject} exists already: {why}.",
        resource=subject,
        next_action=advice,
    )
