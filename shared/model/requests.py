"""Requests as users write them: frozen models of the contract's JSON.

`parsing` makes them from JSON and refuses what is wrong. Fields that a user leaves out come from
the settings when the plan is made.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field

from shared.base.wire import Request, replace
from shared.model import fields, own_steps
from shared.model.image_request import Image, OutboundSubnet
from shared.model.pool_request import Deallocation, Pool


class Mode(StrEnum):
    """What a build does; the last two change one existing pool."""

    FULL = "full"
    IMAGE_ONLY = "image-only"
    BATCH_ONLY = "batch-only"
    RESIZE_POOL = "resize-pool"
    DELETE_POOL = "delete-pool"


def _of_builds(value: object) -> object:
    """Pools are changed at their own address."""
    asked = [mode.value for mode in (Mode.FULL, Mode.IMAGE_ONLY, Mode.BATCH_ONLY)]
    if isinstance(value, str) and value not in asked:
        raise fields.refuse("InvalidValue", f"{fields.shown(value)} is none of {', '.join(asked)}")
    return value


BuildMode = Annotated[Mode, BeforeValidator(_of_builds)]


class BatchAccount(Request):
    """The Batch account that pools are made in; created where it does not exist."""

    name: fields.AccountName = Field(
        description="The account's name; created if it does not exist."
    )
    resource_group: fields.GroupName | None = Field(default=None, description="Its group.")
    location: fields.Location | None = Field(default=None, description="Its region.")


class Build(Request):
    """A whole request: POST /api/builds."""

    mode: BuildMode = Field(
        default=Mode.FULL,
        strict=False,
        description="full: image and pools. image-only. batch-only: pools of an image that exists.",
    )
    request_id: fields.RequestId | None = Field(
        default=None, description="Makes it safe to send the request again."
    )
    image: Image = Field(default_factory=Image, description="The image to build or to use.")
    batch_account: BatchAccount | None = Field(
        default=None, description="The account of the pools."
    )
    pools: list[Pool] = Field(
        default=[], max_length=100, description="The pools to make or to update."
    )

    def subnets(self) -> dict[str, str]:
        """The ids of the subnets that it names, by field."""
        fields_ = {f"pools[{i}].subnetId": pool.subnet_id for i, pool in enumerate(self.pools)}
        if isinstance(self.image.outbound, OutboundSubnet):
            fields_["image.outbound.subnetId"] = self.image.outbound.subnet_id
        return {field: id_ for field, id_ in fields_.items() if id_}

    def identities(self) -> dict[str, str]:
        """The ids of the identities that its image and its pools name, by field."""
        of_image = {f"image.{field}": id_ for field, id_ in self.image.identities().items()}
        return of_image | {
            f"pools[{i}].{field}": id_
            for i, pool in enumerate(self.pools)
            for field, id_ in pool.identities()
        }

    def public_addresses(self) -> dict[str, str]:
        """The ids of the public addresses that its pools name, by field."""
        return {
            f"pools[{i}].{field}": id_
            for i, pool in enumerate(self.pools)
            for field, id_ in pool.public_addresses()
        }

    def with_request_id(self, request_id: str) -> Self:
        """The same request under a request id."""
        return replace(self, request_id=self.request_id or request_id)

    def without_texts(self) -> tuple[Self, dict[str, bytes]]:
        """The same request with the name of each own script in the place of its text, and the texts
        by name: they may hold secrets, and no record needs them.
        """
        steps, texts = own_steps.without_texts(self.image.steps)
        if not texts:
            return self, {}
        return replace(self, image=replace(self.image, steps=steps)), texts

    def as_stored(self) -> dict[str, Any]:
        """This request as plain JSON. Its image lacks the fields that the user left out: where it
        names no image, the others say which will do.
        """
        image = self.image.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_unset=True
        )
        return {**self.to_wire(), "image": image}


class PoolMessage(Request):
    """A message on the queue `pool-requests`."""

    request_id: fields.RequestId | None = None
    batch_account: BatchAccount
    image: Image
    pool: Pool


class Resize(Request):
    """PATCH of a pool."""

    nodes: int | None = Field(default=None, ge=0, le=2500)
    low_priority_nodes: int | None = Field(default=None, ge=0, le=2500)
    node_deallocation_option: Deallocation | None = Field(
        default=None,
        description="What becomes of the tasks of nodes that go; they are requeued without it.",
    )


class ImageChange(Request):
    """PATCH of an image version."""

    exclude_from_latest: bool


class Recipe(Request):
    """A stored image request that the weekly rebuild builds."""

    name: str | None = Field(
        default=None, description="The name in the path, which GET shows; it may be left out."
    )
    enabled: bool = True
    request: Build
