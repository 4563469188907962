"""Tasks: where and when they run, what they leave behind."""

from __future__ import annotations

from typing import Any

import pytest
from azure.batch import models as batch_models
from azure_sandbox import refused
from batch_sandbox import code_of

pytestmark = pytest.mark.usefixtures("account")


# --- tasks on nodes -----------------------------------------------------------------------------


def test_a_task_runs_on_an_idle_node(world):
    """active, running, completed; the output is on the node."""
    world.make_ready_pool()
    world.add_task()
    assert world.service().get_task("job", "task").state == "active"
    task = world.await_task()
    information = task.execution_info
    assert (information.exit_code, information.result) == (0, "success")
    assert information.start_time < information.end_time
    assert task.node_info.pool_id == "dev"
    assert world.task_output() == "hello\n"


def test_a_created_task_is_answered_without_a_body(world):
    """Recorded: 201, empty, Location, DataServiceId, ETag without quotes."""
    world.make_job()
    answers: list[Any] = []
    options = batch_models.BatchTaskCreateOptions({"id": "t", "commandLine": "true"})
    world.service().create_task("job", options, raw_response_hook=answers.append)
    response = answers[0].http_response
    assert (response.status_code, response.text()) == (201, "")
    assert response.headers["Location"].endswith("/jobs/job/tasks/t")
    assert response.headers["DataServiceId"] == response.headers["Location"]
    assert response.headers["ETag"].startswith("0x8D")


def test_defaults_are_filled_in(world):
    """Recorded values."""
    world.make_job(constraints={"maxTaskRetryCount": 2})
    world.add_task()
    task = world.service().get_task("job", "task")
    assert task["constraints"]["maxWallClockTime"] == "P10675199DT2H48M5.4775807S"
    assert task["constraints"]["retentionTime"] == "P7D"
    assert task.constraints.max_task_retry_count == 2
    assert task.required_slots == 1
    assert task.user_identity.auto_user.elevation_level == "nonadmin"


def test_a_failing_command_is_a_failed_task(world):
    """After the retries it may have."""
    world.make_ready_pool()
    world.add_task(commandLine="/bin/bash -c 'exit 7'", constraints={"maxTaskRetryCount": 1})
    information = world.await_task().execution_info
    assert (information.exit_code, information.result, information.retry_count) == (7, "failure", 1)
    assert information.failure_info.code == "FailureExitCode"
    assert information.failure_info.category == "usererror"


def test_a_task_has_a_wall_clock_limit(world):
    """Ended when it runs longer than it may."""
    world.make_ready_pool()
    world.add_fault(effect="slow", operation="tasks.run", factor=100)
    world.add_task(constraints={"maxWallClockTime": "PT1M"})
    information = world.await_task().execution_info
    assert (information.result, information.failure_info.code) == ("failure", "TaskEnded")


def test_a_node_takes_as_many_tasks_as_it_has_slots(world):
    """Two slots, three tasks: the third waits."""
    world.make_ready_pool(taskSlotsPerNode=2)
    for number in range(3):
        world.add_task(f"t{number}")
    world.wait(7)
    states = [task.state for task in world.service().list_tasks("job")]
    assert sorted(states) == ["active", "running", "running"]
    (node,) = world.service().list_nodes("dev")
    assert (node.state, node.running_tasks_count) == ("running", 2)
    assert all(world.await_task(f"t{number}").state == "completed" for number in range(3))
    (node,) = world.service().list_nodes("dev")
    assert (node.state, node.total_tasks_run, node.total_tasks_succeeded) == ("idle", 3, 3)
    assert {item.task_id for item in node.recent_tasks} == {"t0", "t1", "t2"}


def test_a_task_may_need_several_slots(world):
    """It waits until one node has them all."""
    world.make_ready_pool(taskSlotsPerNode=2)
    world.add_task("small")
    world.add_task("large", requiredSlots=2)
    world.wait(7)
    assert world.service().get_task("job", "large").state == "active"
    assert world.await_task("large").execution_info.result == "success"


def test_tasks_are_spread_or_packed(world):
    """Spread fills empty nodes first, pack the fullest."""
    for name, fill, used in (("s", "Spread", 2), ("p", "Pack", 1)):
        policy = {"nodeFillType": fill}
        world.make_pool(name, nodes=2, taskSlotsPerNode=2, taskSchedulingPolicy=policy)
        world.await_nodes(name)
        world.make_job(name, name)
        for number in range(2):
            world.add_task(f"t{number}", name)
        nodes = {world.await_task(f"t{number}", name).node_info.node_id for number in range(2)}
        assert len(nodes) == used, name


def test_a_task_goes_to_the_node_it_prefers(world):
    """An affinity to a node wins while the node has room."""
    world.make_ready_pool(nodes=3)
    last = world.await_nodes()[-1]
    world.add_task(affinityInfo={"affinityId": last.affinity_id})
    assert world.await_task().node_info.node_id == last.id


def test_a_task_waits_for_its_pools_first_node(world):
    """Without a node it stays active, for as long as it takes."""
    world.make_pool(nodes=0)
    world.make_job()
    world.add_task()
    world.wait(36_000)
    assert world.service().get_task("job", "task").state == "active"
    world.service().begin_resize_pool("dev", {"targetDedicatedNodes": 1})
    world.await_nodes()
    assert world.await_task().execution_info.result == "success"


def test_a_held_back_node_takes_no_task(world):
    """A node whose start task failed is no place to work."""
    start = {"commandLine": "/bin/bash -c 'exit 1'", "waitForSuccess": True}
    world.make_ready_pool(start_task=start)
    world.add_task()
    world.wait(600)
    assert world.service().get_task("job", "task").state == "active"


def test_a_job_may_name_a_pool_that_is_made_later(world):
    """Documented: the service does not refuse it, it only runs no task."""
    world.make_job(pool="later")
    world.add_task()
    world.make_pool("later")
    world.await_nodes("later")
    assert world.await_task().execution_info.exit_code == 0


def test_tasks_of_a_removed_node_run_elsewhere(world):
    """They are requeued, and say so."""
    world.make_ready_pool(nodes=2)
    world.add_fault(effect="slow", operation="tasks.run", factor=50)
    world.add_task()
    world.wait(10)
    node = world.service().get_task("job", "task").node_info.node_id
    world.service().begin_remove_nodes("dev", {"nodeList": [node]})
    task = world.await_task()
    assert task.node_info.node_id != node
    assert task.execution_info.requeue_count == 1


def test_files_go_with_their_node(world):
    """A pool at zero nodes keeps no output."""
    world.make_ready_pool()
    world.add_task()
    world.await_task()
    world.service().begin_resize_pool("dev", {"targetDedicatedNodes": 0})
    world.await_steady()
    error = refused(world.task_output)
    assert (error.status_code, code_of(error)) == (404, "NodeNotFound")


# --- many tasks, counts, files ------------------------------------------------------------------


def test_tasks_are_added_in_collections(world):
    """Up to 100 in one request; the SDK splits more, and known ids count as added."""
    world.make_job()
    tasks = [
        batch_models.BatchTaskCreateOptions({"id": f"t{number}", "commandLine": "true"})
        for number in range(150)
    ]
    service = world.service()
    result = service.create_tasks("job", tasks)
    assert {item.status for item in result.result_values} == {"success"}
    assert len(list(service.list_tasks("job"))) == 150
    again = service.create_tasks("job", tasks[:1]).result_values[0]
    assert (again.status, again.error.code) == ("clienterror", "TaskExists")


def test_a_known_task_is_refused_alone(world):
    """409, so that a repeated request is harmless."""
    world.make_job()
    world.add_task()
    error = refused(world.add_task)
    assert (error.status_code, error.error.code) == (409, "TaskExists")


def test_counts_lag_behind(world):
    """Recorded: no active task two seconds after one was added."""
    world.make_job()
    world.add_task()
    world.wait(2)
    assert world.service().get_job_task_counts("job").task_counts.active == 0
    world.wait(10)
    assert world.service().get_job_task_counts("job").task_counts.active == 1


def test_counts_tell_success_from_failure(world):
    """Completed is the sum of both."""
    world.make_ready_pool()
    world.add_task("good")
    world.add_task("bad", commandLine="/bin/false")
    for name in ("good", "bad"):
        world.await_task(name)
    world.wait(30)
    counts = world.service().get_job_task_counts("job").task_counts
    assert (counts.completed, counts.succeeded, counts.failed) == (2, 1, 1)


def test_files_are_read_in_ranges(world):
    """200 in both cases; a range beyond the end is 416."""
    world.make_ready_pool()
    world.add_task(commandLine="/bin/bash -c 'echo 0123456789'")
    error = refused(world.task_output)
    assert (error.status_code, code_of(error)) == (409, "OperationInvalidForCurrentState")
    world.await_task()
    assert world.task_output(ocp_range="bytes=2-4") == "234"
    assert refused(world.task_output, ocp_range="bytes=500-").status_code == 416
    properties = world.service().get_task_file_properties("job", "task", "stdout.txt")
    assert int(properties.content_length) == 11
    names = [item.name for item in world.service().list_task_files("job", "task")]
    assert names == ["stderr.txt", "stdout.txt"]


def test_lists_are_filtered_selected_and_paged(world):
    """The next page's address is in odata.nextLink."""
    world.make_ready_pool()
    world.add_task("bad", commandLine="/bin/false")
    world.add_task("good")
    world.await_task("good")
    service = world.service()
    assert [t.id for t in service.list_tasks("job", filter="id eq 'bad'")] == ["bad"]
    assert [t.id for t in service.list_tasks("job", filter="startswith(id,'g')")] == ["good"]
    (node,) = service.list_nodes("dev", select=["id", "state"])
    assert set(node) == {"id", "state"}
    assert len(list(service.list_tasks("job", max_results=1))) == 2
    for wrong in ({"filter": "state like 'x'"}, {"max_results": 0}, {"max_results": 1001}):
        error = refused(lambda options=wrong: list(service.list_tasks("job", **options)))
        assert error.error.code == "InvalidQueryParameterValue"
        assert "QueryParameterValue" in {item.code for item in error.error.details}
