"""Compute quotas of the subscription, per region: enough for the builds that are the default.

`quota:NAME` in `/_simulator/settings` changes one. Families not listed have `DEFAULT_CORES`.
"""

from __future__ import annotations

TOTAL_CORES = 350
LOW_PRIORITY_CORES = 100
VIRTUAL_MACHINES = 25_000
DEFAULT_CORES = 100

FAMILY_CORES = {
    "standardDSv5Family": 200,
    "Standard NCASv3_T4 Family": 64,
    "standardNCADSA100v4Family": 48,
    "StandardNCadsH100v5Family": 40,
    "standardNDSH100v5Family": 0,
    "standardNDASv4_A100Family": 0,
    "StandardNVADSA10v5Family": 36,
}
