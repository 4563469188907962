"""HTTP: builds and plans."""

from __future__ import annotations

import functools

from shared.base import names
from shared.base.wire import replace
from shared.model.documents import Accepted, BuildList
from shared.model.queries import BuildsQuery
from shared.store import acceptance
from shared.store.acceptance import RequestConflict, TooManyBuilds
from shared.store.row_checks import RUNNING
from triggers import forecast, http, resumption, views
from triggers.http import Answer, Begin, Call


def start_build(call: Call) -> Answer:
    """Start a build of an image, of pools, or of both."""
    config = call.services.azure.config
    try:
        accepted = acceptance.accept(
            call.services.records,
            call.json(),
            config,
            now=call.services.now(),
            keep=call.services.outbox.put_context,
            fallback_id=call.services.new_id(),
            caller=call.caller,
        )
    except (TooManyBuilds, RequestConflict) as refusal:
        return _refused(refusal)
    plan = accepted.plan
    begin = Begin(orchestrator=names.Orchestrator.BUILD, instance=plan.build_id, plan=plan)
    return Answer(
        status=202,
        document=accepted_document(call, plan.build_id),
        begin=begin if accepted.must_start else None,
    )


def accepted_document(call: Call, build: str) -> Accepted:
    """The answer that names a build and the address where it can be watched."""
    return Accepted(build_id=build, status_url=call.link(f"builds/{build}"))


def list_builds(call: Call) -> Answer:
    """List builds, the newest first."""
    query = call.asked(BuildsQuery)
    states = sorted(RUNNING) if query.state == "running" else [query.state] if query.state else []
    rows, last = call.services.records.list_builds(states, query.limit, query.place)
    builds = [views.build_summary(row["Build"], row) for row in rows]
    return Answer(document=BuildList(builds=builds, **call.next_link(query, last)))


def show_build(call: Call) -> Answer:
    """Show a build with its steps, its image, its pools and its error."""
    build = call.params["id"]
    row = call.services.records.build(build)
    if row is None:
        return _unknown(call, build)
    return Answer(document=views.build_document(row, call.services.records.steps(build)))


_ENDED = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


def cancel_build(call: Call) -> Answer:
    """Cancel a running build: it stops at its next step and removes what only it needs."""
    build = call.params["id"]
    row = call.services.records.build(build)
    if row is None:
        return _unknown(call, build)
    if row["State"] not in {"accepted", "running"}:
        return http.error(409, "BuildOver", f"Build {build} is over: it {_ENDED[row['State']]}.")
    if not call.services.records.cancel_build(build):  # it ended, or was withdrawn, just now
        return cancel_build(call)
    document = accepted_document(call, build)
    if late := _too_late(call, build):
        document = replace(document, note=late)
    return Answer(status=202, document=document)


_PUBLISHING = "image_version"  # the step that Azure does not stop once it has begun


def _too_late(call: Call, build: str) -> str | None:
    """What appears although the build is cancelled, and how to withdraw it."""
    steps = {str(step["RowKey"]): step for step in call.services.records.steps(build)}
    publishing, claimed = steps.get(_PUBLISHING), steps.get("version")
    if publishing is None or publishing["State"] not in {"running", "succeeded"}:
        return None
    version = claimed["Result"]["version"] if claimed and claimed.get("Result") else "?"
    begun = "is being published and may appear" if publishing["State"] == "running" else "is there"
    return (
        f"It is too late for the image: version {version} {begun} nevertheless. "
        "PATCH /api/images/GALLERY/NAME/VERSION excludes it from latest (images withdraw)."
    )


def resume_build(call: Call) -> Answer:
    """Resume a failed build at the step that failed, with what it has made before."""
    build, services = call.params["id"], call.services
    row = services.records.build(build)
    if row is None:
        return _unknown(call, build)
    try:
        plan = resumption.resume(
            services.records, services.azure, row, now=services.now(), caller=call.caller
        )
    except (TooManyBuilds, RequestConflict) as refusal:
        return _refused(refusal)
    begin = Begin(orchestrator=names.Orchestrator.BUILD, instance=build, plan=plan, again=True)
    undo = functools.partial(services.records.close_again, build)
    return Answer(status=202, document=accepted_document(call, build), begin=begin, undo=undo)


def plan_build(call: Call) -> Answer:
    """Forecast the steps, the names, the duration and the cost of a build; start nothing."""
    return Answer(document=forecast.of(call.json(), call.services))


def _refused(refusal: TooManyBuilds | RequestConflict) -> Answer:
    if isinstance(refusal, TooManyBuilds):
        return http.again(429, refusal.code, str(refusal), 60)
    return http.error(409, refusal.code, str(refusal), build_id=refusal.build)


def _unknown(call: Call, build: str) -> Answer:
    message = f"There is no build {build}. GET /api/builds lists them."
    if call.services.records.was_purged(build):
        message = f"The record of build {build} was removed: BUILD_RETENTION_DAYS are over."
    return http.error(404, "NotFound", message)
