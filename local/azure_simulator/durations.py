"""How long operations and events take, in simulated seconds.

Each duration is given where its operation or event is registered. Its true value is
`typical x factor`. The factor lies in the duration's band (default `BAND`), most often near 1, and
depends only on the seed, the resource, the operation and how often that operation was done to that
resource; the order of calls does not matter. So a seed repeats exactly.

The durations along the path of a build add up to the times of the script that this project
replaces: 20 to 25 minutes for a GPU image, 5 to 10 for a pool. Where Azure publishes nothing, the
figure is an estimate chosen to give that sum, and its source says so.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math

BAND = (0.7, 1.5)
"""Lowest and highest factor. Recorded runs of one operation differ by about this much."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Duration:
    typical: float
    source: str
    band: tuple[float, float] = BAND


class Durations:
    """Samples true durations of what was added, by name."""

    def __init__(self, seed: int, band: tuple[float, float] | None = None) -> None:
        """`band` replaces the band of every duration; `(1, 1)` makes all typical."""
        self.seed = seed
        self._band = band
        self._table: dict[str, Duration] = {}

    def add(self, rows: dict[str, Duration]) -> None:
        """Make durations known by name. `operations.register` adds that of an operation."""
        self._table.update(rows)

    def table(self) -> dict[str, Duration]:
        return dict(self._table)

    def sample(self, operation: str, subject: str, occasion: int) -> float:
        """Seconds that this occasion of the operation takes for this subject (a resource key)."""
        row = self._table.get(operation)
        if row is None:
            raise LookupError(f"no duration was added for '{operation}'")
        low, high = self._band or row.band
        return row.typical * _triangular(low, high, self.chance(subject, operation, occasion))

    def chance(self, *what: object) -> float:
        """A number in [0, 1) that depends on the seed and the arguments only."""
        text = "|".join(str(item) for item in (self.seed, *what))
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def _triangular(low: float, high: float, chance: float) -> float:
    """Inverse of the triangular distribution whose most frequent value is 1 (or the nearest)."""
    if high <= low:
        return low
    mode = min(max(1.0, low), high)
    share = (mode - low) / (high - low)
    if chance < share:
        return low + math.sqrt(chance * (high - low) * (mode - low))
    return high - math.sqrt((1 - chance) * (high - low) * (high - mode))
