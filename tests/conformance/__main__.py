"""Hold an app against what it promises: `python -m tests.conformance [NAME ...]`.

Without names, every scenario of `scenarios` runs; those of `stress` run where they are named.
By default the app runs on Microsoft's own Durable extension, with the simulator and Azurite; the
tools for that lie in CONFORMANCE_TOOLS (default ../shared/tools). With URL and KEY it is the app
that runs there (STORAGE is its connection string, SIMULATOR the address of its simulated Azure,
TIME_SCALE how fast that one's time runs); such an app is not killed.
"""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from local.stack import layout
from tests import memory
from tests.conformance import arm_bodies, genuine, scenarios, stress
from tests.conformance.app import App

_SCALE = 60.0
_QUOTAS = {
    "batchQuota:dedicatedCores": 1000,
    "batchQuota:standardDSv5Family": 1000,
    "batchQuota:pools": 200,
    "quota:cores": 1000,
    "quota:standardDSv5Family": 1000,
}


def main() -> int:
    """0: everything held, or the tools are not here; 1: something did not."""
    names = sys.argv[1:]
    if url := os.environ.get("URL"):
        return _with_any_app(url, names)
    tools = layout.ROOT / os.environ.get("CONFORMANCE_TOOLS", "../shared/tools")
    if not (tools / "durable-host" / "run.py").exists():
        print(f"NOT RUN: conformance, {tools.resolve()} holds no tools (CONFORMANCE_TOOLS).")
        return 0
    memory.use()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        return _with_the_extension(tools.resolve(), Path(folder), names)


def _with_any_app(url: str, names: Sequence[str]) -> int:
    app = App(
        url.rstrip("/"),
        os.environ["KEY"],
        os.environ.get("STORAGE"),
        os.environ.get("SIMULATOR"),
        float(os.environ.get("TIME_SCALE", "1")),
    )
    gentle = [*scenarios.WITH_ANY_APP, *(scenarios.WITH_A_SIMULATOR if app.simulator else [])]
    if app.storage is None:
        gentle.remove(scenarios.queue)
    return 1 if _run_all(gentle, app, names, together=True) else 0


def _with_the_extension(tools: Path, state: Path, names: Sequence[str]) -> int:
    record = state / "requests.jsonl"
    gentle = [*scenarios.WITH_ANY_APP, *scenarios.WITH_A_SIMULATOR]
    with genuine.running(tools, state, _SCALE, record) as target:
        target.app.simulated("PUT", "settings", _QUOTAS)
        failed = _run_all(gentle, target.app, names, together=True)
        if names:  # these take minutes
            failed += _run_all(stress.ALL, target, names, together=False)
        if failed:
            print(target.log())
    return 1 if not _are_bodies_right(tools, record, with_stories=not names) or failed else 0


def _are_bodies_right(tools: Path, record: Path, *, with_stories: bool) -> bool:
    """Check what was sent to Resource Manager, in the stories of `make test` too."""
    if with_stories:
        line = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile"]
        own = {**os.environ, "BATCH_PREP_RECORD": str(record)}
        if subprocess.run([*line, "tests/stories"], env=own, check=False).returncode:
            return False
    checked = arm_bodies.check(tools, record)
    print(checked.said)
    if with_stories and not arm_bodies.finds_a_misspelling(tools, record):
        print("FAILED the tool overlooks a misspelt field")
        return False
    return not checked.is_wrong


def _run_all(
    all_: Sequence[Callable[[Any], None]], target: Any, names: Sequence[str], *, together: bool
) -> int:
    """Run those that are named, or all; returns how many failed."""
    chosen = [each for each in all_ if not names or each.__name__ in names]
    with concurrent.futures.ThreadPoolExecutor(len(all_) if together else 1) as threads:
        return sum(not held for held in threads.map(lambda each: _holds(each, target), chosen))


def _holds(scenario: Callable[[Any], None], target: Any) -> bool:
    began = time.monotonic()
    try:
        scenario(target)
    except Exception:  # noqa: BLE001 - the others go on
        print(f"FAILED {scenario.__name__}\n{traceback.format_exc()}", flush=True)
        return False
    print(f"ok     {scenario.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
