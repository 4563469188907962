"""The app on the pre-release of version 2 of the Durable SDK, in a process of its own.

`make test-durable2` runs all stories there; this is a sample.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(os.environ.get("BATCH_PREP_DURABLE2") or Path(sys.prefix) / "durable2")
SAMPLE = (
    "tests/unit/local_host/test_durable_sdk_2.py",
    "tests/unit/local_host/test_host_engine.py",
    "tests/unit/local_host/test_host_crashes.py",
    "tests/unit/test_side_by_side.py",
    "tests/unit/test_waits.py",
    "tests/contract/test_worker.py",
    "tests/contract/functions_host/test_host_http.py",
    "tests/stories/test_replay.py",
    "tests/stories/test_triggers.py",
)


@pytest.mark.skipif(
    not list(VENV.glob("lib/python3*/site-packages/durabletask")),
    reason="version 2 of the Durable SDK is not installed: it needs Python 3.13 and `make setup`",
)
def test_the_app_runs_on_version_2() -> None:
    """The first of the sample refuses to pass on another version."""
    surrounding = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    ran = subprocess.run(
        [VENV / "bin" / "python", "-m", "pytest", *SAMPLE],
        cwd=ROOT,
        env={**surrounding, "BATCH_PREP_VENV": str(VENV)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
