"""The contract between an orchestrator and an activity, and the two kinds of activity.

An `Activity[P, R]` declares once, as types, what both ends need to know: the name under which it is
registered, the plan `P` that an orchestrator sends and the result `R` that comes back. An
orchestrator names the object itself (`workflow.run_step(context, ..., registry.create_registry,
plan)`), so "go to definition" leads from a step to the code that carries it out, and the type
checker refuses a misspelt activity, a plan of another type and a misspelt field of the result.

- A `Reconciler` brings something on Azure to a wanted state, however long that takes. It is
  level-triggered: each call observes the present state, a pure function decides, and at most one
  action follows. `activity_runner` makes the registered function from this description.
- A `ShortActivity` does one short piece of work (a check, a record) and returns its result.

An activity never waits and never loops: the orchestration calls it again (`polling_loop`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.azure.cache import TtlCache
from shared.azure.rate_limiter import RateLimiter
from shared.base.wire import Wire
from shared.engine.decisions import Decision
from shared.engine.telemetry import Telemetry

if TYPE_CHECKING:
    from shared.azure.clients import Azure
    from shared.azure.sdk import Started
    from shared.store.outbox import Outbox
    from shared.store.records import Records

Json = dict[str, Any]
P = TypeVar("P", bound=Wire)
R = TypeVar("R", bound=Wire)


class NoInput(Wire):
    """The plan of an activity, or the input of an orchestration, that needs none."""


class NoResult(Wire):
    """The result of an activity that has nothing to report but its end."""


class PollState(Wire):
    """What a call of an activity knows of the calls before it.

    `now` is the orchestration's time (ISO 8601); an activity has no other clock.
    """

    now: str
    elapsed: float = 0.0  # seconds since the first call
    started: str | None = None  # the last action that was started, if any
    operation: str | None = None  # URL at which Azure reports why that action failed
    memory: Json = {}  # whatever the reconciler itself chose to remember


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What activities and triggers work with; made once per process."""

    azure: Azure
    records: Records
    outbox: Outbox
    new_public_key: Callable[[], str]  # an OpenSSH public key; its private half is discarded
    new_id: Callable[[], str]  # an id for a request without one
    now: Callable[[], str]  # Azure's time, ISO 8601, for triggers only: no orchestration has called
    cache: TtlCache = field(default_factory=TtlCache)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    telemetry: Telemetry = field(default_factory=Telemetry)


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity(Generic[P, R]):
    """The contract: registered name, type of the plan, type of the result.

    `subject` names the resource in messages; `verb` completes "could not …", followed by `place`,
    where the resource's id does not say enough.
    """

    name: str
    plan: type[P]
    result: type[R]
    verb: str
    subject: Callable[[P], str]
    place: Callable[[P], str] = lambda _: ""

    def attempted(self, plan: P) -> str:
        """What completes "could not …"."""
        place = self.place(plan)
        return f"{self.verb} ({place})" if place else self.verb


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciler(Activity[P, R]):
    """An activity that is called again until its resource is as the plan says.

    `observe` returns the resource as wire JSON, or None if it does not exist. `decide` is pure.
    `actions` holds the functions that a decision `Start(action)` names. Calling a reconciler twice
    is as safe as calling it once: the second call observes what the first one did.
    """

    observe: Callable[[Services, P, PollState], Json | None]
    decide: Callable[[P, Json | None, PollState], Decision[R]]
    actions: Mapping[str, Callable[[Services, P, PollState], Started]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortActivity(Activity[P, R]):
    """An activity that ends with its first call; `act` returns the result or raises StepFailed."""

    act: Callable[[Services, P, PollState], R]


def short_activity(
    plan: type[P], result: type[R], *, verb: str, subject: Callable[[P], str]
) -> Callable[[Callable[[Services, P, PollState], R]], ShortActivity[P, R]]:
    """Declare a short activity; the function's name becomes its registered name."""

    def declare(act: Callable[[Services, P, PollState], R]) -> ShortActivity[P, R]:
        return ShortActivity(
            name=act.__name__, plan=plan, result=result, verb=verb, subject=subject, act=act
        )

    return declare
