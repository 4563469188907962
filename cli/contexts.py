"""A folder as a build context: a tar.gz of what .dockerignore leaves, small enough to send."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cli import errors

MAX_BYTES = 50 * 1024 * 1024  # what POST /api/contexts takes
_ALWAYS = {
    "Dockerfile",
    ".dockerignore",
}  # the build reads both, so Docker sends them even where ignored
_NEVER = {".git", ".hg", ".svn"}  # history is no input of a build and may hold secrets


def pack(folder: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The folder as gzipped tar. Raises Refused if it is no build context or too large."""
    check(folder)
    packed = _packed(folder, _files(folder, _rules(folder)), max_bytes)
    if len(packed) > max_bytes:
        raise errors.Refused(
            f"the build context {folder}: more than {max_bytes // 1024**2} MiB packed; "
            "leave files out by .dockerignore, or give a git URL"
        )
    return packed


def check(folder: Path) -> None:
    """Raises Refused if it is no build context."""
    if not folder.is_dir():
        raise errors.Refused(f"the build context {folder}: there is no such folder")
    if not (folder / "Dockerfile").is_file():
        raise errors.Refused(f"the build context {folder}: it holds no Dockerfile")


def pack_step(path: Path) -> bytes:
    """The files of a step, a folder or one file, as gzipped tar. Raises Refused if they are too
    large.
    """
    if path.is_dir():
        packed = _packed(path, _files(path, ()), MAX_BYTES)
    else:
        packed = _packed(path.parent, [path.name], MAX_BYTES)
    if len(packed) > MAX_BYTES:
        raise errors.Refused(
            f"the step's upload {path}: more than {MAX_BYTES // 1024**2} MiB packed"
        )
    return packed


def _packed(folder: Path, files: Iterable[str], max_bytes: int) -> bytes:
    """Somewhat more than `max_bytes` where the files are more than that."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in files:
            try:
                archive.add(folder / name, arcname=name, recursive=False, filter=_anonymous)
            except OSError as error:
                raise errors.unreadable(folder / name, error) from error
            if buffer.tell() > max_bytes:
                break
    return buffer.getvalue()


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _files(folder: Path, rules: Sequence[tuple[re.Pattern[str], bool]]) -> Iterator[str]:
    """Paths of files and links relative to `folder`, in a stable order; links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*files, *links]):
            relative = Path(place, name).relative_to(folder).as_posix()
            if relative in _ALWAYS or not _is_ignored(relative, rules):
                yield relative


def _rules(folder: Path) -> list[tuple[re.Pattern[str], bool]]:
    """The lines of .dockerignore as (pattern, ignores); the last that matches decides."""
    file = folder / ".dockerignore"
    rules = []
    for line in (line.strip() for line in _text(file).splitlines()):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").strip().removeprefix("./").strip("/")
            try:
                rules.append((re.compile(_translated(pattern)), not line.startswith("!")))
            except re.error as error:
                raise errors.Refused(f"{file}: {line} is no pattern: {error}") from error
    return rules


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise errors.unreadable(file, error) from error


def _is_ignored(path: str, rules: Sequence[tuple[re.Pattern[str], bool]]) -> bool:
    ignored = False
    for pattern, ignores in rules:
        if pattern.fullmatch(path):
            ignored = ignores
    return ignored


_TOKENS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translated(pattern: str) -> str:
    """A .dockerignore pattern as regular expression: it matches a path and everything below it.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[\^?[^\]\\]+\]|\\.)", pattern)
    return "".join(map(_translated_part, parts)) + "(?:/.*)?"


def _translated_part(part: str) -> str:
    """A wildcard; `[a-z]`, which means the same in both; a character after a backslash; a text."""
    if part in _TOKENS:
        return _TOKENS[part]
    if part.startswith("[") and part.endswith("]"):
        return "[" + part[1:].replace("[", r"\[")
    return re.escape(part.removeprefix("\\"))
