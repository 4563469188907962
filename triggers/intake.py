"""Pool requests: put on the queue by HTTP, taken from it, recorded where they cannot be taken."""

from __future__ import annotations

import json

from shared.base import logs, names
from shared.base.errors import RequestRefused
from shared.engine.activity import Services
from shared.model import parsing, request_ids, request_size
from shared.model.documents import Accepted, RefusedList, RefusedMessage
from shared.model.queries import RefusedQuery
from shared.model.requests import Build
from shared.store import acceptance
from shared.store.acceptance import RequestConflict
from triggers import http
from triggers.http import Answer, Begin, Call

log = logs.get("intake")

# Of a message: whom the platform had signed in at the HTTP route. Requests have no such field.
_CALLER = "requestedBy"


def request_pool(call: Call) -> Answer:
    """Check a pool request and put it on the queue; its build starts from there."""
    data = call.json()
    build = parsing.parse_pool_message(data, call.services.azure.config)
    assert isinstance(data, dict)
    request_id = build.request_id or call.services.new_id()
    try:
        acceptance.refuse_purged(call.services.records, names.build_id(request_id))
    except RequestConflict as used:
        return http.error(409, used.code, str(used), build_id=used.build)
    if other := _used_by(call.services, build.with_request_id(request_id)):
        message = "this requestId was used with another body; give a new one"
        return http.error(409, "RequestIdUsed", message, build_id=other)
    known = {"requestId": request_id, **({_CALLER: call.caller} if call.caller else {})}
    text = json.dumps({**data, **known}, ensure_ascii=False)
    if problem := request_size.message_problem(data, text):
        raise RequestRefused([problem])
    call.services.outbox.put_pool_request(text)
    identity = names.build_id(request_id)
    return Answer(
        status=202,
        document=Accepted(
            request_id=request_id,
            build_id=identity,
            status_url=call.link(f"builds/{identity}"),
        ),
    )


def _used_by(services: Services, request: Build) -> str | None:
    """The build that another request of the same id became, as far as it is known already."""
    build = names.build_id(request.request_id or "")
    row = services.records.build(build)
    is_other = row is not None and acceptance.stored_request(row) != request
    return build if is_other else None


def take_pool_request(services: Services, message_id: str, text: str) -> Begin | None:
    """A message from the queue: the build to start, or None where it is refused (and recorded) or
    done before.
    """
    config, begun = services.azure.config, services.now()
    try:
        message = parsing.parse_message(text)
        caller = message.pop(_CALLER, None) if isinstance(message, dict) else None
        request = parsing.parse_pool_message(message, config)
        accepted = acceptance.accept_parsed(
            services.records,
            request,
            config,
            now=begun,
            fallback_id=request_ids.of_message(message_id),
            caller=caller if isinstance(caller, str) else None,
        )
    except RequestRefused as refused:
        problems = [p.to_wire() for p in refused.problems]
        services.records.put_refused(message_id, text, problems, services.now())
        log.warning("message=%s refused: %s", message_id, refused)
        return None
    except RequestConflict as taken:
        services.records.put_refused(
            message_id, text, [{"code": taken.code, "message": str(taken)}], services.now()
        )
        return None
    if not accepted.must_start:
        return None
    plan = accepted.plan
    services.telemetry.triggered(plan.build_id, "pool_request", begun)
    return Begin(orchestrator=names.Orchestrator.BUILD, instance=plan.build_id, plan=plan)


def list_refused(call: Call) -> Answer:
    """List the messages of the queue that were refused, each with the reasons."""
    query = call.asked(RefusedQuery)
    rows, last = call.services.records.list_refused(query.limit, query.place)
    refused = [
        RefusedMessage.from_wire(
            {"messageId": row.key, "message": row["Message"], "problems": row["Problems"]}
        )
        for row in rows
    ]
    return Answer(document=RefusedList(refused=refused, **call.next_link(query, last)))


def record_poison(services: Services, message_id: str, text: str) -> None:
    """What the queue gave up on is recorded as refused, never dropped."""
    problem = {
        "code": "Poison",
        "message": "the message failed again and again, or could not be decoded",
    }
    services.records.put_refused(message_id, text, [problem], services.now())
    log.error("message=%s is poison", message_id)
