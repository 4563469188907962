"""GET /api/openapi.json: the table of routes, described."""

from __future__ import annotations

from typing import Any

from triggers.http import Answer, Call
from triggers.routes import ROUTES, Route

Json = dict[str, Any]

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


def describe(_: Call) -> Answer:
    """GET /api/openapi.json."""
    return Answer(body=document())


def document() -> Json:
    """The OpenAPI 3.1 description, from the table above and the models that requests are parsed
    into.
    """
    paths: Json = {}
    schemas: Json = {"Error": _ERROR}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route)
        if (body := route.find_body()) is not None:
            schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {body.__name__: schema}
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
        "operationId": route.name,
        "summary": (route.find_handler().__doc__ or "").strip().partition("\n")[0],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": text} for name in names
        ],
        "responses": {
            "2XX": {"description": "As asked."},
            "4XX": {"description": "Refused.", "content": _content("Error")},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    return operation


def _content(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
