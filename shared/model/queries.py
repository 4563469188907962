"""The query parameters of the API's routes: frozen models, as `parsing` makes them."""

from __future__ import annotations

import base64
import contextlib
import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticKnownError

from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import Wire
from shared.model import fields

Place = tuple[str, str]
"""Partition and row key of a table's row."""


def _place_of(token: str) -> Place:
    """Raises ValueError for what `PageQuery.token_of` did not make."""
    text = base64.b64decode(token + "=" * (-len(token) % 4), "-_", validate=True).decode()
    _, partition, row = text.split("\n")
    return partition, row


def _digits(limit: object) -> object:
    """Python reads more as a number, such as 1_0 and 1.0."""
    if isinstance(limit, str) and not re.fullmatch("[0-9]+", limit):
        raise PydanticKnownError("int_parsing")
    return limit


_NOT_OF_LINK = "it is not from a nextLink of this list: ask without it, and follow the nextLink"


class Query(Wire):
    """Parameters of one route. Unknown ones are not its own: the function key may be among them."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _has_value(cls, value: object) -> object:
        if value == "":
            raise fields.refuse("InvalidValue", "it is empty: give it a value, or leave it out")
        return value

    def problems(self) -> list[Problem]:
        """What is wrong between parameters that are each well-formed."""
        return []


class PageQuery(Query):
    """One page of a list, which `of` names."""

    of: ClassVar[str]

    limit: Annotated[int, BeforeValidator(_digits)] = Field(
        default=100, ge=1, le=1000, description="How many rows a page has at most."
    )
    after: str | None = Field(
        default=None, description="Where the page begins: part of the `nextLink` of a page before."
    )

    @classmethod
    def token_of(cls, place: Place) -> str:
        """How a link of this list names the last row of a page. It begins with a digest, so that a
        token of another list, or an invented one, is recognised.
        """
        parts = (names.digest(cls.of, *place), *place)
        return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")

    @field_validator("after")
    @classmethod
    def _of_this_list(cls, token: str | None) -> str | None:
        with contextlib.suppress(ValueError):
            if token is None or cls.token_of(_place_of(token)) == token:
                return token
        raise fields.refuse("InvalidValue", _NOT_OF_LINK)

    @property
    def place(self) -> Place | None:
        """The last row of the page before, if there was one."""
        return None if self.after is None else _place_of(self.after)


class BuildsQuery(PageQuery):
    """One page of the builds."""

    of = "builds"

    state: Literal["running", "succeeded", "failed", "cancelled"] | None = Field(
        default=None, description="The state of the builds that are listed."
    )


class ImagesQuery(PageQuery):
    """One page of the image versions."""

    of = "images"


class RefusedQuery(PageQuery):
    """One page of the refused messages."""

    of = "refused"


class ChangesQuery(PageQuery):
    """One page of the changes."""

    of = "changes"


class PoolsQuery(PageQuery):
    """One page of the pools."""

    of = "pools"

    account: (
        Annotated[str, fields.named(r"[A-Za-z0-9]{3,24}", "3 to 24 letters and digits")] | None
    ) = Field(default=None, description="The name of the Batch account whose pools are listed.")

    def problems(self) -> list[Problem]:
        """A page of an account's pools follows a pool of that account."""
        if self.account is None or self.place is None or names.same(self.account, self.place[0]):
            return []
        return [Problem(field="after", code="InvalidValue", message=_NOT_OF_LINK)]


class ImageQuery(Query):
    """Which of several galleries of one name."""

    resource_group: fields.GroupName | None = Field(
        default=None,
        description="The gallery's resource group, where galleries of one name are in several.",
    )


class UploadQuery(Query):
    """What an upload is for."""

    purpose: Literal["build", "step"] = Field(
        default="build",
        description="`build`: the source of a container build, with a Dockerfile; `step`: the "
        "files of a step of an image (`image.steps`).",
    )
