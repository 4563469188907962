"""From JSON to requests: every problem named at once, or a frozen model.

What only Azure can know (does the image exist, is there quota) is asked later, by the checks of a
build.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from shared.base.errors import Problem, RequestRefused
from shared.base.settings import Settings
from shared.base.wire import Wire, replace
from shared.model import field_words, limits, refused_fields, request_rules
from shared.model.fields import shown
from shared.model.image_request import UNION_TAGS
from shared.model.queries import Query
from shared.model.requests import Build, ImageChange, Mode, PoolMessage, Recipe, Resize

RequestT = TypeVar("RequestT", bound=Wire)
QueryT = TypeVar("QueryT", bound=Query)


# No request that could be carried out has more; what has costs seconds and stack to look at.
_DEPTH_MAX = 16  # objects and lists inside each other
_ITEMS_MAX = 1000  # of one object or list
_VALUES_MAX = 20_000  # in all
_PROBLEMS_MAX = 100  # named in one answer


def parse_json(text: str | bytes, what: str) -> object:
    """The value of a JSON text; `what` it is names it in the problem. Raises RequestRefused. Half a
    surrogate pair and NaN, which Python accepts, are refused: nothing could store them. So is a
    field that is there twice, of which Python takes the last.
    """
    try:
        if isinstance(text, bytes):
            # https://www.rfc-editor.org/rfc/rfc8259#section-8.1
            text = text.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        why = str(error.reason if isinstance(error, UnicodeDecodeError) else error)
        message = f"the {what} is not JSON in UTF-8: {why}"
        raise RequestRefused([Problem(field="$", code="NotJson", message=message)]) from None
    if much := _too_much(value):
        message = f"the {what} has {much}"
        raise RequestRefused([Problem(field="$", code="TooLarge", message=message)])
    return value


def parse_message(text: str) -> object:
    """The value of a queue message: JSON, also in Base64, as the portal and older clients send it,
    and with a byte order mark. Raises RequestRefused.
    """
    text = text.removeprefix("\ufeff").strip()
    if re.fullmatch(r"[A-Za-z0-9+/\s]{8,}={0,2}", text):  # no JSON object looks like that
        with contextlib.suppress(ValueError):
            text = base64.b64decode(text, validate=False).decode("utf-8-sig").strip()
    return parse_json(text, "message")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise ValueError(f"the field {shown(twice)} is there twice in one object")
    return made


def _too_much(value: object) -> str | None:
    """Why a value is larger than any request, or None."""
    level, values = [value], 0
    for _ in range(_DEPTH_MAX + 1):
        values += len(level)
        longest = max((len(each) for each in level if isinstance(each, dict | list)), default=0)
        if longest > _ITEMS_MAX or values > _VALUES_MAX:
            return f"more than {_ITEMS_MAX} values in one place, or {_VALUES_MAX} in all"
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return None
    return f"more than {_DEPTH_MAX} objects and lists inside each other"


def parse_build(data: object, settings: Settings) -> Build:
    """Parse POST /api/builds. Raises RequestRefused with every problem: shapes, names,
    combinations, and what the settings do not allow.
    """
    return _parse(Build, data, lambda build: _build_problems(build, settings))


def _build_problems(build: Build, settings: Settings) -> list[Problem]:
    return [*request_rules.problems_of(build), *limits.problems_of(build, settings)]


def parse_pool_message(data: object, settings: Settings) -> Build:
    """Parse a pool request: a batch-only build of one pool. Raises RequestRefused."""
    return _as_build(_parse(PoolMessage, data, lambda m: _message_problems(m, settings)))


def _as_build(message: PoolMessage) -> Build:
    return Build(
        mode=Mode.BATCH_ONLY,
        request_id=message.request_id,
        image=message.image,
        batch_account=message.batch_account,
        pools=[message.pool],
    )


def _message_problems(message: PoolMessage, settings: Settings) -> list[Problem]:
    """A message has one pool, and its fields are named so."""
    return [
        replace(p, field=re.sub(r"^pools\[0\]", "pool", p.field))
        for p in _build_problems(_as_build(message), settings)
    ]


def parse_resize(data: object) -> Resize:
    """Parse PATCH /api/pools/{account}/{pool}. Raises RequestRefused."""
    resize = _parse(Resize, data)
    if resize.nodes is None and resize.low_priority_nodes is None:
        message = "give nodes or lowPriorityNodes"
        raise RequestRefused([Problem(field="nodes", code="Missing", message=message)])
    return resize


def parameters(url: str) -> dict[str, str]:
    """The query parameters of a URL, also the empty ones, which the Functions host hands over to no
    function: it joins the values of one that is there twice, and either could be the one that was
    meant. Raises RequestRefused with each of those.
    https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script.Grpc/MessageExtensions/GrpcMessageConversionExtensions.cs
    """
    pairs = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    message = "it is there twice: give it once"
    twice = [
        Problem(field=_path((name,)), code="InvalidValue", message=message)
        for name, count in Counter(name for name, _ in pairs).items()
        if count > 1
    ]
    if twice:
        raise RequestRefused(twice[:_PROBLEMS_MAX])
    return dict(pairs)


def parse_query(model: type[QueryT], url: str) -> QueryT:
    """Parse the query parameters of a URL. Raises RequestRefused."""
    return _parse(model, parameters(url), lambda asked: asked.problems())


def parse_image_change(data: object) -> ImageChange:
    """Parse PATCH /api/images/{gallery}/{name}/{version}. Raises RequestRefused."""
    return _parse(ImageChange, data)


def parse_recipe(data: object, name: str, settings: Settings) -> Recipe:
    """Parse PUT /api/recipes/{name}: an image request. Raises RequestRefused."""
    return _parse(Recipe, data, lambda recipe: _recipe_problems(recipe, name, settings))


def _recipe_problems(recipe: Recipe, name: str, settings: Settings) -> list[Problem]:
    problems = [
        replace(p, field=f"request.{p.field}") for p in _build_problems(recipe.request, settings)
    ]
    if recipe.name not in {None, name}:
        message = (
            f"{shown(str(recipe.name))} is another name than that of /api/recipes/{name}: send the "
            "recipe to the address of its name, or leave the name out"
        )
        problems.append(Problem(field="name", code="Impossible", message=message))
    if recipe.request.mode is Mode.BATCH_ONLY:
        message = "a recipe builds an image: mode full or image-only"
        problems.append(Problem(field="request.mode", code="Impossible", message=message))
    if recipe.request.image.version:
        message = "a recipe is built again and again: leave it out, and each takes the next number"
        problems.append(Problem(field="request.image.version", code="Impossible", message=message))
    if recipe.request.request_id:
        message = "a recipe is built again and again, so its request has no id of its own"
        problems.append(Problem(field="request.requestId", code="Impossible", message=message))
    return problems


def _parse(
    model: type[RequestT],
    data: object,
    check: Callable[[RequestT], list[Problem]] = lambda _: [],
) -> RequestT:
    """The model. Raises RequestRefused with what is wrong with each field, and with what `check`
    finds wrong between fields.
    """
    if not isinstance(data, dict):
        message = "the body must be a JSON object"
        raise RequestRefused([Problem(field="$", code="InvalidType", message=message)])
    try:
        parsed = model.model_validate(data)
    except ValidationError as error:
        found = [*_problems(model, error), *_among_the_rest(model, data, error, check)]
    else:
        found = check(parsed)
        if not found:
            return parsed
    if len(found) > _PROBLEMS_MAX:
        more = f"{len(found) - _PROBLEMS_MAX} more problems are not shown"
        found[_PROBLEMS_MAX:] = [Problem(field="$", code="TooManyProblems", message=more)]
    raise RequestRefused(found)


def _among_the_rest(
    model: type[RequestT],
    data: dict[str, Any],
    error: ValidationError,
    check: Callable[[RequestT], list[Problem]],
) -> list[Problem]:
    """The problems that `check` finds in the valid fields, without those caused by removing the
    invalid ones.
    """
    rest = copy.deepcopy(data)
    left_out = [
        _path(place)
        for e in error.errors(include_url=False)
        if (place := _leave_out(rest, e["loc"]))
    ]
    try:
        problems = check(model.model_validate(rest))
    except ValidationError:  # something that must be there is missing
        return []
    return [p for p in problems if not any(_comes_of(p.field, field) for field in left_out)]


def _comes_of(field: str, left_out: str) -> bool:
    """Whether a problem at `field` may come of leaving a field out: it is inside that, or is the
    object around it, which then seems to lack it.
    """
    return field.startswith(left_out) or left_out.startswith(f"{field}.")


def _leave_out(data: Any, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Remove the innermost object's field that an error is about; its place, or nothing."""
    path: list[int | str] = [part for part in location if part not in UNION_TAGS]
    place: tuple[int | str, ...] = ()
    holder: Any = None
    for depth, part in enumerate(path):
        if isinstance(data, dict) and part in data:
            holder, place = data, tuple(path[: depth + 1])
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            break
    if holder is not None:
        holder.pop(place[-1], None)
    return place


_KEY = "[key]"  # pydantic's mark of an error in the name of a member
_MEANING = {"extra_forbidden": "UnknownField", "missing": "Missing"}


def _problems(model: type[Wire], error: ValidationError) -> list[Problem]:
    found: dict[tuple[str, str], Problem] = {}
    for e in error.errors(include_url=False, include_input=False):
        field = _path(e["loc"])
        if e["type"] == "extra_forbidden" and (refused := refused_fields.why(field)):
            code, message = refused
            found.setdefault((field, message), Problem(field=field, code=code, message=message))
            continue
        own = e["type"][0].isupper()  # raised by fields.refuse
        context = e.get("ctx", {})
        problem = Problem(
            field=field,
            code=e["type"] if own else _MEANING.get(e["type"], "InvalidValue"),
            message=str(context["text"]) if own else field_words.said(model, e),
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
        elif part not in UNION_TAGS and part != _KEY:
            name = part if re.fullmatch(r"[A-Za-z]\w{0,40}", part) else shown(part)
            text += f".{name}" if text else name
    return text or "$"
