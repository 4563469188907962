"""`batch-prep.sh import`: what is written, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli import request_reading
from cli.app import app
from cli.imports import written
from cli.imports.draft import Draft
from cli.surroundings import Surroundings
from tests.imports.drafts import packer, pool


def run(*line: str) -> Any:
    """The command, in this process."""
    return CliRunner().invoke(app, ["import", *line], obj=Surroundings(environment={}))


def test_the_file_says_what_it_lacks(tmp_path: Path) -> None:
    """On stderr and in comments, and it can be read as a request again."""
    (tmp_path / "p.json").write_text(json.dumps(pool(certificateReferences=[{"thumbprint": "x"}])))
    ended = run(str(tmp_path / "p.json"))
    assert ended.exit_code == 0
    assert ended.stdout.startswith("# yaml-language-server: $schema=")
    for text in (ended.stdout, ended.stderr):
        assert "certificateReferences[0].thumbprint: Azure retired certificates" in text
    content, _ = request_reading.parse(ended.stdout, Path("request.yaml"))
    assert content["pools"] == [{"id": "p", "vmSize": "Standard_D2s_v5"}]


def test_names_of_a_file_end_no_comment(tmp_path: Path) -> None:
    """What follows would be a part of the request."""
    (tmp_path / "p.json").write_text(json.dumps({**pool(), "x\nmode: delete": 1}))
    ended = run(str(tmp_path / "p.json"))
    content, _ = request_reading.parse(ended.stdout, Path("request.yaml"))
    assert content["mode"] == "full"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A request file that somebody has completed by hand is worth more than the import."""
    (tmp_path / "p.json").write_text(json.dumps(pool()))
    (tmp_path / "r.yaml").write_text("mode: full\n")
    ended = run(str(tmp_path / "p.json"), "--output", str(tmp_path / "r.yaml"))
    assert ended.exit_code == 2
    assert (tmp_path / "r.yaml").read_text() == "mode: full\n"
    assert run(str(tmp_path / "p.json"), "--var", "x").exit_code == 2


def test_uploads_are_relative_to_the_request_file(tmp_path: Path) -> None:
    """Which may be in another folder than the template."""
    (tmp_path / "images").mkdir()
    script = {"type": "shell", "script": "setup.sh"}
    (tmp_path / "images" / "t.json").write_text(json.dumps(packer(script)))
    ended = run(str(tmp_path / "images" / "t.json"), "--output", str(tmp_path / "r.yaml"))
    assert ended.exit_code == 0
    content = request_reading.read(tmp_path / "r.yaml").content
    assert content["image"]["steps"][0]["upload"] == str(tmp_path / "images" / "setup.sh")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
@settings(max_examples=200, deadline=None)
def test_every_text_is_read_as_it_was_written(text: str) -> None:
    """Scripts, values that look like numbers, and what ends a line in YAML only."""
    draft = Draft()
    step = {"name": "a", "inline": text, "environment": {"A": text}}
    draft.request = {"image": {"steps": [step], "osVersion": text}}
    draft.remarks, draft.left = [f"x {text} y"], {f"x{text}": f"because {text}"}
    content, _ = request_reading.parse(written.text(draft, f"file {text}"), Path("request.yaml"))
    assert content == draft.request
