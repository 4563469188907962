"""The app's own storage cannot be reached. A build then waits without a limit, because its outcome
could not be recorded either.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

P = ParamSpec("P")
T = TypeVar("T")

# Statuses of an outage, which ends by itself. 403 is none: while the role is missing, a build
# that waited could not record the reason.
_STATUSES = {408, 429, 500, 502, 503, 504}


class StorageUnavailable(ServiceRequestError):  # noqa: N818
    """Storage did not answer, or answered with one of `_STATUSES`, which the cause then holds."""


def noticed(call: Callable[P, T]) -> Callable[P, T]:
    """The same call; it raises StorageUnavailable where an outage of storage made it fail."""

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
