"""Signed package repositories that a machine can reach, and the packages in them that stand in.

Packages of Debian are Debian's own. What cannot be had or run here is a small package under the
name and version that a step asks for:
- `docker-ce`, `docker-ce-cli`, `containerd.io` depend on Debian's `docker.io` and `containerd`;
- `linux-image-cloud-amd64` holds a file named after this computer's kernel: a container boots none.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

from local.machines import shell

_ARCHITECTURE = "amd64"
_USER = "batch-prep machines (throw-away)"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keyring:
    """A key made for one kit, which signs nothing else."""

    home: Path
    fingerprint: str

    @classmethod
    def make(cls, home: Path) -> Keyring:
        home.mkdir(mode=0o700)
        gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet")
        shell.run(
            *gpg, "--passphrase", "", "--quick-generate-key", _USER, "ed25519", "sign", "never"
        )
        listed = shell.run(*gpg, "--list-keys", "--with-colons").splitlines()
        [fingerprint] = [line.split(":")[9] for line in listed if line.startswith("fpr:")]
        return cls(home=home, fingerprint=fingerprint)

    def export(self, path: Path) -> Path:
        shell.run(*self._gpg(), "--armor", "--output", str(path), "--export", self.fingerprint)
        return path

    def sign(self, path: Path, signed: Path) -> None:
        shell.run(*self._gpg(), "--clearsign", "--output", str(signed), str(path))

    def _gpg(self) -> tuple[str, ...]:
        return ("gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes")


def version_of(pool: Path, name: str) -> str:
    """Upstream version of a package in the pool: `20.10.24+dfsg1-1+deb12u1` gives `20.10.24`."""
    [archive] = pool.glob(f"{name}_*.deb")
    version = shell.run("dpkg-deb", "--field", str(archive), "Version").strip()
    return version.split(":")[-1].split("-")[0].split("+")[0]


def write_kernel(pool: Path, release: str) -> None:
    """The kernel that already runs, as far as a file name in /boot says so."""
    text = f"stands in for the kernel {release}; nothing can boot it\n"
    _write(pool, "linux-image-cloud-amd64", "9999", files={f"boot/vmlinuz-{release}": text})


def write_docker(pool: Path, suite: str, version: str, containerd_version: str) -> None:
    pool.mkdir(parents=True)
    suffix = f"-1~debian.12~{suite}"
    docker_version = f"5:{version}{suffix}"
    _write(pool, "docker-ce-cli", docker_version, depends="docker.io")
    _write(pool, "containerd.io", f"{containerd_version}{suffix}", depends="containerd")
    depends = "docker-ce-cli, containerd.io, docker.io"
    _write(pool, "docker-ce", docker_version, depends=depends)


def index(home: Path, suite: str, component: str, keyring: Keyring) -> None:
    """Write the signed index of everything in `home/pool`."""
    release = home / "dists" / suite
    binary = release / component / f"binary-{_ARCHITECTURE}"
    binary.mkdir(parents=True)
    listing = shell.run("sh", "-c", 'cd "$0" && apt-ftparchive packages pool', str(home))
    (binary / "Packages").write_text(listing)
    fields = {"Suite": suite, "Codename": suite, "Components": component}
    fields |= {"Architectures": _ARCHITECTURE, "Label": _USER}
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    text = shell.run("apt-ftparchive", *options, "release", str(release))
    (release / "Release").write_text(text)
    keyring.sign(release / "Release", release / "InRelease")


def _write(
    pool: Path, name: str, version: str, *, depends: str = "", files: dict[str, str] | None = None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        for path, text in (files or {}).items():
            (tree / path).parent.mkdir(parents=True)
            (tree / path).write_text(text)
        control = {
            "Package": name,
            "Version": version,
            "Architecture": _ARCHITECTURE,
            "Maintainer": "batch-prep <root@localhost>",
            **({"Depends": depends} if depends else {}),
            "Description": "stand-in, see local/machines of batch-prep",
        }
        (tree / "DEBIAN").mkdir(parents=True)
        lines = "".join(f"{key}: {value}\n" for key, value in control.items())
        (tree / "DEBIAN/control").write_text(lines)
        archive = Path(folder) / "package.deb"
        shell.run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(archive))
        shutil.move(archive, pool / f"{name}_{version.split(':')[-1]}_{_ARCHITECTURE}.deb")
