"""The OpenAPI 3.1 description of the API, generated from the table of routes and from the models
that requests are parsed into and answers are made of.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.model import documents
from triggers.http import Answer, Call
from triggers.roles import holders
from triggers.route import Route
from triggers.routes import ROUTES

Json = dict[str, Any]
_COMPONENTS = "#/components/schemas/"

_IN_PATH = {
    "id": "The id of the build.",
    "gallery": "The name of the gallery that holds the image.",
    "name": "The name of the image or of the recipe.",
    "version": "The version of the image, such as `1.0.0`, or `latest`.",
    "account": "The name of the Batch account.",
    "pool": "The id of the pool.",
}
_ERRORS = {
    400: "The request is refused; `details` names every problem. Nothing was started.",
    404: "There is nothing of that name.",
    409: "The state of things forbids it; `buildId` names the build in the way, if there is one.",
    429: "Too many builds are running; send the request again after `Retry-After` seconds.",
    502: "Azure did not answer, or refused.",
}
_NO_KEY = {
    "description": "The function key is missing or wrong, or no caller is signed in. Where the "
    "Functions host of Azure answers this, it does so without a body."
}
_NO_ROLE = "The signed-in caller has none of the app roles that the route needs."
_OF_EVERY_ROUTE = {
    "4XX": "Another refusal; `message` says what to do.",
    "5XX": "The app's storage or Durable Functions cannot be reached, or the app has a defect.",
    "500": "The app's settings are incomplete or wrong.",
}


def describe(_: Call) -> Answer:
    """Describe every route of the API as an OpenAPI document."""
    return Answer(document=documents.OpenApi.from_wire(document()))


def document() -> Json:
    """The OpenAPI document as plain JSON."""
    paths: Json = {}
    for route in ROUTES:
        paths.setdefault(f"/api/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "batch-prep",
            "version": "1",
            "description": "Builds VM images for Azure Batch and creates pools from them.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "signIn": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of Microsoft Entra ID for this app, where App "
                    "Service's authentication is on; then there is no function key.",
                },
            },
        },
    }


def _operation(route: Route) -> Json:
    summary, _, more = _text(route.find_handler()).partition("\n\n")
    operation: Json = {
        "operationId": route.name,
        "summary": summary,
        "parameters": list(_parameters(route)),
        "responses": _responses(route),
        "security": _security(route),
    }
    if more:
        operation["description"] = more
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(route.body)}
    if route.uploads is not None:
        operation["requestBody"] = {"required": True, "content": {route.uploads: {}}}
    return operation


def _security(route: Route) -> list[Json]:
    """The function key, or one of the app roles; neither where the route needs no role."""
    if route.role is None:
        return [{"functionKey": []}, {}]
    return [{"functionKey": []}, *({"signIn": [role.value]} for role in holders(route.role))]


def _parameters(route: Route) -> Iterator[Json]:
    text = {"type": "string"}
    for name in (part[1:-1] for part in route.path.split("/") if part.startswith("{")):
        about = _IN_PATH[name]
        yield {"name": name, "in": "path", "required": True, "description": about, "schema": text}
    if (query := route.find_query()) is not None:
        yield from _in_query(query)


def _in_query(query: type[BaseModel]) -> Iterator[Json]:
    """Each may be left out; so the schema need not speak of null."""
    found = query.model_json_schema(schema_generator=_Untitled)["properties"]
    for name, schema in found.items():
        about = schema.pop("description")
        [kind] = [each for each in schema.pop("anyOf", [{}]) if each.get("type") != "null"]
        shown = {key: value for key, value in (schema | kind).items() if value is not None}
        yield {"name": name, "in": "query", "description": about, "schema": shown}


def _responses(route: Route) -> Json:
    answers: Json = {
        str(status): {"description": _text(model), "content": _json(model.__name__)}
        for status, model in route.find_answers().items()
    }
    described = {str(status): _ERRORS[status] for status in route.errors} | _OF_EVERY_ROUTE
    if route.role is not None:
        described["403"] = _NO_ROLE
    errors = {
        status: {"description": text, "content": _json(documents.Error.__name__)}
        for status, text in described.items()
    }
    return errors | answers | {"401": _NO_KEY}


def _text(documented: object) -> str:
    """The docstring of a handler or a model, each paragraph on one line."""
    paragraphs = (inspect.getdoc(documented) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": _COMPONENTS + schema}}}


class _Untitled(GenerateJsonSchema):
    """Without a title for each field: pydantic's only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's name
        return False


def _schemas() -> Json:
    """Every model of a request or an answer, and what those consist of, by name."""
    models: dict[str, type[BaseModel]] = {"Error": documents.Error}
    for route in ROUTES:
        models |= {model.__name__: model for model in route.find_answers().values()}
        if (body := route.find_body()) is not None:
            models[body.__name__] = body
    _, found = models_json_schema(
        [(model, "validation") for model in models.values()],
        ref_template=_COMPONENTS + "{model}",
        schema_generator=_Untitled,
    )
    schemas: Json = found["$defs"]
    return schemas
