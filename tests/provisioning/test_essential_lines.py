"""Nobody can take out the line on which a promise hangs without a test that says so.

All broken lines are tried in one further run of pytest, each by the test that guards it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import essential_lines
import pytest
import step_assembler
from essential_line import Line
from essential_lines import LINES

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """How each guarding test ended on its broken line: PASSED, FAILED or ERROR, by its name.

    The run loads neither the conftest.py above this folder, which imports the app, nor Hypothesis:
    it needs none of them, and each takes seconds.
    """
    options = ["-rA", "--tb=no", f"--confcutdir={HERE}", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(f"{HERE / x.test}" for x in LINES)],
        env={**os.environ, essential_lines.BREAK_THEM: "1"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(
        r"^(PASSED|FAILED|ERROR) \S*?\.py::(.*?)(?: - .*)?$", done.stdout, re.MULTILINE
    )
    return {name: verdict for verdict, name in found}


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.file}:{line.test_name[:40]}")
def test_a_broken_line_is_noticed(verdicts: dict[str, str], line: Line) -> None:
    """The test that guards it fails, and for that reason only: as it stands, it passes."""
    text = (step_assembler.PROVISIONING / line.file).read_text()

    assert text.count(line.text) == 1
    assert verdicts.get(line.test_name) == "FAILED"


def test_every_script_that_decides_something_has_an_essential_line() -> None:
    """A new part comes with the line that it stands for."""
    parts = {f"parts/{file.name}" for file in (step_assembler.PROVISIONING / "parts").iterdir()}

    assert parts <= {line.file for line in LINES}
    assert len(essential_lines.BY_TEST) == len(LINES)
