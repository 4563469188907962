"""A machine that executes: VMs of Ubuntu and Debian get a real Debian 12 in a container.

What is real: the steps on a VM made from a marketplace image, from its first boot to its sealed
disk, on Debian 12 whatever system the VM should have, and whatever runs on a machine made from such
a disk. Result lines say so: `"standIn": "debian 12"`; a part that Debian cannot stand in for is
named in `"scripted"` (`hybrid`). What stays scripted as a whole, `"scripted": true`: VMs of other
systems or with Docker in their marketplace image, the driver, runs that meet an injected fault, the
older action, whose result is not looked at again. Registries hold what the simulated ones hold, by
name; the content is a small image.

The knowledge of a VM, and of an image, gets two fields: `machine`, the directory of its own disk,
and `disk`, that of the image's. Real seconds pass while a script runs. Containers end with the
simulator, and boot when needed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import threading
import urllib.parse
import urllib.request
import uuid

from local.azure_simulator import durations, model
from local.azure_simulator.container_registry import image_names
from local.azure_simulator.machine import (
    containers,
    disks,
    hybrid,
    interface,
    scripted,
    scripts,
    secrets,
    steps,
)

_SYSTEMS = {"debian", "ubuntu"}
_STAND_IN = "debian 12"
_MARKER = "batch-prep-result "
_OLD_ACTION = "#action"
_OWN, _OF_IMAGE = "machine", "disk"
_MACHINES_MAX = 16
"""Beyond that many at once further ones stay scripted: each takes some 150 MiB of memory."""
_STORAGE_HOST = "uploads.blob.core.windows.net"
_DOWNLOAD_SECONDS_MAX = 30
_SEAL_DELAY_SECONDS = "1"
"""The result is kept outside the machine, so no time is needed to fetch it."""


class NspawnMachine(scripted.ScriptedMachine):
    """See `interface.Machine`. `home` is the directory of the machines' disks, `kits` of kits."""

    def __init__(self, times: durations.Durations, home: pathlib.Path, kits: pathlib.Path) -> None:
        super().__init__(times)
        self._home = home
        self._kits = kits
        self._containers: dict[str, containers.Container] = {}
        self._lock = threading.Lock()

    def stand_in(self, vm: model.JsonObject) -> str:
        return _STAND_IN if vm.get(_OWN) else ""

    def boot(self, vm: model.JsonObject) -> None:
        """Begins to; runs wait for it."""
        is_new = _OWN not in vm and self._can_begin(vm)
        super().boot(vm)
        if is_new:
            vm[_OWN] = f"vm-{uuid.uuid4().hex[:12]}"
        if vm.get(_OWN):
            self._container(vm).restart(user=str(vm["user"]))

    def _can_begin(self, vm: model.JsonObject) -> bool:
        """Whether there is a disk to begin with: that of the image, or Debian's for a plain one."""
        if len(self._containers) >= _MACHINES_MAX:
            return False
        if vm.get(_OF_IMAGE):
            return disks.is_there(self._home / str(vm[_OF_IMAGE]))
        return vm["os"] in _SYSTEMS and not vm["docker"] and not vm["sealed"]

    def shut_down(self, vm: model.JsonObject) -> None:
        if vm.get(_OWN):
            self._container(vm).shut_down()

    def run(self, run: interface.ScriptRun) -> interface.Outcome | None:
        share = _share_of(run)
        if share is None:
            return super().run(run)
        seals, environment = scripts.step_of(run.script) == "seal", dict(share.environment)
        if seals and self._fails(run, share):
            return super().run(run)  # the machine must not seal itself
        if seals:
            environment["SEAL_DELAY_SECONDS"] = _SEAL_DELAY_SECONDS
        files = {**_uploaded(environment), **_secrets(run)}
        self._container(run.vm).start(
            containers.Order(
                name=_name(run),
                script=share.script,
                environment=environment,
                images=_images(run),
                files=files,
                identities=_identities(run),
                user=str(run.vm["user"]),
                seals=seals,
            )
        )
        return None

    def look(self, run: interface.ScriptRun) -> interface.Outcome | None:
        if not run.vm.get(_OWN):
            return super().look(run)
        container = self._container(run.vm)
        ended = container.look(_name(run))
        if ended is not None:
            return self._outcome(run, ended)
        if not container.knows(_name(run)):
            return self.run(run)  # a scripted one, or the simulator was started anew meanwhile
        if _waits_in_vain(run):
            container.kill(_name(run))
            return super().run(run)
        return None

    def kill(self, run: interface.ScriptRun) -> None:
        if run.vm.get(_OWN):
            self._container(run.vm).kill(_name(run))

    def destroy(self, vm: model.JsonObject) -> None:
        if vm.get(_OWN):
            self._container(vm).remove()
            del self._containers[str(vm.pop(_OWN))]

    def capture(self, contents: model.JsonObject) -> model.JsonObject:
        taken = super().capture(contents)
        source = taken.pop(_OWN, "") or taken.get(_OF_IMAGE, "")
        taken.pop(_OF_IMAGE, None)
        if source and disks.is_there(self._home / source):
            taken[_OF_IMAGE] = f"image-{uuid.uuid4().hex[:12]}"
            disks.keep(self._home / source, self._home / taken[_OF_IMAGE])
        return taken

    def discard(self, contents: model.JsonObject) -> None:
        if contents.get(_OF_IMAGE):
            disks.remove(self._home / str(contents[_OF_IMAGE]))

    def close(self) -> None:
        """End all machines; their disks stay."""
        for container in self._containers.values():
            container.close()

    def _container(self, vm: model.JsonObject) -> containers.Container:
        name, image = str(vm[_OWN]), vm.get(_OF_IMAGE)
        with self._lock:
            if name not in self._containers:
                self._containers[name] = containers.Container(
                    self._home / name, self._kits, self._home / str(image) if image else None
                )
            return self._containers[name]

    def _outcome(self, run: interface.ScriptRun, ended: containers.Ended) -> interface.Outcome:
        """What a run that has really ended means for the VM."""
        outcome = interface.Outcome(
            seconds=0, exit_code=ended.exit_code, stdout=ended.stdout, stderr=ended.stderr
        )
        share, result = _share_of(run), _result(ended.stdout)
        if share is None or result is None or result["exitCode"] != ended.exit_code:
            return outcome
        both = hybrid.answer(run.vm, share.scripted, result, self._other_half(run, share))
        shown = json.dumps({**both.result, "standIn": _STAND_IN}, separators=(",", ":"))
        has_sealed = result["step"] == "seal" and result["ok"]
        return dataclasses.replace(
            outcome,
            exit_code=both.result["exitCode"],
            stdout=f"{_before_result(ended.stdout)}{_MARKER}{shown}\n",
            changes=both.changes,
            later=(_later(run, ended),) if has_sealed else (),
        )

    def _fails(self, run: interface.ScriptRun, share: hybrid.Share) -> bool:
        done = self._other_half(run, share)
        return done is not None and done.exit_code != 0

    def _other_half(self, run: interface.ScriptRun, share: hybrid.Share) -> steps.Done | None:
        """How the parts would end that the container did not run; None without such parts."""
        if not share.scripted:
            return None
        if run.imagined is not None:
            return steps.Done(data=run.imagined)
        return self.imagine(run, scripts.step_of(run.script))


def _share_of(run: interface.ScriptRun) -> hybrid.Share | None:
    """What a container runs of it; None where all of it stays scripted."""
    if not run.vm.get(_OWN) or run.fault is not None or _OLD_ACTION in run.id:
        return None
    return hybrid.share_of(run)


def _waits_in_vain(run: interface.ScriptRun) -> bool:
    """For Docker, whose installation an injected fault met: no machine knows of that."""
    has_failed = "install" in run.vm.get("failedSteps", [])
    return scripts.step_of(run.script) == "preload" and has_failed


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


def _uploaded(environment: dict[str, str]) -> dict[str, bytes]:
    """What the step downloads from storage on this computer, which a machine cannot reach: it gets
    the address of a storage account in its place.
    """
    address = urllib.parse.urlsplit(environment.get("OWN_URL", ""))
    if address.hostname != "127.0.0.1":
        return {}
    with urllib.request.urlopen(address.geturl(), timeout=_DOWNLOAD_SECONDS_MAX) as answer:  # noqa: S310
        data = answer.read()
    place = f"{_STORAGE_HOST}{address.path}"
    environment["OWN_URL"] = f"https://{place}?{address.query}"
    return {place: data}


def _secrets(run: interface.ScriptRun) -> dict[str, bytes]:
    """Key Vault's answers for the secrets that the step may read; the others are not there."""
    found = {}
    named = (*secrets.of_own_step(run.environment), *secrets.of_registries(run.environment))
    for _, address in named:
        with contextlib.suppress(interface.SecretRefused):
            answer = {"id": address, "value": run.read_secret(address)}
            found[address.removeprefix("https://")] = json.dumps(answer).encode()
    return found


def _identities(run: interface.ScriptRun) -> tuple[str, ...]:
    """Client ids and resource ids that the metadata service knows in this machine."""
    return (*run.vm["identities"], *run.vm.get("identityIds", ()))


def _later(run: interface.ScriptRun, ended: containers.Ended) -> interface.Later:
    """What has happened already is shown after the time that the step announced."""
    after = float(run.environment.get("SEAL_DELAY_SECONDS", "20"))
    if not ended.is_off:
        return interface.Later(after_seconds=after, console=ended.console)
    sealed = {"sealed": True, "user": "", "steps": {}}
    return interface.Later(
        after_seconds=after,
        console=ended.console,
        powers_off=True,
        changes={**sealed, "buildId": run.environment["BUILD_ID"]},
    )


def _result(stdout: str) -> model.JsonObject | None:
    """The result line; None without one."""
    lines = stdout.splitlines()
    if not lines or not lines[-1].startswith(_MARKER):
        return None
    result: model.JsonObject = json.loads(lines[-1].removeprefix(_MARKER))
    return result


def _before_result(stdout: str) -> str:
    """What it printed besides its result line, the last one."""
    return "".join(stdout.splitlines(keepends=True)[:-1])
