"""Steps of which a Debian machine runs a part: what it gets, and what both halves say together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from local.azure_simulator import durations
from local.azure_simulator.machine import contents, hybrid, interface, nspawn, steps

PASS = {"status": "pass", "code": "", "message": ""}


def a_run(step: str, functions: str, *, os: str = "ubuntu", **environment: str) -> Any:
    vm = contents.new(source="urn", os=os, os_version="24.04", kernel="6.8.0-1-azure")
    script = f"#!/bin/bash\n# batch-prep step: {step}\ntrue\nrun_step {step} {functions}\n"
    return interface.ScriptRun(id="r", script=script, environment=environment, vm=vm)


def a_result(step: str, *, exit_code: int = 0, **data: object) -> dict[str, Any]:
    known = {"v": 1, "nonce": "n", "changed": True, "rebootRequired": False, "message": ""}
    return {**known, "step": step, "ok": not exit_code, "exitCode": exit_code, "data": data}


@pytest.mark.parametrize(
    ("run", "scripted", "last_line"),
    [
        pytest.param(
            a_run("prepare", "prepare", os="debian"), (), "run_step prepare prepare", id="debian"
        ),
        pytest.param(
            a_run("prepare", "prepare"), ("kernel",), "run_step prepare prepare", id="ubuntu"
        ),
        pytest.param(
            a_run("docker", "install_docker install_container_toolkit", GPU="true"),
            ("install_container_toolkit",),
            "run_step docker install_docker",
            id="the toolkit",
        ),
        pytest.param(
            a_run("check", "check_image", EXPECT_GPU="driver-only"),
            ("kernel", "gpu"),
            "run_step check check_image",
            id="a check that asks for a driver",
        ),
        pytest.param(
            a_run("check", "check_image", os="debian", EXPECT_GPU="none"),
            (),
            "run_step check check_image",
            id="a check of a machine without a GPU",
        ),
    ],
)
def test_the_machine_gets_what_it_can_run(run: Any, scripted: Any, last_line: str) -> None:
    """Nothing is taken away but what Debian cannot stand in for, and that is named."""
    share = hybrid.share_of(run)
    assert share is not None
    assert share.scripted == scripted
    assert share.script.splitlines()[-1] == last_line
    assert share.script.splitlines()[:-1] == run.script.splitlines()[:-1]
    assert share.environment.get("EXPECT_GPU", "none") == "none"


def test_nothing_of_a_driver_can_really_run() -> None:
    """Half a driver would be a lie."""
    run = a_run("driver", "install_driver", DRIVER_KIND="grid")
    assert hybrid.share_of(run) is None


def test_the_toolkit_is_added_to_what_docker_said() -> None:
    """The reader of the result sees one step, with its parts."""
    run = a_run("docker", "install_docker install_container_toolkit", GPU="true")
    done = steps.Done(data={"dockerVersion": "0", "toolkitVersion": "1.20.0"})
    result = a_result("docker", dockerVersion="29.7.2")
    both = hybrid.answer(run.vm, ("install_container_toolkit",), result, done)
    assert both.result["data"] == {"dockerVersion": "29.7.2", "toolkitVersion": "1.20.0"}
    assert both.result["scripted"] == ["install_container_toolkit"]
    assert both.changes == {"docker": "29.7.2", "toolkit": "1.20.0"}


def test_another_systems_kernel_is_the_scripted_one() -> None:
    """It decides about the restart; the kernel of this computer is nobody's kernel."""
    run = a_run("prepare", "prepare")
    done = steps.Done(
        data={"os": "ubuntu", "kernel": "6.8.0-4-azure"},
        reboot_required=True,
        changes={"kernelPending": True},
    )
    result = a_result("prepare", os="debian", kernel="6.1.0")
    both = hybrid.answer(run.vm, ("kernel",), result, done)
    assert both.result["data"] == {"os": "debian", "kernel": "6.8.0-4-azure"}
    assert both.result["rebootRequired"]
    assert both.changes == {"kernelPending": True}


def test_a_scripted_check_takes_the_place_of_one_that_could_not_be_asked() -> None:
    """It is marked; a failure of it fails the step, as it would on a real machine."""
    run = a_run("check", "check_image", EXPECT_GPU="1")
    asked = [{"id": name, **PASS} for name in ("docker", "gpu", "images")]
    imagined = [
        {"id": "docker", "status": "fail", "code": "NVIDIA_RUNTIME_MISSING", "message": "no"},
        {"id": "gpu", "status": "fail", "code": "GPU_ABSENT", "message": "none"},
        {"id": "images", "status": "fail", "code": "IMAGE_MISSING", "message": "scripted only"},
    ]
    done = steps.Done(exit_code=30, data={"checks": imagined})
    result = a_result("check", checks=asked, dockerVersion="29.7.2")
    both = hybrid.answer(run.vm, ("gpu",), result, done).result
    assert (both["ok"], both["exitCode"]) == (False, 30)
    assert both["message"] == "failed checks: NVIDIA_RUNTIME_MISSING GPU_ABSENT"
    marked = {item["id"]: (item["status"], item.get("scripted")) for item in both["data"]["checks"]}
    assert marked == {"docker": ("fail", True), "gpu": ("fail", True), "images": ("pass", None)}


def test_a_real_failure_stays_one() -> None:
    """No scripted half talks over it."""
    run = a_run("docker", "install_docker install_container_toolkit", GPU="true")
    result = {**a_result("docker", exit_code=23), "message": "no mirror"}
    both = hybrid.answer(run.vm, ("install_container_toolkit",), result, steps.Done())
    assert (both.result["exitCode"], both.result["message"]) == (23, "no mirror")
    assert both.changes == {}


def test_a_step_that_no_machine_runs_waits_as_a_scripted_one(tmp_path: Path) -> None:
    """No Debian machine stands in for this system, and Docker is not there yet."""
    executing = nspawn.NspawnMachine(durations.Durations(1), tmp_path, tmp_path)
    run = a_run("preload", "preload_images", os="almalinux", NONCE="n", IMAGES="busybox")
    assert executing.run(run) is None
    assert executing.look(run) is None

    run.vm["docker"] = "29.7.2"
    busybox = interface.PulledImage(digest="sha256:0", size_bytes=1)
    ended = executing.look(dataclasses.replace(run, pull=lambda _: busybox))
    assert ended is not None
    assert (ended.exit_code, '"scripted": true' in ended.stdout) == (0, True)
