"""What the engine reads of a task, in both versions of the Durable SDK."""

from __future__ import annotations

from typing import Any

import pytest

from shared.engine import durable_task


class TaskOfVersion2:
    """The public names of `durabletask.task.Task`, which version 2 of the SDK hands out."""

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self._value, self._error = value, error
        self.is_complete = value is not None or error is not None
        self.is_failed = error is not None

    @property
    def result(self) -> Any:
        if self._error:
            raise self._error
        return self._value

    def get_exception(self) -> Exception:
        assert self._error
        return self._error


def task_of_version_1(value: Any = None) -> Any:
    from azure.durable_functions.models.actions.NoOpAction import NoOpAction
    from azure.durable_functions.models.Task import AtomicTask

    task = AtomicTask(1, NoOpAction())
    if value is not None:
        task.set_value(is_error=isinstance(value, Exception), value=value)
    return task


def task_of_version_2(value: Any = None) -> Any:
    return TaskOfVersion2(error=value) if isinstance(value, Exception) else TaskOfVersion2(value)


@pytest.mark.parametrize("task", [task_of_version_1, task_of_version_2])
def test_a_task_ends_with_a_result_or_an_exception(task: Any) -> None:
    """A failed task has ended, and reading its result does not raise."""
    error = ValueError("broken")
    assert not durable_task.has_ended(task())
    assert durable_task.has_ended(task({"a": 1}))
    assert durable_task.has_ended(task(error))
    assert durable_task.result(task({"a": 1})) == {"a": 1}
    assert durable_task.result(task(error)) is error
