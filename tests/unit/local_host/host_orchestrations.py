"""Small orchestrators and activities for the engine's tests, and the engine that runs them."""

from datetime import timedelta

import azure.durable_functions as df
import pytest

from local.functions_host import adapters, protocols
from local.functions_host.inline import InlineEngine


def fan_out(context):
    """Squares side by side, then their sum."""
    numbers = range(context.get_input())
    squares = yield context.task_all([context.call_activity("square", n) for n in numbers])
    context.set_custom_status({"phase": "sum"})
    return (yield context.call_activity("add", squares))


def in_turn(context):
    """Squares one after another."""
    total = 0
    for number in range(context.get_input()):
        total += yield context.call_activity("square", number)
    return total


def parent(context):
    """One child per number, each with a fixed id."""
    children = [
        context.call_sub_orchestrator("fan_out", n, f"{context.instance_id}:{n}")
        for n in context.get_input()
    ]
    return (yield context.task_all(children))


def poll(context):
    """Looks every 30 seconds until the fourth look."""
    for look in range(1, 10):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        if (yield context.call_activity("square", look)) >= 16:
            return context.current_utc_datetime.isoformat()
    return "never"


def countdown(context):
    """Goes on as new until nothing is left, keeping one timer per execution."""
    left = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    if left > 0:
        context.continue_as_new(left - 1)
        return None
    return "liftoff"


def collect(context):
    """Takes one event per execution, then goes on as new."""
    names = context.get_input()
    name = yield context.wait_for_external_event(f"event-{len(names)}")
    if len(names) < 2:
        context.continue_as_new([*names, name])
        return None
    return [*names, name]


def approval(context):
    """Waits for an event, at most a day."""
    deadline = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    event = context.wait_for_external_event("approve")
    first = yield context.task_any([event, deadline])
    if first is deadline:
        return "too late"
    deadline.cancel()
    return event.result


def catches(context):
    """Tells what its failed child said."""
    try:
        yield context.call_sub_orchestrator("fails", None, f"{context.instance_id}:child")
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing narrower
        return str(error)


def fails(context):
    """Lets a failure through."""
    return (yield context.call_activity("boom", context.get_input()))


def versioned(context):
    yield context.call_activity("square", 1)
    return context.version


ORCHESTRATORS = (
    fan_out,
    in_turn,
    parent,
    poll,
    countdown,
    collect,
    approval,
    catches,
    fails,
    versioned,
)


def square(number):
    return number * number


def add(numbers):
    return sum(numbers)


def boom(what):
    raise ValueError(f"boom {what}")


ACTIVITIES = (square, add, boom)


def an_engine(*orchestrators, activities=None, **options):
    """An engine with the functions above, and those given."""
    generators = {each.__name__: each for each in (*ORCHESTRATORS, *orchestrators)}
    functions = {each.__name__: each for each in ACTIVITIES} | (activities or {})
    return InlineEngine(
        adapters.orchestrators(generators),
        adapters.activities(functions),
        **options,
    )


RETRY_TWICE = df.RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=3)


def only_version_1(difference):
    """A test of version 1 of the SDK; `difference` is what version 2 does."""
    return pytest.mark.skipif(protocols.IS_PROTOBUF, reason=f"version 2 of the SDK {difference}")
