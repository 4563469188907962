"""Tasks of the Durable SDK, whose versions 1 and 2 show a task's end differently."""

from __future__ import annotations

from typing import Any


def has_ended(task: Any) -> bool:
    """Whether a task has ended, failed ones included: `is_complete` since version 2."""
    return bool(task.is_complete if hasattr(task, "is_complete") else task.is_completed)


def result(task: Any) -> Any:
    """The result of a task that has ended, or the exception with which it failed. `task.result` is
    that exception in version 1, and raises it since version 2.
    """
    failed = getattr(task, "is_failed", False)
    return task.get_exception() if failed else task.result
