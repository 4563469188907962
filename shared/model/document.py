"""What the documents of the HTTP API are made of: their base, and how records are shown in them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainSerializer, SkipValidation

from shared.base.errors import Failure, Problem
from shared.base.wire import Wire
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.model.requests import Build


class Document(Wire):
    """An answer, or a part of one."""

    def to_wire(self) -> dict[str, Any]:
        """This answer as plain JSON: the fields that were set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _pool_of_build(pool: PoolRecord) -> dict[str, Any]:
    return {**pool.to_wire(), "error": pool.error.to_answer() if pool.error else None}


# How the models of records are shown inside a document.
ShownFailure = Annotated[Failure, PlainSerializer(lambda failure: failure.to_answer())]
ShownProblem = Annotated[Problem, PlainSerializer(lambda problem: problem.to_wire())]
ShownImage = Annotated[ImageRecord, PlainSerializer(lambda image: image.to_wire())]
PoolOfBuild = Annotated[PoolRecord, PlainSerializer(_pool_of_build)]
# In a list: what each node and each check said is shown at the pool's own address.
ListedPool = Annotated[
    PoolRecord,
    PlainSerializer(
        lambda pool: {k: v for k, v in pool.to_wire().items() if k not in {"checks", "proofs"}}
    ),
]
# A stored request is shown unchanged, also where it would be refused today.
StoredRequest = Annotated[SkipValidation[Build], PlainSerializer(lambda request: request)]


def one_of(*values: str) -> Any:
    """A string of which the schema lists the possible values."""
    return Field(json_schema_extra={"enum": list(values)})


Moment = Annotated[str, Field(description="A time in ISO 8601, in UTC.")]
Seconds = Annotated[float, Field(description="A duration in seconds.")]
BuildId = Annotated[str, Field(description="The id of the build.")]
NextLink = Annotated[
    str | None, Field(description="The URL of the next page; left out of the last page.")
]
StatusUrl = Annotated[str, Field(description="The URL that shows how the work goes on.")]
