"""Resuming a failed build: why that is refused, and what the build claims before it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shared.azure import by_id
from shared.base import names
from shared.base.wire import replace
from shared.model import build_outcomes, resuming
from shared.store import acceptance
from shared.store.acceptance import RequestConflict
from shared.store.row_checks import RUNNING

if TYPE_CHECKING:
    from shared.azure.clients import Azure
    from shared.model.outcomes import BuildOutcome, ImageRecord
    from shared.model.plans import BuildPlan
    from shared.store.records import Records
    from shared.store.tables import Row


def resume(records: Records, azure: Azure, row: Row, *, now: str, caller: str | None) -> BuildPlan:
    """Record that the failed build of `row` runs again; the plan by which it goes on.

    Raises RequestConflict (`BuildRunning`, `NotResumable`) or TooManyBuilds.
    """
    build, outcome = row.key, records.outcome(row.key)
    if row["State"] in RUNNING or outcome is None:
        raise _still_running(build)
    plan = _plan(records, azure, row, outcome)
    _refuse_lost_image(azure, build, outcome.image)
    _refuse_changed_pool(records, plan, str(row["EndedAt"]))
    acceptance.check_running_limit(records, azure.config, caller)
    acceptance.claim_image(records, plan)
    if not records.reopen_build(build, now):
        raise _still_running(build)
    return plan


def _plan(records: Records, azure: Azure, row: Row, outcome: BuildOutcome) -> BuildPlan:
    """The plan of what is missing. Raises RequestConflict where the records do not suffice."""
    build, done = row.key, records.results(row.key)
    if row["State"] == "succeeded":
        raise _not_resumable(f"Build {build} has succeeded: nothing is left to do.")
    if not outcome.resumable:
        raise _not_resumable(
            f"Nothing of build {build} is left to go on with. Start the request again."
        )
    if not resuming.can_go_on(outcome, done):
        raise _not_resumable(
            f"Build {build} was kept by an older version of the app. Start the request again."
        )
    request = acceptance.stored_request(row)
    if request is None:
        raise _not_resumable(
            f"This version of the app refuses the request of build {build}. Start a new one."
        )
    there = [p for p in outcome.pools if records.pool(p.batch_account, p.pool_id) is not None]
    outcome = replace(outcome, pools=there)  # a pool that is gone is made again
    plan = acceptance.plan_again(records, row, request, azure.config)
    return resuming.plan_resume(plan, outcome, done)


def _refuse_lost_image(azure: Azure, build: str, image: ImageRecord | None) -> None:
    """Raises RequestConflict where the image of the missing pools was deleted. Where Azure refuses
    to show it, it does not count as deleted.
    """
    from azure.core.exceptions import AzureError

    if image is None or names.parse_published_image_id(image.image_id):
        return
    try:
        is_gone = by_id.fetch(azure, image.image_id) is None
    except AzureError:
        return
    if is_gone:
        raise _not_resumable(
            f"Build {build} cannot go on: {image.image_id} was deleted. Start a new build."
        )


def _refuse_changed_pool(records: Records, plan: BuildPlan, ended: str) -> None:
    """Raises RequestConflict where another build has changed a pool since this one failed to make
    it. A pool that was there before the build is the one that the request wanted to change.
    """
    tried = plan.earlier.outcome.pools if plan.earlier else []
    failed = {pool.pool_id: pool.changed_at for pool in tried}
    ready = build_outcomes.ready_pools(plan.earlier)
    for pool in plan.pools:
        record = records.pool(pool.account.name, pool.pool_id)
        if pool.pool_id in ready or record is None or record.build_id == plan.build_id:
            continue
        since = datetime.fromisoformat(failed.get(pool.pool_id, ended))
        if datetime.fromisoformat(record.changed_at) > since:
            raise _not_resumable(
                f"Build {plan.build_id} cannot go on: pool {pool.pool_id} is of build "
                f"{record.build_id} since. Start a new build with what is missing, or delete the "
                "pool and resume again.",
                record.build_id,
            )


def _not_resumable(message: str, build: str | None = None) -> RequestConflict:
    return RequestConflict("NotResumable", build, message)


def _still_running(build: str) -> RequestConflict:
    return RequestConflict("BuildRunning", build, f"Build {build} is still running.")
