"""HTTP: builds and plans."""

from __future__ import annotations

import functools
from datetime import datetime

from activities import cleanup_facts
from shared.base import names
from shared.base.wire import replace
from shared.model import build_outcomes, resuming
from shared.model.documents import Accepted, BuildList
from shared.model.outcomes import BuildOutcome, ImageRecord
from shared.model.plans import BuildPlan
from shared.model.queries import BuildsQuery
from shared.store import acceptance
from shared.store.acceptance import RequestConflict, TooManyBuilds
from shared.store.row_checks import RUNNING
from triggers import forecast, http, views
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
    except TooManyBuilds as limit:
        return _too_many_builds(limit)
    except RequestConflict as taken:
        return http.error(409, taken.code, str(taken), build_id=taken.build)
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
    build, records = call.params["id"], call.services.records
    row, outcome = records.build(build), records.outcome(build)
    if row is None:
        return _unknown(call, build)
    if row["State"] in {"accepted", "running"} or outcome is None:
        return http.error(409, "BuildRunning", f"Build {build} is still running.", build_id=build)
    if not outcome.resumable:
        message = f"Nothing of build {build} is left to go on with. Start the request again."
        return http.error(409, "NotResumable", message)
    done = records.results(build)
    if not resuming.can_go_on(outcome, done):
        message = f"Build {build} was kept by an older version of the app. Start the request again."
        return http.error(409, "NotResumable", message)
    request = acceptance.stored_request(row)
    if request is None:
        message = f"This version of the app refuses the request of build {build}. Start a new one."
        return http.error(409, "NotResumable", message)
    there = [p for p in outcome.pools if records.pool(p.batch_account, p.pool_id) is not None]
    outcome = replace(outcome, pools=there)  # what is gone is made again
    plan = acceptance.plan_again(records, row, request, call.services.azure.config)
    plan = resuming.plan_resume(plan, outcome, done)
    ended = str(row["EndedAt"])
    refused = _lost(call, build, outcome.image) or _taken(call, plan, outcome, ended)
    if refused := refused or _claimed(call, plan):
        return refused
    if not records.reopen_build(build, call.services.now()):
        return http.error(409, "BuildRunning", f"Build {build} is still running.", build_id=build)
    begin = Begin(orchestrator=names.Orchestrator.BUILD, instance=build, plan=plan, again=True)
    undo = functools.partial(records.close_again, build)
    return Answer(status=202, document=accepted_document(call, build), begin=begin, undo=undo)


def _lost(call: Call, build: str, image: ImageRecord | None) -> Answer | None:
    """The answer where the image of the pools that are missing is gone."""
    if image is None or names.parse_published_image_id(image.image_id):
        return None
    if not cleanup_facts.of_resource(call.services, image.image_id).is_gone:
        return None
    message = f"Build {build} cannot go on: {image.image_id} was deleted. Start a new build."
    return http.error(409, "NotResumable", message)


def _taken(call: Call, plan: BuildPlan, outcome: BuildOutcome, ended: str) -> Answer | None:
    """The answer where another build has changed a pool since this one failed to make it. A pool
    that was there before the build is what the request wanted to change.
    """
    failed = {pool.pool_id: pool.changed_at for pool in outcome.pools}
    ready = build_outcomes.ready_pools(plan.earlier)
    for pool in plan.pools:
        record = call.services.records.pool(pool.account.name, pool.pool_id)
        if pool.pool_id in ready or record is None or record.build_id == plan.build_id:
            continue
        since = datetime.fromisoformat(failed.get(pool.pool_id, ended))
        if datetime.fromisoformat(record.changed_at) > since:
            message = (
                f"Build {plan.build_id} cannot go on: pool {pool.pool_id} is of build "
                f"{record.build_id} since. Start a new build with what is missing, or delete the "
                "pool and resume again."
            )
            return http.error(409, "NotResumable", message, build_id=record.build_id)
    return None


def _claimed(call: Call, plan: BuildPlan) -> Answer | None:
    """Claim what the build needs in order to go on; the answer where it cannot have that."""
    try:
        acceptance.check_running_limit(
            call.services.records, call.services.azure.config, call.caller
        )
        acceptance.claim_image(call.services.records, plan)
    except TooManyBuilds as limit:
        return _too_many_builds(limit)
    except RequestConflict as taken:
        return http.error(409, taken.code, str(taken), build_id=taken.build)
    return None


def plan_build(call: Call) -> Answer:
    """Forecast the steps, the names, the duration and the cost of a build; start nothing."""
    return Answer(document=forecast.of(call.json(), call.services))


def _too_many_builds(limit: TooManyBuilds) -> Answer:
    return http.again(429, limit.code, str(limit), 60)


def _unknown(call: Call, build: str) -> Answer:
    message = f"There is no build {build}. GET /api/builds lists them."
    if call.services.records.was_purged(build):
        message = f"The record of build {build} was removed: BUILD_RETENTION_DAYS are over."
    return http.error(404, "NotFound", message)
