"""Azure's request limits, as token buckets that refill with simulated time.

Sources: azure-resource-manager/management/request-limits-and-throttling (Resource Manager: 250
reads, 200 writes and 200 deletes at once, refilled by 25, 10 and 10 per second) and
virtual-machines/troubleshooting/request-throttling (compute: per VM and minute, see `_COMPUTE`).
"""

from __future__ import annotations

import dataclasses
import math
import re

from local.azure_simulator import model


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A bucket that holds `burst` requests and gains `per_second`."""

    name: str
    burst: float
    per_second: float


@dataclasses.dataclass(kw_only=True, slots=True)
class _Bucket:
    tokens: float
    filled_at: float


_SUBSCRIPTION = {
    "GET": Limit(name="reads", burst=250, per_second=25),
    "HEAD": Limit(name="reads", burst=250, per_second=25),
    "DELETE": Limit(name="deletes", burst=200, per_second=10),
}
_WRITES = Limit(name="writes", burst=200, per_second=10)

_VM = r"(?P<vm>/subscriptions/.*/providers/microsoft\.compute/virtualmachines/[^/]+)"
_UPDATE = Limit(name="Microsoft.Compute/UpdateVM", burst=12, per_second=4 / 60)
_REMOVE = Limit(name="Microsoft.Compute/DeleteVM", burst=12, per_second=4 / 60)
_COMPUTE: list[tuple[str, re.Pattern[str], Limit]] = [
    (method, re.compile(pattern), limit)
    for method, pattern, limit in (
        ("PUT", _VM + "$", Limit(name="Microsoft.Compute/PutVM", burst=12, per_second=4 / 60)),
        ("PUT", _VM + "/runcommands/", _UPDATE),
        ("PATCH", _VM, _UPDATE),
        ("DELETE", _VM + "/runcommands/", _UPDATE),
        ("POST", _VM + "/(restart|start|poweroff|generalize|runcommand)$", _UPDATE),
        ("DELETE", _VM + "$", _REMOVE),
        ("POST", _VM + "/deallocate$", _REMOVE),
        ("GET", _VM, Limit(name="Microsoft.Compute/GetVM", burst=36, per_second=12 / 60)),
        (
            "GET",
            "(?P<vm>/subscriptions/.*/microsoft\\.compute/locations/[^/]+/operations/[^/]+)$",
            Limit(name="Microsoft.Compute/GetOperation", burst=45, per_second=15 / 60),
        ),
    )
]


class Throttle:
    """Refuses with 429 what exceeds a limit. Not persisted: a restart starts with full buckets."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def check(self, request: model.Request, now: float) -> dict[str, str]:
        """Take a token of each limit that the request meets; the headers say what is left."""
        path = request.path.lower()
        if not self._enabled or not path.startswith("/subscriptions/"):
            return {}
        limit = _SUBSCRIPTION.get(request.method, _WRITES)
        wait = self._take(limit, "", now)
        if wait:
            message = f"Number of {limit.name} for the subscription exceeded the limit."
            headers = {"Retry-After": str(wait)}
            model.refuse(429, "SubscriptionRequestsThrottled", message, headers=headers)
        left = {f"x-ms-ratelimit-remaining-subscription-{limit.name}": self._left(limit, "")}
        if "/microsoft.compute/" in path:
            left.update(self._check_compute(request.method, path, now))
        return left

    def _check_compute(self, method: str, path: str, now: float) -> dict[str, str]:
        for limited, pattern, limit in _COMPUTE:
            found = pattern.match(path) if limited == method else None
            if found is not None:
                wait = self._take(limit, found["vm"], now)
                if wait:
                    _refuse_compute(limit, wait)
                left = self._left(limit, found["vm"])
                return {"x-ms-ratelimit-remaining-resource": f"{limit.name};{left}"}
        return {}

    def _left(self, limit: Limit, subject: str) -> str:
        return str(int(self._buckets[limit.name, subject].tokens))

    def _take(self, limit: Limit, subject: str, now: float) -> int:
        """Take one token; or the whole seconds until there is one."""
        bucket = self._buckets.setdefault(
            (limit.name, subject), _Bucket(tokens=limit.burst, filled_at=now)
        )
        gained = (now - bucket.filled_at) * limit.per_second
        bucket.tokens = min(limit.burst, bucket.tokens + gained)
        bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0
        return math.ceil((1 - bucket.tokens) / limit.per_second)


def _refuse_compute(limit: Limit, wait: int) -> None:
    detail = {
        "code": "TooManyRequests",
        "target": limit.name.rpartition("/")[2],
        "message": f'{{"operationGroup":"{limit.name}","allowedRequestCount":{limit.burst:.0f}}}',
    }
    message = (
        "The server rejected the request because too many requests have been received for this "
        f"subscription. Retry after {wait} seconds."
    )
    model.refuse(
        429, "OperationNotAllowed", message, details=[detail], headers={"Retry-After": str(wait)}
    )
