"""HTTP: whether what the app depends on can be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from triggers.http import Answer, Call


def show_health(call: Call) -> Answer:
    """GET /api/health: each dependency, reachable or not."""
    services = call.services
    checks = [
        _probe("records", services.records.check_reachable),
        _probe("azure", lambda: services.azure.resources.providers.get("Microsoft.Batch")),
    ]
    ready = all(c["ok"] for c in checks)
    return Answer(
        status=200 if ready else 503,
        body={"state": "ready" if ready else "degraded", "checks": checks},
    )


def _probe(name: str, look: Callable[[], Any]) -> dict[str, Any]:
    try:
        look()
    except Exception as error:  # noqa: BLE001  whatever is wrong is the answer
        return {"name": name, "ok": False, "message": f"{type(error).__name__}: {error}"[:500]}
    return {"name": name, "ok": True, "message": ""}
