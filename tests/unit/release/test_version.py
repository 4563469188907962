"""A release: one commit, one tag, and nothing at all where something is wrong."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from release import version

TODAY = date(2026, 11, 29)
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n- Something.\n\n## [0.1.0] - 2026-01-01\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the two files that a release changes."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "somebody")
    git(tmp_path, "config", "user.email", "somebody@example.org")
    git(tmp_path, "config", "commit.gpgsign", "false")
    git(tmp_path, "config", "tag.gpgsign", "false")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_release_is_a_commit_and_a_tag(checkout: Path) -> None:
    """The changelog's section gets the number and the day; the next one begins empty."""
    assert version.release(checkout, "0.2.0", TODAY) == "v0.2.0"

    assert version.current(checkout) == "0.2.0"
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-11-29\n\n### Added\n- Something.\n" in changelog
    assert git(checkout, "log", "-1", "--format=%s %D").startswith("Release 0.2.0 ")
    assert git(checkout, "describe") == "v0.2.0"
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("number", "reason"),
    [("0.1.0", "not above 0.1.0"), ("0.0.9", "not above 0.1.0"), ("two", "no version")],
)
def test_a_wrong_number_releases_nothing(checkout: Path, number: str, reason: str) -> None:
    """A version is published once."""
    with pytest.raises(version.NotReleased, match=reason):
        version.release(checkout, number, TODAY)

    assert git(checkout, "rev-list", "--count", "HEAD") == "1"


def test_everything_in_the_way_is_named_at_once(checkout: Path) -> None:
    """Uncommitted changes would be in the package and not in the tag."""
    (checkout / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n- Old.\n")
    git(checkout, "tag", "v0.2.0")

    with pytest.raises(version.NotReleased) as refused:
        version.release(checkout, "0.2.0", TODAY)

    assert str(refused.value) == (
        "the checkout has changes: commit or remove them first; CHANGELOG.md lists nothing under "
        "## [Unreleased]; tag v0.2.0 exists"
    )
