"""Lists, single entities and headers as the data plane writes them (OData, minimal metadata)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.azure_simulator import arm, context, model, store
from local.azure_simulator.batch import iso8601, planes, problems

Json = dict[str, Any]

PAGE_MAX = 1000
_CONDITION = re.compile(
    r"(?P<field>[\w/]+)\s+(?P<operator>eq|ne)\s+'(?P<value>[^']*)'", re.IGNORECASE
)
_STARTS_WITH = re.compile(
    r"startswith\(\s*(?P<field>\w+)\s*,\s*'(?P<value>[^']*)'\s*\)", re.IGNORECASE
)


def listing(
    azure: context.Azure, request: model.Request, kind: str, items: Iterable[Json]
) -> model.Response:
    """One page: `value` and, if there is more, `odata.nextLink`. Honours `$filter`, `$select` and
    `maxresults` (1 to 1000)."""
    matches = _filter(request.query.get("$filter", ""))
    size = _page_size(azure, request)
    shown, next_link = arm.slice_page(azure, request, [i for i in items if matches(i)], size)
    document: Json = {"odata.metadata": planes.service_url(request, f"$metadata#{kind}")}
    document["value"] = [_select(item, request) for item in shown]
    if next_link:
        document["odata.nextLink"] = next_link
    return _json(document)


def entity(request: model.Request, kind: str, item: Json) -> model.Response:
    """One entity with its ETag and Last-Modified."""
    metadata = planes.service_url(request, f"$metadata#{kind}/@Element")
    document = {"odata.metadata": metadata, **_select(item, request)}
    return _json(document).with_headers(_entity_headers(item))


def document(request: model.Request, kind: str, body: Json) -> model.Response:
    """A result that is no entity."""
    return _json({"odata.metadata": planes.service_url(request, f"$metadata#{kind}"), **body})


def created(item: Mapping[str, Any]) -> model.Response:
    """201 without a body: where the new entity is, and its ETag without quotes."""
    headers = {"Location": item["url"], "DataServiceId": item["url"], **_entity_headers(item)}
    return model.empty_response(201, headers)


def done(request: model.Request, status: int) -> model.Response:
    """The answer to an action: no body."""
    return model.empty_response(status, {"DataServiceId": f"{request.base_url}{request.path}"})


def touch(azure: context.Azure, resource: store.Resource) -> None:
    """Give a changed entity a new ETag and Last-Modified."""
    resource.document["eTag"] = new_etag(azure)
    resource.document["lastModified"] = iso8601.timestamp(azure.now)


def new_etag(azure: context.Azure) -> str:
    return f"0x8D{azure.digest('etag')[:6].hex().upper()}"


def check_conditions(request: model.Request, resource: store.Resource) -> None:
    """412 when `If-Match` names another version or `If-None-Match` this one."""
    current = resource.document["eTag"]
    wanted = request.headers.get("if-match", "*").strip('"')
    unwanted = request.headers.get("if-none-match", "").strip('"')
    if wanted not in {"*", current} or unwanted in {"*", current}:
        raise problems.condition_not_met()


def _entity_headers(item: Mapping[str, Any]) -> dict[str, str]:
    if "eTag" not in item:
        return {}
    modified = iso8601.http_date(iso8601.epoch_seconds(item["lastModified"]))
    return {"ETag": item["eTag"], "Last-Modified": modified}


def _json(document: Json) -> model.Response:
    kind = {"Content-Type": "application/json; odata=minimalmetadata"}
    return model.json_response(200, document, kind)


def _select(item: Json, request: model.Request) -> Json:
    names = [name.strip() for name in request.query.get("$select", "").split(",")]
    return {name: item[name] for name in names if name in item} if any(names) else item


def _page_size(azure: context.Azure, request: model.Request) -> int:
    text = request.query.get("maxresults")
    if text is None:
        return azure.page_size
    if not text.isdigit() or not 1 <= int(text) <= PAGE_MAX:
        message = "The value for one of the query parameters specified in the request is invalid."
        values = {"QueryParameterName": "maxresults", "QueryParameterValue": text}
        raise problems.refusal(400, "InvalidQueryParameterValue", message, values)
    return min(int(text), azure.page_size)


def _filter(text: str) -> Callable[[Json], bool]:
    """`state eq 'idle' and startswith(id,'x')`; 400 for what is not understood."""
    tests = [
        _test(part) for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if part
    ]
    return lambda item: all(test(item) for test in tests)


def _test(text: str) -> Callable[[Json], bool]:
    condition = _CONDITION.fullmatch(text)
    if condition is not None:
        field, value = condition["field"], condition["value"]
        wants_equal = condition["operator"].lower() == "eq"
        return lambda item: (str(_at(item, field)) == value) == wants_equal
    start = _STARTS_WITH.fullmatch(text)
    if start is None:
        message = "The value for one of the query parameters specified in the request is invalid."
        values = {"QueryParameterName": "$filter", "QueryParameterValue": text}
        raise problems.refusal(400, "InvalidQueryParameterValue", message, values)
    field, prefix = start["field"], start["value"]
    return lambda item: str(_at(item, field)).startswith(prefix)


def _at(item: Json, path: str) -> object:
    found: object = item
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
