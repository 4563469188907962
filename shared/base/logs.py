"""Log lines of the app. Each names the build and the step that it is about, and passes the
redaction; so modules of the app get their log here and not from `logging`.

    build=b21e2df1ee5fd pool=dev step=pool ensure_pool wait

The same names are attributes of the record (`record.build`), for handlers that export them.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shared.base.redaction import redacted

ROOT = "batch_prep"
_NAMES = ("build", "pool", "step")  # in the order of a line
_ABOUT: ContextVar[dict[str, str] | None] = ContextVar("about", default=None)


@contextmanager
def about(**names: str | None) -> Iterator[None]:
    """Lines written inside are about this build, pool and step; those that are None are not said.
    It holds for the thread or asyncio task that enters it.
    """
    known = {**(_ABOUT.get() or {}), **{name: value for name, value in names.items() if value}}
    before = _ABOUT.set(known)
    try:
        yield
    finally:
        _ABOUT.reset(before)


class Log:
    """The log of one module."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, text: str, *values: object) -> None:
        """For debugging."""
        self.log(logging.DEBUG, text, *values)

    def info(self, text: str, *values: object) -> None:
        """A normal event."""
        self.log(logging.INFO, text, *values)

    def warning(self, text: str, *values: object) -> None:
        """Something that may need attention."""
        self.log(logging.WARNING, text, *values)

    def error(self, text: str, *values: object) -> None:
        """Something that needs attention."""
        self.log(logging.ERROR, text, *values)

    def exception(self, text: str, *values: object) -> None:
        """An error with the traceback of the exception that is being handled."""
        self.log(logging.ERROR, f"{text}\n%s", *values, traceback.format_exc())

    def log(self, level: int, text: str, *values: object) -> None:
        """One line."""
        if not self._logger.isEnabledFor(level):
            return
        names = _ABOUT.get() or {}
        line = redacted(text % values if values else text)
        said = [f"{name}={names[name]}" for name in _NAMES if name in names]
        self._logger.log(level, "%s", " ".join([*said, line]), extra=names, stacklevel=3)


def get(name: str) -> Log:
    """The log of a module."""
    return Log(name)
