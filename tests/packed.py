"""Archives, the same bytes whenever they are made."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any


def an_entry(name: str, text: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A file, or what `more` says of its header."""
    entry = tarfile.TarInfo(name)
    entry.size = len(text)
    for field, value in more.items():
        setattr(entry, field, value)
    return entry, text


DOCKERFILE = an_entry("Dockerfile", b"FROM scratch\n")


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive that is not compressed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, text in entries:
            archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()


def context(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A build context with a Dockerfile and more."""
    return gzip.compress(tar(DOCKERFILE, *entries), mtime=0)
