"""Signed package repositories that a machine can reach, and the packages in them that stand in.

Packages of Debian are Debian's own. What cannot be had or run here is a small package under the
name and version that a step asks for:
- `docker-ce`, `docker-ce-cli` and `containerd.io` are Debian's `docker.io`, `docker-cli` and
  `containerd` under these names (they exclude each other, so that renaming is the only way);
- `linux-image-cloud-amd64` holds a file named after this computer's kernel: a container boots none.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path

from local.machines import docker_packages, shell

_ARCHITECTURE = "amd64"
_RELATIONS = r"^(Depends|Conflicts|Breaks|Replaces|Provides): .*\n"
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

    def close(self) -> None:
        """End the agent that signing has started: it would stay, with the key, after this process.

        https://www.gnupg.org/documentation/manuals/gnupg/Invoking-gpgconf.html
        """
        shell.run("gpgconf", "--homedir", str(self.home), "--kill", "gpg-agent")

    def _gpg(self) -> tuple[str, ...]:
        return ("gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes")


def write_kernel(pool: Path, release: str) -> None:
    """The kernel that already runs, as far as a file name in /boot says so."""
    text = f"stands in for the kernel {release}; nothing can boot it\n"
    _write(pool, "linux-image-cloud-amd64", "9999", files={f"boot/vmlinuz-{release}": text})


def write_docker(pool: Path, debian: Path, suite: str, containerd_version: str) -> None:
    """Debian's packages, from the pool `debian`, as Docker's repository names them."""
    pool.mkdir(parents=True)
    suffix = f"-1~debian.12~{suite}"
    version = f"5:{docker_packages.version(debian, 'docker.io')}{suffix}"
    libraries = "libc6 (>= 2.34)"
    _rename(debian, "containerd", pool, "containerd.io", f"{containerd_version}{suffix}",
            f"{libraries}, runc")  # fmt: skip
    _rename(debian, "docker-cli", pool, "docker-ce-cli", version, libraries)
    _rename(debian, "docker.io", pool, "docker-ce", version,
            f"{libraries}, libsystemd0, containerd.io, docker-ce-cli, iptables")  # fmt: skip


def write_empty(pool: Path, name: str, version: str, *, depends: str) -> None:
    """A package without content, for what it depends on."""
    _write(pool, name, version, depends=depends)


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


def _rename(debian: Path, old_name: str, pool: Path, name: str, version: str, depends: str) -> None:
    """A package with all its content under another name and version, with other relations."""
    [archive] = debian.glob(f"{old_name}_*.deb")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shell.run("dpkg-deb", "--raw-extract", str(archive), str(tree))
        control = (tree / "DEBIAN/control").read_text()
        control = re.sub(_RELATIONS, "", control, flags=re.MULTILINE)
        for field, value in {"Package": name, "Version": version}.items():
            control = re.sub(rf"^{field}: .*$", f"{field}: {value}", control, flags=re.MULTILINE)
        (tree / "DEBIAN/control").write_text(f"{control}Depends: {depends}\n")
        _pack(tree, pool, name, version)


def _write(
    pool: Path, name: str, version: str, *, depends: str = "", files: dict[str, str] | None = None
) -> None:
    control = {
        "Package": name,
        "Version": version,
        "Architecture": _ARCHITECTURE,
        "Maintainer": "batch-prep <root@localhost>",
        **({"Depends": depends} if depends else {}),
        "Description": "stand-in, see local/machines of batch-prep",
    }
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        for path, text in (files or {}).items():
            (tree / path).parent.mkdir(parents=True)
            (tree / path).write_text(text)
        (tree / "DEBIAN").mkdir(parents=True)
        lines = "".join(f"{key}: {value}\n" for key, value in control.items())
        (tree / "DEBIAN/control").write_text(lines)
        _pack(tree, pool, name, version)


def _pack(tree: Path, pool: Path, name: str, version: str) -> None:
    without_epoch = version.rsplit(":", maxsplit=1)[-1]
    archive = pool / f"{name}_{without_epoch}_{_ARCHITECTURE}.deb"
    quick = ("-Zgzip", "-z1")
    shell.run("dpkg-deb", "--root-owner-group", *quick, "--build", str(tree), str(archive))
