"""The two halves of a pool's verification: the reports of the nodes' start tasks, and a job of
container tasks.
"""

from __future__ import annotations

from activities import batch_pool, pool_nodes
from shared.azure import batch_bodies, sdk
from shared.azure.sdk import Started
from shared.base import durations, names, timing
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model import simulation_marks, verification
from shared.model.plans import NODES_A_CALL, PoolPlan, ReportPlan
from shared.model.results import NodeReport
from shared.model.simulation_marks import Marks
from shared.model.verification import CheckResult

_TASKS_PER_REQUEST = 100  # Batch's limit


# -- first half: the start task of every node -----------------------------------------------------


@short_activity(
    ReportPlan,
    NodeReport,
    verb="read what the nodes' start tasks found",
    subject=lambda plan: plan.pool.resource,
)
def read_node_reports(services: Services, plan: ReportPlan, _: PollState) -> NodeReport:
    """Read the checks that each node's start task printed. A node without a report has failed."""
    nodes = plan.nodes or _some_nodes(services, plan.pool)
    reports = {node: pool_nodes.node_report(services, plan.pool, node) for node in nodes}
    away = _away(services, plan, reports)
    digests = _recorded_digests(services, plan.pool)
    checks = [
        verification.compared(check, plan.pool.container_images, digests)
        for node, report in reports.items()
        for check in ([_preempted(node)] if node in away else node_checks(node, report))
    ]
    marks = [simulation_marks.read(report or {}) for report in reports.values()]
    return _report(checks, marks)


def _away(services: Services, plan: ReportPlan, reports: dict[str, Json | None]) -> set[str]:
    """The nodes without a report that Azure has taken back meanwhile. Where that is all of them,
    the pool is proved once they are here again: raises StepFailed until then.
    """
    silent = {node for node, report in reports.items() if report is None}
    if not plan.nodes or not silent:
        return set()
    away = silent & pool_nodes.spot_nodes_away(services, plan.pool)
    if away == set(reports):
        raise StepFailed(
            Failure(
                code="NodesPreempted",
                kind=Kind.TRANSIENT,
                message="Azure has preempted the nodes that were to prove the pool.",
                resource=plan.pool.resource,
                next_action="Ask for the pool again later, or for a dedicated node.",
            )
        )
    return away


def _preempted(node: str) -> CheckResult:
    message = "Azure has preempted this node: the others prove the pool"
    code = verification.PREEMPTED
    return CheckResult(id="system", status="skip", code=code, message=message, node=node)


def _recorded_digests(services: Services, plan: PoolPlan) -> dict[str, str]:
    """What the VM image's record says of its container images: name and digest."""
    parts = names.parse_image_version_id(plan.image_id)
    if parts is None:
        return {}
    image = services.records.image(
        parts["gallery"], parts["definition"], parts["version"], parts["group"]
    )
    preloaded = image.container_images if image else []
    return {found.name: found.digest for found in preloaded if found.digest}


def _report(checks: list[CheckResult], several: list[Marks]) -> NodeReport:
    marks = simulation_marks.combine(several)
    return NodeReport(
        checks=checks,
        scripted=marks.scripted,
        scripted_parts=marks.scripted_parts,
        stand_in=marks.stand_in,
    )


def _some_nodes(services: Services, plan: PoolPlan) -> list[str]:
    """Some nodes of a pool that failed, enough to see why."""
    service = services.azure.batch_service(plan.endpoint)
    found = sdk.listed(service.list_nodes, plan.pool_id, select=["id"])
    return [node["id"] for node in found[:NODES_A_CALL]]


def node_checks(node: str, result: Json | None) -> list[CheckResult]:
    """One node's report as check results."""
    found = ((result or {}).get("data") or {}).get("checks")
    if not found:
        message = "the node's start task left no report"
        return [
            CheckResult(id="system", status="fail", code="NO_REPORT", message=message, node=node)
        ]
    return [
        CheckResult(
            id=check["id"],
            status=check["status"],
            code=check.get("code") or None,
            message=check.get("message") or None,
            node=node,
            seconds=check.get("seconds"),
            at=check.get("at"),
            evidence=check.get("data") or {},
        )
        for check in found
    ]


# -- second half: container tasks -----------------------------------------------------------------


# Tasks of a deleted pool stay active for ever. After this time, each poll checks whether the pool
# exists.
_OVERDUE_SECONDS = 4 * timing.of_step("verify").typical


def _observe_job(services: Services, plan: ReportPlan, poll: PollState) -> Json | None:
    """The job's tasks, or None where there is no job yet; when the job is overdue, also whether its
    pool is gone. The first call observes nothing, because Batch refuses a second job of that name.
    """
    from azure.core.exceptions import ResourceNotFoundError

    if poll.started is None:
        return None
    service = services.azure.batch_service(plan.pool.endpoint)
    try:
        tasks = sdk.listed(service.list_tasks, plan.pool.job_id)
    except ResourceNotFoundError:
        return None
    overdue = poll.elapsed > _OVERDUE_SECONDS
    is_gone = overdue and batch_pool.observe(services, plan.pool, poll) is None
    return {"tasks": tasks, "poolGone": is_gone}


_JOB_QUOTA = "ActiveJobAndScheduleQuotaReached"
_PATIENCE_SECONDS = 600  # other jobs end, and the nodes that wait cost money


def _no_room_for_a_job(plan: PoolPlan, poll: PollState) -> Failure:
    """Jobs of others fill the account's quota: transient for some minutes."""
    waits = poll.elapsed < _PATIENCE_SECONDS
    return Failure(
        code="JobQuotaReached",
        kind=Kind.TRANSIENT if waits else Kind.QUOTA,
        message=f"Account {plan.account.name} has as many active jobs as it may have, so the "
        f"verification job of pool {plan.pool_id} could not be created.",
        resource=f"{plan.resource}/jobs/{plan.job_id}",
        azure_code=_JOB_QUOTA,
        next_action="Finish or delete jobs of the account, or ask for a higher quota of active "
        "jobs and job schedules; without verify the pool needs no job.",
        retry_after=30.0,
    )


def _start_job(services: Services, plan: ReportPlan, poll: PollState) -> Started:
    from azure.core.exceptions import ResourceExistsError

    service = services.azure.batch_service(plan.pool.endpoint)
    job = {"id": plan.pool.job_id, "poolInfo": {"poolId": plan.pool.pool_id}}
    try:
        sdk.send(service.create_job, job)
    except ResourceExistsError as error:
        code = error.error.code if error.error else None
        if code == _JOB_QUOTA:
            raise StepFailed(_no_room_for_a_job(plan.pool, poll)) from None
        if code != "JobExists":
            raise
    return _add_tasks(services, plan, poll)


def _add_tasks(services: Services, plan: ReportPlan, _: PollState) -> Started:
    """Add the tasks; where some exist already, Batch refuses only those."""
    service = services.azure.batch_service(plan.pool.endpoint)
    tasks = batch_bodies.verification_tasks(plan.pool, len(plan.nodes))
    answer = None
    for start in range(0, len(tasks), _TASKS_PER_REQUEST):
        group = {"value": tasks[start : start + _TASKS_PER_REQUEST]}
        answer = sdk.send(service.create_task_collection, plan.pool.job_id, group)
    assert answer is not None
    return Started(status=answer.status, body=None, operation=None, retry_after=None)


def _decide_job(plan: ReportPlan, observed: Json | None, poll: PollState) -> Decision[NodeReport]:
    if observed is None:
        return Wait() if poll.started else Start(action="start")
    expected = batch_bodies.verification_tasks(plan.pool, len(plan.nodes))
    found = {t["id"]: t for t in observed["tasks"]}
    if any(t["id"] not in found for t in expected):
        return Wait() if poll.started == "add" else Start(action="add")
    open_ = [t for t in found.values() if str(t.get("state", "")).lower() != "completed"]
    if open_ and observed["poolGone"]:
        return Fail(failure=pool_nodes.gone(plan.pool))
    if open_:
        return Wait(note=f"{len(found) - len(open_)} of {len(found)} tasks have ended")
    marks = [simulation_marks.read(task.get("executionInfo") or {}) for task in found.values()]
    checks = [task_check(plan.pool, task) for task in found.values()]
    return Done(result=_report(checks, marks))


def task_check(plan: PoolPlan, task: Json) -> CheckResult:
    """One task's result: its exit code compared with the expected one."""
    info = task.get("executionInfo") or {}
    exit_code = info.get("exitCode")
    expected = 0
    if str(task["id"]).startswith("check-"):
        expected = plan.pool.checks[int(str(task["id"]).removeprefix("check-")) - 1].exit_code
    passed = exit_code == expected
    failure = info.get("failureInfo") or {}
    container = (info.get("containerInfo") or {}).get("error") or ""
    message = (
        ""
        if passed
        else f"exit code {exit_code}, expected {expected}. {failure.get('message', '')} {container}"
    )
    return CheckResult(
        id=str(task["id"]),
        status="pass" if passed else "fail",
        code=None if passed else (failure.get("code") or "CONTAINER_RUN"),
        message=message.strip() or None,
        node=(task.get("nodeInfo") or {}).get("nodeId"),
        seconds=_seconds(info),
        at=info.get("endTime"),
        evidence=_evidence(plan, task, exit_code, expected),
    )


def _seconds(info: Json) -> float | None:
    if not info.get("startTime") or not info.get("endTime"):
        return None
    return durations.between(info["startTime"], info["endTime"])


def _evidence(plan: PoolPlan, task: Json, exit_code: int | None, expected: int) -> Json:
    """The command that was run, and how it ended."""
    image = (task.get("containerSettings") or {}).get("imageName")
    return {
        "image": image,
        "preloaded": image in plan.container_images,
        "gpu": plan.gpu_count != 0,
        "command": task.get("commandLine"),
        "exitCode": exit_code,
        "expectedExitCode": expected,
    }


run_verification_job = Reconciler(
    name="run_verification_job",
    plan=ReportPlan,
    result=NodeReport,
    verb="run the verification job",
    subject=lambda plan: f"{plan.pool.resource}/jobs/{plan.pool.job_id}",
    observe=_observe_job,
    decide=_decide_job,
    actions={"start": _start_job, "add": _add_tasks},
)


@short_activity(
    PoolPlan,
    NoResult,
    verb="remove the verification job",
    subject=lambda plan: f"{plan.resource}/jobs/{plan.job_id}",
)
def remove_verification_job(services: Services, plan: PoolPlan, _: PollState) -> NoResult:
    service = services.azure.batch_service(plan.endpoint)
    sdk.delete_job(service, plan.job_id)
    return NoResult()
