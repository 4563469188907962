"""What machines are made from, made once and kept: a root file system, repositories, images, keys.

A kit is a directory named after everything that decides its content, so that a changed recipe makes
a new one. All that comes from outside comes while it is made; machines need no network later.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local.machines import base_root, certificates, container_images, packages, shell

SUITE = "bookworm"
_CATALOGUE = Path(__file__).resolve().parents[2] / "provisioning" / "catalogue.sh"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """A finished kit. The fields besides `home` are what a step must know of the stand-ins."""

    home: Path
    docker_version: str
    """Of the Docker in this kit: Debian's."""
    docker_fingerprint: str
    """Of the key that signs the stand-in for Docker's repository."""

    @property
    def base_tar(self) -> Path:
        return self.home / "base.tar"

    @property
    def debian(self) -> Path:
        """Served as http://deb.debian.org/debian."""
        return self.home / "debian"

    @property
    def docker(self) -> Path:
        """Served as https://download.docker.com/linux/debian."""
        return self.home / "docker"

    @property
    def images(self) -> Path:
        return self.home / "images"

    @property
    def tls(self) -> Path:
        return self.home / "tls"


def find(directory: Path) -> Kit | None:
    """The kit for this code and this kernel, if it has been made."""
    home = directory / _key()
    if not (home / "kit.json").exists():
        return None
    return Kit(home=home, **json.loads((home / "kit.json").read_text()))


def make(directory: Path, say: Callable[[str], None] = print) -> Kit:
    """Make the kit unless it is there. Takes minutes and Debian's mirror. Raises MachineError."""
    found = find(directory)
    if found is not None:
        return found
    began = time.monotonic()
    directory.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="unfinished-", dir=directory))
    home.chmod(0o755)
    try:
        _make(home, say)
        home.rename(directory / _key())
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    _remove_others(directory)
    made = find(directory)
    assert made is not None
    say(f"machines can be made from {made.home} ({time.monotonic() - began:.0f} s)")
    return made


def _make(home: Path, say: Callable[[str], None]) -> None:
    say("downloading a Debian root file system and packages, some 250 MB")
    certificates.make(home / "tls")
    base_root.download(home, SUITE)
    say("making package repositories and container images")
    keyring = packages.Keyring.make(home / "keys")
    docker_version = packages.version_of(home / "debian" / "pool", "docker.io")
    packages.write_kernel(home / "debian" / "pool", platform.release())
    packages.write_docker(
        home / "docker" / "pool", SUITE, docker_version, _catalogue_value("CONTAINERD_VERSION")
    )
    packages.index(home / "debian", SUITE, "main", keyring)
    packages.index(home / "docker", SUITE, "stable", keyring)
    keyring.export(home / "docker" / "gpg")
    container_images.make(home / "images", home / "busybox")
    say("putting the root file system together")
    base_root.finish(home, keyring.export(home / "keys" / "stand-in.asc"), SUITE)
    values = {"docker_version": docker_version, "docker_fingerprint": keyring.fingerprint}
    (home / "kit.json").write_text(json.dumps(values))


def _catalogue_value(name: str) -> str:
    """A version that the steps ask for: the stand-in packages must carry it."""
    found = re.search(rf"^readonly CATALOGUE_{name}=(\S+)", _CATALOGUE.read_text(), re.MULTILINE)
    if found is None:
        raise shell.MachineError(f"{_CATALOGUE} has no CATALOGUE_{name}")
    return found[1]


def _key() -> str:
    """A digest of what decides the content."""
    digest = hashlib.sha256(f"{platform.release()} {SUITE}".encode())
    here = Path(__file__).parent
    names = ("kit", "base_root", "certificates", "container_images", "packages")
    for path in [*(here / f"{name}.py" for name in names), *sorted((here / "guest").iterdir())]:
        if path.is_file():
            digest.update(path.read_bytes())
    digest.update(_catalogue_value("CONTAINERD_VERSION").encode())
    return digest.hexdigest()[:12]


def _remove_others(directory: Path) -> None:
    """Kits of an older recipe, and those that were never finished."""
    kits = [item for item in directory.iterdir() if item.is_dir() and item.name != _key()]
    for old in kits:
        shutil.rmtree(old)
