"""Which test runs which lines of the app: recorded once, then for test files that have changed."""

from __future__ import annotations

import ast
import builtins
import functools
import hashlib
import json
import keyword
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutation import plugin, source
from tests.mutation.operators import Mutant

# What runs the app in the process of the tests.
SUITES = (
    "tests/unit", "tests/stories", "tests/golden", "tests/upgrade", "tests/contract",
    "tests/provisioning",  # of which one file is about the app: the others start shells
)  # fmt: skip
_ELSEWHERE = (
    "tests/unit/local_host", "tests/unit/bench", "tests/unit/cli", "tests/contract/simulator",
    "tests/contract/functions_host", "tests/contract/stack", "tests/contract/test_durable2.py",
)  # fmt: skip
OPTIONS = ("-p", "tests.mutation.plugin", "-q", "--hypothesis-seed=0")
_QUICK_SECONDS = 0.2
_PASSED_OR_NOT = (0, 1)
_NO_WORDS = {*dir(builtins), *keyword.kwlist, "Field", "Literal", "Callable", "default"}


class CoverageMap:
    """Tests with their seconds and lines."""

    def __init__(self, tests: dict[str, Any]) -> None:
        self.seconds: dict[str, float] = {name: each["seconds"] for name, each in tests.items()}
        self._lines: dict[tuple[str, int], set[str]] = {}
        self._size: dict[str, int] = {}
        for name, each in tests.items():
            self._size[name] = sum(map(len, each["lines"].values()))
            for file, lines in each["lines"].items():
                for line in lines:
                    self._lines.setdefault((file, line), set()).add(name)

    def of(self, mutant: Mutant, budget: float) -> list[str]:
        """The tests that run it, as far as the seconds go: quick ones first, and of those and the
        others, first those that are about its module or line, then those that run little else.
        """
        path = source.ROOT / mutant.file
        original = path.read_bytes()
        found = self._of_lines(mutant.file, source.statement_lines(_tree(mutant.file), mutant.line))
        chosen: list[str] = []
        words = _words(original.splitlines()[mutant.line - 1].decode()) | {path.stem}
        if not found or not _in_a_body(mutant, original):
            found = self._of_function(mutant)
            if not found:
                found = self._of_module(mutant.file)

        def order(test: str) -> tuple[bool, int, int, str]:
            is_slow = self.seconds[test] > _QUICK_SECONDS
            return is_slow, -_mentions(test, words), self._size[test], test

        for test in sorted(found, key=order):
            budget -= self.seconds[test]
            if budget < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    def _of_lines(self, file: str, lines: Iterable[int]) -> set[str]:
        return set().union(*(self._lines.get((file, line), ()) for line in lines))

    def _of_function(self, mutant: Mutant) -> set[str]:
        """For a default in its signature."""
        named = dict(source.functions(_tree(mutant.file)))
        function = named.get(mutant.function)
        return self._of_lines(mutant.file, source.body_lines(function)) if function else set()

    @functools.cache  # noqa: B019  a map lives as long as the process
    def _of_module(self, file: str) -> set[str]:
        """Tests that use a function of it, or of a module that imports it."""
        users = [file, *(each for each in source.files() if file in source.imported(_tree(each)))]
        return set().union(
            *(
                self._of_lines(user, source.body_lines(function))
                for user in users
                for _, function in source.functions(_tree(user))
            )
        )


def _words(line: str) -> frozenset[str]:
    """The names and texts in a line of a module, also as JSON has them."""
    found = [word for word in re.findall(r"[A-Za-z0-9][\w./-]{3,}", line) if word not in _NO_WORDS]
    camel = [word.title().replace("_", "") for word in found]
    return frozenset([*found, *(word[0].lower() + word[1:] for word in camel)])


@functools.cache
def _mentions(test: str, words: frozenset[str]) -> int:
    """How many of the words the file of a test has: such tests are about that line. The golden
    files have them all.
    """
    file = test.split("::", maxsplit=1)[0]
    is_golden = file.startswith("tests/golden/")
    return len(words) if is_golden else sum(word in _text(file) for word in words)


@functools.cache
def _text(file: str) -> str:
    return (source.ROOT / file).read_text()


@functools.cache
def _tree(file: str) -> ast.Module:
    return ast.parse((source.ROOT / file).read_bytes())


def _in_a_body(mutant: Mutant, original: bytes) -> bool:
    line = original[: mutant.start].count(b"\n") + 1
    return any(line in source.body_lines(each) for _, each in source.functions(_tree(mutant.file)))


def load(kept: Path, copy: Path, *, stale: bool = False) -> CoverageMap:
    """The map of this tree, recorded in a copy of it as far as needed; `stale`: the one at hand."""
    known = (
        json.loads(kept.read_text()) if kept.exists() else {"base": "", "files": {}, "tests": {}}
    )
    base, files = _base(), _test_files()
    if not stale:
        same = files if known["base"] == base else {}
        fresh = [
            file
            for file, digest in files.items()
            if (known["files"] if same else {}).get(file) != digest
        ]
        tests = {t: each for t, each in known["tests"].items() if t.split("::")[0] not in fresh}
        tests = {t: each for t, each in tests.items() if t.split("::")[0] in files}
        known = {"base": base, "files": files, "tests": tests | _record(copy, fresh)}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(known))
    return CoverageMap(known["tests"])


def _record(copy: Path, files: list[str]) -> dict[str, Any]:
    if not files:
        return {}
    print(f"Recording which lines {len(files)} files of tests run.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        given = {**os.environ, plugin.RECORD: folder}
        marks = ("-m", "not root")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *marks, *files],
            cwd=copy,
            env=given,
            check=False,
        )
        tests: dict[str, Any] = {}
        for part in Path(folder).glob("*.json"):
            tests |= json.loads(part.read_text())
        if ended.returncode not in _PASSED_OR_NOT or not tests:
            raise SystemExit("The tests could not be run: see above.")
        return tests


def _test_files() -> dict[str, str]:
    """With what is in them."""
    paths = sorted(path for suite in SUITES for path in (source.ROOT / suite).rglob("test_*.py"))
    names = [str(path.relative_to(source.ROOT)) for path in paths]
    names = [n for n in names if "provisioning/" not in n or n.endswith("test_step_assembly.py")]
    return {name: _digest([name]) for name in names if not name.startswith(_ELSEWHERE)}


def _base() -> str:
    """Everything else that decides which lines a test runs."""
    helpers = [p for p in (source.ROOT / "tests").rglob("*.py") if not p.name.startswith("test_")]
    local = (source.ROOT / "local").rglob("*.py")
    names = sorted(str(path.relative_to(source.ROOT)) for path in (*helpers, *local))
    return _digest([*source.files(), *(n for n in names if "/mutation/" not in n)])


def _digest(names: list[str]) -> str:
    found = hashlib.sha256()
    for name in names:
        found.update(name.encode() + (source.ROOT / name).read_bytes())
    return found.hexdigest()
