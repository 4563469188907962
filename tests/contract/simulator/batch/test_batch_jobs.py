"""Jobs on an account's data plane."""

from __future__ import annotations

from typing import Any

import pytest
from azure.batch import models as batch_models
from azure.core import MatchConditions
from azure_sandbox import refused

pytestmark = pytest.mark.usefixtures("account")


def test_a_job_is_made_once(world):
    """409 JobExists, also with another pool."""
    world.make_job()
    assert refused(world.make_job, pool="other").error.code == "JobExists"
    assert refused(world.make_job, "bad id").status_code == 400


@pytest.mark.parametrize(
    "pool", [{}, {"poolId": "dev", "autoPoolSpecification": {"poolLifetimeOption": "job"}}]
)
def test_a_job_names_one_pool(world, pool):
    """Or a specification of one, but not both."""
    assert refused(world.make_job, poolInfo=pool).error.code == "MissingRequiredProperty"


def test_an_old_etag_refuses_a_change_of_a_job(world):
    """And the present one allows it."""
    world.make_job()
    service = world.service()
    options = batch_models.BatchJobUpdateOptions({"priority": 5})
    present = service.get_job("job").etag
    condition = {"match_condition": MatchConditions.IfNotModified}
    service.update_job("job", options, etag=present, **condition)
    error = refused(service.update_job, "job", options, etag=present, **condition)
    assert (error.status_code, error.error.code) == (412, "ConditionNotMet")


def test_most_of_a_job_cannot_be_changed(world):
    """Its display name, for one."""
    world.make_job()
    update = _request("PATCH", "/jobs/job?api-version=2025-06-01", {"displayName": "x"})
    answer = refused(world.service().send_request, update)
    assert (answer.status_code, answer.error.code) == (400, "InvalidPropertyValue")


def test_a_deleted_job_is_deleting_for_a_while(world):
    """202 with nothing to poll but the job itself."""
    world.make_job()
    world.add_task()
    service = world.service()
    answer = service.send_request(_request("DELETE", "/jobs/job?api-version=2025-06-01"))
    assert answer.status_code == 202
    assert service.get_job("job").state == "deleting"
    assert refused(world.add_task, "late").error.code == "JobBeingDeleted"
    again = refused(service.send_request, _request("DELETE", "/jobs/job?api-version=2025-06-01"))
    assert again.error.code == "JobBeingDeleted"
    world.wait(60)
    assert refused(service.get_job, "job").error.code == "JobNotFound"


def test_a_terminated_job_ends_its_running_tasks(world):
    """Active tasks stay active; nothing new is taken."""
    world.make_ready_pool()
    world.add_task("runs")
    world.add_task("waits")
    world.wait(7)
    service = world.service()
    answer = service.send_request(
        _request(
            "POST", "/jobs/job/terminate?api-version=2025-06-01", {"terminateReason": "enough"}
        )
    )
    assert (answer.status_code, service.get_job("job").state) == (202, "terminating")
    assert service.get_task("job", "runs").execution_info.failure_info.code == "TaskEnded"
    assert service.get_task("job", "waits").state == "active"
    world.wait(60)
    job = service.get_job("job")
    assert (job.state, job.execution_info.termination_reason) == ("completed", "enough")
    assert refused(world.add_task, "late").error.code == "JobCompleted"


def test_a_terminated_jobs_waiting_tasks_give_their_slots_back(world):
    """A task that was about to begin holds nothing any more."""
    world.make_ready_pool()
    world.add_task()
    world.service().send_request(_request("POST", "/jobs/job/terminate?api-version=2025-06-01"))
    world.make_job("other")
    world.add_task(job="other")
    assert world.await_task(job="other").execution_info.result == "success"


def test_a_job_that_ends_with_its_tasks_ends_at_once_without_any(world):
    """Documented trap: no task means that all are complete."""
    world.make_job(onAllTasksComplete="terminatejob")
    world.wait(30)
    assert world.service().get_job("job").state == "completed"


def test_a_job_ends_with_its_last_task(world):
    """Set after the tasks were added, as documented."""
    world.make_ready_pool()
    world.add_task()
    options = batch_models.BatchJobUpdateOptions({"onAllTasksComplete": "terminatejob"})
    world.service().update_job("job", options)
    assert world.service().get_job("job").state == "active"
    world.await_task()
    world.wait(30)
    job = world.service().get_job("job")
    assert (job.state, job.execution_info.termination_reason) == ("completed", "AllTasksComplete")


def test_a_disabled_job_runs_nothing(world):
    """Its tasks wait until it is enabled."""
    world.make_ready_pool()
    service = world.service()
    disable = _request(
        "POST", "/jobs/job/disable?api-version=2025-06-01", {"disableTasks": "requeue"}
    )
    world.add_task("before")
    world.await_task("before")
    assert service.send_request(disable).status_code == 202
    assert service.get_task("job", "before").state == "completed"
    world.add_task()
    world.wait(60)
    assert service.get_task("job", "task").state == "active"
    service.send_request(_request("POST", "/jobs/job/enable?api-version=2025-06-01"))
    assert world.await_task().execution_info.result == "success"


def test_active_jobs_have_a_quota(world):
    """Completed jobs do not count."""
    world.set(**{"batchQuota:activeJobs": 1})
    world.make_job("one", onAllTasksComplete="terminatejob")
    world.wait(30)
    world.make_job("two")
    assert refused(world.make_job, "three").error.code == "ActiveJobAndScheduleQuotaReached"


def test_a_task_is_ended_and_deleted(world):
    """204 and 200; ending twice is refused."""
    world.make_ready_pool()
    world.add_task()
    service = world.service()
    service.terminate_task("job", "task")
    assert service.get_task("job", "task").execution_info.failure_info.code == "TaskEnded"
    assert refused(service.terminate_task, "job", "task").error.code == "TaskCompleted"
    service.delete_task("job", "task")
    assert refused(service.get_task, "job", "task").error.code == "TaskNotFound"


def _request(method: str, url: str, body: Any = None) -> Any:
    from azure.core.rest import HttpRequest

    return HttpRequest(method, f"{{endpoint}}{url}", json=body)
