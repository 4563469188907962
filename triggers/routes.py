"""Every HTTP route in one table: what the app serves, and what /api/openapi.json describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared import requests
from shared.wire import Request
from triggers import builds, catalogue, contexts, health, intake, leftovers
from triggers.http import Answer, Call, Handler

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`path` is below `/api/`; `body` is what the request's JSON is parsed into."""

    method: str
    path: str
    handler: Handler
    starts: bool = False  # whether it may begin an orchestration
    body: type[Request] | None = None


def describe(_: Call) -> Answer:
    """GET /api/openapi.json."""
    return Answer(body=document())


ROUTES = [
    Route(
        method="POST",
        path="builds",
        handler=builds.start_build,
        starts=True,
        body=requests.Build,
    ),
    Route(method="GET", path="builds", handler=builds.list_builds),
    Route(method="GET", path="builds/{id}", handler=builds.show_build),
    Route(method="DELETE", path="builds/{id}", handler=builds.cancel_build),
    Route(method="POST", path="builds/{id}/resume", handler=builds.resume_build, starts=True),
    Route(method="POST", path="plan", handler=builds.plan_build, body=requests.Build),
    Route(method="GET", path="images", handler=catalogue.list_images),
    Route(method="GET", path="images/{gallery}/{name}/{version}", handler=catalogue.show_image),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}/bom",
        handler=catalogue.show_bill_of_materials,
    ),
    Route(method="GET", path="pools", handler=catalogue.list_pools),
    Route(method="GET", path="pools/{account}/{pool}", handler=catalogue.show_pool),
    Route(method="POST", path="pools", handler=intake.request_pool, body=requests.PoolMessage),
    Route(
        method="PATCH",
        path="pools/{account}/{pool}",
        handler=catalogue.resize_pool,
        starts=True,
        body=requests.Resize,
    ),
    Route(
        method="DELETE",
        path="pools/{account}/{pool}",
        handler=catalogue.delete_pool,
        starts=True,
    ),
    Route(method="GET", path="recipes", handler=catalogue.list_recipes),
    Route(method="GET", path="recipes/{name}", handler=catalogue.show_recipe),
    Route(method="PUT", path="recipes/{name}", handler=catalogue.put_recipe, body=requests.Recipe),
    Route(method="DELETE", path="recipes/{name}", handler=catalogue.delete_recipe),
    Route(method="GET", path="leftovers", handler=leftovers.list_leftovers),
    Route(method="POST", path="leftovers/sweep", handler=leftovers.begin_sweep, starts=True),
    Route(method="POST", path="contexts", handler=contexts.upload_context),
    Route(method="GET", path="health", handler=health.show_health),
    Route(method="GET", path="openapi.json", handler=describe),
]

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}


def document() -> Json:
    """The OpenAPI 3.1 description, from the table above and the models that requests are parsed
    into.
    """
    paths: Json = {}
    schemas: Json = {"Error": _ERROR}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route)
        if route.body is not None:
            schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {route.body.__name__: schema}
    return {
        "openapi": "3.1.0",
        "info": {"title": "batch-prep", "version": "1"},
        "security": [{"functionKey": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"}
            },
        },
    }


def _operation(route: Route) -> Json:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    operation: Json = {
        "operationId": route.handler.__name__,
        "summary": (route.handler.__doc__ or "").strip().partition("\n")[0],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": text} for name in names
        ],
        "responses": {
            "2XX": {"description": "As asked."},
            "4XX": {"description": "Refused.", "content": _content("Error")},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body.__name__)}
    return operation


def _content(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
