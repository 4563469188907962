"""Every entry point of the app on one screen: what is bound to which trigger. Without logic."""

from __future__ import annotations

import asyncio

import azure.durable_functions as df
import azure.functions as func

from activities import ACTIVITIES
from orchestrators import ORCHESTRATORS
from shared import names
from shared.binding import bind
from shared.services import from_environment as services
from triggers import http, intake, timers
from triggers.routes import ROUTES

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

for activity in ACTIVITIES:
    app.function_name(activity.name)(
        app.activity_trigger(input_name="payload", activity=activity.name)(bind(activity, services))
    )

for name, orchestrator in ORCHESTRATORS.items():
    app.function_name(name.value)(
        app.orchestration_trigger(context_name="context", orchestration=name.value)(orchestrator)
    )

for route in ROUTES:
    if route.starts:
        with_client = app.durable_client_input(client_name="client")
        function = with_client(http.bound_with_client(route.handler, services))
    else:
        function = http.bound(route.handler, services)
    http_trigger = app.route(route=route.path, methods=[route.method])
    app.function_name(f"http_{route.handler.__name__}")(http_trigger(function))


@app.function_name("pool_request")
@app.queue_trigger(
    arg_name="message", queue_name=names.POOL_REQUESTS_QUEUE, connection="AzureWebJobsStorage"
)
@app.durable_client_input(client_name="client")
async def pool_request(message: func.QueueMessage, client) -> None:  # type: ignore[no-untyped-def]
    """A pool request from the queue."""
    text = message.get_body().decode(errors="replace")
    begin = await asyncio.to_thread(
        lambda: intake.take_pool_request(services(), str(message.id), text)
    )
    if begin:
        await http.begin(client, begin)


@app.function_name("pool_request_poison")
@app.queue_trigger(
    arg_name="message", queue_name=names.POISON_QUEUE, connection="AzureWebJobsStorage"
)
def pool_request_poison(message: func.QueueMessage) -> None:
    """What the queue gave up on."""
    text = message.get_body().decode(errors="replace")
    intake.record_poison(services(), str(message.id), text)


@app.function_name("weekly_rebuild")
@app.timer_trigger(arg_name="timer", schedule="%WEEKLY_REBUILD_SCHEDULE%")
@app.durable_client_input(client_name="client")
async def weekly_rebuild(timer: func.TimerRequest, client) -> None:  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Rebuild every enabled recipe."""
    await timers.begin_rebuild(client)


@app.function_name("sweep_leftovers")
@app.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%")
@app.durable_client_input(client_name="client")
async def sweep_leftovers(timer: func.TimerRequest, client) -> None:  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Remove what lost builds left."""
    await timers.begin_sweep(services(), client)
