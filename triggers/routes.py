"""Every HTTP route in one table: what the app serves, and what /api/openapi.json describes.

A handler's module is imported when it is first called: a cold start needs none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import azure.functions as func

from shared.base import sign_in
from triggers.roles import Role
from triggers.route import Route

if TYPE_CHECKING:
    from shared.engine.activity import Services


ROUTES = [
    Route(
        method="POST",
        path="builds",
        handler="builds.start_build",
        role=Role.BUILDER,
        body="Build",
        answers={202: "Accepted"},
        errors=(400, 409, 429),
        starts=True,
    ),
    Route(
        method="GET",
        path="builds",
        handler="builds.list_builds",
        role=Role.READER,
        query="BuildsQuery",
        answers={200: "BuildList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="builds/{id}",
        handler="builds.show_build",
        role=Role.READER,
        answers={200: "BuildDocument"},
        errors=(404,),
    ),
    Route(
        method="DELETE",
        path="builds/{id}",
        handler="builds.cancel_build",
        role=Role.BUILDER,
        answers={202: "Accepted"},
        errors=(404, 409),
    ),
    Route(
        method="POST",
        path="builds/{id}/resume",
        handler="builds.resume_build",
        role=Role.BUILDER,
        answers={202: "Accepted"},
        errors=(404, 409, 429),
        starts=True,
    ),
    Route(
        method="POST",
        path="plan",
        handler="builds.plan_build",
        role=Role.READER,
        body="Build",
        answers={200: "Forecast"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="images",
        handler="images.list_images",
        role=Role.READER,
        query="ImagesQuery",
        answers={200: "ImageList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}",
        handler="images.show_image",
        role=Role.READER,
        query="ImageQuery",
        answers={200: "ImageRecord"},
        errors=(400, 404),
    ),
    Route(
        method="PATCH",
        path="images/{gallery}/{name}/{version}",
        handler="images.change_image",
        role=Role.PROMOTER,
        query="ImageQuery",
        body="ImageChange",
        answers={200: "ImageRecord"},
        errors=(400, 404, 409, 502),
    ),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}/bom",
        handler="images.show_bill_of_materials",
        role=Role.READER,
        query="ImageQuery",
        answers={200: "BillOfMaterials"},
        errors=(400, 404),
    ),
    Route(
        method="GET",
        path="pools",
        handler="pools.list_pools",
        role=Role.READER,
        query="PoolsQuery",
        answers={200: "PoolList"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="pools/{account}/{pool}",
        handler="pools.show_pool",
        role=Role.READER,
        answers={200: "PoolRecord"},
        errors=(404,),
    ),
    Route(
        method="POST",
        path="pools",
        handler="intake.request_pool",
        role=Role.BUILDER,
        body="PoolMessage",
        answers={202: "Accepted"},
        errors=(400, 409),
    ),
    Route(
        method="GET",
        path="refused",
        handler="intake.list_refused",
        role=Role.READER,
        query="RefusedQuery",
        answers={200: "RefusedList"},
        errors=(400,),
    ),
    Route(
        method="PATCH",
        path="pools/{account}/{pool}",
        handler="pools.resize_pool",
        role=Role.BUILDER,
        body="Resize",
        answers={202: "Accepted"},
        errors=(400, 404, 409),
        starts=True,
    ),
    Route(
        method="DELETE",
        path="pools/{account}/{pool}",
        handler="pools.delete_pool",
        role=Role.BUILDER,
        answers={202: "Accepted"},
        errors=(404, 409),
        starts=True,
    ),
    Route(
        method="GET",
        path="recipes",
        handler="recipes.list_recipes",
        role=Role.READER,
        answers={200: "RecipeList"},
    ),
    Route(
        method="GET",
        path="recipes/{name}",
        handler="recipes.show_recipe",
        role=Role.READER,
        answers={200: "RecipeDocument"},
        errors=(404,),
    ),
    Route(
        method="PUT",
        path="recipes/{name}",
        handler="recipes.put_recipe",
        role=Role.OPERATOR,
        body="Recipe",
        answers={200: "RecipeDocument"},
        errors=(400,),
    ),
    Route(
        method="DELETE",
        path="recipes/{name}",
        handler="recipes.delete_recipe",
        role=Role.OPERATOR,
        answers={200: "RecipeDeleted"},
        errors=(404,),
    ),
    Route(
        method="GET",
        path="leftovers",
        handler="leftovers.list_leftovers",
        role=Role.READER,
        answers={200: "LeftoverList"},
        errors=(502,),
    ),
    Route(
        method="POST",
        path="leftovers/sweep",
        handler="leftovers.begin_sweep",
        role=Role.OPERATOR,
        answers={202: "SweepAccepted"},
        starts=True,
    ),
    Route(
        method="GET",
        path="changes",
        handler="changes.list_changes",
        role=Role.OPERATOR,
        query="ChangesQuery",
        answers={200: "ChangeList"},
        errors=(400,),
    ),
    Route(
        method="POST",
        path="contexts",
        handler="contexts.upload_context",
        role=Role.BUILDER,
        uploads="application/gzip",
        query="UploadQuery",
        answers={201: "ContextStored"},
        errors=(400,),
    ),
    Route(
        method="GET",
        path="health",
        handler="health.show_health",
        role=None,
        answers={200: "Health", 503: "Health"},
    ),
    Route(
        method="GET",
        path="openapi.json",
        handler="openapi.describe",
        role=Role.READER,
        answers={200: "OpenApi"},
    ),
]


def auth_level() -> func.AuthLevel:
    """Who may reach the functions. Where App Service's authentication is on, it and the app's roles
    decide, and a function key would have to be sent as well:
    https://github.com/Azure/azure-functions-host/issues/4674
    """
    return func.AuthLevel.ANONYMOUS if sign_in.is_on() else func.AuthLevel.FUNCTION


# Everything else below `/api/`. The Functions host tries routes in the order of the functions'
# names, so this one has the last: https://github.com/Azure/azure-functions-host/issues/9876
UNKNOWN = Route(
    method="", path="{*path}", handler="unknown.refuse_unknown", role=Role.READER, answers={}
)
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
        from triggers import answering

        return answering.response(answering.answer(route, services, req))

    async def run_with_client(req: func.HttpRequest, client) -> func.HttpResponse:  # type: ignore[no-untyped-def]
        from triggers import answering, beginning

        answer = await asyncio.to_thread(lambda: answering.answer(route, services, req))
        return answering.response(await beginning.begun(client, answer))

    function = run_with_client if route.starts else run
    function.__name__ = function.__qualname__ = route.name
    return function
