"""A process that has imported all libraries, and copies of it that run tests: importing takes
longer than most tests do.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable

from tests.mutation import source

_PROJECT = {*source.ROOMS, "tests", "local", "cli", "bench", "function_app"}
_LOOK_SECONDS = 0.05


def call(function: Callable[[], int], limit: float) -> int | None:
    """What it returns in a copy of this process, or None after so many seconds."""
    _import_libraries()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setsid()
            code = function()
        except BaseException:  # noqa: BLE001  the copy ends here, whatever it was
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK_SECONDS)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def forget_the_project() -> None:
    """Import its modules anew."""
    for name in [name for name in sys.modules if name.split(".")[0] in _PROJECT]:
        del sys.modules[name]


@functools.cache
def _import_libraries() -> None:
    """Those that the tests of whole builds import, and nothing of the project."""
    told = "import sys, pytest, tests.world; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", told], cwd=source.ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in found:
        if name.split(".")[0] not in {*_PROJECT, "__main__"}:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
