"""Taking a request: one build per request id, one build at a time per image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.base import logs, names
from shared.base.errors import RequestRefused
from shared.base.settings import Settings
from shared.model import parsing, request_size
from shared.model.plans import BuildPlan
from shared.model.requests import Build
from shared.store import base_records, row_checks
from shared.store.records import Records
from shared.store.row_checks import RUNNING

if TYPE_CHECKING:
    from shared.store.tables import Row

Json = dict[str, Any]
log = logs.get("acceptance")

_RACES_MAX = 10  # calls with the same request id, and people who cancel its build


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The build of a request: a new one, or the one that the same request started before."""

    plan: BuildPlan
    must_start: bool  # new, or accepted earlier and never started


class RequestConflict(Exception):  # noqa: N818
    """A request that the records do not allow. `build` is the build in the way, if one is: one of
    the same request id and another body, a running one of the image, or a later one of a pool.
    """

    def __init__(self, code: str, build: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.build = build


class TooManyBuilds(Exception):  # noqa: N818
    """As many builds run as a setting allows, in all or of one caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_running_limit(records: Records, settings: Settings, caller: str | None) -> None:
    """Raises TooManyBuilds where one more running build would be too many. Requests that arrive at
    the same moment may go beyond a limit: it protects the app, and is no quota.
    """
    limit = settings.running_builds_max
    if limit and len(records.list_builds(sorted(RUNNING), limit)[0]) >= limit:
        message = f"{limit} builds are running, as many as MAX_RUNNING_BUILDS allows"
        raise TooManyBuilds(
            "TooManyBuilds", f"{message}; send the request again when some have ended"
        )
    limit = settings.running_builds_of_caller_max
    if caller and limit and records.running_of(caller) >= limit:
        raise TooManyBuilds(
            "TooManyBuildsOfCaller",
            f"{limit} builds that you ({caller}) have started are running, as many as "
            "MAX_RUNNING_BUILDS_PER_CALLER allows; send the request again when one has ended, or "
            "cancel one",
        )


def accept(
    records: Records,
    data: object,
    settings: Settings,
    *,
    now: str,
    keep: Callable[[str, bytes], None],
    fallback_id: str = "",
    caller: str | None = None,
) -> Accepted:
    """Parse and take a caller's request for a build, for which the limits of running builds hold.
    `keep` stores the texts of own scripts, each under its name; `fallback_id` serves requests
    without an id.

    Raises RequestRefused (nothing is written), RequestConflict or TooManyBuilds.
    """
    request = parsing.parse_build(data, settings)
    is_known = request.request_id and records.build(names.build_id(request.request_id))
    if not is_known:
        check_running_limit(records, settings, caller)
    request, texts = request.without_texts()
    for name, text in texts.items():
        keep(name, text)
    return accept_parsed(
        records, request, settings, now=now, fallback_id=fallback_id, caller=caller
    )


def accept_parsed(
    records: Records,
    request: Build,
    settings: Settings,
    *,
    now: str,
    fallback_id: str = "",
    caller: str | None = None,
) -> Accepted:
    """The same for a request that is parsed already."""
    request = base_records.with_base_contents(records, request.with_request_id(fallback_id))
    wire = request.as_stored()
    if problem := request_size.record_problem(wire):
        raise RequestRefused([problem])
    plan = base_records.plan_build(records, request, settings)
    chosen = plan.image.definition if plan.image else ""
    refuse_purged(records, plan.build_id)
    for _ in range(_RACES_MAX):
        row = records.accept_build(
            plan.build_id, request.mode, wire, now, chosen, caller, _defaults(settings)
        )
        if row is None:  # withdrawn at this moment, or unreadable
            continue
        if stored_request(row) != request:
            message = "this requestId was used with another body; give a new one"
            raise RequestConflict("RequestIdUsed", plan.build_id, message)
        plan = plan_again(records, row, request, settings)
        if row["State"] != "accepted" or row.get("Outcome"):  # it runs, ended, or goes on
            return Accepted(plan=plan, must_start=False)
        if _takes_image(records, plan, row):
            return Accepted(plan=plan, must_start=True)
    message = f"the record of build {plan.build_id} cannot be read; give a new requestId"
    raise RequestConflict("RecordUnreadable", plan.build_id, message)


def refuse_purged(records: Records, build: str) -> None:
    """Raises RequestConflict for the id of a build whose record was removed for its age."""
    if records.was_purged(build):
        message = "this requestId was used by a build whose record was removed; give a new one"
        raise RequestConflict("RequestIdUsed", build, message)


def stored_request(row: Row) -> Build | None:
    """The request of a build's row; None where this version of the app would refuse it."""
    try:
        return Build.from_wire(row["Request"])
    except ValidationError as refused:
        with logs.about(build=row.key):
            log.warning("its request: %s", row_checks.reason(refused))
        return None


def _takes_image(records: Records, plan: BuildPlan, row: Row) -> bool:
    """Whether the build of an accepted row has its image now, or needs none; False if another call
    came between. Raises RequestConflict, and then the row is gone.
    """
    try:
        claim_image(records, plan)
    except RequestConflict:
        if records.withdraw_build(row):
            raise
        return False
    return plan.image is None or records.confirm_build(row)


def plan_again(records: Records, row: Row, request: Build, settings: Settings) -> BuildPlan:
    """The plan of a request that is on record, with the image definition and the defaults that it
    had then. Version 0.1.0 had the same definition for all requests that name none.
    """
    definition = row.get("Definition") or settings.default_image_name
    then = settings.model_copy(update=row.get("Defaults") or {})
    return base_records.plan_build(records, request, then, definition)


def _defaults(settings: Settings) -> Json:
    """What a request gets for fields that it leaves out."""
    fields = type(settings).model_fields
    return {name: getattr(settings, name) for name in fields if name.startswith("default_")}


def claim_image(records: Records, plan: BuildPlan) -> None:
    """One build at a time makes versions of an image. Raises RequestConflict."""
    image = plan.image
    if image is None:
        return
    key = names.image_partition(image.resource_group, image.gallery, image.definition)
    holder = records.claim("image", key, plan.build_id)
    if holder != plan.build_id:
        message = f"build {holder} of {image.gallery}/{image.definition} is running"
        raise RequestConflict("BuildRunning", holder, message)
