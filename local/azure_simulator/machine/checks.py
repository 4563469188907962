"""The checks of the step `check`, as a machine that executes nothing computes them."""

from __future__ import annotations

from collections.abc import Mapping

from local.azure_simulator import model
from local.azure_simulator.machine import contents, volumes

Verdict = tuple[str, str]
"""Code and message of what is wrong; both are empty where nothing is."""

_FREE_MIB_NEEDED = 2048


def of(vm: model.JsonObject, environment: Mapping[str, str]) -> dict[str, Verdict]:
    """The verdicts by the id of the check; `environment` has the parameters of the script."""
    verdicts = {
        "system": _system(vm),
        "kernel": _kernel(vm),
        "docker": _docker(vm, environment),
        "gpu": _gpu(vm, environment),
        "versions": _versions(vm, environment),
        "images": _images(vm, environment),
    }
    if environment.get("EXPECT_INFINIBAND") == "true":
        lacking = "" if vm.get("infiniband") else "IB_MODULE_MISSING"
        verdicts["infiniband"] = (lacking, "mlx5_ib of the stack is missing" if lacking else "")
    return verdicts


def _system(vm: model.JsonObject) -> Verdict:
    free = volumes.root_free_mib(vm)
    if free is not None and free < _FREE_MIB_NEEDED:
        return "DISK_LOW", f"/ has {free} MiB free, {_FREE_MIB_NEEDED} are needed"
    return "", ""


def _kernel(vm: model.JsonObject) -> Verdict:
    if vm["kernelPending"]:
        newest = contents.newest_kernel(vm)
        return "KERNEL_PENDING", f"kernel {newest} will boot, {vm['kernel']} runs"
    return "", ""


def _docker(vm: model.JsonObject, environment: Mapping[str, str]) -> Verdict:
    if not vm["docker"]:
        return "DOCKER_DOWN", "Docker does not answer"
    if environment.get("EXPECT_GPU", "none") not in {"none", "0"} and not vm["toolkit"]:
        return "NVIDIA_RUNTIME_MISSING", "Docker does not list the nvidia runtime"
    return "", ""


def _gpu(vm: model.JsonObject, environment: Mapping[str, str]) -> Verdict:
    expected = environment.get("EXPECT_GPU", "none")
    if expected in {"none", "0"}:
        return "", ""
    size_has_gpu = environment.get("SIZE_HAS_GPU") == "true"
    if not vm["hasGpu"] and (expected != "driver-only" or size_has_gpu):
        return "GPU_ABSENT", "no PCI device of NVIDIA is here"
    if not vm["driver"] or vm.get("driverKernel", vm["kernel"]) != contents.newest_kernel(vm):
        return "GPU_MODULE_MISSING", f"kernel {contents.newest_kernel(vm)} has no nvidia module"
    if vm["hasGpu"] and not vm["driverLoaded"]:
        return "GPU_MODULE_LOAD", "the nvidia module is not loaded"
    return "", ""


def _versions(vm: model.JsonObject, environment: Mapping[str, str]) -> Verdict:
    parts = {"docker": "EXPECT_DOCKER", "toolkit": "EXPECT_TOOLKIT", "driver": "EXPECT_DRIVER"}
    for part, name in parts.items():
        expected = environment.get(name, vm[part])
        if expected != vm[part]:
            return "VERSION_MISMATCH", f"{part} is {vm[part] or 'absent'}, not {expected}"
    return "", ""


def _images(vm: model.JsonObject, environment: Mapping[str, str]) -> Verdict:
    here = {item["name"] for item in vm["images"]}
    missing = [name for name in environment.get("EXPECT_IMAGES", "").split() if name not in here]
    return ("IMAGE_MISSING", f"not here: {' '.join(missing)}") if missing else ("", "")
