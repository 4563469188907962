"""A machine that executes nothing: it knows the steps of a build and prints what they would print.

Every result line carries `"scripted": true`. Other scripts end with exit code 0 and no output after
a generic duration; of these it knows `waagent -deprovision` alone. What each step needs and does is
in `steps`.
"""

# ruff: noqa: ARG002 - the interface has more than a machine of this kind needs

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Sequence

from local.azure_simulator import durations, model
from local.azure_simulator.machine import contents, interface, scripts, step_durations, steps

ROLE_SECONDS = 300.0
"""How long a step tries a registry that does not let it in: a fresh role needs minutes to work."""
REPEATED_SECONDS = 1.0
_KEPT_SECONDS = 2.0  # estimate: of an image that is there already
"""A step that was done before, with the same inputs, prints its stored result."""
_NOT_INPUTS = frozenset({"NONCE", "DEADLINE_SECONDS"})
_ALWAYS_RUN = frozenset({"check", "seal"})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Ran:
    """One part of a step, and when it ended, in seconds since the step began."""

    part: str
    done: steps.Done
    ended: float


class ScriptedMachine:
    """See `interface.Machine`. Everything is computed when a run starts."""

    def __init__(self, times: durations.Durations) -> None:
        times.add(step_durations.DURATIONS)
        self._times = times

    def stand_in(self, vm: model.JsonObject) -> str:
        """None: nothing is executed."""
        return ""

    def boot(self, vm: model.JsonObject) -> None:
        """A waiting kernel becomes the running one; a driver works in the kernel it is for."""
        if vm["kernelPending"]:
            vm["kernel"] = contents.newest_kernel(vm)
            vm["kernelPending"] = False
        if "driverKernel" in vm:
            vm["driverLoaded"] = vm["driverKernel"] == vm["kernel"]
        vm["sealed"] = False
        vm["failedSteps"] = []

    def shut_down(self, vm: model.JsonObject) -> None:
        """Nothing runs."""

    def observe(self, vm: model.JsonObject) -> interface.Observation:
        """All that happens is announced in outcomes."""
        return interface.Observation()

    def run(self, run: interface.ScriptRun) -> interface.Outcome | None:
        problem = scripts.interpreter_problem(run.script)
        if problem is not None:
            code, message = problem
            return interface.Outcome(seconds=0.1, exit_code=code, stderr=message + "\n")
        step = scripts.step_of(run.script)
        if not steps.parts_of(run.script):
            return self._run_unknown(run)
        missing = scripts.unbound_variable(run.script, run.environment, steps.required(run.script))
        if missing:
            return _unbound(missing)
        outcome = self._run_step(run, step)
        return None if outcome is None else self._met_by_fault(run, step, outcome)

    def look(self, run: interface.ScriptRun) -> interface.Outcome | None:
        return self.run(run)

    def kill(self, run: interface.ScriptRun) -> None:
        """Nothing to end: a killed run's changes are never merged."""

    def destroy(self, vm: model.JsonObject) -> None:
        """Nothing to remove."""

    def capture(self, contents: model.JsonObject) -> model.JsonObject:
        """There is no disk but what is known of it."""
        return copy.deepcopy(contents)

    def discard(self, contents: model.JsonObject) -> None:
        """Nothing to remove."""

    def _run_unknown(self, run: interface.ScriptRun) -> interface.Outcome:
        names = scripts.names_used(run.script)
        missing = scripts.unbound_variable(run.script, run.environment, names)
        if missing:
            return _unbound(missing)
        changes = scripts.deprovisioning(run.script)
        row = "script.other" if changes is None else "script.sealing"
        seconds = self._times.sample(row, run.id, 1)
        return self._met_by_fault(
            run, "", interface.Outcome(seconds=seconds, changes=changes or {})
        )

    def _run_step(self, run: interface.ScriptRun, step: str) -> interface.Outcome | None:
        """None while it waits, or tries again and again."""
        if _input_hash(step, run) in run.vm["steps"]:
            return _outcome(run, step, self.imagine(run, step), REPEATED_SECONDS)
        deadline = float(run.environment.get("DEADLINE_SECONDS", "3300"))
        ran = self._parts(run)
        if ran is None or (ran[-1].done.exit_code == steps.LOGIN and run.spent < ROLE_SECONDS):
            return None if run.spent < deadline else _too_late(run, step, deadline, ())
        seconds = ran[-1].ended
        if seconds > deadline:
            return _too_late(run, step, deadline, _meanwhile(ran))
        outcome = _outcome(run, step, self.imagine(run, step), seconds)
        return dataclasses.replace(outcome, meanwhile=_meanwhile(ran[:-1]))

    def imagine(self, run: interface.ScriptRun, step: str) -> steps.Done:
        """How the step would end; what was done before with the same inputs is remembered."""
        inputs = _input_hash(step, run)
        known = run.vm["steps"].get(inputs)
        if known is not None:
            return dataclasses.replace(steps.Done(**known), changed=False)
        ran = self._parts(run)
        assert ran is not None  # what waits has no end yet
        done = steps.together([item.done for item in ran])
        if done.exit_code or step in _ALWAYS_RUN:
            return done
        stored = {"data": done.data, "reboot_required": done.reboot_required}
        remembered = {**run.vm["steps"], inputs: stored}
        return dataclasses.replace(done, changes={"steps": remembered, **done.changes})

    def _parts(self, run: interface.ScriptRun) -> list[_Ran] | None:
        """The parts of the step one after the other, each in the machine that those before it
        left, up to the first that fails; None while one waits.
        """
        ran: list[_Ran] = []
        vm, ended = run.vm, 0.0
        for part in steps.parts_of(run.script):
            done = steps.do(part, dataclasses.replace(run, vm=vm), self._times)
            if done is None:
                return None
            ended += self._seconds(dataclasses.replace(run, vm=vm), part, done)
            ran.append(_Ran(part=part, done=done, ended=ended))
            if done.exit_code:
                break
            vm = {**vm, **done.changes}
        return ran

    def _seconds(self, run: interface.ScriptRun, part: str, done: steps.Done) -> float:
        """What is there already is only looked at."""
        if part in step_durations.KEPT_SECONDS and not done.changed:
            return step_durations.KEPT_SECONDS[part]
        seconds = self._times.sample(f"script.{part}", run.id, 1)
        here = {item["name"] for item in run.vm["images"]}
        for number, name in enumerate(steps.wanted_images(run) if part == "preload" else []):
            there = name in here
            seconds += (
                _KEPT_SECONDS
                if there
                else self._times.sample("script.preloadImage", run.id, number)
            )
        return seconds

    def _met_by_fault(
        self, run: interface.ScriptRun, step: str, outcome: interface.Outcome
    ) -> interface.Outcome:
        fault = run.fault
        match fault and fault["effect"]:
            case "silent":
                return dataclasses.replace(outcome, stdout="")
            case "crash":
                return dataclasses.replace(outcome, crashes=True, changes={}, later=())
            case "sealFails":
                assert fault is not None
                return _with_failing_seal(run, outcome, str(fault.get("message", "injected")))
            case "script":
                assert fault is not None
                return self._failed(run, step, outcome, fault)
            case _:
                return outcome

    def _failed(
        self,
        run: interface.ScriptRun,
        step: str,
        outcome: interface.Outcome,
        fault: model.JsonObject,
    ) -> interface.Outcome:
        """In the part that the fault names, or at the end."""
        code, named = int(fault.get("exitCode", 70)), str(fault.get("step", "")).lower()
        ran = self._parts(run) or []
        number = next((n for n, item in enumerate(ran) if item.part == named), len(ran) - 1)
        seconds = ran[number].ended if ran else outcome.seconds
        if "stdout" in fault or not step:
            ended = interface.Outcome(
                seconds=seconds, exit_code=code, stdout=fault.get("stdout", "")
            )
        else:
            message = fault.get("message", "injected failure")
            ended = _outcome(run, step, steps.Done(exit_code=code, message=message), seconds)
        return dataclasses.replace(ended, meanwhile=_meanwhile(ran[: max(number, 0)]))


def _meanwhile(ran: Sequence[_Ran]) -> tuple[interface.Later, ...]:
    """What each part that did not fail leaves at its end."""
    return tuple(
        interface.Later(after_seconds=item.ended, changes=item.done.changes)
        for item in ran
        if not item.done.exit_code
    )


def _too_late(
    run: interface.ScriptRun, step: str, deadline: float, parts: tuple[interface.Later, ...]
) -> interface.Outcome:
    message = f"did not end within {deadline:.0f} seconds"
    outcome = _outcome(run, step, steps.Done(exit_code=124, message=message), deadline)
    before = tuple(item for item in parts if item.after_seconds < deadline)
    return dataclasses.replace(outcome, meanwhile=before)


def _with_failing_seal(
    run: interface.ScriptRun, outcome: interface.Outcome, reason: str
) -> interface.Outcome:
    line = f"batch-prep seal-failed {steps.seal_mark(run)} {reason}"
    later = tuple(
        interface.Later(after_seconds=item.after_seconds, console=line) for item in outcome.later
    )
    return dataclasses.replace(outcome, later=later)


def _unbound(name: str) -> interface.Outcome:
    message = f"script.sh: line 3: {name}: unbound variable\n"
    return interface.Outcome(seconds=0.1, exit_code=1, stderr=message)


def _input_hash(step: str, run: interface.ScriptRun) -> str:
    inputs = {key: value for key, value in run.environment.items() if key not in _NOT_INPUTS}
    text = json.dumps([step, inputs], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _outcome(
    run: interface.ScriptRun, step: str, done: steps.Done, seconds: float
) -> interface.Outcome:
    is_ok = done.exit_code == 0
    result = {
        "v": 1,
        "step": step,
        "nonce": run.environment.get("NONCE", ""),
        "ok": is_ok,
        "exitCode": done.exit_code,
        "changed": done.changed and is_ok,
        "rebootRequired": done.reboot_required,
        "seconds": round(seconds),
        "phase": done.phase,
        "message": done.message,
        "logTail": "" if is_ok else done.message,
        "log": f"/var/log/batch-prep/{step}.log",
        "data": done.data,
        "scripted": True,
    }
    document = f"batch-prep-bom {json.dumps(done.document)}\n" if done.document else ""
    return interface.Outcome(
        seconds=seconds,
        exit_code=done.exit_code,
        stdout=f"{document}batch-prep-result {json.dumps(result)}\n",
        stderr=f"{step}: scripted, nothing was executed\n{done.message}".rstrip() + "\n",
        changes=done.changes if is_ok else _failure(run.vm, step),
        later=done.later if is_ok else (),
    )


def _failure(vm: model.JsonObject, step: str) -> model.JsonObject:
    return {"failedSteps": [*vm.get("failedSteps", []), step]}
