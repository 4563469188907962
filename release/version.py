"""A new version: its number in the project, its section in the changelog, a commit and a tag."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

_PROJECT, _CHANGELOG = "pyproject.toml", "CHANGELOG.md"
_NUMBER = re.compile(r'^version = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]\n"


class NotReleased(Exception):  # noqa: N818 - an answer to the person who releases
    """Why nothing was released, and what to do."""


def current(root: Path) -> str:
    """The version of the checkout."""
    found = _NUMBER.search((root / _PROJECT).read_text(encoding="utf-8"))
    if found is None:
        raise NotReleased(f"{_PROJECT} has no version")
    return found[1]


def release(root: Path, version: str, today: date) -> str:
    """Commit and tag a version; returns the tag. Raises NotReleased and changes nothing."""
    changelog = (root / _CHANGELOG).read_text(encoding="utf-8")
    if problems := _problems(root, version, changelog):
        raise NotReleased("; ".join(problems))
    section = f"{_UNRELEASED}\n## [{version}] - {today.isoformat()}\n"
    (root / _CHANGELOG).write_text(changelog.replace(_UNRELEASED, section, 1), encoding="utf-8")
    project = (root / _PROJECT).read_text(encoding="utf-8")
    numbered = _NUMBER.sub(f'version = "{version}"', project, count=1)
    (root / _PROJECT).write_text(numbered, encoding="utf-8")
    tag = f"v{version}"
    _git(root, "commit", "--quiet", "--message", f"Release {version}", _PROJECT, _CHANGELOG)
    _git(root, "tag", "--annotate", "--message", f"batch-prep {version}", tag)
    return tag


def _problems(root: Path, version: str, changelog: str) -> list[str]:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return [f"{version!r} is no version such as 1.2.0"]
    found = []
    if _numbers(version) <= _numbers(current(root)):
        found.append(f"version {version} is not above {current(root)}")
    if _git(root, "status", "--porcelain"):
        found.append("the checkout has changes: commit or remove them first")
    unreleased = changelog.partition(_UNRELEASED)[2].partition("\n## [")[0]
    if "\n- " not in unreleased:
        found.append(f"{_CHANGELOG} lists nothing under {_UNRELEASED.strip()}")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"tag v{version} exists")
    return found


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
