"""Scripts on the builder VM: start each as a managed run command, and poll it until it ends."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

from shared.azure import bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import errors, names, script_exits, scripts
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model import simulation_marks
from shared.model.plans import ScriptPlan
from shared.model.results import ScriptResult

_OWN_STEP = "own_step"  # runs each of the owner's
_READABLE_HOURS = 6  # an upload, from the start of the script that reads it


def _path(plan: ScriptPlan) -> tuple[str, str, str]:
    vm = names.builder_vm(plan.image.build_id)
    return plan.image.resource_group, vm, names.run_command(plan.step, plan.image.attempt)


def observe(services: Services, plan: ScriptPlan, _: PollState) -> Json | None:
    """The run command with its instance view, or None."""
    calls = services.azure.compute.virtual_machine_run_commands
    return sdk.fetch(calls.get_by_virtual_machine, *_path(plan), expand="instanceView")


def _observe_later(services: Services, plan: ScriptPlan, poll: PollState) -> Json | None:
    """The first call starts the script without observing it. If an interrupted call has started it
    already, Azure takes the same name with the same body for the same run. The address of an
    upload is signed anew each time, which makes another body, and so a second run.
    """
    is_first = poll.started is None and poll.elapsed == 0
    is_same = plan.own is None or not plan.own.is_archive
    return None if is_first and is_same else observe(services, plan, poll)


def start(services: Services, plan: ScriptPlan, poll: PollState) -> Started:
    calls = services.azure.compute.virtual_machine_run_commands
    name = names.run_command(plan.step, plan.image.attempt)
    if plan.image.log_container:  # a run command that cannot write its logs fails
        services.outbox.prepare_logs(plan.image.log_container)
    script = scripts.assemble(_OWN_STEP if plan.own else plan.step)
    body = bodies.run_command(plan, script, name, _protected(services, plan, poll))
    return sdk.send(calls.begin_create_or_update, *_path(plan), body)


def _protected(services: Services, plan: ScriptPlan, poll: PollState) -> dict[str, str]:
    """The text of the owner's step, or the address of its files: only Azure and the builder get
    them.
    """
    step = plan.own
    if step is None or step.upload is None:
        return {}
    if step.is_archive:
        until = datetime.fromisoformat(poll.now) + timedelta(hours=_READABLE_HOURS)
        return {"OWN_URL": services.outbox.context_url(step.upload, until)}
    text = services.outbox.get_context(step.upload)
    return {"OWN_SCRIPT": base64.b64encode(text).decode()}


def _subject(plan: ScriptPlan) -> str:
    return f"{plan.image.vm_id}/runCommands/{names.run_command(plan.step, plan.image.attempt)}"


# instanceView.executionState → whether the script has ended
_ENDED = {"succeeded", "failed", "timedout", "canceled"}
_GOING = {"unknown", "pending", "running"}


def decide(plan: ScriptPlan, observed: Json | None, poll: PollState) -> Decision[ScriptResult]:
    """Done when the script has printed its result line with this build's nonce. Azure's "Succeeded"
    alone proves nothing.
    """
    if observed is None:
        return Wait() if poll.started else Start(action="start")
    view = resource_state.properties(observed).get("instanceView") or {}
    state = str(view.get("executionState") or "Unknown").lower()
    if state in _GOING:
        return Wait(note=f"the script is {state}")
    if state not in _ENDED:
        raise errors.Bug(f"Azure says executionState {state!r}, which is not known here")
    return _ended(plan, view)


def _ended(plan: ScriptPlan, view: Json) -> Decision[ScriptResult]:
    result = scripts.result_line(str(view.get("output") or ""))
    exit_code = int(view.get("exitCode") or 0)
    if result is None or result.get("nonce") != plan.parameters.get("NONCE"):
        return Fail(failure=_no_result(plan, view, exit_code), marks=simulation_marks.read(view))
    marks = simulation_marks.read(result)
    if not result.get("ok") or exit_code != 0:
        failure = script_exits.failure(
            step=plan.step,
            resource=_subject(plan),
            exit_code=int(result.get("exitCode") or exit_code),
            message=str(result.get("message") or ""),
            log=str(result.get("logTail") or ""),
        )
        return Fail(failure=replace(failure, log_url=log_url(plan)), marks=marks)
    ours = {"rebootRequired": bool(result.get("rebootRequired")), "logUrl": log_url(plan)}
    return Done(
        result=ScriptResult.from_wire({**(result.get("data") or {}), **ours, **marks.to_wire()})
    )


def _no_result(plan: ScriptPlan, view: Json, exit_code: int) -> Failure:
    """The failure of a script that was killed, timed out, or left another script's output."""
    said = str(view.get("executionMessage") or view.get("error") or view.get("output") or "")[
        -1000:
    ]
    return Failure(
        code="ScriptFailed",
        kind=Kind.SCRIPT,
        message=f"Script '{plan.step}' ended with {exit_code}, without a result. {said}".strip(),
        resource=_subject(plan),
        azure_code=str(view.get("executionState") or ""),
        next_action="Read the script's log."
        if plan.image.keep_vm
        else "Keep the VM (keepVm) and read /var/log/batch-prep on it.",
        log_url=log_url(plan),
    )


def log_url(plan: ScriptPlan) -> str | None:
    """The blob of all that the script prints, or None where no logs are kept."""
    if not plan.image.log_container:
        return None
    name = names.run_command(plan.step, plan.image.attempt)
    return names.script_log(plan.image.log_container, plan.image.build_id, name)


run_script = Reconciler(
    name="run_script",
    plan=ScriptPlan,
    result=ScriptResult,
    verb="run a script on the builder VM",
    subject=_subject,
    observe=_observe_later,
    decide=decide,
    actions={"start": start},
)
