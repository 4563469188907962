"""An uploaded context is an archive that a build can use, or it is refused with every reason."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc

import pytest

from cli import contexts as packing
from shared.model import build_contexts
from tests.packed import DOCKERFILE, an_entry, context, tar
from tests.world import World
from triggers import contexts

MIB = 1024**2


def reasons(data: bytes) -> list[str]:
    """Why an upload is refused; empty if it is stored."""
    world = World()
    answer = world.ask(contexts.upload_context, data)
    assert (answer.status == 201) == bool(world.outbox.contexts)
    if answer.status == 201:
        return []
    assert answer.status == 400
    details = answer.body["error"]["details"]
    assert {detail["code"] for detail in details} == {"InvalidContext"}
    return [detail["message"] for detail in details]


@pytest.mark.parametrize(
    "data",
    [
        context(),
        context(an_entry("./src/main.py", b"print()"), an_entry("link", type=tarfile.SYMTYPE)),
        context(an_entry("a/" * 90 + "long", b"x"), an_entry("zeros", bytes(20 * MIB))),
        gzip.compress(tar(an_entry("./Dockerfile", b"FROM scratch"))),
        gzip.compress(tar(DOCKERFILE)[:1024]),  # Go's programs leave the empty blocks out
    ],
    ids=["small", "files and links", "long names", "another packer", "without empty blocks"],
)
def test_a_context_is_taken(data: bytes) -> None:
    """As Docker, tar and the command line pack it."""
    assert reasons(data) == []


def test_what_the_command_packs_is_taken(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Two opinions about a context agree."""
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "ö").mkdir()
    (tmp_path / "ö" / "file").write_text("x")
    (tmp_path / "away").symlink_to("/etc/hostname")
    assert reasons(packing.pack(tmp_path)) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no whole tar.gz"),
        (b"\x1f\x8b and more", "no whole tar.gz"),
        (tar(DOCKERFILE), "no whole tar.gz"),
        (gzip.compress(b"FROM scratch"), "no whole tar.gz"),
        (context()[:-9], "no whole tar.gz"),
        (context()[:-4] + bytes(4), "no whole tar.gz"),
        (gzip.compress(tar(DOCKERFILE)[:700]), "no whole tar.gz"),
        (gzip.compress(tar(DOCKERFILE)[:1024] + b"x" * 2048), "a header is damaged"),
        (gzip.compress(tar(an_entry("src/Dockerfile"))), "no Dockerfile at its root"),
        (gzip.compress(tar(an_entry("Dockerfile", type=tarfile.DIRTYPE))), "no Dockerfile"),
    ],
    ids=[
        "nothing",
        "another content",
        "not compressed",
        "no tar",
        "cut off",
        "wrong length",
        "cut tar",
        "damaged header",
        "Dockerfile below",
        "Dockerfile is a folder",
    ],
)
def test_what_is_no_context_is_refused(data: bytes, reason: str) -> None:
    """A build would fail on it after ten minutes."""
    (found,) = reasons(data)
    assert reason in found


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_a_negative_length_is_refused(kind: bytes) -> None:
    """A number of more than eight digits is in Base 256, where it has a sign."""
    header = bytearray(an_entry("long", type=kind)[0].tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + (-(2**70) % 256**11).to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (found,) = reasons(gzip.compress(bytes(header) + tar(DOCKERFILE)))
    assert "a header" in found


def test_a_context_needs_a_dockerfile_unless_it_is_for_a_step() -> None:
    """The rules are those of a container build where nothing else is said."""
    packed = gzip.compress(tar(an_entry("run.sh", b"true")))
    (problem,) = build_contexts.problems(packed)
    assert "no Dockerfile" in problem.message
    assert build_contexts.problems(packed, needs_dockerfile=False) == []


def test_every_problem_is_named_at_once() -> None:
    """And nothing of it is unpacked."""
    found = reasons(
        gzip.compress(
            tar(
                an_entry("/etc/passwd", b"x"),
                an_entry("src/../../up", b"x"),
                an_entry("hard", type=tarfile.LNKTYPE, linkname="../shadow"),
                an_entry("sda", type=tarfile.BLKTYPE),
                an_entry("tty", type=tarfile.CHRTYPE),
                an_entry("pipe", type=tarfile.FIFOTYPE),
                an_entry("..fine", b"x"),
            )
        )
    )
    assert found == [
        "'/etc/passwd' lies outside the context",
        "'src/../../up' lies outside the context",
        "'hard' is a hard link to a file outside the context",
        "'sda' is a device or a pipe",
        "'tty' is a device or a pipe",
        "'pipe' is a device or a pipe",
        "it holds no Dockerfile at its root",
    ]


def test_bombs_are_not_unpacked() -> None:
    """Files of zeros, a header that is one, and very many files."""
    header = an_entry("zeros", size=300 * MIB)[0].tobuf()
    zeros = gzip.compress(header) + gzip.compress(bytes(MIB)) * 300  # gzip reads part after part
    long_name = context(an_entry("n" * 2 * MIB, b"x"))
    many = gzip.compress(an_entry("one")[0].tobuf() * 50_001)
    tracemalloc.start()
    try:
        assert "more than 200 times its size" in reasons(zeros)[0]
        assert "a header is longer" in reasons(long_name)[0]
        assert "more than 50000 files" in reasons(many)[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * MIB
    assert "at most 50 MiB" in reasons(bytes(50 * MIB + 1))[0]


def test_the_end_of_the_archive_counts_too() -> None:
    """What follows the last file is read to find out whether the archive is whole."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        file.write(tar(DOCKERFILE))
        file.write(bytes(100 * MIB))
    assert "more than 200 times its size" in reasons(packed.getvalue())[0]
