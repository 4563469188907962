"""Debian's Docker for machines: the newest that is not newer than the version that the steps pin.

Debian 12's own is too old for the steps. Unstable has the newest, the stable release has one that
stays; both run on Debian 12's libraries. runc and all else are Debian 12's.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from local.machines import shell

NAMES = ("docker.io", "docker-cli", "containerd")
_SUITES = ("sid", "trixie")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MIRROR = "http://deb.debian.org/debian"


def download(pool: Path, wanted: str) -> None:
    """Leave the archives of one suite: the first without a newer version, or else the last."""
    pool.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        for suite in _SUITES:
            apt = _Apt(Path(folder) / suite, suite)
            found = upstream(apt.version("docker.io"))
            if _parts(found) <= _parts(wanted) or suite == _SUITES[-1]:
                apt.download(pool)
                return


def upstream(version: str) -> str:
    """`5:28.5.2+dfsg4-5` gives `28.5.2`."""
    return re.split(r"[-+~]", version.rsplit(":", maxsplit=1)[-1])[0]


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def version(pool: Path, name: str) -> str:
    """Upstream version of a downloaded package."""
    [archive] = pool.glob(f"{name}_*.deb")
    return upstream(shell.run("dpkg-deb", "--field", str(archive), "Version").strip())


class _Apt:
    """apt with a suite of its own, beside that of this computer."""

    def __init__(self, home: Path, suite: str) -> None:
        (home / "lists/partial").mkdir(parents=True)
        (home / "cache/archives/partial").mkdir(parents=True)
        (home / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_MIRROR} {suite} main\n")
        settings = {
            "Dir::Etc::SourceList": home / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": home / "lists",
            "Dir::Cache": home / "cache",
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Retries": 3,
        }
        self._options = [f"-o{name}={value}" for name, value in settings.items()]
        shell.run("apt-get", *self._options, "-q", "update")

    def version(self, name: str) -> str:
        shown = shell.run("apt-cache", *self._options, "show", "--no-all-versions", name)
        found = re.search(r"^Version: (\S+)$", shown, re.MULTILINE)
        assert found is not None
        return found[1]

    def download(self, pool: Path) -> None:
        names = " ".join(NAMES)
        options = " ".join(f"'{option}'" for option in self._options)
        shell.run("sh", "-c", f'cd "$0" && apt-get {options} -q download {names}', str(pool))
