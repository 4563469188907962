"""The verification step of batch-prep's start task, judged without executing it.

What a node would find is decided by the hidden contents of its image and by its size. The result
line has the step contract's form and says `"scripted": true`.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from local.azure_simulator import model
from local.azure_simulator.batch import commands, containers
from local.azure_simulator.data import skus

MARK = re.compile(r"^# batch-prep step: verify\b", re.MULTILINE)
_DIGESTS_SHOWN = 5  # as many as the step's result line has room for
CHECK_FAILED = 30  # exit code of the step contract
_ENCODED = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
_GRID_FAMILIES = {  # which driver the partitions of a GPU need
    "standardnvadsa10v5family": "grid",
    "standardncdsrtxpro6000bsev6xlfamily": "grid-open",
}
# V100: https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html
_WITHOUT_OPEN_MODULES = frozenset({"standardndsv2family", "standardncsv3family"})
_TOO_NEW_FAMILIES = frozenset({"standardncadsx900v9family"})  # no driver knows these GPUs yet
_GPU_MODELS = {
    "standard ncasv3_t4 family": "Tesla T4",
    "standardncadsa100v4family": "NVIDIA A100 80GB PCIe",
    "standardncadsh100v5family": "NVIDIA H100 NVL",
    "standardndsh100v5family": "NVIDIA H100 80GB HBM3",
    "standardndasv4_a100family": "NVIDIA A100-SXM4-40GB",
    "standardnvadsa10v5family": "NVIDIA A10-24Q",
    "standardncdsrtxpro6000bsev6xlfamily": "NVIDIA RTX Pro 6000 Blackwell DC-96Q",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """The node on which the step runs."""

    contents: model.JsonObject
    size: skus.Size
    is_elevated: bool
    """Whether the start task's user may reach the Docker socket."""
    has_secure_boot: bool
    failing_gpu_test: str = ""
    """The test of DCGM that fails on each node with this size."""
    users: frozenset[str] = frozenset()
    """The user accounts of the pool."""

    def gpus(self) -> commands.Gpus:
        """What `nvidia-smi` finds on the host itself."""
        return commands.Gpus(
            model=_GPU_MODELS.get(self.size.family.lower(), "NVIDIA GPU"),
            count=self.size.gpus,
            has_driver=not _driver_problem(self),
            is_installed=bool(self.contents["driver"]),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One line of the report; a code makes it a failure, `skipped` says that nothing was asked."""

    id: str
    code: str = ""
    message: str = ""
    skipped: bool = False
    warns: bool = False
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_wire(self, now: str) -> dict[str, Any]:
        failed = "warn" if self.warns else "fail"
        status = "skip" if self.skipped else failed if self.code else "pass"
        return {
            "id": self.id,
            "status": status,
            "code": self.code,
            "message": self.message,
            "at": now,
            "seconds": 0,
            "data": dict(self.data),
        }


def is_verification(script: str, environment: Mapping[str, str]) -> bool:
    """Whether the step's text is there: plain, or base64 (perhaps of gzip), or in a variable."""
    texts = [script, *environment.values()]
    return any(MARK.search(found) for text in texts for found in (text, *_decoded(text)))


def findings(host: Host, environment: Mapping[str, str], now: str) -> model.JsonObject:
    """The data of its result line: every check, and the machine."""
    checks = [check.to_wire(now) for check in _checks(host, environment)]
    return {"checks": checks, "host": _described(host)}


def judge(host: Host, environment: Mapping[str, str], now: str = "") -> commands.Ran:
    """What the step prints and how it ends; `now` as the node writes times."""
    checks = [*_checks(host, environment)]
    failed = [check for check in checks if check.code and not check.warns]
    message = "; ".join(f"{check.code}: {check.message}" for check in failed)
    user = None if failed else _user_start_task(host, environment)
    if user is not None and user.exit_code:
        message = f"the pool's own start task ended with {user.exit_code}"
    exit_code = CHECK_FAILED if message else 0
    data = {"checks": [check.to_wire(now) for check in checks], "host": _described(host)}
    line = result_line(environment, exit_code, message, data)
    return commands.Ran(exit_code=exit_code, stdout=("" if user is None else user.stdout) + line)


def result_line(
    environment: Mapping[str, str], exit_code: int, message: str, data: Mapping[str, Any]
) -> str:
    """The last line on stdout, as the step contract has it."""
    result = {
        "v": 1,
        "step": "verify",
        "nonce": environment.get("NONCE", ""),
        "ok": exit_code == 0,
        "exitCode": exit_code,
        "changed": False,
        "rebootRequired": False,
        "seconds": 3,
        "phase": "",
        "message": message,
        "logTail": "",
        "log": "/var/log/batch-prep/verify.log",
        "scripted": True,
        "data": data,
    }
    return f"batch-prep-result {json.dumps(result)}\n"


def _checks(host: Host, environment: Mapping[str, str]) -> Iterable[Check]:
    images = environment.get("EXPECT_IMAGES", "").split()
    yield _system(host)
    yield _kernel(host)
    yield _docker(host)
    yield _gpu(host, environment.get("EXPECT_GPU", "none"))
    if environment.get("EXPECT_DCGM"):
        yield _dcgm(host)
    if environment.get("EXPECT_INFINIBAND") == "true":
        yield _infiniband(host)
    yield _images(host, images)
    yield _container(host, environment.get("VERIFY_IMAGE", ""))


def _system(host: Host) -> Check:
    if not host.contents["user"]:
        scratch_mib = host.size.nvme_disks * host.size.nvme_disk_gib * 1024
        is_mounted = host.contents.get("scratch") and scratch_mib
        return Check(id="system", data={"scratchMib": scratch_mib} if is_mounted else {})
    return Check(id="system", code="NOT_SEALED", message="the image still has its builder's user")


def _kernel(host: Host) -> Check:
    if not host.contents["kernelPending"]:
        return Check(id="kernel", data={"running": host.contents["kernel"]})
    return Check(id="kernel", code="KERNEL_PENDING", message="a newer kernel waits for a restart")


def _docker(host: Host) -> Check:
    if not host.contents["docker"]:
        return Check(id="docker", code="DOCKER_DOWN", message="docker: command not found")
    if not host.is_elevated:
        message = "permission denied while trying to connect to the Docker daemon socket"
        return Check(id="docker", code="DOCKER_DOWN", message=message)
    return Check(id="docker", data={"version": host.contents["docker"]})


def _gpu(host: Host, expected: str) -> Check:
    """The order of questions is that of a person at the node: device, module, driver, count."""
    wanted = host.size.gpus if expected == "auto" else int(expected) if expected.isdigit() else 0
    if wanted == 0 and host.size.gpus and expected == "none":
        return Check(id="gpu", code="GPU_UNEXPECTED", message="a GPU is there", warns=True)
    if wanted == 0:
        return Check(id="gpu", skipped=True)
    if host.size.gpus == 0:
        return Check(id="gpu", code="GPU_ABSENT", message="no NVIDIA device on the PCI bus")
    problem = _driver_problem(host)
    if problem:
        return Check(id="gpu", code=problem, message="nvidia-smi does not work")
    if host.size.gpus < wanted:
        message = f"{host.size.gpus} of {wanted} GPUs are visible"
        return Check(id="gpu", code="GPU_COUNT", message=message)
    seen = {"count": host.size.gpus, "driverVersion": host.contents["driver"]}
    return Check(id="gpu", data=seen)


def _infiniband(host: Host) -> Check:
    if not host.size.has_infiniband or not host.contents.get("infiniband"):
        return Check(id="infiniband", code="IB_ABSENT", message="no InfiniBand device is here")
    ports = host.size.gpus or 1
    return Check(id="infiniband", data={"ports": ports, "active": ports})


def _driver_problem(host: Host) -> str:
    """Why `nvidia-smi` fails on a node with a GPU: a driver serves the kernel it was built for."""
    kernel = host.contents["kernel"]
    if not host.contents["driver"] or host.contents.get("driverKernel", kernel) != kernel:
        return "GPU_MODULE_MISSING"
    if host.has_secure_boot and host.contents.get("driverSource") != "canonical":
        return "GPU_SECURE_BOOT"
    if host.size.family.lower() in _TOO_NEW_FAMILIES:
        return "GPU_UNSUPPORTED"
    kind = host.contents["driverKind"]
    if kind == "datacenter-open" and host.size.family.lower() in _WITHOUT_OPEN_MODULES:
        return "GPU_UNSUPPORTED"
    if kind != _GRID_FAMILIES.get(host.size.family.lower(), kind):
        return "GPU_UNSUPPORTED"
    return ""


def _dcgm(host: Host) -> Check:
    """`dcgmi diag --run 1`, which sees what the driver shows."""
    if not host.contents.get("dcgm"):
        return Check(id="dcgm", code="DCGM_MISSING", message="dcgmi: command not found")
    if host.size.gpus == 0 or _driver_problem(host):
        return Check(id="dcgm", code="DCGM_NO_GPU", message="no GPU answers")
    if test := host.failing_gpu_test:
        data = {"level": 1, "failedTest": test}
        return Check(
            id="dcgm", code="DCGM_FAILED", message=f"{test} on GPU 0 - injected", data=data
        )
    return Check(id="dcgm", data={"level": 1, "passed": host.size.gpus})


def _images(host: Host, expected: list[str]) -> Check:
    if not expected:
        return Check(id="images", skipped=True)
    missing = [name for name in expected if not containers.has_image(host.contents, name)]
    if missing:
        return Check(id="images", code="IMAGE_MISSING", message=" ".join(missing))
    digests = [containers.digest_of(host.contents, name) for name in expected]
    shown = digests[:_DIGESTS_SHOWN]
    return Check(id="images", data={"count": len(expected), "digests": shown})


def _container(host: Host, image: str) -> Check:
    """`docker run --pull never`: the image must be there already."""
    if not image:
        return Check(id="container", skipped=True)
    if _docker(host).code or not containers.has_image(host.contents, image):
        return Check(id="container", code="CONTAINER_RUN", message=f"cannot run {image}")
    if host.size.gpus and host.contents["driver"] and not host.contents["toolkit"]:
        message = "could not select device driver with capabilities: [[gpu]]"
        return Check(id="container", code="GPU_CONTAINER", message=message)
    return Check(id="container", data={"image": image, "pulled": False})


def _user_start_task(host: Host, environment: Mapping[str, str]) -> commands.Ran | None:
    """The owner's command, as the owner's user and with the owner's variables."""
    command, user = (environment.get(f"USER_START_TASK{end}", "") for end in ("", "_AS"))
    if not command:
        return None
    if user and user not in host.users:
        return commands.Ran(exit_code=1, stderr=f"the node has no user {user}\n")
    mark = "USER_ENV_"
    own = {n.removeprefix(mark): v for n, v in environment.items() if n.startswith(mark)}
    return commands.run_script(command, {**environment, **own}, host.gpus())


def _described(host: Host) -> dict[str, Any]:
    return {
        "os": host.contents["os"],
        "osVersion": host.contents["osVersion"],
        "kernel": host.contents["kernel"],
        "vmSize": host.size.name,
        "gpus": host.size.gpus,
        "dockerVersion": host.contents["docker"],
        "driverVersion": host.contents["driver"],
    }


def _decoded(text: str) -> Iterable[str]:
    for found in _ENCODED.findall(text):
        try:
            data = base64.b64decode(found, validate=True)
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            yield data.decode()
        except (binascii.Error, ValueError, OSError, EOFError, zlib.error):
            continue
