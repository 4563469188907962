"""A small app with every kind of trigger this host has."""

import json
import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


def note(text):
    """A line in the file that a test reads; where NOTES is not set, nowhere."""
    if path := os.environ.get("NOTES"):
        with Path(path).open("a") as file:
            file.write(f"{text}\n")


def as_json(value, status=200):
    return func.HttpResponse(json.dumps(value), status_code=status, mimetype="application/json")


# HTTP


@app.route(route="start/{name}/{id?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    body = req.get_json() if req.get_body() else None
    started = await client.start_new(req.route_params["name"], req.route_params.get("id"), body)
    return client.create_check_status_response(req, started)


@app.route(route="client/{method}/{id}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def use_client(req: func.HttpRequest, client):
    """Calls a method of the SDK's client with the id and the arguments in the body."""
    method = getattr(client, req.route_params["method"])
    try:
        result = await method(req.route_params["id"], **(req.get_json() if req.get_body() else {}))
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower
        return as_json({"error": str(error)}, 500)
    if hasattr(result, "runtime_status"):
        return as_json({"found": bool(result)} | (result.to_json() if result else {}))
    return as_json(getattr(result, "instances_deleted", result))


@app.route(route="prefix/{prefix}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def with_prefix(req: func.HttpRequest, client):
    found = await client.get_status_by(instance_id_prefix=req.route_params["prefix"])
    return as_json([each.instance_id for each in found])


@app.route(route="images/{gallery}/{name}/{version?}", methods=["GET", "DELETE"])
def image(req: func.HttpRequest):
    return as_json({"method": req.method, "query": dict(req.params), **req.route_params})


@app.route(route="images/latest/{name}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def latest(req: func.HttpRequest):
    return f"latest {req.route_params['name']}"


@app.route(route="secret", auth_level=func.AuthLevel.ADMIN)
def secret(req: func.HttpRequest):
    return "secret"


@app.route(route="silent", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def silent(req: func.HttpRequest):
    return None


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS)
def broken(req: func.HttpRequest):
    raise ValueError("as it was meant to")


@app.route(route="where", auth_level=func.AuthLevel.ANONYMOUS)
async def where(req: func.HttpRequest, context):
    thread = threading.current_thread() is threading.main_thread()
    setting = os.environ.get("FROM_LOCAL_SETTINGS")
    return as_json({"main": thread, "function": context.function_name, "setting": setting})


@app.route(route="ask", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="out", queue_name="orders", connection="AzureWebJobsStorage")
def ask(req: func.HttpRequest, out: func.Out[str]):
    out.set(req.get_body().decode())
    response = func.HttpResponse(status_code=202)
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2; Path=/")
    return response


# Queue and timers


@app.queue_trigger(arg_name="msg", queue_name="orders", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def on_order(msg: func.QueueMessage, client):
    """Starts a fan-out; refuses what says so."""
    order = msg.get_json()
    note(
        f"order {order['id']} attempt {msg.dequeue_count} inserted {msg.insertion_time is not None}"
    )
    if order.get("refuse"):
        raise ValueError("refused")
    await client.start_new("fan_out", order["id"], order["n"])


@app.timer_trigger(arg_name="timer", schedule="%NIGHTLY%")
def nightly(timer: func.TimerRequest):
    note(f"nightly past due {timer.past_due}")


# Orchestrators and activities


@app.orchestration_trigger(context_name="context")
def fan_out(context):
    numbers = range(context.get_input())
    squares = yield context.task_all([context.call_activity("square", n) for n in numbers])
    context.set_custom_status({"phase": "sum"})
    return {"total": (yield context.call_activity("add", squares)), "version": context.version}


@app.orchestration_trigger(context_name="context")
def in_turn(context):
    done = []
    for number in range(context.get_input()):
        step = {"of": context.instance_id, "number": number}
        done.append((yield context.call_activity("step", step)))
    return done


@app.orchestration_trigger(context_name="context")
def approval(context):
    decision = yield context.wait_for_external_event("decide")
    return decision


@app.orchestration_trigger(context_name="context")
def waits(context):
    yield context.create_timer(
        context.current_utc_datetime + timedelta(seconds=context.get_input())
    )
    return "done"


@app.orchestration_trigger(context_name="context")
def fails(context):
    yield context.call_activity("boom", "x")


@app.activity_trigger(input_name="number")
def square(number: int) -> int:
    return number * number


@app.activity_trigger(input_name="numbers")
async def add(numbers: list) -> int:
    return sum(numbers)


@app.activity_trigger(input_name="step")
def step(step: dict) -> int:
    """Where HOLD names a file, step 2 does not end before that file exists."""
    note(f"begin {step['of']} {step['number']}")
    hold = os.environ.get("HOLD")
    while hold and step["number"] == 2 and not Path(hold).exists():
        time.sleep(0.005)
    note(f"end {step['of']} {step['number']}")
    return step["number"]


@app.activity_trigger(input_name="what")
def boom(what: str):
    raise ValueError(f"boom {what}")
