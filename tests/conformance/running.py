"""Run scenarios on a running app, and say which held."""

from __future__ import annotations

import concurrent.futures
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.conformance.app import App

_QUOTAS = {
    "batchQuota:dedicatedCores": 1000,
    "batchQuota:standardDSv5Family": 1000,
    "batchQuota:pools": 200,
    "quota:cores": 1000,
    "quota:standardDSv5Family": 1000,
}
T = TypeVar("T")


def side_by_side(scenarios: Sequence[Callable[[App], None]], app: App) -> bool:
    """Whether all of them held."""
    if app.simulator is not None:
        app.simulated("PUT", "settings", _QUOTAS)
    with concurrent.futures.ThreadPoolExecutor(len(scenarios)) as threads:
        return all(list(threads.map(lambda each: holds(each, app), scenarios)))


def holds(scenario: Callable[[T], None], target: T) -> bool:
    """Run one scenario; print and return whether it held."""
    began = time.monotonic()
    try:
        scenario(target)
    except Exception:  # noqa: BLE001 - the others go on
        print(f"FAILED {scenario.__name__}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"ok     {scenario.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
    return True
