"""How values travel between processes: plain JSON with camelCase keys, parsed back into frozen
models.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A frozen value that crosses a process boundary (an orchestration's input, a record, an
    answer).

    Unknown fields are ignored when read, so that a newer version's history can be read by an older
    one.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        defer_build=True,
    )

    def to_wire(self) -> dict[str, Any]:
        """This value as plain JSON; fields that are None are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> Self:
        """Parse what `to_wire` made."""
        return cls.model_validate(data)


class Request(Wire):
    """A value that a user wrote: unknown fields are refused by name, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)
