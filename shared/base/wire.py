"""Values that cross a process boundary: frozen models, plain JSON with camelCase keys on the wire.

Models are never changed. `replace` makes a changed copy, and the type checker knows the names and
types of the fields that it may be given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A frozen value: an orchestration's input, an activity's plan or result, a record, an answer.

    `from_wire` ignores unknown fields, so that an older version of the app can read what a newer
    one has stored.
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


def added(default: Any, **rules: Any) -> Any:
    """A field that was added to a stored model: it is on the wire only if it has another value, so
    that what an older version has stored equals what a replay makes of it now. `rules` are those of
    `Field`, such as `max_length`.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **rules)


if TYPE_CHECKING:
    # mypy types `dataclasses.replace` from the fields of its first argument, also for these models.
    from dataclasses import replace as replace  # noqa: PLC0414
else:

    def replace(value, /, **changes):
        """A copy of a model with some fields changed. Raises TypeError for a name that is no field.

        pydantic's own `model_copy` would keep a misspelt name silently.
        """
        unknown = changes.keys() - type(value).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(value).__name__} has no field {', '.join(sorted(unknown))}")
        return value.model_copy(update=changes)


def utf16_bytes(text: str) -> int:
    """The bytes of a text in UTF-16, in which Azure's tables count."""
    return len(text.encode("utf-16-le", "surrogatepass"))
