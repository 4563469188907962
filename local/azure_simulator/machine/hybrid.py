"""Steps of which a Debian machine can run a part: what it is given, and one answer for both halves.

What stays scripted is named in the result line's `"scripted"`, a list of these parts:

| part | what it is |
|---|---|
| install_container_toolkit, install_driver, install_dcgm | NVIDIA's software |
| install_infiniband | NVIDIA's InfiniBand stack, where it is asked for |
| infiniband | the check of it |
| kernel | the kernel packages of another system than Debian, and the kernel that runs |
| gpu | whatever needs a GPU, its driver or NVIDIA's runtime |

The scripted half is that of `steps`. Where nothing is left for the machine there is no share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from local.azure_simulator import model
from local.azure_simulator.machine import interface, scripts, steps

KERNEL, GPU, INFINIBAND = "kernel", "gpu", "infiniband"
_NVIDIAS = frozenset({"install_container_toolkit", "install_driver", "install_dcgm"})
_CHECKING = frozenset({"check_image", "verify"})
_ABOUT_KERNELS = frozenset({"prepare", *_CHECKING})
_NO_GPU = frozenset({"", "none", "0"})
_DCGM = "dcgm"
"""A check that the machine is not asked for; whatever needs a GPU stays scripted."""
_NEEDS_NVIDIA = "NVIDIA_RUNTIME_MISSING"
_FROM_SCRIPTED = {
    KERNEL: ("kernel",),
    GPU: ("driverVersion", "pending"),
    INFINIBAND: (),
    "install_infiniband": ("infinibandVersion",),
    "install_container_toolkit": ("toolkitVersion",),
    "install_driver": ("driverVersion", "driverKind"),
    "install_dcgm": ("dcgmVersion",),
}
"""Which of a step's data a scripted part gives."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What the machine runs, and the parts that it does not."""

    script: str
    environment: Mapping[str, str]
    scripted: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The result line of both halves, and what it means for the VM."""

    result: model.JsonObject
    changes: Mapping[str, object]


def share_of(run: interface.ScriptRun) -> Share | None:
    """The machine's share of a run; None where all of it stays scripted."""
    functions = set(scripts.functions_of(run.script)) or {scripts.step_of(run.script)}
    environment = dict(run.environment)
    script, scripted = _without_nvidias(run)
    if script is None:
        return None
    if functions & _ABOUT_KERNELS and run.vm["os"] != "debian":
        scripted.append(KERNEL)
    if functions & _CHECKING and environment.get("EXPECT_GPU", "") not in _NO_GPU:
        scripted.append(GPU)
        environment["EXPECT_GPU"] = "none"
        environment.pop("EXPECT_DCGM", None)
    if environment.pop("EXPECT_INFINIBAND", ""):
        scripted.append(INFINIBAND)
    return Share(script=script, environment=environment, scripted=tuple(scripted))


def _without_nvidias(run: interface.ScriptRun) -> tuple[str | None, list[str]]:
    """The script without NVIDIA's functions in its last line, None if they were all; and these.
    Where no InfiniBand is asked for, its function does nothing, and does that for real.
    """
    functions = scripts.functions_of(run.script)
    nvidias = set(_NVIDIAS)
    if run.environment.get("INFINIBAND") == "true":
        nvidias.add("install_infiniband")
    dropped = [name for name in functions if name in nvidias]
    kept = [name for name in functions if name not in nvidias]
    if dropped and not kept:
        return None, dropped
    return scripts.calling(run.script, kept), dropped


def answer(
    vm: model.JsonObject,
    parts: tuple[str, ...],
    result: model.JsonObject,
    done: steps.Done | None,
) -> Answer:
    """The result line of what really ran, with the scripted `parts` of `done` laid over it."""
    if done is None:
        return Answer(result=result, changes=_changes(vm, parts, result))
    merged = {**result, "scripted": list(parts)}
    if "checks" in merged["data"]:
        _judge_again(merged, parts, done)
    elif not result["ok"]:
        return Answer(result=merged, changes={})  # the scripted parts were never reached
    elif done.exit_code:
        merged.update(ok=False, exitCode=done.exit_code, message=done.message)
    given = {name for part in parts for name in _FROM_SCRIPTED[part]}
    merged["data"] = {**merged["data"], **{n: v for n, v in done.data.items() if n in given}}
    merged["rebootRequired"] = done.reboot_required or _restarts(parts, result)
    if not merged["ok"]:
        return Answer(result=merged, changes={})
    imagined = {name: value for name, value in done.changes.items() if name != "steps"}
    return Answer(result=merged, changes={**imagined, **_changes(vm, parts, merged)})


def _restarts(parts: tuple[str, ...], result: model.JsonObject) -> bool:
    """Whether the machine's own word on a restart counts: not if its kernel does not."""
    return bool(result["rebootRequired"]) and KERNEL not in parts


def _judge_again(merged: model.JsonObject, parts: tuple[str, ...], done: steps.Done) -> None:
    """Scripted checks in the place of those that could not really be asked; marked as such."""
    checks = merged["data"].get("checks")
    if checks is None or merged["exitCode"] not in {0, steps.CHECK_FAILED}:
        return  # it broke before
    scripted = {
        check["id"]: {**check, "scripted": True}
        for check in done.data["checks"]
        if check["id"] in {*parts, _DCGM} or check["code"] == _NEEDS_NVIDIA
    }
    checks = [scripted.get(item["id"], item) for item in checks]
    checks += [scripted[name] for name in (_DCGM, INFINIBAND) if name in scripted]
    failed = [item["code"] for item in checks if item["status"] == "fail"]
    message = f"failed checks: {' '.join(failed)}" if failed else ""
    merged["data"] = {**merged["data"], "checks": checks}
    merged.update(ok=not failed, exitCode=steps.CHECK_FAILED if failed else 0, message=message)


def _changes(
    vm: model.JsonObject, parts: tuple[str, ...], result: model.JsonObject
) -> Mapping[str, object]:
    """What the simulator knows of the VM's inside, from what the step says of itself."""
    data = result["data"]
    if not result["ok"] or "checks" in data:
        return {}
    found: dict[str, object] = {}
    if "os" in data and KERNEL not in parts:
        found["kernel"] = data["kernel"]
    if "dockerVersion" in data:
        found |= {"docker": data["dockerVersion"], "toolkit": data.get("toolkitVersion", "")}
    if "scratch" in data:
        found["scratch"] = data["scratch"]
    if "images" in data:
        names = {item["name"] for item in data["images"]}
        kept = [item for item in vm["images"] if item["name"] not in names]
        found["images"] = kept + data["images"]
    return found
