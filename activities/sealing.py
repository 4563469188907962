"""Check and seal the builder.

One script checks the finished system and, if every check passes, schedules the sealing. Then the VM
seals itself, writes a mark to the serial console and powers off. One reconciler covers all of this,
from the start of the script to the mark.
"""

from __future__ import annotations

from activities import builder_vm, run_script
from shared.azure import resource_state, sdk
from shared.base import timing
from shared.base.errors import Failure, Kind
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Wait
from shared.model.plans import ScriptPlan
from shared.model.results import ScriptResult

_STOPPED = {"stopped", "deallocated"}
# After this time, each poll asks for the console as well: a failed seal leaves the VM running, and
# a VM that went off early took its agent's report with it.
_OVERDUE_SECONDS = timing.of_step("seal").typical


def _observe(services: Services, plan: ScriptPlan, poll: PollState) -> Json | None:
    """The script's run command as `command` until it has reported; then the VM, with its `console`
    where the decision needs that.
    """
    is_overdue = poll.elapsed > _OVERDUE_SECONDS
    found: Json = {}
    if "script" not in poll.memory:
        found = {"command": run_script.observe(services, plan, poll)}
        if not is_overdue or (found["command"] is None and poll.started is None):
            return found
    vm = builder_vm.observe(services, plan.image, poll)
    if vm is None:
        return None
    if is_overdue or resource_state.power_state(vm) in _STOPPED:
        found["console"] = _console(services, plan)
    return {**vm, **found}


def _console(services: Services, plan: ScriptPlan) -> str:
    calls = services.azure.compute.virtual_machines
    logs = sdk.fetch(calls.retrieve_boot_diagnostics_data, *builder_vm.path(plan.image)) or {}
    url = logs.get("serialConsoleLogBlobUri")
    return (services.azure.get_url(url) or "") if url else ""


def _decide(plan: ScriptPlan, observed: Json | None, poll: PollState) -> Decision[ScriptResult]:
    """Sealed when the VM has stopped and this seal's mark is on the console. A VM that crashed has
    stopped, too, so the power state alone proves nothing.
    """
    if observed is None:
        return Fail(failure=builder_vm.lost(plan.image))
    console = observed.get("console") or ""
    ours = f"{plan.image.build_id} {plan.parameters['NONCE']}"
    if f"batch-prep seal-failed {ours}" in console:
        return Fail(failure=_not_sealed(plan, console))
    script = run_script.decide(plan, observed["command"], poll) if "command" in observed else None
    result = script.result if isinstance(script, Done) else _remembered(poll)
    if resource_state.power_state(observed) in _STOPPED:
        if f"batch-prep sealed {ours}" in console:
            return Done(result=result or ScriptResult(log_url=run_script.log_url(plan)))
        return Wait(note="the VM has stopped; its console does not yet show the seal")
    if result is None:
        return script or Wait(note="the script checks the system")
    return Wait(note="the VM is sealing itself", memory={"script": result.to_wire()})


def _remembered(poll: PollState) -> ScriptResult | None:
    found = poll.memory.get("script")
    return None if found is None else ScriptResult.from_wire(found)


def _not_sealed(plan: ScriptPlan, console: str) -> Failure:
    tail = "\n".join(console.splitlines()[-10:])
    return Failure(
        code="NotSealed",
        kind=Kind.SCRIPT,
        message=f"The system could not be sealed. Last lines of the console:\n{tail}",
        resource=plan.image.vm_id,
        next_action="Nothing was published. Read the console, then start the build again.",
    )


seal_builder = Reconciler(
    name="seal_builder",
    plan=ScriptPlan,
    result=ScriptResult,
    verb="seal and stop the builder VM",
    subject=lambda plan: plan.image.vm_id,
    observe=_observe,
    decide=_decide,
    actions={"start": run_script.start},
)
