"""The SDK's client on an engine in the same process."""

import asyncio

import pytest
from azure.durable_functions import OrchestrationRuntimeStatus
from host_orchestrations import an_engine

from local.functions_host import local_client


def use(world, method, *arguments, **options):
    """Call a method of the client, as a trigger would."""
    client = local_client.open_client(world)
    return asyncio.run(getattr(client, method)(*arguments, **options))


def test_a_trigger_starts_and_reads_an_instance():
    """With the inputs and outputs of the real client."""
    world = an_engine()

    started = use(world, "start_new", "fan_out", "mine", 4)
    world.run_until_complete(started)
    status = use(world, "get_status", "mine")

    assert started == "mine"
    assert status.runtime_status is OrchestrationRuntimeStatus.Completed
    assert (status.output, status.custom_status, status.input_) == (14, {"phase": "sum"}, "4")


def test_an_unknown_instance_is_false():
    """As the real client says it."""
    status = use(an_engine(), "get_status", "nobody")

    assert not status
    assert status.runtime_status is None


def test_a_second_start_raises():
    """With the message of the extension somewhere in it."""
    world = an_engine()
    use(world, "start_new", "approval", "once")

    with pytest.raises(Exception, match="status Pending already exists"):
        use(world, "start_new", "approval", "once")


def test_an_unknown_orchestrator_raises():
    """The words of the extension."""
    with pytest.raises(Exception, match="'nobody' doesn't exist"):
        use(an_engine(), "start_new", "nobody")


def test_instances_are_told_to_stop():
    """And are found by prefix and status."""
    world = an_engine()
    for name in ("wait-1", "wait-2"):
        use(world, "start_new", "approval", name)
    world.run_ready()

    use(world, "terminate", "wait-1", "enough of it")
    use(world, "terminate", "wait-1", "twice is harmless")

    found = use(
        world,
        "get_status_by",
        instance_id_prefix="wait-",
        runtime_status=[OrchestrationRuntimeStatus.Terminated],
    )
    assert [(each.instance_id, each.output) for each in found] == [("wait-1", "enough of it")]


def test_a_check_status_response_has_the_links():
    """A trigger can hand them out in a test, too."""
    import azure.functions as func

    client = local_client.open_client(an_engine())
    request = func.HttpRequest("POST", "http://127.0.0.1:7071/api/builds", body=b"")

    answer = client.create_check_status_response(request, "mine")

    assert answer.status_code == 202
    assert b"/runtime/webhooks/durabletask/instances/mine" in answer.get_body()
