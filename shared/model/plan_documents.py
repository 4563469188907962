"""What `POST /api/plan` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.model.document import Document, ShownProblem, one_of


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
    base_image: str | None = Field(
        default=None, description="PUBLISHER:OFFER:SKU, or the id of an own image."
    )
    target_regions: list[str] | None = None
    base_os: str | None = Field(default=None, description="The system of an existing image.")
    architecture: str | None = Field(
        default=None, description="That of an existing image: x64 or Arm64."
    )
    registry: str | None = None
    pushed_image: str | None = Field(
        default=None, description="The container image that the build pushes into the registry."
    )
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


class PoolChange(Document):
    """What a request would do to a pool."""

    pool: str = Field(description="The pool's id.")
    action: Annotated[str, one_of("create", "none", "update", "empty", "replace")] = Field(
        description="`update` changes it in place, `empty` takes its nodes first, `replace` "
        "deletes it first."
    )
    reasons: dict[str, str] = Field(description="What changes, by property, and why.")
    removed_nodes: int | None = Field(
        default=0,
        description="How many nodes this would remove. Null where a new formula decides that.",
    )
    running_nodes: int = Field(
        default=0, description="How many nodes run tasks that this would interrupt."
    )


class Forecast(Document):
    """What a request would do; nothing is started."""

    mode: Annotated[str, one_of("full", "image-only", "batch-only")]
    steps: list[ForecastStep]
    names: ForecastNames
    blockers: list[ShownProblem] = Field(
        description="Why the build would fail now; none where nothing stands in its way."
    )
    warnings: list[ShownProblem] = Field(
        default=[], description="What does not stop the build, and should be known before it."
    )
    changes: list[PoolChange] = Field(
        default=[], description="What the build would do to each pool; empty without an account."
    )
    minutes: float = Field(description="How many minutes the build usually takes.")
    cost: Cost
