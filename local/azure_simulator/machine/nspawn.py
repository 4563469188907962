"""A machine that executes: VMs of Ubuntu and Debian get a real Debian 12 in a container.

What is real: the steps on a VM made from a marketplace image, from its first boot to its sealed
disk, on Debian 12 whatever system the VM should have. Their result lines say so: `"standIn":
"debian 12"`. What stays scripted, and says so: VMs with a GPU, of other systems, or made from a
captured image; a VM that is asked for a driver or NVIDIA's toolkit, from then on; runs that meet an
injected fault; the older action, which nobody looks at again; pool nodes. Registries hold what the
simulated ones hold, by name; the content is a small image.

The VM's knowledge gets a field `machine`: the name of its container, "" where it has none any more.
Real seconds pass while a script runs. Containers end with the simulator, and boot when needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import threading
import uuid

from local.azure_simulator import durations, model
from local.azure_simulator.container_registry import image_names
from local.azure_simulator.machine import containers, interface, scripted, scripts

_SYSTEMS = {"debian", "ubuntu"}
_STAND_IN = "debian 12"
_MARKER = "batch-prep-result "
_OLD_ACTION = "#action"
_FIELD = "machine"
_SEAL_DELAY_SECONDS = "1"
"""The result is kept outside the machine, nobody needs time to fetch it."""


class NspawnMachine(scripted.ScriptedMachine):
    """See `interface.Machine`. `home` is the directory of the machines' disks, `kits` of kits."""

    def __init__(self, times: durations.Durations, home: pathlib.Path, kits: pathlib.Path) -> None:
        super().__init__(times)
        self._home = home
        self._kits = kits
        self._containers: dict[str, containers.Container] = {}
        self._lock = threading.Lock()

    def boot(self, vm: model.JsonObject) -> None:
        """Begins to; runs wait for it."""
        is_new = _FIELD not in vm and not vm["sealed"]
        super().boot(vm)
        if is_new and vm["os"] in _SYSTEMS and not vm["hasGpu"] and not vm["docker"]:
            vm[_FIELD] = f"vm-{uuid.uuid4().hex[:12]}"
        if vm.get(_FIELD):
            self._container(vm).restart(user=str(vm["user"]))

    def run(self, run: interface.ScriptRun) -> interface.Outcome | None:
        if not run.vm.get(_FIELD) or run.fault is not None or _OLD_ACTION in run.id:
            return super().run(run)
        step, environment = scripts.step_of(run.script), dict(run.environment)
        if step == "driver" or environment.get("GPU") == "true":
            return self._give_up(run)
        if step == "seal":
            environment["SEAL_DELAY_SECONDS"] = _SEAL_DELAY_SECONDS
        self._container(run.vm).start(
            containers.Order(
                name=_name(run),
                script=run.script,
                environment=environment,
                images=_images(run),
                identities=_identities(run),
                user=str(run.vm["user"]),
                seals=step == "seal",
            )
        )
        return None

    def _give_up(self, run: interface.ScriptRun) -> interface.Outcome | None:
        """Nothing here can stand in for NVIDIA's software: the VM goes on without a container."""
        self._container(run.vm).remove()
        run.vm[_FIELD] = ""
        return super().run(run)

    def look(self, run: interface.ScriptRun) -> interface.Outcome | None:
        container = self._container(run.vm)
        ended = container.look(_name(run))
        if ended is None:
            if not container.knows(_name(run)):
                self.run(run)  # the simulator was started anew meanwhile
            return None
        if ended.is_off:
            container.forget_disk()
        return _outcome(run, ended)

    def kill(self, run: interface.ScriptRun) -> None:
        if run.vm.get(_FIELD):
            self._container(run.vm).kill(_name(run))

    def destroy(self, vm: model.JsonObject) -> None:
        if vm.get(_FIELD):
            self._container(vm).remove()

    def close(self) -> None:
        """End all machines; their disks stay."""
        for container in self._containers.values():
            container.close()

    def _container(self, vm: model.JsonObject) -> containers.Container:
        name = str(vm[_FIELD])
        with self._lock:
            if name not in self._containers:
                self._containers[name] = containers.Container(self._home / name, self._kits)
            return self._containers[name]


def _name(run: interface.ScriptRun) -> str:
    return hashlib.sha256(run.id.encode()).hexdigest()[:16]


def _images(run: interface.ScriptRun) -> tuple[str, ...]:
    """Which of the images that the step names can be pulled, as `HOST/REPOSITORY:TAG`."""
    found = []
    for reference in run.environment.get("IMAGES", "").split():
        try:
            run.pull(reference)
            name = image_names.parse(reference)
        except (interface.PullRefused, image_names.BadReferenceError):
            continue
        host = "registry-1.docker.io" if name.is_on_docker_hub else name.registry
        found.append(f"{host}/{name.repository}:{name.tag}")
    return tuple(found)


def _identities(run: interface.ScriptRun) -> tuple[str, ...]:
    """Client ids that the metadata service knows in this machine."""
    return tuple(run.vm["identities"])


def _outcome(run: interface.ScriptRun, ended: containers.Ended) -> interface.Outcome:
    """What a run that has really ended means for the VM."""
    step, result = scripts.step_of(run.script), _result(ended.stdout)
    outcome = interface.Outcome(
        seconds=0, exit_code=ended.exit_code, stdout=ended.stdout, stderr=ended.stderr
    )
    if result is None:
        return outcome
    shown = json.dumps({**result, "standIn": _STAND_IN}, separators=(",", ":"))
    outcome = dataclasses.replace(outcome, stdout=f"{_MARKER}{shown}\n")
    if ended.exit_code != 0:
        return outcome
    if step == "seal":
        return dataclasses.replace(outcome, later=(_later(run, ended),))
    return dataclasses.replace(outcome, changes=_changes(step, run.vm, result["data"]))


def _later(run: interface.ScriptRun, ended: containers.Ended) -> interface.Later:
    """What has happened already is shown after the time that the step announced."""
    after = float(run.environment.get("SEAL_DELAY_SECONDS", "20"))
    if not ended.is_off:
        return interface.Later(after_seconds=after, console=ended.console)
    sealed = {"sealed": True, "user": "", "steps": {}, _FIELD: ""}
    return interface.Later(
        after_seconds=after,
        console=ended.console,
        powers_off=True,
        changes={**sealed, "buildId": run.environment["BUILD_ID"]},
    )


def _changes(step: str, vm: model.JsonObject, data: model.JsonObject) -> model.JsonObject:
    """What the simulator knows of the VM's inside, from what the step says of itself."""
    match step:
        case "prepare":
            return {"kernel": data["kernel"]}
        case "docker":
            toolkit = data.get("toolkitVersion", "")
            return {"docker": data["dockerVersion"], "toolkit": toolkit}
        case "preload":
            names = {item["name"] for item in data["images"]}
            kept = [item for item in vm["images"] if item["name"] not in names]
            return {"images": kept + data["images"]}
        case _:
            return {}


def _result(stdout: str) -> model.JsonObject | None:
    """The result line; None without one."""
    lines = stdout.splitlines()
    if not lines or not lines[-1].startswith(_MARKER):
        return None
    result: model.JsonObject = json.loads(lines[-1].removeprefix(_MARKER))
    return result
