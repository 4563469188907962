"""Every entry point of the app on one screen: what is bound to which trigger. Without logic."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import azure.durable_functions as df
import azure.functions as func

import activities
import orchestrators
from shared.base import names
from triggers import routes

if TYPE_CHECKING:
    from shared.base.time_scale import TimeScale
    from shared.engine.activity import Services

app = df.DFApp(http_auth_level=routes.auth_level())


def services() -> Services:
    """Those of this deployment; made when the first invocation needs them."""
    from shared.engine.services import from_environment

    return from_environment()


@functools.cache
def time_scale() -> TimeScale | None:
    """That of a simulated Azure; none on Azure itself."""
    from shared.base import settings

    return settings.time_scale()


for activity in activities.ACTIVITIES:
    app.function_name(activity)(
        app.activity_trigger(input_name="payload", activity=activity)(
            activities.bound(activity, services)
        )
    )

for name in orchestrators.ORCHESTRATORS:
    app.function_name(name.value)(
        app.orchestration_trigger(context_name="context", orchestration=name.value)(
            orchestrators.bound(name, time_scale)
        )
    )

for route in routes.ROUTES:
    function = routes.bound(route, services)
    if route.starts:
        function = app.durable_client_input(client_name="client")(function)
    http_trigger = app.route(route=route.path, methods=[route.method])
    app.function_name(f"http_{route.name}")(http_trigger(function))


app.function_name(routes.UNKNOWN_NAME)(
    app.route(route=routes.UNKNOWN.path)(routes.bound(routes.UNKNOWN, services))
)


@app.function_name("pool_request")
@app.queue_trigger(
    arg_name="message", queue_name=names.POOL_REQUESTS_QUEUE, connection="AzureWebJobsStorage"
)
@app.durable_client_input(client_name="client")
async def pool_request(message: func.QueueMessage, client) -> None:  # type: ignore[no-untyped-def]
    """A pool request from the queue."""
    from triggers import beginning, intake

    text = message.get_body().decode(errors="replace")
    begin = await asyncio.to_thread(
        lambda: intake.take_pool_request(services(), str(message.id), text)
    )
    if begin:
        await beginning.begin(client, begin)


@app.function_name("pool_request_poison")
@app.queue_trigger(
    arg_name="message", queue_name=names.POISON_QUEUE, connection="AzureWebJobsStorage"
)
def pool_request_poison(message: func.QueueMessage) -> None:
    """What the queue gave up on."""
    from triggers import intake

    text = message.get_body().decode(errors="replace")
    intake.record_poison(services(), str(message.id), text)


@app.function_name("weekly_rebuild")
@app.timer_trigger(arg_name="timer", schedule="%WEEKLY_REBUILD_SCHEDULE%")
@app.durable_client_input(client_name="client")
async def weekly_rebuild(timer: func.TimerRequest, client) -> None:  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Rebuild every enabled recipe."""
    from triggers import timers

    await timers.begin_rebuild(client)


@app.function_name("sweep_leftovers")
@app.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%")
@app.durable_client_input(client_name="client")
async def sweep_leftovers(timer: func.TimerRequest, client) -> None:  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Remove what lost builds left."""
    from triggers import timers

    await timers.sweep(services(), client)
