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
    from shared.base.wire import Request
    from shared.engine.activity import Services
    from triggers.http import Handler


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """`path` is below `/api/`; `handler` is a function of a module beside this one; `body` is the
    model of `shared.model.requests` that the request's JSON is parsed into.
    """

    method: str
    path: str
    handler: str
    starts: bool = False  # whether it may begin an orchestration
    body: str | None = None

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


ROUTES = [
    Route(
        method="POST",
        path="builds",
        handler="builds.start_build",
        starts=True,
        body="Build",
    ),
    Route(method="GET", path="builds", handler="builds.list_builds"),
    Route(method="GET", path="builds/{id}", handler="builds.show_build"),
    Route(method="DELETE", path="builds/{id}", handler="builds.cancel_build"),
    Route(method="POST", path="builds/{id}/resume", handler="builds.resume_build", starts=True),
    Route(method="POST", path="plan", handler="builds.plan_build", body="Build"),
    Route(method="GET", path="images", handler="catalogue.list_images"),
    Route(method="GET", path="images/{gallery}/{name}/{version}", handler="catalogue.show_image"),
    Route(
        method="GET",
        path="images/{gallery}/{name}/{version}/bom",
        handler="catalogue.show_bill_of_materials",
    ),
    Route(method="GET", path="pools", handler="catalogue.list_pools"),
    Route(method="GET", path="pools/{account}/{pool}", handler="catalogue.show_pool"),
    Route(method="POST", path="pools", handler="intake.request_pool", body="PoolMessage"),
    Route(
        method="PATCH",
        path="pools/{account}/{pool}",
        handler="catalogue.resize_pool",
        starts=True,
        body="Resize",
    ),
    Route(
        method="DELETE",
        path="pools/{account}/{pool}",
        handler="catalogue.delete_pool",
        starts=True,
    ),
    Route(method="GET", path="recipes", handler="catalogue.list_recipes"),
    Route(method="GET", path="recipes/{name}", handler="catalogue.show_recipe"),
    Route(method="PUT", path="recipes/{name}", handler="catalogue.put_recipe", body="Recipe"),
    Route(method="DELETE", path="recipes/{name}", handler="catalogue.delete_recipe"),
    Route(method="GET", path="leftovers", handler="leftovers.list_leftovers"),
    Route(method="POST", path="leftovers/sweep", handler="leftovers.begin_sweep", starts=True),
    Route(method="POST", path="contexts", handler="contexts.upload_context"),
    Route(method="GET", path="health", handler="health.show_health"),
    Route(method="GET", path="openapi.json", handler="openapi.describe"),
]


def bound(route: Route, services: Callable[[], Services]) -> Callable[..., Any]:
    """The function to register for a route; one that `starts` something gets a durable client."""

    def run(req: func.HttpRequest) -> func.HttpResponse:
        from triggers import http

        return http.response(http.answer(route.find_handler(), services, req))

    async def run_with_client(req: func.HttpRequest, client) -> func.HttpResponse:  # type: ignore[no-untyped-def]
        from triggers import http

        answer = await asyncio.to_thread(lambda: http.answer(route.find_handler(), services, req))
        if answer.begin is not None:
            await http.begin(client, answer.begin)
        return http.response(answer)

    function = run_with_client if route.starts else run
    function.__name__ = function.__qualname__ = route.name
    return function
