"""HTTP: whether what the app depends on can be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.base.wire import replace
from shared.model.documents import Dependency, Health
from triggers.http import Answer, Call


def show_health(call: Call) -> Answer:
    """Check whether the services that the app depends on can be reached.

    A caller that has not signed in, where callers do, sees no reasons.
    """
    services = call.services
    is_anonymous = services.azure.config.auth_enabled and call.caller is None
    checks = [
        _probe("records", services.records.check_reachable),
        _probe("azure", lambda: services.azure.resources.providers.get("Microsoft.Batch")),
    ]
    ready = all(check.ok for check in checks)
    return Answer(
        status=200 if ready else 503,
        document=Health(
            state="ready" if ready else "degraded",
            checks=[replace(check, message="") for check in checks] if is_anonymous else checks,
            unreadable_rows=[] if is_anonymous else services.records.unreadable(),
        ),
    )


def _probe(name: str, look: Callable[[], Any]) -> Dependency:
    try:
        look()
    except Exception as error:  # noqa: BLE001  whatever is wrong is the answer
        message = f"{type(error).__name__}: {error}"[:500]
        return Dependency(name=name, ok=False, message=message)
    return Dependency(name=name, ok=True, message="")
