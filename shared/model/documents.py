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

from shared.base.wire import Wire
from shared.model.outcomes import ImageRecord, PoolRecord  # noqa: F401  these are answers, too
from shared.model.shown import (
    ListedPool,
    PoolOfBuild,
    ShownFailure,
    ShownImage,
    ShownProblem,
    StoredRequest,
)


class Document(Wire):
    """An answer, or a part of one."""

    def to_wire(self) -> dict[str, Any]:
        """This answer as plain JSON: the fields that were set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _one_of(*values: str) -> Any:
    """A string of which the schema lists the possible values."""
    return Field(json_schema_extra={"enum": list(values)})


Moment = Annotated[str, Field(description="A time in ISO 8601, in UTC.")]
Seconds = Annotated[float, Field(description="A duration in seconds.")]
BuildId = Annotated[str, Field(description="The id of the build.")]
NextLink = Annotated[
    str | None, Field(description="The URL of the next page; left out of the last page.")
]
StatusUrl = Annotated[str, Field(description="The URL that shows how the work goes on.")]

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


class BuildSummary(Document):
    """One build as the list of builds shows it."""

    build_id: BuildId
    mode: Annotated[
        str, _one_of("full", "image-only", "batch-only", "resize-pool", "delete-pool")
    ] = Field(description="What the build does.")
    state: Annotated[str, _one_of("running", "succeeded", "failed", "cancelled")] = Field(
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
    state: Annotated[str, _one_of("pending", "running", "succeeded", "failed", "skipped")]
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
    warnings: list[ShownProblem] = Field(
        default=[], description="What the checks before an ended build found besides blockers."
    )


# -- plans ----------------------------------------------------------------------------------------


class ForecastStep(Document):
    """One step that a build would take."""

    name: str = Field(description="The name of the step.")
    state: Literal["pending"]
    seconds: float = Field(description="How many seconds the step usually takes.")
    ends_after_seconds: float = Field(
        description="How many seconds after the start of the build the step would end."
    )
    pool: str | None = Field(default=None, description="The pool that the step belongs to.")


class ForecastNames(Document):
    """The names of the resources that a build would make or use."""

    resource_group: str | None = None
    gallery: str | None = None
    image: str | None = None
    version: str | None = None
    builder_vm_size: str | None = None
    os_disk_size_gib: int | None = Field(default=None, alias="osDiskSizeGiB")
    base_image: str | None = Field(default=None, description="PUBLISHER:OFFER:SKU")
    target_regions: list[str] | None = None
    base_os: str | None = Field(default=None, description="The system of an existing image.")
    batch_account: str | None = None
    pools: list[str] | None = None


class Cost(Document):
    """What a build would cost by the public price list."""

    currency: str | None = None
    build: float | None = Field(default=None, description="The price of the builder VM's hours.")
    pools_per_hour: float | None = Field(
        default=None, description="The price of all nodes of the pools for one hour."
    )
    note: str = Field(description="What the amounts leave out, or why there are none.")


class Forecast(Document):
    """What a request would do; nothing is started."""

    mode: Annotated[str, _one_of("full", "image-only", "batch-only")]
    steps: list[ForecastStep]
    names: ForecastNames
    blockers: list[ShownProblem] = Field(
        description="Why the build would fail now; none where nothing stands in its way."
    )
    warnings: list[ShownProblem] = Field(
        default=[], description="What does not stop the build, and should be known before it."
    )
    minutes: float = Field(description="How many minutes the build usually takes.")
    cost: Cost


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


# -- recipes --------------------------------------------------------------------------------------


class RecipeDocument(Document):
    """A stored request that the weekly rebuild builds."""

    name: str
    enabled: bool = Field(description="Whether the weekly rebuild builds it.")
    request: StoredRequest


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
    verdict: Annotated[str, _one_of("remove", "shrink", "keep")] = Field(
        description="What a sweep does with the resource; a pool is shrunk to zero nodes."
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

    state: Annotated[str, _one_of("ready", "degraded")]
    checks: list[Dependency]
    unreadable_rows: list[str] = []  # rows of the app's tables that are left out, and why


class OpenApi(Document):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
