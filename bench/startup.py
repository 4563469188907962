"""What a cold start of the app costs: seconds and memory of `import function_app`."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parent.parent
_TIMES = 15
_PROGRAM = """
import time
began = time.perf_counter()
import {modules}
seconds = time.perf_counter() - began
import json, psutil
print(json.dumps([seconds, psutil.Process().memory_info().rss / 2**20]))
"""
_BARE_WORKER = "azure.functions, azure.durable_functions"
_SETTINGS = {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Of a fresh process with compiled files; medians."""

    seconds: float  # of the whole import
    bare_seconds: float  # of them, those of the worker's own libraries
    mib: float  # over the bare worker


def measure(times: int = _TIMES) -> Start:
    """The app's import in fresh processes, against the worker's own libraries."""
    _once("function_app")  # compiles
    apps = [_once("function_app") for _ in range(times)]
    bare = [_once(_BARE_WORKER) for _ in range(times)]
    return Start(
        seconds=round(statistics.median(seconds for seconds, _ in apps), 3),
        bare_seconds=round(statistics.median(seconds for seconds, _ in bare), 3),
        mib=round(
            statistics.median(mib for _, mib in apps) - statistics.median(mib for _, mib in bare),
            1,
        ),
    )


def _once(modules: str) -> tuple[float, float]:
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM.format(modules=modules)],
        cwd=_ROOT,
        env=os.environ | _SETTINGS,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, mib = json.loads(ran.stdout)
    return float(seconds), float(mib)
