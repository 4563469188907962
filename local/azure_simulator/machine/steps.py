"""The parts of a build's steps, as a machine that executes nothing computes them.

Each looks at what is inside the machine (`contents`) and at its parameters, and fails as the real
script would: preloading needs Docker, a driver a kernel to be built for, checks need everything.
"""

# ruff: noqa: ARG001 - steps share one signature

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence

from local.azure_simulator import durations, model
from local.azure_simulator.machine import (
    bill_of_materials,
    checks,
    contents,
    interface,
    scripts,
    secrets,
    volumes,
)

# Exit codes of the step scripts.
UNSUPPORTED_OS, BAD_PARAMETER, NO_SPACE, IMAGE_PULL, LOGIN = 10, 11, 20, 21, 22
CHECK_FAILED, DRIVER_BUILD, RETRY_LATER = 30, 40, 75
DOWNLOAD, SECRET = 24, 62

DOCKER_VERSION = "29.7.2"
TOOLKIT_VERSION = "1.20.0"
DCGM_VERSION = "4.5.2"
INFINIBAND_VERSIONS = {"22.04": "3.2.1", "24.04": "3.2.3"}
DRIVER_VERSIONS = {
    "datacenter-open": "580.173.02",
    "datacenter-proprietary": "580.173.02",
    "grid": "570.211.01",
    "grid-open": "595.58.03",
}
_GRID_WITH_CHECKSUM = "595.58.03"  # Microsoft publishes none for the others
_SUPPORTED = {
    "ubuntu": ("22.04", "24.04"),
    "debian": ("11", "12", "13"),
    "almalinux": ("8", "9"),
    "rocky": ("8", "9"),
    "rhel": ("8", "9"),
}
_KERNEL_UPDATE_CHANCE = 0.7  # how often the marketplace image's kernel is not the final one
_ROOM_PER_IMAGE = 2.5  # compressed layers, their unpacked form, and some room


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a step ended."""

    exit_code: int = 0
    message: str = ""
    phase: str = ""
    changed: bool = True
    reboot_required: bool = False
    data: model.JsonObject = dataclasses.field(default_factory=dict)
    changes: Mapping[str, object] = dataclasses.field(default_factory=dict)
    later: tuple[interface.Later, ...] = ()
    document: model.JsonObject | None = None
    """A bill of materials, printed on the line before the result."""


Part = Callable[[interface.ScriptRun, durations.Durations], Done | None]


def parts_of(script: str) -> list[str]:
    """What the script's step does, part by part; the step itself where its name is all that it
    says.
    """
    functions = scripts.functions_of(script)
    if not functions:
        return [name for name in [scripts.step_of(script)] if name in PARTS]
    return [_OF_FUNCTION[name] for name in functions if name in _OF_FUNCTION]


def required(script: str) -> list[str]:
    """Parameters without which the step refuses to run."""
    return [name for part in parts_of(script) for name in REQUIRED.get(part, [])]


def do(part: str, run: interface.ScriptRun, times: durations.Durations) -> Done | None:
    """How the part ends; None while it waits for another step."""
    for name in REQUIRED.get(part, []):
        if not run.environment.get(name):
            return Done(exit_code=BAD_PARAMETER, message=f"parameter {name} is missing")
    return PARTS[part](run, times)


def together(dones: Sequence[Done]) -> Done:
    """One step, of whose parts only the last may have failed."""
    last = dones[-1]
    return dataclasses.replace(
        last,
        changed=any(done.changed for done in dones),
        reboot_required=any(done.reboot_required for done in dones),
        data={name: value for done in dones for name, value in done.data.items()},
        changes={name: value for done in dones for name, value in done.changes.items()},
        document=next((done.document for done in dones if done.document), None),
    )


def wanted_images(run: interface.ScriptRun) -> list[str]:
    return list(dict.fromkeys(run.environment.get("IMAGES", "").split()))


def seal_mark(run: interface.ScriptRun) -> str:
    return f"{run.environment.get('BUILD_ID', '')} {run.environment.get('NONCE', '')}"


def prepare(run: interface.ScriptRun, times: durations.Durations) -> Done:
    vm = run.vm
    releases = _SUPPORTED.get(vm["os"], ())
    if not any(
        vm["osVersion"] == item or vm["osVersion"].startswith(f"{item}.") for item in releases
    ):
        message = f"{vm['os']} {vm['osVersion']} is not supported"
        return Done(exit_code=UNSUPPORTED_OS, message=message)
    is_updated = times.chance("kernel update", run.id) < _KERNEL_UPDATE_CHANCE
    if vm["buildId"]:
        is_updated = False  # an earlier build has held the kernel
    after = {**vm, "kernelPending": is_updated or vm["kernelPending"]}
    data = {"os": vm["os"], "osVersion": vm["osVersion"], "kernel": contents.newest_kernel(after)}
    return Done(
        changed=is_updated or not vm["buildId"],
        reboot_required=after["kernelPending"],
        data=data,
        changes={"kernelPending": after["kernelPending"], **_grown(run)},
    )


def _grown(run: interface.ScriptRun) -> dict[str, object]:
    """A script that does not grow the volumes leaves them as they are."""
    if not run.vm.get("volumes") or "grow_volumes" not in run.script:
        return {}
    return {"volumes": volumes.grown(run.vm)}


def docker(run: interface.ScriptRun, times: durations.Durations) -> Done:
    version = run.environment.get("DOCKER_VERSION", DOCKER_VERSION)
    data = {"dockerVersion": version}
    changes = {"docker": version}
    if run.environment.get("GPU") == "true":
        toolkit = run.environment.get("CONTAINER_TOOLKIT_VERSION", TOOLKIT_VERSION)
        data["toolkitVersion"] = changes["toolkit"] = toolkit
    is_changed = any(run.vm[name] != value for name, value in changes.items())
    return Done(changed=is_changed, data=data, changes=changes)


def infiniband(run: interface.ScriptRun, times: durations.Durations) -> Done:
    """NVIDIA's stack, where it is asked for: built from sources for the kernel that will boot."""
    if run.environment.get("INFINIBAND") != "true":
        return Done(changed=False)
    version = INFINIBAND_VERSIONS.get(run.vm["osVersion"])
    if run.vm["os"] != "ubuntu" or not version:
        return Done(exit_code=UNSUPPORTED_OS, message="InfiniBand is for Ubuntu")
    new = run.vm.get("infiniband") != version
    found, data = {"infiniband": version}, {"infinibandVersion": version}
    return Done(changed=new, reboot_required=new, data=data, changes=found)


def driver(run: interface.ScriptRun, times: durations.Durations) -> Done:
    kind = run.environment["DRIVER_KIND"]
    if kind not in DRIVER_VERSIONS:
        message = f"parameter DRIVER_KIND must be one of {', '.join(DRIVER_VERSIONS)}"
        return Done(exit_code=BAD_PARAMETER, message=message)
    version = run.environment.get("DRIVER_VERSION", DRIVER_VERSIONS[kind])
    if run.vm["os"] == "debian":
        return Done(exit_code=UNSUPPORTED_OS, message="GPU images are not built on Debian")
    # DKMS builds for the kernel that will boot on the Debian family; elsewhere for the running one.
    if run.vm["kernelPending"] and (kind.startswith("grid") or run.vm["os"] != "ubuntu"):
        message = f"kernel {contents.newest_kernel(run.vm)} will boot, {run.vm['kernel']} runs"
        return Done(exit_code=DRIVER_BUILD, message=message, phase="kernel")
    kernel = contents.newest_kernel(run.vm)
    data = {"driverVersion": version, "driverKind": kind}
    built = (run.vm["driver"], run.vm["driverKind"], run.vm.get("driverKernel", run.vm["kernel"]))
    if built == (version, kind, kernel):
        return Done(changed=False, data=data)
    if (
        kind.startswith("grid")
        and version != _GRID_WITH_CHECKSUM
        and "DRIVER_SHA256" not in run.environment
    ):
        message = f"no checksum of GRID driver {version} is published: give DRIVER_SHA256"
        return Done(exit_code=BAD_PARAMETER, message=message)
    changes = {"driver": version, "driverKind": kind, "driverLoaded": False}
    changes["driverSource"] = run.environment.get("DRIVER_SOURCE", "nvidia")
    fails_for = run.vm.get("driverFailsFor", [])
    if kernel in fails_for:
        older = run.environment.get("LAST_GOOD_KERNEL", kernel)
        if run.vm["os"] != "ubuntu" or older in fails_for:
            message = f"driver {version} does not compile for kernel {kernel}"
            return Done(exit_code=DRIVER_BUILD, message=message, phase="driver")
        data |= {"kernel": older, "kernelInsteadOf": kernel}
        changes |= {"kernel": older, "kernelPending": False}
        kernel = older
    return Done(reboot_required=True, data=data, changes={**changes, "driverKernel": kernel})


def dcgm(run: interface.ScriptRun, times: durations.Durations) -> Done:
    if run.environment.get("DCGM") != "true":
        return Done(changed=False)
    return Done(data={"dcgmVersion": DCGM_VERSION}, changes={"dcgm": DCGM_VERSION})


def scratch(run: interface.ScriptRun, times: durations.Durations) -> Done:
    found = {"scratch": "/scratch"} if run.environment.get("SCRATCH") == "true" else {}
    return Done(changed=bool(found), data={**found}, changes=found)


def preload(run: interface.ScriptRun, times: durations.Durations) -> Done | None:
    """Waits for Docker, unless what should have installed it has failed."""
    if not run.vm["docker"]:
        if "install" in run.vm.get("failedSteps", []):
            message = "the step install failed, so there is no Docker to pull with"
            return Done(exit_code=RETRY_LATER, message=message, phase="wait")
        return None
    if message := secrets.refusal(run, secrets.of_registries(run.environment)):
        return Done(exit_code=SECRET, message=message, phase="secrets")
    pulled = []
    for reference in wanted_images(run):
        try:
            found = run.pull(reference)
        except interface.PullRefused as refused:
            code = LOGIN if refused.is_login else IMAGE_PULL
            return Done(exit_code=code, message=str(refused), phase="pull")
        pulled.append({"name": reference, "digest": found.digest, "sizeBytes": found.size_bytes})
    names = {item["name"] for item in pulled}
    images = [item for item in run.vm["images"] if item["name"] not in names] + pulled
    needed = _ROOM_PER_IMAGE * sum(item["sizeBytes"] for item in images) / 1e9
    room = volumes.room_for_images_gb(run.vm)
    if needed > room:
        message = f"the images need {needed:.0f} GB, {room:.0f} are free"
        return Done(exit_code=NO_SPACE, message=message, phase="space")
    return Done(data={"images": pulled}, changes={"images": images})


def own(run: interface.ScriptRun, times: durations.Durations) -> Done:
    """What the owner's script does is not known; only whether it would come to run."""
    script, wanted = run.environment.get("OWN_SCRIPT", ""), run.environment["OWN_SHA256"]
    found = hashlib.sha256(base64.b64decode(script)).hexdigest()
    name = run.environment["OWN_NAME"]
    if script and not found.startswith(wanted):
        message = f"the file of step {name} has the checksum {found}, and should have {wanted}"
        return Done(exit_code=DOWNLOAD, message=message, phase="fetch")
    if message := secrets.refusal(run, secrets.of_own_step(run.environment)):
        return Done(exit_code=SECRET, message=message, phase="secrets")
    return Done(data={"exitCode": int(run.environment["OWN_EXIT_CODES"].split()[0])})


def check(run: interface.ScriptRun, times: durations.Durations) -> Done:
    vm = run.vm
    found = [
        {"id": name, "status": "fail" if code else "pass", "code": code, "message": message}
        for name, (code, message) in checks.of(vm, run.environment).items()
    ]
    data: model.JsonObject = {
        "kernel": vm["kernel"],
        "dockerVersion": vm["docker"],
        "images": vm["images"],
        "checks": found,
    }
    if vm["driver"]:
        data["driverVersion"] = vm["driver"]
    if run.environment.get("EXPECT_GPU") == "driver-only" and not vm["hasGpu"]:
        data["pending"] = ["gpu"]
    failed = [item["code"] for item in found if item["status"] == "fail"]
    message = f"failed checks: {' '.join(failed)}" if failed else ""
    exit_code = CHECK_FAILED if failed else 0
    document = None if failed else bill_of_materials.imagined(run.id, vm)
    return Done(exit_code=exit_code, message=message, changed=False, data=data, document=document)


def seal(run: interface.ScriptRun, times: durations.Durations) -> Done:
    """Returns at once; what it set in motion ends with power off, or a line on the console."""
    delay = int(run.environment.get("SEAL_DELAY_SECONDS", "20"))
    takes = delay + times.sample("script.sealing", run.id, 1)
    later = interface.Later(
        after_seconds=takes,
        console=f"batch-prep sealed {seal_mark(run)}",
        powers_off=True,
        changes={
            "sealed": True,
            "user": "",
            "buildId": run.environment["BUILD_ID"],
            "steps": {},
        },
    )
    if run.environment["BUILDER_USER"] != run.vm["user"]:
        line = f"batch-prep seal-failed {seal_mark(run)} user {run.vm['user']} remains"
        later = interface.Later(after_seconds=takes, console=line)
    return Done(data={"scheduled": True, "sealAfterSeconds": delay}, later=(later,))


PARTS: dict[str, Part] = {
    "prepare": prepare,
    "docker": docker,
    "infiniband": infiniband,
    "driver": driver,
    "scratch": scratch,
    "dcgm": dcgm,
    "preload": preload,
    "own": own,
    "check": check,
    "seal": seal,
}
_OF_FUNCTION = {
    "prepare": "prepare",
    "install_docker": "docker",
    "install_infiniband": "infiniband",
    "install_driver": "driver",
    "install_scratch": "scratch",
    "install_dcgm": "dcgm",
    "preload_images": "preload",
    "own_step": "own",
    "check_image": "check",
    "seal": "seal",
}
"""The functions of the step scripts that take time; the toolkit comes with Docker."""
REQUIRED = {
    "prepare": ["BUILDER_USER"],
    "driver": ["DRIVER_KIND"],
    "preload": ["IMAGES"],
    "own": ["OWN_NAME", "OWN_SHA256", "OWN_SECONDS", "OWN_EXIT_CODES"],
    "seal": ["BUILDER_USER", "BUILD_ID", "NONCE"],
}
"""Parameters without which a part refuses to run."""
