"""Waiting for real processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0


def soon(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it becomes so before patience ends."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while not is_so():
        if time.monotonic() > deadline:
            return False
        waiting.wait(0.05)
    return True
