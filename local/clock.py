"""One time for host, simulator and tests: scaled for a demonstration, virtual for a test.

clock = ScaledClock.open(state_dir / "clock.json", scale=60)    # one simulated minute per second
clock.now()                                                      # simulated seconds since the epoch
await asyncio.sleep(clock.real_seconds(30))                      # really waits half a second
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Clock(Protocol):
    """What everything local asks for the time."""

    def now(self) -> float:
        """Simulated seconds since the epoch."""
        ...

    def real_seconds(self, simulated: float) -> float:
        """How long to really wait for this many simulated seconds to pass."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledClock:
    """Real time, running `scale` times as fast since the moment it was first opened.

    Its parameters lie in a file, so processes that open the same file agree on the time, also
    after one of them was killed: simulated time goes on while no process runs.
    """

    real_start: float
    simulated_start: float
    scale: float

    @classmethod
    def open(cls, path: Path, scale: float) -> "ScaledClock":
        """The clock kept at `path`; a new `scale` takes effect from now, without a jump."""
        if scale <= 0:
            raise ValueError(f"the time scale must be positive, not {scale}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            now = time.time()
            kept = cls._read(path) or cls(real_start=now, simulated_start=now, scale=scale)
            clock = kept if kept.scale == scale else kept._rebased(now, scale)
            clock._write(path)
        return clock

    def now(self) -> float:
        return self._at(time.time())

    def real_seconds(self, simulated: float) -> float:
        return max(0.0, simulated / self.scale)

    def _at(self, real: float) -> float:
        return self.simulated_start + (real - self.real_start) * self.scale

    def _rebased(self, real: float, scale: float) -> "ScaledClock":
        return ScaledClock(real_start=real, simulated_start=self._at(real), scale=scale)

    @classmethod
    def _read(cls, path: Path) -> "ScaledClock | None":
        if not path.exists():
            return None
        kept = json.loads(path.read_text())
        return cls(
            real_start=kept["realStart"],
            simulated_start=kept["simulatedStart"],
            scale=kept["scale"],
        )

    def _write(self, path: Path) -> None:
        parameters = {
            "realStart": self.real_start,
            "simulatedStart": self.simulated_start,
            "scale": self.scale,
        }
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(parameters))
        unfinished.replace(path)  # never half a file, whenever the process is killed


class VirtualClock:
    """Time that stands still until a test moves it."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:  # 2026-01-01T00:00:00Z
        self._now = start

    def now(self) -> float:
        return self._now

    def real_seconds(self, simulated: float) -> float:  # noqa: ARG002 - this clock needs no wait
        return 0.0

    def advance_to(self, moment: float) -> None:
        """Move forward to `moment`; a moment in the past is refused."""
        if moment < self._now:
            raise ValueError(f"time does not run backwards: {moment} is before {self._now}")
        self._now = moment


class SkewedClock:
    """Another machine's clock: it is `ahead` of this one by so many seconds, or behind it."""

    def __init__(self, clock: Any, ahead: float) -> None:
        self._clock, self._ahead = clock, ahead

    def now(self) -> float:
        return float(self._clock.now() + self._ahead)

    def advance_to(self, moment: float) -> None:
        """Move both, where the other one is virtual."""
        self._clock.advance_to(moment - self._ahead)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Host and simulator open the clock at the same moment: one writes, the other then reads."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
