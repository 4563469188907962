"""A plugin of pytest with two uses, told apart by an environment variable.

MUTATION_RECORD names a folder: write down which test ran which lines of the app, in what time.
MUTATION_TESTS names a file with test ids: run them in that order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tests.mutation.source import ROOMS, ROOT

RECORD = "MUTATION_RECORD"
ORDER = "MUTATION_TESTS"


class Recorder:
    """Lines by test. What a module does when it is imported is nobody's line."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.json"
        self._coverage = coverage.Coverage(
            data_file=str(folder / f"{os.getpid()}.coverage"),
            include=[f"{ROOT}/{room}/*" for room in ROOMS],
            config_file=False,
        )
        self._coverage.start()
        self._tests: dict[str, float] = {}
        self._bad: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[object]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)  # type: ignore[misc]
        finally:
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid] = self._tests.get(report.nodeid, 0.0) + report.duration
        if not report.passed:  # it would notice every mutant
            self._bad.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        self._coverage.save()
        data = self._coverage.get_data()
        lines: dict[str, dict[str, list[int]]] = {}
        for file in data.measured_files():
            for line, tests in data.contexts_by_lineno(file).items():
                for test in tests:
                    here = lines.setdefault(test, {})
                    here.setdefault(str(Path(file).relative_to(ROOT)), []).append(line)
        found = {
            test: {"seconds": seconds, "lines": lines.get(test, {})}
            for test, seconds in self._tests.items()
            if test not in self._bad
        }
        self._file.write_text(json.dumps(found))


class Order:
    """Tests in the order of their list."""

    def __init__(self, file: Path) -> None:
        self._ranks = {test: rank for rank, test in enumerate(file.read_text().splitlines())}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._ranks.get(item.nodeid, len(self._ranks)))


def pytest_configure(config: pytest.Config) -> None:
    """Under xdist each worker records for itself; the process that hands out tests runs none."""
    if RECORD in os.environ and not getattr(config.option, "tx", None):
        config.pluginmanager.register(Recorder(Path(os.environ[RECORD])))
    if ORDER in os.environ:
        config.pluginmanager.register(Order(Path(os.environ[ORDER])))
