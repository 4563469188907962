"""Own steps of a request, on the local stack whose machines really execute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import own_builds
import pytest

from local.stack import layout

pytestmark = [pytest.mark.root, pytest.mark.stack]

TIME_SCALE = "30"
SECONDS_MAX = 600


@pytest.fixture(scope="module")
def found(place_for_machines: Path, kits_or_skip: Path) -> dict[str, Any]:
    """What `own_builds` has found, and the disk of the image."""
    state, file = place_for_machines / "state", place_for_machines / "found.json"
    machines = ["--machines", "nspawn", "--roots", str(kits_or_skip), "--time-scale", TIME_SCALE]
    script = [sys.executable, str(Path(own_builds.__file__)), str(file)]
    done = subprocess.run(
        [own_builds.COMMAND, "local", "run", "--state", str(state), *machines, "--", *script],
        env={**os.environ, "PYTHONPATH": str(layout.ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=place_for_machines,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    [disk] = (state / "machines").glob("image-*")
    return {**json.loads(file.read_text()), "root": disk / "root"}


def test_own_steps_really_run_in_their_places(found: dict[str, Any]) -> None:
    """Before Docker is there, with the preloaded images, and after the restart."""
    root = found["root"]
    steps = {step["name"]: step for step in found["made"]["steps"]}
    own = {name: step for name, step in steps.items() if name.startswith("own_")}
    assert {step["state"] for step in own.values()} == {"succeeded"}
    assert {step["standIn"] for step in own.values()} == {"debian 12"}
    assert not [name for name, step in own.items() if step["scripted"]]
    assert (root / "opt/order").read_text().split() == ["first", "second", "third"]
    assert int((root / "opt/images").read_text()) >= 1
    assert (root / "opt/words").read_text() == "$(id) 'and' \"words\"\n"


def test_uploaded_files_are_in_the_image(found: dict[str, Any]) -> None:
    """By a signed address; what was only needed for the step is gone."""
    root = found["root"]
    for file in ("opt/app/notes.txt", "opt/copied"):
        assert (root / file).read_text() == own_builds.NOTES
    assert not (root / "var/lib/batch-prep").exists()
    assert not (root / "var/log/batch-prep").exists()


def test_a_failed_step_says_how_and_its_output_is_at_its_address(found: dict[str, Any]) -> None:
    """All of it, while the error has its end."""
    error = found["failed"]["error"]
    assert (error["code"], error["azureCode"]) == ("ScriptFailed", "OWN_STEP")
    assert "step breaks ended with exit code 7; expected is 0" in error["message"]
    assert "\n20000\n" in error["message"]
    assert "image.steps" in error["nextAction"]
    assert "what it says before\n1\n2\n" in found["log"]
    assert "\n20000\n" in found["log"]
