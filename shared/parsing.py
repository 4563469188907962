"""From JSON to requests: every problem named at once, or a frozen model.

What only Azure can know (does the image exist, is there quota) is asked later, by the checks of a
build.
"""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import ValidationError

from shared import combinations
from shared.errors import Problem, RequestRefused
from shared.fields import shown
from shared.requests import (
    UNION_TAGS,
    Build,
    Mode,
    PoolMessage,
    Recipe,
    Resize,
)
from shared.wire import Request

RequestT = TypeVar("RequestT", bound=Request)


def parse_build(data: object) -> Build:
    """Parse POST /api/builds. Raises RequestRefused with every problem: shapes, names and
    combinations.
    """
    build = _parse(Build, data)
    problems = list(combinations.problems_of(build))
    if problems:
        raise RequestRefused(problems)
    return build


def parse_pool_message(data: object) -> Build:
    """Parse a pool request: a batch-only build of one pool. Raises RequestRefused."""
    message = _parse(PoolMessage, data)
    build = Build(
        mode=Mode.BATCH_ONLY,
        request_id=message.request_id,
        image=message.image,
        batch_account=message.batch_account,
        pools=[message.pool],
    )
    problems = list(combinations.problems_of(build))
    if problems:
        raise RequestRefused(problems)
    return build


def parse_resize(data: object) -> Resize:
    """Parse PATCH /api/pools/{account}/{pool}. Raises RequestRefused."""
    resize = _parse(Resize, data)
    if resize.nodes is None and resize.low_priority_nodes is None:
        message = "give nodes or lowPriorityNodes"
        raise RequestRefused([Problem(field="nodes", code="Missing", message=message)])
    return resize


def parse_recipe(data: object) -> Recipe:
    """Parse PUT /api/recipes/{name}: an image request. Raises RequestRefused."""
    recipe = _parse(Recipe, data)
    problems = [
        p.model_copy(update={"field": f"request.{p.field}"})
        for p in combinations.problems_of(recipe.request)
    ]
    if recipe.request.mode is Mode.BATCH_ONLY:
        message = "a recipe builds an image: mode full or image-only"
        problems.append(Problem(field="request.mode", code="Impossible", message=message))
    if recipe.request.image.version:
        message = "a recipe is built again and again: leave it out, and each takes the next number"
        problems.append(Problem(field="request.image.version", code="Impossible", message=message))
    if recipe.request.request_id:
        message = "a recipe is built again and again, so its request has no id of its own"
        problems.append(Problem(field="request.requestId", code="Impossible", message=message))
    if problems:
        raise RequestRefused(problems)
    return recipe


def _parse(model: type[RequestT], data: object) -> RequestT:
    if not isinstance(data, dict):
        message = "the body must be a JSON object"
        raise RequestRefused([Problem(field="$", code="InvalidType", message=message)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RequestRefused(_problems(error)) from None


_MEANING = {"extra_forbidden": "UnknownField", "missing": "Missing"}


def _problems(error: ValidationError) -> list[Problem]:
    found: dict[tuple[str, str], Problem] = {}
    for e in error.errors(include_url=False, include_input=False):
        field = _path(e["loc"])
        own = e["type"][0].isupper()  # raised by fields.refuse
        context = e.get("ctx", {})
        problem = Problem(
            field=field,
            code=e["type"] if own else _MEANING.get(e["type"], "InvalidValue"),
            message=str(context["text"]) if own else e["msg"],
            successor=context.get("successor") if own else None,
        )
        found.setdefault((field, problem.message), problem)
    return list(found.values())


def _path(location: tuple[int | str, ...]) -> str:
    """`("pools", 0, "vmSize")` as `pools[0].vmSize`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in UNION_TAGS:
            name = part if re.fullmatch(r"[A-Za-z]\w{0,40}", part) else shown(part)
            text += f".{name}" if text else name
    return text or "$"
