"""Sealing the builder: the script schedules the sealing and returns, then the VM seals itself and
powers off. One operation from the script's start to the seal's mark on the console.
"""

from __future__ import annotations

from activities import builder_vm, run_script
from shared import clients, decisions, polling
from shared.decisions import Done, Fail, Verdict, Wait
from shared.errors import Failure, Kind
from shared.operations import Json, Operation, Services, Tick
from shared.plans import ScriptPlan

_STOPPED = {"stopped", "deallocated"}
# A failed seal leaves the VM running: from then on the script and the console are asked why.
_OVERDUE_SECONDS = polling.pace_of("seal").typical


def _look(services: Services, plan: ScriptPlan, tick: Tick) -> Json | None:
    """The VM, with what `command` and `console` tell where they are needed."""
    if tick.started is None and run_script.look(services, plan, tick) is None:
        return {"command": None}
    vm = builder_vm.look(services, plan.image, tick)
    if vm is None:
        return None
    if decisions.power_state(vm) not in _STOPPED and tick.elapsed <= _OVERDUE_SECONDS:
        return vm
    command = run_script.look(services, plan, tick)
    return {**vm, "command": command, "console": _console(services, plan)}


def _console(services: Services, plan: ScriptPlan) -> str:
    calls = services.azure.compute.virtual_machines
    told = clients.fetch(calls.retrieve_boot_diagnostics_data, *builder_vm.path(plan.image)) or {}
    url = told.get("serialConsoleLogBlobUri")
    return (services.azure.get_url(url) or "") if url else ""


def _judge(plan: ScriptPlan, observed: Json | None, tick: Tick) -> Verdict:
    """Stopped, with this seal's mark on the console: a crash looks stopped too."""
    if observed is None:
        return Fail(failure=builder_vm.lost(plan.image))
    console = observed.get("console") or ""
    ours = f"{plan.image.build_id} {plan.parameters['NONCE']}"
    if f"batch-prep seal-failed {ours}" in console:
        return Fail(failure=_not_sealed(plan, console))
    script = run_script.judge(plan, observed["command"], tick) if "command" in observed else Wait()
    if decisions.power_state(observed) in _STOPPED:
        if f"batch-prep sealed {ours}" in console:
            return script if isinstance(script, Done) else Done()
        return Wait(note="the VM has stopped; its console does not yet show the seal")
    return Wait(note="the VM seals itself") if isinstance(script, Done) else script


def _not_sealed(plan: ScriptPlan, console: str) -> Failure:
    tail = "\n".join(console.splitlines()[-10:])
    return Failure(
        code="NotSealed",
        kind=Kind.SCRIPT,
        message=f"The system could not be sealed. Last lines of the console:\n{tail}",
        resource=plan.image.vm_id,
        next_action="Nothing was published. Read the console, then start the build again.",
    )


seal_builder = Operation(
    name="seal_builder",
    plan=ScriptPlan,
    verb="seal and stop the builder VM",
    subject=lambda plan: plan.image.vm_id,
    look=_look,
    judge=_judge,
    actions={"start": run_script.start},
)
