"""Metadata files and build contexts."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cli_world import CommandLine, FakeService, a_build, a_pool, accepted, an_image

from cli import contexts, documents, errors, metadata


def build(**fields: Any) -> documents.Build:
    return documents.Build.from_wire(a_build(**fields))


def test_the_metadata_files_have_the_old_scripts_keys(tmp_path: Path) -> None:
    """Pipelines read these keys."""
    metadata.write(build(image=an_image(), pools=[a_pool("dev")]), tmp_path, "s")
    image = json.loads((tmp_path / "image_metadata.json").read_text())
    batch = json.loads((tmp_path / "batch_metadata.json").read_text())
    assert {"imageId", "nodeAgentSku", "galleryName", "imageName", "version", "vmSize"} <= set(
        image
    )
    assert {"batchAccount", "poolId", "imageId", "vmSize", "nodes", "state"} <= set(batch)
    assert "pools" not in batch


def test_several_pools_keep_the_old_keys_and_are_all_there(tmp_path: Path) -> None:
    """A reader of the old file sees the first pool, a new one all of them."""
    metadata.write(build(pools=[a_pool("dev"), a_pool("prod")]), tmp_path, "s")
    batch = json.loads((tmp_path / "batch_metadata.json").read_text())
    assert batch["poolId"] == "dev"
    assert [pool["poolId"] for pool in batch["pools"]] == ["dev", "prod"]


def test_a_failed_pool_is_not_written_down(tmp_path: Path) -> None:
    """No job can be sent to it."""
    bad = a_pool("dev", state="failed", error={"code": "Quota", "message": "none left"})
    assert metadata.write(build(pools=[bad]), tmp_path, "s") == []
    metadata.write(build(pools=[bad, a_pool("prod")]), tmp_path, "s")
    assert json.loads((tmp_path / "batch_metadata.json").read_text())["poolId"] == "prod"


def test_batch_only_leaves_the_image_file_alone(tmp_path: Path) -> None:
    """It says what was built last, not which image a pool was made of."""
    used = build(mode="batch-only", image=an_image(), pools=[a_pool("dev")])
    assert [file.name for file in metadata.write(used, tmp_path, "s")] == ["batch_metadata.json"]


def test_a_garbled_metadata_file_is_refused(tmp_path: Path) -> None:
    """Guessing another image would be worse."""
    (tmp_path / "image_metadata.json").write_text("{")
    with pytest.raises(errors.Refused):
        metadata.read_image(str(tmp_path))
    (tmp_path / "image_metadata.json").write_text("{}")
    with pytest.raises(errors.Refused, match="galleryName"):
        metadata.read_image(str(tmp_path))


def test_without_a_metadata_file_flags_decide(tmp_path: Path) -> None:
    """The file is a convenience."""
    assert metadata.read_image(str(tmp_path)) is None


@pytest.mark.parametrize("words", ["--account mybatch12345", "builds resume b1"])
def test_a_folder_for_no_files_is_refused_before_the_build(
    line: CommandLine, service: FakeService, words: str
) -> None:
    """Not after it, when half an hour is paid for."""
    (line.folder / "file").write_text("")
    ended = line.run(*words.split(), "--metadata-dir", "file/in")
    assert ended.code == 2
    assert "file/in: the metadata files cannot be written there" in ended.err
    assert service.calls == []
    assert "written" not in line.run(*words.split(), "--metadata-dir", "file/in", "--no-wait").err


@pytest.mark.parametrize("name", ["link", "link/in", "n" * 300])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, name: str) -> None:
    """A link may lead nowhere; and the system may not even say whether there is such a folder."""
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(errors.Refused, match="cannot be written there"):
        metadata.check_folder(tmp_path / name)


def test_a_folder_behind_a_closed_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python asks for it in vain until 3.13, and then says that it is not there."""

    def refuse(_: Path, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(errors.Refused, match="cannot be written there"):
        metadata.check_folder(tmp_path / "closed" / "in")


def test_a_build_is_shown_although_its_files_cannot_be_written(
    line: CommandLine, service: FakeService
) -> None:
    """A full disk, say. The exit code keeps a pipeline from going on with older files."""
    (line.folder / "image_metadata.json").mkdir()
    service.answers("POST builds", accepted("b1"))
    service.answers("GET builds/b1", (200, a_build(image=an_image(), pools=[a_pool("dev")])))
    ended = line.run("--account", "mybatch12345")
    assert ended.code == 1
    assert "The metadata files cannot be written: " in ended.err
    assert f"{line.folder}: Is a directory" in ended.err
    assert "batchCustomImage" in ended.out


# ---------------------------------------------------------------------------------------
# Contexts

TREE = (
    "Dockerfile",
    ".dockerignore",
    "app/main.py",
    "app/notes.md",
    "keep.md",
    "a.md",
    "x/cache/1",
)


def packed_names(folder: Path) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(contexts.pack(folder))) as archive:
        return set(archive.getnames())


@pytest.mark.parametrize(
    ("ignore", "left_out"),
    [
        ("", set()),
        ("*.md", {"keep.md", "a.md"}),
        ("**/*.md", {"keep.md", "a.md", "app/notes.md"}),
        ("*.md\n!keep.md", {"a.md"}),
        ("# a comment\n/app/", {"app/main.py", "app/notes.md"}),
        ("**/cache", {"x/cache/1"}),
        ("*\n!app", {"keep.md", "a.md", "x/cache/1"}),
        ("?.md", {"a.md"}),
        ("[a-c].md", {"a.md"}),
        ("[^k]*.md", {"a.md"}),
        ("a[.]md\n[", {"a.md"}),
        ("\\a.m\\d", {"a.md"}),
        ("\ufeff*.md", {"keep.md", "a.md"}),
    ],
)
def test_dockerignore_is_respected(tmp_path: Path, ignore: str, left_out: set[str]) -> None:
    """What Docker would not send is not sent."""
    for name in (*TREE, ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".dockerignore").write_text(ignore)
    assert packed_names(tmp_path) == set(TREE) - left_out


def test_a_pattern_that_docker_would_refuse_is_refused(tmp_path: Path) -> None:
    """What it was to leave out would be sent."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / ".dockerignore").write_text("secrets.[z-a]")
    with pytest.raises(errors.Refused, match=r"secrets\.\[z-a\] is no pattern"):
        contexts.pack(tmp_path)


def test_a_file_that_cannot_be_sent_is_named(tmp_path: Path) -> None:
    """The names of a folder may be in any encoding, and a file may go while it is packed."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / ".dockerignore").write_bytes(b"caf\xe9\n")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    assert packed_names(tmp_path) == {"Dockerfile", ".dockerignore"}
    with pytest.raises(errors.Refused, match=r"gone cannot be read: No such file or directory$"):
        contexts.pack_step(tmp_path / "gone")


def test_a_dockerignore_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Without it, what it names would be sent."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / ".dockerignore").mkdir()
    with pytest.raises(errors.Refused, match=r"\.dockerignore cannot be read: Is a directory"):
        contexts.pack(tmp_path)


def test_links_are_sent_as_links(tmp_path: Path) -> None:
    """A link out of the folder must not carry in what it points to."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "secret").symlink_to("/etc/passwd")
    (tmp_path / "etc").symlink_to("/etc")
    with tarfile.open(fileobj=io.BytesIO(contexts.pack(tmp_path))) as archive:
        assert archive.getmember("secret").issym()
        assert archive.getmember("etc").issym()
        assert len(archive.getnames()) == 3


def test_a_folder_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    """The service would refuse it after a long upload."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    with pytest.raises(errors.Refused, match="dockerignore"):
        contexts.pack(tmp_path, max_bytes=10)
