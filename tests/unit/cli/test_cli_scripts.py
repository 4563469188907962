"""`--script`, and the files of own steps in a request file."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cli_world import CommandLine

from cli import errors, scripts


class Uploads:
    """The service, as far as it stores files."""

    def __init__(self) -> None:
        self.files: list[dict[str, bytes]] = []

    def upload_context(self, packed: bytes, purpose: str) -> str:
        assert purpose == "step"
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            found = {entry.name: archive.extractfile(entry) for entry in archive}
            self.files.append({name: file.read() for name, file in found.items() if file})
        return f"contexts/{len(self.files):032x}.tar.gz"


def sent(uploads: Uploads, **step: Any) -> dict[str, Any]:
    """The step as it goes to the service."""
    request = {"image": {"steps": [{"name": "setup", **step}]}}
    done = scripts.with_files(uploads, request)  # type: ignore[arg-type]
    return dict(done["image"]["steps"][0])


def test_a_script_is_a_step_named_after_its_file() -> None:
    """In the order of the flags, each name once."""
    given = ["/src/Set up.sh", "after-restart:check.sh", "x/set-up.py", "before-docker:1.sh", "a:b"]
    assert scripts.steps(given) == [
        {"name": "set-up", "upload": "/src/Set up.sh"},
        {"name": "check", "upload": "check.sh", "when": "after-restart"},
        {"name": "set-up-2", "upload": "x/set-up.py"},
        {"name": "step-1", "upload": "1.sh", "when": "before-docker"},
        {"name": "a-b", "upload": "a:b"},
    ]


def test_a_short_script_travels_in_the_request(tmp_path: Path) -> None:
    """The service stores its text; no storage has to be reached from the builder."""
    (tmp_path / "a.sh").write_text("#!/bin/sh\necho ä\n")
    uploads = Uploads()
    step = sent(uploads, upload=str(tmp_path / "a.sh"), when="after-docker")
    assert step == {"name": "setup", "inline": "#!/bin/sh\necho ä\n", "when": "after-docker"}
    assert uploads.files == []


@pytest.mark.parametrize("data", [b"#" * 30_000, b"\x7fELF\0", b""])
def test_any_other_file_is_uploaded_and_run(tmp_path: Path, data: bytes) -> None:
    """A program, or a long script."""
    (tmp_path / "tool").write_bytes(data)
    uploads = Uploads()
    step = sent(uploads, upload=str(tmp_path / "tool"))
    assert step["run"] == "tool"
    assert step["upload"].startswith("contexts/")
    assert uploads.files == [{"tool": data}]


def test_a_folder_is_uploaded_as_it_is(tmp_path: Path) -> None:
    """With the file to run, and without the history of its sources."""
    for name in ("bin/setup.sh", "data", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    uploads = Uploads()
    step = sent(uploads, upload=str(tmp_path), run="bin/setup.sh")
    assert step["run"] == "bin/setup.sh"
    assert uploads.files == [{"bin/setup.sh": b"bin/setup.sh", "data": b"data"}]


def test_what_is_uploaded_already_stays(tmp_path: Path) -> None:
    """A name of the service's, and steps without an upload."""
    name = f"contexts/{'a' * 32}.tar.gz"
    assert sent(Uploads(), upload=name)["upload"] == name
    assert sent(Uploads(), inline="true")["inline"] == "true"
    with pytest.raises(errors.Refused, match="no such file"):
        sent(Uploads(), upload=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("name", "run"), [("", "setup.sh"), ("", "bin"), ("", "/bin/setup.sh"), ("data", "setup.sh")]
)
def test_the_file_to_run_is_among_those_uploaded(tmp_path: Path, name: str, run: str) -> None:
    """Else the build would fail at this step, when everything before it is installed."""
    for file in ("bin/setup.sh", "data"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(file)
    uploads = Uploads()
    with pytest.raises(errors.Refused, match=f"step setup .* no file {run}"):
        sent(uploads, upload=str(tmp_path / name), run=run)
    assert uploads.files == []


def test_a_misspelt_time_of_a_script_is_named(line: CommandLine) -> None:
    """It is looked for as a part of the file's name, which may have a colon."""
    (line.folder / "a.sh").write_text("true\n")
    ended = line.run("--image-only", "--script", "before-dokcer:a.sh")
    assert ended.code == 2
    assert "before-dokcer:a.sh: there is no such file" in ended.err
    assert "before-docker, after-docker or after-restart" in ended.err


def test_a_context_of_a_file_is_not_said_to_be_of_a_flag(line: CommandLine) -> None:
    """Nobody typed --docker-context."""
    (line.folder / "request.yaml").write_text(
        "mode: image-only\n"
        "image: {registry: {name: myacr, build: {image: 'app:1', context: none}}}\n"
    )
    ended = line.run("--file", "request.yaml")
    assert (ended.code, "--docker-context" in ended.err) == (2, False)
    assert f"the build context {line.folder / 'none'}: there is no such folder" in ended.err
