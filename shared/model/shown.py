"""How the models of records are shown inside a document of the API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, SkipValidation

from shared.base.errors import Failure, Problem
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.model.requests import Build


def _pool_of_build(pool: PoolRecord) -> dict[str, Any]:
    return {**pool.to_wire(), "error": pool.error.to_answer() if pool.error else None}


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
