"""What the host says to its log: one line per event, the rest at DEBUG."""

import logging
import traceback

log = logging.getLogger("functions_host")

_LINE_LENGTH = 500


def describe(error: BaseException) -> str:
    """An exception in one line, with the place where it was raised; the rest goes to DEBUG."""
    log.debug("the whole traceback", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {line(str(error))}{place}"


def line(text: str) -> str:
    """A text in one line, cut where it is long."""
    return " ".join(text.split())[:_LINE_LENGTH]
