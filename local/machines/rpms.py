"""RPM packages and signed repositories of them, made with Debian's `rpmbuild` and `createrepo_c`.

Both run inside a root file system that has them, so this computer needs neither.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from local.machines import shell

PROGRAMS = ("rpm", "createrepo-c", "gnupg")
"""Debian packages that the root file system must have."""
_FOLDER = "srv/rpms"
_USER = "batch-prep machines (throw-away)"
_ARCHITECTURE = "x86_64"
_MACROS = """\
%_dbpath /var/lib/rpm
%__gpg /usr/bin/gpg
"""
"""Debian's defaults are a database below the home directory, and gpg2."""
_SPEC = """\
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _binary_payload w0.gzdio
Name: {name}
Version: {version}
Release: {release}
Summary: stand-in, see local/machines of batch-prep
License: MIT
AutoReqProv: no
{relations}
%description
Stands in for the package of this name.
%install
mkdir -p %{{buildroot}}
cp -a /{folder}/trees/{name}/. %{{buildroot}}/
{scripts}
%files -f /{folder}/files
"""
_MODULES = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: 1
  context: 00000000
  arch: x86_64
  summary: stand-in
  description: stand-in
  license: {{module: [MIT]}}
  profiles:
    default: {{rpms: [{name}]}}
  artifacts:
    rpms: [{artifacts}]
...
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rpm:
    """One package; its files are those below `tree`, which is consumed."""

    name: str
    version: str
    release: str = "1"
    tree: Path | None = None
    requires: str = ""
    provides: str = ""
    before: str = ""
    """Shell text that runs before its files are put in place."""
    after: str = ""
    """Shell text that runs when they are."""


class Workshop:
    """Makes packages in the root file system `root`, with a key made for this one use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._home = root / _FOLDER
        (self._home / "trees").mkdir(parents=True)
        macros = root / "etc/rpm/macros"
        macros.parent.mkdir(exist_ok=True)
        macros.write_text(_MACROS)
        keys = self._home / "keys"
        keys.mkdir(mode=0o700)
        self._gpg = f"gpg --homedir /{_FOLDER}/keys --batch --quiet --yes"
        parameters = f"--passphrase '' --quick-generate-key '{_USER}' rsa3072 sign never"
        self.run(f"{self._gpg} {parameters}")
        listed = self.run(f"{self._gpg} --list-keys --with-colons").splitlines()
        [self.fingerprint] = [line.split(":")[9] for line in listed if line.startswith("fpr:")]

    def close(self) -> None:
        """The key goes, and the agent that holds it."""
        self.run(f"gpgconf --homedir /{_FOLDER}/keys --kill gpg-agent")
        shutil.rmtree(self._home)

    def run(self, script: str) -> str:
        return shell.run("chroot", str(self._root), "sh", "-ec", script)

    def build(self, rpm: Rpm, pool: Path) -> None:
        """Write the signed package into `pool`."""
        tree = self._home / "trees" / rpm.name
        if rpm.tree:
            shutil.move(rpm.tree, tree)
        else:
            tree.mkdir()
        files = sorted(path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir())
        listing = "".join(f'"/{path.relative_to(tree)}"\n' for path in files)
        (self._home / "files").write_text(listing or "%dir /\n")
        relations = [f"Requires: {rpm.requires}"] if rpm.requires else []
        relations += [f"Provides: {rpm.provides}"] if rpm.provides else []
        scripts = [f"%pre\n{rpm.before}"] if rpm.before else []
        scripts += [f"%post\n{rpm.after}"] if rpm.after else []
        text = _SPEC.format(
            name=rpm.name,
            version=rpm.version,
            release=rpm.release,
            relations="\n".join(relations),
            scripts="\n".join(scripts),
            folder=_FOLDER,
        )
        (self._home / "package.spec").write_text(text)
        self.run(
            f"cd /{_FOLDER} && rpmbuild -bb --quiet --target {_ARCHITECTURE}"
            f" --define '_topdir /{_FOLDER}/build' package.spec"
            f" && rpmsign --define '_gpg_name {self.fingerprint}' --define '_gpg_path"
            f" /{_FOLDER}/keys' --addsign build/RPMS/{_ARCHITECTURE}/*.rpm"
        )
        pool.mkdir(parents=True, exist_ok=True)
        for archive in self._home.glob("build/RPMS/*/*.rpm"):
            shutil.move(archive, pool / archive.name)
        shutil.rmtree(tree)

    def index(self, repository: Path, module: str = "", stream: str = "") -> None:
        """Write the signed index; with a module, every package belongs to that stream of it."""
        inside = self._home / "repository"
        shutil.move(repository, inside)
        self.run(f"createrepo_c --quiet --no-database /{_FOLDER}/repository")
        if module:
            names = [_with_epoch(path.stem) for path in inside.glob("*.rpm")]
            text = _MODULES.format(name=module, stream=stream, artifacts=", ".join(names))
            (self._home / "modules.yaml").write_text(text)
            self.run(
                f"cd /{_FOLDER} && modifyrepo_c --mdtype=modules modules.yaml repository/repodata"
            )
        metadata = f"/{_FOLDER}/repository/repodata/repomd.xml"
        self.run(f"{self._gpg} --armor --output {metadata}.asc --detach-sign {metadata}")
        shutil.move(inside, repository)

    def export_key(self, *files: Path) -> None:
        """The public key, under each of these names."""
        text = self.run(f"{self._gpg} --armor --export {self.fingerprint}")
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)


def install(workshop: Workshop, archives: Sequence[Path], root: Path) -> None:
    """Put packages into the root itself, past every repository."""
    inside = root / "srv/installed"
    inside.mkdir()
    for archive in archives:
        shutil.copy(archive, inside)
    workshop.run("rpm --install --nosignature --nodeps /srv/installed/*.rpm")
    shutil.rmtree(inside)


def _with_epoch(stem: str) -> str:
    """`dkms-3-1.x86_64` gives `dkms-0:3-1.x86_64`, as module metadata name packages."""
    return re.sub(r"-([^-]+-[^-]+)$", r"-0:\1", stem)
