"""The deployment package: a zip file with what runs on Azure, and nothing else.

The same files make the same bytes, on any machine and at any time. Azure installs the packages of
`requirements.txt` itself (a remote build), so the zip file holds the app's own files only.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

# An allow-list: a stray .env, key or metadata file is never part of a deployment.
_FILES = ("function_app.py", "host.json", "requirements.txt", "LICENSE")
_FOLDERS = {
    "activities": (".py",),
    "orchestrators": (".py",),
    "shared": (".py",),
    "triggers": (".py",),
    "provisioning": (".sh",),
}
_DATA = tuple(f"provisioning/{name}.json" for name in ("cuda", "floors", "steps"))
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
_MODE = 0o100644 << 16  # a plain file that anyone may read


def files(root: Path) -> list[str]:
    """What is deployed, as paths below `root`, sorted. A link is not followed."""
    return sorted([*_FILES, *_DATA, *_in_folders(root)])


def _in_folders(root: Path) -> Iterator[str]:
    for folder, suffixes in _FOLDERS.items():
        for path in (root / folder).rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.suffix in suffixes and path.is_file() and not path.is_symlink() and not hidden:
                yield path.relative_to(root).as_posix()


def write(root: Path, target: Path) -> list[str]:
    """Write the package; returns its files. Raises FileNotFoundError for one that is missing."""
    names = files(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name in names:
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr, entry.create_system = _MODE, 3  # Unix, wherever it is made
            package.writestr(entry, (root / name).read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return names
