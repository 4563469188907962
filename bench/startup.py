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
{statements}
seconds = time.perf_counter() - began
import json, psutil
print(json.dumps([seconds, psutil.Process().memory_info().rss / 2**20]))
"""
_BARE_WORKER = "import azure.functions, azure.durable_functions"
_APP = "import function_app"
# What the app imports later, each room when it is first called.
_EVERYTHING = f"""{_APP}
import activities, orchestrators, shared.engine.activity_runner, shared.engine.services
from triggers import intake, routes, timers
for name in activities.ACTIVITIES: activities.find(name)
for name in orchestrators.ORCHESTRATORS: orchestrators.find(name)
for route in routes.ROUTES: route.find_handler()"""
# What is deployed is compiled, whatever the shell that measures wants of its Python.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Of a fresh process with compiled files; medians."""

    seconds: float  # of the whole import
    bare_seconds: float  # of them, those of the worker's own libraries
    later_seconds: float  # besides, when every activity, orchestration and handler was called once
    mib: float  # over the bare worker


def measure(times: int = _TIMES) -> Start:
    """The app's import in fresh processes, against the worker's own libraries."""
    _once(_EVERYTHING)  # compiles
    what = (_APP, _BARE_WORKER, _EVERYTHING)
    rounds = [[_once(each) for each in what] for _ in range(times)]  # a busy moment hits them alike
    (app, app_mib), (bare, bare_mib), (everything, _) = (
        tuple(map(statistics.median, zip(*found, strict=True)))
        for found in zip(*rounds, strict=True)
    )
    return Start(
        seconds=round(app, 3),
        bare_seconds=round(bare, 3),
        later_seconds=round(everything - app, 3),
        mib=round(app_mib - bare_mib, 1),
    )


def _once(statements: str) -> tuple[float, float]:
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _PROGRAM.format(statements=statements)],
        cwd=_ROOT,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, mib = json.loads(ran.stdout)
    return float(seconds), float(mib)
