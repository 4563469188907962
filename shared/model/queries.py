"""The query parameters of the API's routes: frozen models, as `parsing` makes them."""

from __future__ import annotations

import base64
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


def token_of(place: Place) -> str:
    """How a link names the last row of a page."""
    return base64.urlsafe_b64encode("\n".join(place).encode()).decode().rstrip("=")


def _place_of(token: str) -> Place:
    """Raises ValueError for what `token_of` did not make."""
    text = base64.b64decode(token + "=" * (-len(token) % 4), "-_", validate=True).decode()
    partition, row = text.split("\n")
    return partition, row


def _is_of(places: re.Pattern[str], token: str) -> bool:
    """Whether a token is as `token_of` makes it of such a place, keys with a line feed between."""
    try:
        place = _place_of(token)
    except ValueError:
        return False
    return token_of(place) == token and places.fullmatch("\n".join(place)) is not None


def _digits(limit: object) -> object:
    """Python reads more as a number, such as 1_0 and 1.0."""
    if isinstance(limit, str) and not re.fullmatch("[0-9]+", limit):
        raise PydanticKnownError("int_parsing")
    return limit


_NOT_OF_LINK = "it is not from a nextLink of this list: ask without it, and follow the nextLink"
_NEWEST_FIRST = r"[0-9]{13}\|[^\n]+"  # row keys of builds and changes


class Query(Wire):
    """Parameters of one route. Unknown ones are not its own: the function key may be among them."""

    model_config = ConfigDict(extra="ignore")

    def problems(self) -> list[Problem]:
        """What is wrong between parameters that are each well-formed."""
        return []


class PageQuery(Query):
    """One page of a list; `places` are the rows that a page of it can follow."""

    places: ClassVar[re.Pattern[str]]

    limit: Annotated[int, BeforeValidator(_digits)] = Field(
        default=100, ge=1, le=1000, description="How many rows a page has at most."
    )
    after: str | None = Field(
        default=None, description="Where the page begins: part of the `nextLink` of a page before."
    )

    @field_validator("after")
    @classmethod
    def _of_this_list(cls, token: str | None) -> str | None:
        if token is not None and not _is_of(cls.places, token):
            raise fields.refuse("InvalidValue", _NOT_OF_LINK)
        return token

    @property
    def place(self) -> Place | None:
        """The last row of the page before, if there was one."""
        return None if self.after is None else _place_of(self.after)


class BuildsQuery(PageQuery):
    """One page of the builds."""

    places = re.compile(rf"build\n{_NEWEST_FIRST}")

    state: Literal["running", "succeeded", "failed", "cancelled"] | None = Field(
        default=None, description="The state of the builds that are listed."
    )


class ImagesQuery(PageQuery):
    """One page of the image versions."""

    places = re.compile(r"[^|\n]+\|[^|\n]+\|[^|\n]+\n[0-9]{10}\.[0-9]{10}\.[0-9]{10}")


class RefusedQuery(PageQuery):
    """One page of the refused messages."""

    places = re.compile(rf"{names.POOL_REQUESTS_QUEUE}\n[^\n]+")


class ChangesQuery(PageQuery):
    """One page of the changes."""

    places = re.compile(rf"change\n{_NEWEST_FIRST}")


class PoolsQuery(PageQuery):
    """One page of the pools."""

    places = re.compile(r"[a-z0-9]+\n[^|\n]+")

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

    resource_group: str | None = Field(
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
