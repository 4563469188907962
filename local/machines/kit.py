"""What machines are made from, made once and kept: a root file system, repositories, images, keys.

A kit is a directory named after everything that decides its content, so that a changed recipe makes
a new one. All that comes from outside comes while it is made; machines need no network later.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local.machines import (
    base_root,
    certificates,
    container_images,
    docker_packages,
    packages,
    shell,
)

SUITE = "bookworm"
DEFAULT_HOME = Path(__file__).resolve().parents[2] / ".batch-prep" / "roots"
CATALOGUE = Path(__file__).resolve().parents[2] / "provisioning" / "catalogue.sh"


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
    download = directory / _download_key()
    if not download.exists():
        say("downloading a Debian root file system and packages, some 300 MB")
        _build(download, _download)
    say("making package repositories, container images and the root file system of machines")
    _build(directory / _key(), lambda home: _make(home, download))
    _remove_others(directory, keep={download.name, _key()})
    made = find(directory)
    assert made is not None
    say(f"machines can be made from {made.home} ({time.monotonic() - began:.0f} s)")
    return made


def _build(target: Path, build: Callable[[Path], None]) -> None:
    """A directory that is there as a whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="unfinished-", dir=target.parent))
    home.chmod(0o755)
    try:
        build(home)
        home.rename(target)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _download(home: Path) -> None:
    docker_packages.download(home / "docker", catalogue_value("CATALOGUE_DOCKER_VERSION"))
    base_root.download(home, SUITE)


def _make(home: Path, download: Path) -> None:
    certificates.make(home / "tls")
    keyring = packages.Keyring.make(home / "keys")
    try:
        _fill(home, download, keyring)
    finally:
        keyring.close()


def _fill(home: Path, download: Path, keyring: packages.Keyring) -> None:
    key = keyring.export(home / "keys" / "stand-in.asc")
    _make_repositories(home, download, keyring)
    container_images.make(home / "images", download / "busybox")
    base_root.write(
        home / "base.tar",
        download / "plain.tar",
        apt_key=key,
        certificate=home / "tls" / "certificate.pem",
        suite=SUITE,
    )
    values = {
        "docker_version": docker_packages.version(download / "docker", "docker.io"),
        "docker_fingerprint": keyring.fingerprint,
    }
    (home / "kit.json").write_text(json.dumps(values))


def _make_repositories(home: Path, download: Path, keyring: packages.Keyring) -> None:
    shutil.copytree(download / "pool", home / "debian" / "pool", copy_function=os.link)
    packages.write_kernel(home / "debian" / "pool", platform.release())
    packages.index(home / "debian", SUITE, "main", keyring)
    containerd_version = catalogue_value("CATALOGUE_CONTAINERD_VERSION")
    packages.write_docker(home / "docker" / "pool", download / "docker", SUITE, containerd_version)
    packages.index(home / "docker", SUITE, "stable", keyring)
    keyring.export(home / "docker" / "gpg")


def catalogue_value(name: str) -> str:
    """A version that the steps ask for: the stand-in packages must carry it."""
    found = re.search(rf"^readonly {name}=(\S+)", CATALOGUE.read_text(), re.MULTILINE)
    if found is None:
        raise shell.MachineError(f"{CATALOGUE} has no {name}")
    return found[1]


def _download_key() -> str:
    wanted = (SUITE, base_root.INCLUDED, base_root.INSTALLED_LATER, docker_packages.NAMES)
    text = repr((wanted, catalogue_value("CATALOGUE_DOCKER_VERSION")))
    return f"download-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _key() -> str:
    """A digest of what decides the content."""
    here = Path(__file__).parent
    digest = hashlib.sha256(f"{platform.release()} {_download_key()}".encode())
    digest.update(catalogue_value("CATALOGUE_CONTAINERD_VERSION").encode())
    names = ("kit", "base_root", "certificates", "container_images", "packages")
    for path in [*(here / f"{name}.py" for name in names), *sorted((here / "guest").iterdir())]:
        if path.is_file():
            digest.update(path.read_bytes())
    return f"kit-{digest.hexdigest()[:12]}"


def _remove_others(directory: Path, keep: set[str]) -> None:
    """What an older recipe made, and what was never finished."""
    for old in directory.iterdir():
        if (
            old.is_dir()
            and old.name not in keep
            and not old.name.startswith(("driver-", "el-", "volumes-"))
        ):
            shutil.rmtree(old)
