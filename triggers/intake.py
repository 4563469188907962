"""Pool requests: put on the queue by HTTP, taken from it, and recorded when they cannot be taken.
Uploaded build contexts and the health of what the app depends on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from shared import acceptance, names, parsing
from shared.acceptance import Taken
from shared.errors import Problem, RequestRefused
from shared.operations import Services
from triggers.http import Answer, Begin, Call

log = logging.getLogger("batch_prep.intake")
_CONTEXT_BYTES_MAX = 50 * 1024 * 1024
_GZIP = b"\x1f\x8b"


def request_pool(call: Call) -> Answer:
    """POST /api/pools: checked now, worked on from the queue."""
    data = call.json()
    build = parsing.parse_pool_message(data)
    assert isinstance(data, dict)
    request_id = build.request_id or call.services.new_id()
    call.services.outbox.put_pool_request(json.dumps({**data, "requestId": request_id}))
    identity = names.build_id(request_id)
    return Answer(
        status=202,
        body={
            "requestId": request_id,
            "buildId": identity,
            "statusUrl": f"{call.origin}/api/builds/{identity}",
        },
    )


def take_pool_request(services: Services, message_id: str, text: str) -> Begin | None:
    """A message from the queue: the build to start, or None where it is refused (and recorded) or
    done before.
    """
    try:
        request = parsing.parse_pool_message(_json(text))
        accepted = acceptance.accept_parsed(
            services.records, request, services.azure.config, f"message-{message_id}"
        )
    except RequestRefused as refused:
        problems = [p.to_wire() for p in refused.problems]
        services.records.put_refused(message_id, text, problems)
        log.warning("message=%s refused: %s", message_id, refused)
        return None
    except Taken as taken:
        services.records.put_refused(
            message_id, text, [{"code": taken.code, "message": str(taken)}]
        )
        return None
    if not accepted.is_new:
        return None
    plan = accepted.plan
    return Begin(orchestrator=names.Orchestrator.BUILD, instance=plan.build_id, plan=plan)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"the message is not JSON: {error}"
        raise RequestRefused([Problem(field="$", code="NotJson", message=message)]) from None


def record_poison(services: Services, message_id: str, text: str) -> None:
    """What the queue gave up on is recorded as refused, never dropped."""
    problem = {
        "code": "Poison",
        "message": "the message failed again and again, or could not be decoded",
    }
    services.records.put_refused(message_id, text, [problem])
    log.error("message=%s is poison", message_id)


def upload_context(call: Call) -> Answer:
    """POST /api/contexts: a tar.gz to build a container image from."""
    if not call.body.startswith(_GZIP) or len(call.body) > _CONTEXT_BYTES_MAX:
        message = f"a context is a tar.gz of at most {_CONTEXT_BYTES_MAX // 2**20} MiB"
        raise RequestRefused([Problem(field="$", code="InvalidContext", message=message)])
    name = f"contexts/{names.digest(call.services.new_id(), length=32)}.tar.gz"
    call.services.outbox.put_context(name, call.body)
    return Answer(status=201, body={"context": name})


def health(call: Call) -> Answer:
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
