"""Every JSON document that the HTTP API answers with, defined once.

The handlers of `triggers/` return these models, and `/api/openapi.json` is generated from them. A
field without a default is in every answer, if need be as null. A field with a default is left out
of the answers whose handler does not set it.

Images, pools, failures and problems are shown as they are recorded, so their models are the ones
that the records hold.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from shared.model.document import (
    BuildId,
    Document,
    ListedPool,
    Moment,
    NextLink,
    PoolOfBuild,
    Seconds,
    ShownFailure,
    ShownImage,
    ShownProblem,
    StatusUrl,
    StoredRequest,
    one_of,
)
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.model.plan_documents import Forecast

__all__ = ["Forecast", "ImageRecord", "PoolRecord"]  # answers that are defined elsewhere

# -- errors ---------------------------------------------------------------------------------------


class ErrorDetail(Document):
    """Why a request was refused or could not be answered."""

    code: str = Field(description="A stable name of the error, for programs.")
    message: str = Field(description="What is wrong and what can be done, for people.")
    details: list[ShownProblem] = Field(description="Every single problem of a request.")
    build_id: str | None = Field(
        default=None, description="The id of the build that stands in the way."
    )


class Error(Document):
    """The answer to a request that was refused or could not be answered."""

    error: ErrorDetail


# -- builds ---------------------------------------------------------------------------------------


class Accepted(Document):
    """The request is accepted; its work goes on as a build."""

    build_id: BuildId
    status_url: StatusUrl
    request_id: str | None = Field(
        default=None, description="The id under which the same request can safely be sent again."
    )
    note: str | None = Field(default=None, description="What a cancelled build leaves behind.")


class BuildSummary(Document):
    """One build as the list of builds shows it."""

    build_id: BuildId
    mode: Annotated[
        str, one_of("full", "image-only", "batch-only", "resize-pool", "delete-pool")
    ] = Field(description="What the build does.")
    state: Annotated[str, one_of("running", "succeeded", "failed", "cancelled")] = Field(
        description="How far the build is, or how it ended."
    )
    created_at: Moment | None
    seconds: Seconds | None


class BuildList(Document):
    """A page of the builds, the newest first."""

    builds: list[BuildSummary]
    next_link: NextLink = None


class StepDocument(Document):
    """One step of a build."""

    name: str = Field(description="The name of the step.")
    pool: str | None = Field(description="The pool that the step belongs to, if it is one's.")
    state: Annotated[str, one_of("pending", "running", "succeeded", "failed", "skipped")]
    started_at: Moment
    seconds: Seconds | None
    percent: int = Field(ge=0, le=100, description="How much of the usual duration is over.")
    note: str | None = Field(description="What the last look at the step found.")
    scripted: bool = Field(
        description="Whether a simulator answered in place of a real machine, at least in part."
    )
    scripted_parts: list[str] = Field(
        description="The parts that a simulator answered; none where it answered the whole step."
    )
    stand_in: str | None = Field(description="The system that ran the step for the real machine.")
    log_url: str | None = Field(
        description="The blob of all that the step's script printed, where logs are kept."
    )
    error: ShownFailure | None


class BuildDocument(BuildSummary):
    """One build with its steps and its results."""

    steps: list[StepDocument] = Field(description="The steps in the order in which they began.")
    image: ShownImage | None = Field(description="The image that the build published or used.")
    pools: list[PoolOfBuild]
    error: ShownFailure | None
    leftovers: list[str] = Field(
        description="The ids of resources that could not be removed, or are kept on purpose."
    )
    resumable: bool = Field(description="Whether the build can go on at its failed step.")
    requested_by: str | None = Field(
        default=None,
        description="The id of the caller, where the platform had signed it in.",
    )
    warnings: list[ShownProblem] = Field(
        default=[], description="What the checks before an ended build found besides blockers."
    )


# -- images and pools -----------------------------------------------------------------------------


class ImageList(Document):
    """A page of the image versions that builds have published."""

    images: list[ShownImage]
    next_link: NextLink = None


class BillOfMaterials(Document):
    """What an image contains: a CycloneDX document, unchanged."""

    model_config = ConfigDict(extra="allow")

    bom_format: Literal["CycloneDX"]
    spec_version: str | None = None


class PoolList(Document):
    """A page of the pools that builds have made, without the checks of their nodes."""

    pools: list[ListedPool]
    next_link: NextLink = None


class RefusedProblem(Document):
    """One reason why a message of the queue was refused."""

    field: str | None = Field(default=None, description="The JSON path, such as `pool.vmSize`.")
    code: str
    message: str


class RefusedMessage(Document):
    """A message of the queue `pool-requests` that became no build."""

    message_id: str = Field(description="The id that the queue gave to the message.")
    message: str = Field(description="Its text; the beginning, where it is long.")
    problems: list[RefusedProblem] = Field(description="Every reason.")


class RefusedList(Document):
    """A page of the messages of the queue that were refused."""

    refused: list[RefusedMessage]
    next_link: NextLink = None


# -- changes --------------------------------------------------------------------------------------


class Change(Document):
    """A request that changed something: who sent it, and when."""

    at: str = Field(description="When it was accepted.")
    what: str = Field(description="The method and the path of the request.")
    by: str | None = Field(
        default=None,
        description="The id of the caller; absent where the request had a function key.",
    )
    build_id: str | None = Field(default=None, description="The build that it is about.")


class ChangeList(Document):
    """A page of the requests that changed something, the newest first."""

    changes: list[Change]
    next_link: NextLink = None


# -- recipes --------------------------------------------------------------------------------------


class RecipeDocument(Document):
    """A stored request that the weekly rebuild builds."""

    name: str
    enabled: bool = Field(description="Whether the weekly rebuild builds it.")
    request: StoredRequest
    warnings: list[ShownProblem] = Field(
        default=[],
        description="In the answer of PUT: other recipes that publish into the same definition.",
    )


class RecipeList(Document):
    """All recipes, by name."""

    recipes: list[RecipeDocument]


class RecipeDeleted(Document):
    """The recipe is removed; images made from it stay."""

    name: str
    state: Literal["deleted"]


# -- leftovers ------------------------------------------------------------------------------------


class Leftover(Document):
    """A resource of a build, as the list of cleanup has it."""

    id: str = Field(description="The Azure resource id.")
    type: str = Field(description="The Azure resource type.")
    build_id: BuildId
    verdict: Annotated[str, one_of("remove", "shrink", "keep")] = Field(
        description="What a sweep does with it; a failed pool shrinks to the nodes that it had."
    )
    why: str = Field(description="Why the sweep does that.")
    until: str | None = Field(
        default=None, description="When it is removed or shrunk, if that is known; ISO 8601, UTC."
    )


class LeftoverList(Document):
    """The resources of builds that are over, in the order in which a sweep takes them."""

    at: str | None = Field(default=None, description="Azure's time of the survey; ISO 8601, UTC.")
    leftovers: list[Leftover]


class SweepAccepted(Document):
    """A sweep is running."""

    status_url: StatusUrl


# -- the rest -------------------------------------------------------------------------------------


class ContextStored(Document):
    """The build context is stored."""

    context: str = Field(
        description="The name to give as `image.registry.build.context` of a request."
    )


class Dependency(Document):
    """Whether one service that the app depends on can be reached."""

    name: str
    ok: bool
    message: str = Field(description="Why the service cannot be reached; empty where it can.")


class Health(Document):
    """Whether the app can do its work."""

    state: Annotated[str, one_of("ready", "degraded")]
    checks: list[Dependency]
    unreadable_rows: list[str] = []  # rows of the app's tables that are left out, and why


class OpenApi(Document):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
