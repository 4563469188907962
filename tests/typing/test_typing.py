"""A misspelt name between orchestrators and activities fails `make check`, not a build."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path("tests/typing/misspelt.py")


def test_the_type_checker_finds_each_mistake() -> None:
    """mypy reports the expected error on each marked line, and no other error."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(SAMPLE)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    lines = re.findall(rf"{SAMPLE}:(\d+): error: (.*)", output)
    found = {int(number): message for number, message in lines}
    expected = {
        number: line.partition("# expect: ")[2]
        for number, line in enumerate((ROOT / SAMPLE).read_text().splitlines(), 1)
        if "# expect: " in line
    }
    assert found.keys() == expected.keys(), output
    for number, part in expected.items():
        assert part in found[number]
