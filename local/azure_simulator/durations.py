"""How long everything takes, in simulated seconds, in one table.

The true duration of an operation is `typical x factor`. The factor lies in the row's band (default
`BAND`), most often near 1, and depends only on the seed, the resource, the operation and how often
that operation was done to that resource: never on the order of calls. So a seed repeats exactly.

Added up along the path of a build they give the times of the script this project replaces: a GPU
image in 20 to 25 minutes, a pool in 5 to 10. Where Azure publishes nothing, the figure is an
estimate chosen to give that sum, and says so.
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


_RECORDED = "recorded exchange with the service"
_ESTIMATE = "estimate, within the total of 20 to 25 minutes for an image"

TABLE: dict[str, Duration] = {
    # --- resources and network ---
    "providers.register": Duration(typical=45, source="estimate"),
    "resourceGroups.delete": Duration(typical=75, source="estimate, beside what it contains"),
    "publicIPAddresses.write": Duration(typical=4, source="recorded Retry-After 1"),
    "publicIPAddresses.delete": Duration(typical=10, source="estimate"),
    "natGateways.write": Duration(typical=15, source="recorded Retry-After 10"),
    "natGateways.delete": Duration(typical=15, source="estimate"),
    "virtualNetworks.write": Duration(typical=6, source="recorded Retry-After 3, then 10"),
    "virtualNetworks.delete": Duration(typical=12, source="estimate"),
    "networkInterfaces.write": Duration(typical=1, source="recorded as finished at once"),
    "networkInterfaces.delete": Duration(typical=10, source="estimate"),
    # --- virtual machines ---
    "virtualMachines.create": Duration(typical=150, source=_RECORDED),
    "virtualMachines.update": Duration(typical=10, source="estimate"),
    "virtualMachines.agentReady": Duration(typical=20, source="estimate, after running"),
    "virtualMachines.restart": Duration(typical=35, source="estimate"),
    "virtualMachines.start": Duration(typical=40, source="estimate"),
    "virtualMachines.powerOff": Duration(typical=25, source="estimate"),
    "virtualMachines.deallocate": Duration(typical=45, source="recorded Retry-After 36"),
    "virtualMachines.delete": Duration(typical=60, source="estimate"),
    "virtualMachines.forceDelete": Duration(typical=25, source="estimate"),
    "disks.delete": Duration(typical=5, source="recorded Retry-After 2"),
    # --- run commands ---
    "runCommands.start": Duration(typical=20, source="documented overhead of at least 20 s"),
    "runCommands.report": Duration(
        typical=7.5, band=(0.1, 1.9), source="the handler reports every 15 s"
    ),
    "runCommands.delete": Duration(typical=12, source="estimate"),
    "runCommand.action": Duration(typical=30, source="documented overhead of at least 20 s"),
    # --- galleries ---
    "galleries.write": Duration(typical=12, source="estimate"),
    "galleries.delete": Duration(typical=20, source="estimate"),
    "galleryImages.write": Duration(typical=12, source="estimate"),
    "galleryImages.delete": Duration(typical=20, source="estimate"),
    "galleryVersions.create": Duration(typical=450, source=_RECORDED + ", one region"),
    "galleryVersions.createShallow": Duration(typical=60, source="estimate: no copy"),
    "galleryVersions.replicate": Duration(typical=240, source="estimate, per further region"),
    "galleryVersions.update": Duration(typical=20, source="estimate, without new regions"),
    "galleryVersions.delete": Duration(typical=40, source="estimate"),
    "images.write": Duration(typical=60, source="estimate"),
    "images.delete": Duration(typical=10, source="estimate"),
    # --- what scripts take on a machine where nothing is really executed ---
    "script.prepare": Duration(typical=60, source=_ESTIMATE),
    "script.docker": Duration(typical=50, source=_ESTIMATE),
    "script.driver": Duration(typical=230, source="driver built by DKMS: 117 s on two cores"),
    "script.preload": Duration(typical=10, source=_ESTIMATE + ", beside the images"),
    "script.preloadImage": Duration(typical=25, source=_ESTIMATE + ", per image"),
    "script.check": Duration(typical=15, source=_ESTIMATE),
    "script.seal": Duration(typical=3, source=_ESTIMATE),
    "script.sealing": Duration(typical=12, source="sealing took 8 and 13 s in real machines"),
    "script.other": Duration(typical=100, source=_RECORDED + ", with the overhead"),
}


class Durations:
    """Samples true durations. Other modules add their rows with `add`."""

    def __init__(self, seed: int, band: tuple[float, float] | None = None) -> None:
        """`band` replaces every row's band: `(1, 1)` makes all durations typical."""
        self.seed = seed
        self._band = band
        self._table = dict(TABLE)

    def add(self, rows: dict[str, Duration]) -> None:
        self._table.update(rows)

    def table(self) -> dict[str, Duration]:
        return dict(self._table)

    def sample(self, operation: str, subject: str, occasion: int) -> float:
        """Seconds that this occasion of the operation takes for this subject (a resource key)."""
        row = self._table[operation]
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
