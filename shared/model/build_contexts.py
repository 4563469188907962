"""Whether an uploaded archive can be the context of a container build. Pure.

It is read once from its beginning to its end, and nothing of it is written anywhere. The limits
hold for what comes out of it: an archive of 50 MiB can unpack to 50 GB.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib

from shared.base.errors import Problem

PACKED_MAX = 50 * 1024**2
_UNPACKED_MAX = 1024**3
_RATIO_MAX = 200  # deflate reaches 1,000; sources, 5 to 20
_RATIO_COUNTS_FROM = 32 * 1024**2  # unpacked: files of zeros are no attack
_MEMBERS_MAX = 50_000
_HEADER_MAX = 1024**2  # tarfile holds a header, such as that of a long name, in memory
_PROBLEMS_MAX = 100
_DOCKERFILE = "Dockerfile"


class _Refused(Exception):  # noqa: N818
    """The archive is not read any further."""


class _Bounded:
    """What an archive unpacks to, as a file that is read forwards and to a limit."""

    def __init__(self, packed: bytes) -> None:
        self._file = gzip.GzipFile(fileobj=io.BytesIO(packed))
        self._packed = len(packed)
        self._position = 0  # asking the file costs more than reading a header
        self.last = b""  # what was read last

    def read(self, size: int) -> bytes:
        if size < 0:
            raise _Refused("a header has a negative length")
        if size > _HEADER_MAX:
            raise _Refused(f"a header is longer than {_HEADER_MAX} bytes")
        self._check(self._position + size)
        self.last = self._file.read(size)
        self._position += len(self.last)
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position != self._position:
            self._check(position)
            self._position = self._file.seek(position)
        return self._position

    def _check(self, position: int) -> None:
        if position > _UNPACKED_MAX:
            raise _Refused(f"it unpacks to more than {_UNPACKED_MAX // 1024**2} MiB")
        if position > max(_RATIO_COUNTS_FROM, _RATIO_MAX * self._packed):
            raise _Refused(f"it unpacks to more than {_RATIO_MAX} times its size")

    def read_to_end(self) -> None:
        """Only the end of a gzip file says whether it is whole."""
        while self.read(_HEADER_MAX):
            pass


def problems(packed: bytes, *, needs_dockerfile: bool = True) -> list[Problem]:
    """Why this is no context; empty if it is one. The files of an own step need no Dockerfile."""
    if len(packed) > PACKED_MAX:
        return [_problem(f"a context is a tar.gz of at most {PACKED_MAX // 1024**2} MiB")]
    unpacked = _Bounded(packed)
    found: list[str] = []
    try:
        found = _of_members(unpacked, needs_dockerfile)
        unpacked.read_to_end()
    except _Refused as refused:
        found.append(str(refused))
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        found.append(f"it is no whole tar.gz: {error}")
    return [_problem(text) for text in found[:_PROBLEMS_MAX]]


def _of_members(unpacked: _Bounded, needs_dockerfile: bool) -> list[str]:
    found: list[str] = []
    has_dockerfile = False
    with tarfile.open(fileobj=unpacked, mode="r:") as archive:  # type: ignore[call-overload]
        for number, member in enumerate(archive, 1):
            if number > _MEMBERS_MAX:
                raise _Refused(f"it holds more than {_MEMBERS_MAX} files")
            if len(found) < _PROBLEMS_MAX:
                found += _of_member(member)
            is_file = member.isfile() or member.issym()
            has_dockerfile |= is_file and member.name.removeprefix("./") == _DOCKERFILE
    if unpacked.last.strip(b"\0"):  # tarfile takes a header that it cannot read for the end
        found.append("it is no whole tar.gz: a header is damaged or cut off")
    elif needs_dockerfile and not has_dockerfile:
        found.append(f"it holds no {_DOCKERFILE} at its root")
    return found


def _of_member(member: tarfile.TarInfo) -> list[str]:
    """A symbolic link may lead anywhere: the build resolves it below the context."""
    name = member.name if len(member.name) <= 100 else member.name[:97] + "..."
    found = []
    if _leaves(member.name):
        found.append(f"{name!r} lies outside the context")
    if member.islnk() and _leaves(member.linkname):
        found.append(f"{name!r} is a hard link to a file outside the context")
    if member.ischr() or member.isblk() or member.isfifo():
        found.append(f"{name!r} is a device or a pipe")
    return found


def _leaves(path: str) -> bool:
    return path.startswith("/") or ".." in path.split("/")


def _problem(text: str) -> Problem:
    return Problem(field="$", code="InvalidContext", message=text)
