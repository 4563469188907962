"""Every HTTP route in one table: what the app serves, and what /api/openapi.json describes.

A handler's module is imported when it is first called: a cold start needs none of them.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import azure.functions as func

if TYPE_CHECKING:
    from shared.base.wire import Request, Wire
    from shared.engine.activity import Services
    from shared.model.queries import Query
    from triggers.http import Handler


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One method of one path.

    `handler` is a function of a module beside this one; the first line of its docstring is the
    summary that the API's users read.
    """

    method: str
    path: str  # below `/api/`
    handler: str
    answers: dict[int, str]  # status: a model of `shared.model.documents`
    errors: tuple[int, ...] = ()  # the statuses with which the handler itself refuses
    query: str | None = None  # a model of `shared.model.queries` for the URL's parameters
    body: str | None = None  # a model of `shared.model.requests` for the request's JSON
    uploads: str | None = None  # the media type of a request body that is not JSON
    starts: bool = False  # whether it may begin an orchestration

    @property
    def name(self) -> str:
        """Of the handler, without its module."""
        return self.handler.rpartition(".")[2]

    def find_handler(self) -> Handler:
        """The function that answers."""
        handler: Handler = pkgutil.resolve_name(f"triggers.{self.handler}")
        return handler

    def find_body(self) -> type[Request] | None:
        """What the request's JSON is parsed into, if it has any."""
        if self.body is None:
            return None
        model: type[Request] = pkgutil.resolve_name(f"shared.model.requests:{self.body}")
        return model

    def find_query(self) -> type[Query] | None:
        """What the URL's parameters are parsed into, if it has any."""
        if self.query is None:
            return None
        model: type[Query] = pkgutil.resolve_name(f"shared.model.queries:{self.query}")
        return model

    def find_answers(self) -> dict[int, type[Wire]]:
        """The model of the answer for each status of success."""
        return {
            status: pkgutil.resolve_name(f"shared.model.documents:{name}")
            for status, name in self.answers.items()
        }


ROUTES = [
    Route(
        method="POST",
        path="builds",
        handler="builds.start_build",
        body="Build",
        answers={202: "Accepted"},
        errors=(400, 409, 429),
        starts=True,
    ),
    Route(
        method="GET",
        path="builds",
        handler="builds.list_builds",
        query="BuildsQuery",
        answers={200: "BuildList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="builds/{id}",
        handler="builds.show_build",
        answers={200: "BuildDocument"},
        errors=(404,),
    ),
    Route(
        method="DELETE",
        path="builds/{id}",
        handler="builds.cancel_build",
        answers={202: "Accepted"},
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="builds/{id}/resume",
        handler="builds.resume_build",
        answers={202: "Accepted"},
        errors=(404, 409),
        starts=True,
    ),
    Route(
        method="POST",
        path="plan",
        handler="builds.plan_build",
        body="Build",
        answers={200: "Forecast"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="images",
        handler="catalogue.list_images",
        query="PageQuery",
        answers={200: "ImageList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}",
        handler="catalogue.show_image",
        query="ImageQuery",
        answers={200: "ImageRecord"},
        errors=(404,),
    ),
    Route(
        method="PATCH",
        path="images/{gallery}/{name}/{version}",
        handler="existing.change_image",
        body="ImageChange",
        answers={200: "ImageRecord"},
        errors=(400, 404, 409, 502),
    ),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}/bom",
        handler="catalogue.show_bill_of_materials",
        query="ImageQuery",
        answers={200: "BillOfMaterials"},
        errors=(404,),
    ),
    Route(
        method="GET",
        path="pools",
        handler="catalogue.list_pools",
        query="PoolsQuery",
        answers={200: "PoolList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="pools/{account}/{pool}",
        handler="existing.show_pool",
        answers={200: "PoolRecord"},
        errors=(404,),
    ),
    Route(
        method="POST",
        path="pools",
        handler="intake.request_pool",
        body="PoolMessage",
        answers={202: "Accepted"},
        errors=(400, 409),
    ),
    Route(
        method="GET",
        path="refused",
        handler="intake.list_refused",
        query="PageQuery",
        answers={200: "RefusedList"},
        errors=(400,),
    ),
    Route(
        method="PATCH",
        path="pools/{account}/{pool}",
        handler="catalogue.resize_pool",
        body="Resize",
        answers={202: "Accepted"},
        errors=(400, 404),
        starts=True,
    ),
    Route(
        method="DELETE",
        path="pools/{account}/{pool}",
        handler="catalogue.delete_pool",
        answers={202: "Accepted"},
        errors=(404,),
        starts=True,
    ),
    Route(
        method="GET",
        path="recipes",
        handler="catalogue.list_recipes",
        answers={200: "RecipeList"},
    ),
    Route(
        method="GET",
        path="recipes/{name}",
        handler="catalogue.show_recipe",
        answers={200: "RecipeDocument"},
        errors=(404,),
    ),
    Route(
        method="PUT",
        path="recipes/{name}",
        handler="catalogue.put_recipe",
        body="Recipe",
        answers={200: "RecipeDocument"},
        errors=(400,),
    ),
    Route(
        method="DELETE",
        path="recipes/{name}",
        handler="catalogue.delete_recipe",
        answers={200: "RecipeDeleted"},
        errors=(404,),
    ),
    Route(
        method="GET",
        path="leftovers",
        handler="leftovers.list_leftovers",
        answers={200: "LeftoverList"},
        errors=(502,),
    ),
    Route(
        method="POST",
        path="leftovers/sweep",
        handler="leftovers.begin_sweep",
        answers={202: "SweepAccepted"},
        starts=True,
    ),
    Route(
        method="POST",
        path="contexts",
        handler="contexts.upload_context",
        uploads="application/gzip",
        answers={201: "ContextStored"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="health",
        handler="health.show_health",
        answers={200: "Health", 503: "Health"},
    ),
    Route(
        method="GET",
        path="openapi.json",
        handler="openapi.describe",
        answers={200: "OpenApi"},
    ),
]


# Everything else below `/api/`. The Functions host tries routes in the order of the functions'
# names, so this one has the last: https://github.com/Azure/azure-functions-host/issues/9876
UNKNOWN = Route(method="", path="{*path}", handler="unknown.refuse_unknown", answers={})
UNKNOWN_NAME = "unknown_route"


def methods_of(path: str) -> list[str]:
    """The methods of a path below `/api/`; none for a path that is not served."""
    given = path.strip("/").split("/")
    return sorted(route.method for route in ROUTES if _matches(route.path.split("/"), given))


def _matches(template: list[str], given: list[str]) -> bool:
    return len(template) == len(given) and all(
        bool(part) if wanted.startswith("{") else wanted.lower() == part.lower()
        for wanted, part in zip(template, given, strict=True)
    )


def bound(route: Route, services: Callable[[], Services]) -> Callable[..., Any]:
    """The function to register for a route; one that `starts` something gets a durable client."""

    def run(req: func.HttpRequest) -> func.HttpResponse:
        from triggers import http

        return http.response(http.answer(route.find_handler(), services, req))

    async def run_with_client(req: func.HttpRequest, client) -> func.HttpResponse:  # type: ignore[no-untyped-def]
        from triggers import http

        answer = await asyncio.to_thread(lambda: http.answer(route.find_handler(), services, req))
        return http.response(await http.begun(client, answer))

    function = run_with_client if route.starts else run
    function.__name__ = function.__qualname__ = route.name
    return function
