"""Container images made without a container engine: one layer with a static busybox.

`images/NAME/` holds `blobs/DIGEST` and `manifest`, as a registry serves them; see
https://github.com/opencontainers/image-spec and https://distribution.github.io/distribution/spec/.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

DEFAULT = "busybox"
FOREIGN = "foreign"
"""An image for another architecture."""
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_APPLETS = ("cat", "echo", "false", "ls", "sh", "sleep", "true", "uname")
_WORLD_READABLE = 0o755


def make(home: Path, busybox: Path) -> None:
    layer = _layer(busybox)
    _write(home / DEFAULT, layer, "amd64")
    _write(home / FOREIGN, layer, "arm64")


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _write(home: Path, layer: bytes, architecture: str) -> None:
    (home / "blobs").mkdir(parents=True)
    packed = gzip.compress(layer, mtime=0)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created_by": "batch-prep machines"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _put(home, _CONFIG_TYPE, json.dumps(config).encode()),
        "layers": [_put(home, _LAYER_TYPE, packed)],
    }
    (home / "manifest").write_bytes(json.dumps(manifest).encode())


def _put(home: Path, media_type: str, content: bytes) -> dict[str, object]:
    """Store a blob. Returns its descriptor."""
    name = digest(content)
    (home / "blobs" / name).write_bytes(content)
    return {"mediaType": media_type, "size": len(content), "digest": name}


def _layer(busybox: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        program = tarfile.TarInfo("bin/busybox")
        program.mode, program.size = _WORLD_READABLE, busybox.stat().st_size
        with busybox.open("rb") as content:
            tar.addfile(program, content)
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return packed.getvalue()
