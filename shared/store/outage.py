"""The app's own storage cannot be reached. Work then waits for as long as that takes: without the
records, no end of it could be written down either.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

P = ParamSpec("P")
T = TypeVar("T")

# What waiting cures. A missing role is not among them: a build that waited for one would report
# nothing.
_STATUSES = {408, 429, 500, 502, 503, 504}


class StorageUnavailable(ServiceRequestError):  # noqa: N818
    """The cause says what storage answered, if it did."""


def noticed(call: Callable[P, T]) -> Callable[P, T]:
    """A call of storage that raises StorageUnavailable where storage as a whole is the reason."""

    @functools.wraps(call)
    def noticing(*args: P.args, **options: P.kwargs) -> T:
        try:
            return call(*args, **options)
        except StorageUnavailable:
            raise
        except AzureError as error:
            if isinstance(error, HttpResponseError) and error.status_code not in _STATUSES:
                raise
            raise StorageUnavailable(str(error), error=error) from error

    return noticing
