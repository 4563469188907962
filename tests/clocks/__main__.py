"""Run stories with right clocks and with clocks two hours ahead, side by side, and compare.

python -m tests.clocks                               every story
python -m tests.clocks tests/stories/test_pools.py   some

0: every story passes and takes the same simulated time, give or take two percent. 1: what differs
is printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clocks import comparing

_AHEAD = 7200
_RUNS = {
    "right clocks": {},
    "machines ahead": {"machine_skew": _AHEAD},
    "Azure and its machines ahead": {"skew": _AHEAD},
}


def main(stories: list[str]) -> int:
    """The exit status."""
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder, str(number)) for number, name in enumerate(_RUNS)}
        started = [_start(places[name], skew, stories) for name, skew in _RUNS.items()]
        printed = [run.communicate()[0] for run in started]
        failed = False
        for name, run, text in zip(_RUNS, started, printed, strict=True):
            if run.returncode:
                failed = True
                print(f"--- {name}\n{text}")
        minutes = [json.loads(places[name].read_text()) for name in _RUNS]
    for name, ahead in zip(list(_RUNS)[1:], minutes[1:], strict=True):
        for line in comparing.differences(minutes[0], ahead):
            failed = True
            print(f"{name}: {line}")
    print(f"{len(minutes[0])} stories of simulated time were compared.")
    return 1 if failed else 0


def _start(place: Path, skew: dict[str, int], stories: list[str]) -> subprocess.Popen[str]:
    """In one process each, so that all run the same tests in the same order."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.clocks.recorded"]
    switches = {"BATCH_PREP_SKEW": json.dumps(skew), "BATCH_PREP_MINUTES": str(place)}
    return subprocess.Popen(
        [*command, "-p", "no:cacheprovider", *(stories or ["tests/stories"])],
        env=os.environ | switches,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
