"""What the parts of a build's steps take on a machine where nothing is really executed."""

from __future__ import annotations

from local.azure_simulator import durations

_ESTIMATE = "estimate, within the total of 20 to 25 minutes for an image"
DURATIONS = {
    "script.prepare": durations.Duration(typical=60, source=_ESTIMATE),
    "script.docker": durations.Duration(typical=50, source=_ESTIMATE),
    "script.infiniband": durations.Duration(
        typical=240, source="estimate: a large download, and sources built by DKMS"
    ),
    "script.driver": durations.Duration(
        typical=230, source="driver built by DKMS: 117 s on two cores"
    ),
    "script.scratch": durations.Duration(typical=8, source="estimate: two packages, or none"),
    "script.dcgm": durations.Duration(typical=25, source="estimate: 700 MB of packages, or none"),
    "script.preload": durations.Duration(typical=10, source=_ESTIMATE + ", beside the images"),
    "script.preloadImage": durations.Duration(typical=25, source=_ESTIMATE + ", per image"),
    "script.own": durations.Duration(typical=40, source="estimate: a script of the owner's"),
    "script.check": durations.Duration(typical=15, source=_ESTIMATE),
    "script.seal": durations.Duration(typical=3, source=_ESTIMATE),
    "script.sealing": durations.Duration(
        typical=12, source="sealing took 8 and 13 s in real machines"
    ),
    "script.other": durations.Duration(
        typical=100, source="recorded exchange with the service, with the overhead"
    ),
}
"""What scripts take on a machine where nothing is really executed."""

KEPT_SECONDS = {"prepare": 20.0, "docker": 2.0, "infiniband": 0.0, "driver": 2.0}
"""Estimates of parts that change nothing, because an earlier build has done it: the first boot and
the lists of packages are waited for, versions are compared.
"""
