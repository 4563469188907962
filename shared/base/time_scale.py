"""A faster time, for an Azure that is simulated. Pure.

The app has one clock, that of its orchestrations. Where Azure is simulated and its time runs faster
than real time, while durable timers go off in real time, the two are made to agree here: an
orchestration is given a context whose clock shows Azure's time, and which sets each timer to the
real time at which Azure's clock will show what the orchestrator asked for. Both are functions of
the recorded time and of a setting, so a replay schedules the same.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TimeScale:
    """`factor` of Azure's seconds pass in a real one, since the moment when both clocks agreed."""

    factor: float
    since: datetime  # with its time zone

    @classmethod
    def parse(cls, text: str) -> TimeScale:
        """`60@2026-01-01T00:00:00Z`. Raises ValueError."""
        factor, _, since = text.partition("@")
        scale = cls(factor=float(factor), since=datetime.fromisoformat(since))
        if not 0 < scale.factor < float("inf") or scale.since.tzinfo is None:
            raise ValueError(f"{text!r} is not a positive factor and a moment with its time zone")
        return scale

    def azure_time(self, real: datetime) -> datetime:
        """What Azure's clock shows at a real time."""
        return self.since + (real - self.since) * self.factor

    def real_time(self, azure: datetime) -> datetime:
        """The real time at which Azure's clock shows this."""
        return self.since + (azure - self.since) / self.factor


class ScaledContext:
    """The context of an orchestration, with Azure's time in place of real time."""

    def __init__(self, context: Any, scale: TimeScale) -> None:
        self._context, self._scale = context, scale

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    @property
    def current_utc_datetime(self) -> datetime:
        """Azure's time when this part of the orchestration began."""
        return self._scale.azure_time(self._context.current_utc_datetime)

    def create_timer(self, fire_at: datetime) -> Any:
        """A durable timer that goes off when Azure's clock shows `fire_at`."""
        return self._context.create_timer(self._scale.real_time(fire_at))
