"""One mutant after the other, in a copy of the tree."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutation import coverage_map, plugin, source, warm
from tests.mutation.operators import Mutant

_SPARE_SECONDS = 60  # for imports, and for a machine that does other things, too
_SLOWER = 5
# Times for mutants, each another: what was compiled before is not taken for what is there now.
_times = itertools.count(1_000_000_000)


TIME, IMPORT = WITHOUT_A_TEST = ("time", "import")  # it ran too long; nothing could be imported


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """`by` is the test that noticed it, or one of WITHOUT_A_TEST; "" if it survived."""

    by: str
    tests: int


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """What git knows of the working tree, as it is now, and what is new in it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tree"
        listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = subprocess.run(listing, cwd=source.ROOT, check=True, capture_output=True).stdout
        for name in filter(None, names.decode().split("\0")):
            if (source.ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source.ROOT / name, copy / name)
        for made in (".venv", "node_modules"):
            if not (copy / made).exists() and (source.ROOT / made).exists():
                (copy / made).symlink_to(source.ROOT / made)
        yield copy


def check(copy: Path, tests: list[str]) -> None:
    """Raises SystemExit unless these tests pass on the app as it is."""
    if tests and (by := _run(copy, tests, 10 * _SPARE_SECONDS + _SLOWER * len(tests))):
        raise SystemExit(f"{by} does not pass without a mutant either, so it noticed none.")


def run(copy: Path, mutant: Mutant, tests: list[str], seconds: float) -> Verdict:
    """Put the fault in, run the tests until the first fails, and take it out again."""
    if not tests:
        return Verdict(by="", tests=0)
    path = copy / mutant.file
    original, written = path.read_bytes(), path.stat()
    path.write_bytes(mutant.text(original))
    os.utime(path, (written.st_atime, next(_times)))
    try:
        return Verdict(by=_run(copy, tests, _SPARE_SECONDS + _SLOWER * seconds), tests=len(tests))
    finally:
        path.write_bytes(original)
        os.utime(path, (written.st_atime, written.st_mtime))


def _run(copy: Path, tests: list[str], limit: float) -> str:
    """The first test that fails; TIME or IMPORT where it comes to none."""
    with tempfile.TemporaryDirectory() as folder:
        order, output = Path(folder) / "order", Path(folder) / "output"
        order.write_text("\n".join(tests))
        code = warm.call(lambda: _pytest(copy, order, output), limit)
        said = output.read_text(errors="replace").splitlines() if output.exists() else []
    if code is None:
        return TIME
    if code == 0:
        return ""
    failed = [line.split(" - ")[0] for line in said if line.startswith(("FAILED ", "ERROR "))]
    return failed[0].split(" ", 1)[1] if failed and code == 1 else IMPORT


def _pytest(copy: Path, order: Path, output: Path) -> int:
    """In a process of its own: what it has imported of the project is taken from the copy."""
    with output.open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(copy)
    os.environ[plugin.ORDER] = str(order)
    sys.dont_write_bytecode = False  # each process would compile every module anew
    warm.forget_the_project()
    sys.path[:] = [str(copy), *(p for p in sys.path if p not in {"", str(source.ROOT)})]
    return int(pytest.main([*coverage_map.OPTIONS, "-x", "-rfE", "--tb=no", f"@{order}"]))
