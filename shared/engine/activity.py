"""The two kinds of activity, each described once; `binding` makes the activity from the
description.

`Operation`: something long or repeatable on Azure. It is level-triggered: every call looks at what
is there, a pure judgement decides, and at most one effect follows. Calling it again is always safe,
so a crash costs only time.

`Effect`: one short piece of work (a check, a record) whose answer is its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.azure.cache import TtlCache
from shared.azure.rate_limiter import RateLimiter
from shared.base.wire import Wire
from shared.engine.decisions import Decision

if TYPE_CHECKING:
    from shared.azure.clients import Azure, Started
    from shared.store.outbox import Outbox
    from shared.store.records import Records

Json = dict[str, Any]
PlanT = TypeVar("PlanT", bound=Wire)


class PollState(Wire):
    """One call of an operation: when it is, and what earlier calls left to remember."""

    now: str  # ISO 8601, from the orchestration's clock
    elapsed: float = 0.0  # seconds since the first call
    started: str | None = None  # the last action that was started, if any
    operation: str | None = None  # where Azure tells why that action failed
    memory: Json = {}  # what the operation itself wanted to be remembered
    attempt: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What activities work with."""

    azure: Azure
    records: Records
    outbox: Outbox
    new_public_key: Callable[[], str]  # an OpenSSH public key whose private half nobody keeps
    new_id: Callable[[], str]  # a request id for those who gave none
    cache: TtlCache = field(default_factory=TtlCache)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciler(Generic[PlanT]):
    """How to look at something, how to judge what was seen, how to start what is missing.

    `look` returns the resource as wire JSON, or None if it is not there. `judge` is pure. `actions`
    holds what a verdict `Start(action)` names. `subject` names the resource for messages; `verb`
    completes "could not …".
    """

    name: str
    plan: type[PlanT]
    verb: str
    subject: Callable[[PlanT], str]
    observe: Callable[[Services, PlanT, PollState], Json | None]
    decide: Callable[[PlanT, Json | None, PollState], Decision]
    actions: Mapping[str, Callable[[Services, PlanT, PollState], Started]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortActivity(Generic[PlanT]):
    """One short piece of work; `act` returns its result or raises."""

    name: str
    plan: type[PlanT]
    verb: str
    subject: Callable[[PlanT], str]
    act: Callable[[Services, PlanT, PollState], Json]


Activity = Reconciler[Any] | ShortActivity[Any]
