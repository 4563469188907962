"""DCGM: installed where it is asked for, and what its diagnosis says of a node's GPUs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import step_assembler
import step_machine
import vendors

VERSION = "4.5.2"
ASK = "try_it() { GPU_COUNT=${GPUS:-1}; run_check dcgm check_dcgm; add_check_data; }"
OFF = "Persistence Mode: Persistence mode for GPU 1 is disabled."


def diagnosis(*results: dict[str, Any], test: str = "software") -> str:
    """As `dcgmi diag --run 1 --json` of DCGM 4 answers."""
    tests = [{"name": test, "results": list(results), "test_summary": {"status": "Pass"}}]
    categories = [{"category": "Deployment", "tests": tests}]
    return json.dumps(
        {"DCGM Diagnostic": {"test_categories": categories}, "metadata": {"version": VERSION}}
    )


def result(gpu: int, status: str, *warnings: Any) -> dict[str, Any]:
    found = {"entity_group": "GPU", "entity_id": gpu, "status": status}
    return {**found, "warnings": list(warnings)} if warnings else found


def the_check(machine: step_machine.Machine, **parameters: str) -> dict[str, Any]:
    """The check alone, on a node with so many GPUs."""
    files = [file for file in step_assembler.STEPS["verify"]["files"] if "parts/" not in file]
    text = step_assembler.assemble_files("seal", files, ["try_it"], ASK)
    return machine.run_text(text, **parameters).check("dcgm")


def asked(
    machine: step_machine.Machine, answer: str, code: int = 0, **parameters: str
) -> dict[str, Any]:
    machine.write("diagnosis", answer)
    machine.fake("dcgmi", f'cat "$MACHINE/diagnosis"; exit {code}')
    return the_check(machine, **parameters)


def test_gpus_without_a_fault(machine: step_machine.Machine) -> None:
    """The daemon runs for the diagnosis only."""
    check = asked(machine, diagnosis(result(0, "Pass"), result(1, "Pass")))

    assert (check["status"], check["data"]) == ("pass", {"level": 1, "passed": 2})
    assert machine.calls("dcgmi") == [["diag", "--run", "1", "--json"]]
    assert not (machine.home / "active/nvidia-dcgm.service").exists()


@pytest.mark.parametrize("warning", [OFF, {"warning": OFF, "error_id": 29}], ids=["text", "object"])
def test_the_test_that_failed_is_named(machine: step_machine.Machine, warning: Any) -> None:
    """With the GPU and the reason; dcgmi ends with another code then."""
    answer = diagnosis(result(0, "Pass"), result(1, "Fail", warning))

    check = asked(machine, answer, 226)

    assert (check["status"], check["code"]) == ("fail", "DCGM_FAILED")
    assert check["data"] == {"level": 1, "failedTest": "software"}
    assert check["message"].startswith(f"software on GPU 1 - {OFF}")


@pytest.mark.parametrize(
    "answer",
    [
        "Error: unable to establish a connection to the specified host: localhost",
        "",
        "{}",
        '{"DCGM Diagnostic": {"runtime_error": "no GPUs"}}',
        diagnosis(result(0, "Skip")),
    ],
    ids=["daemon", "nothing", "empty", "error", "skipped"],
)
def test_no_verdict_is_a_failure(machine: step_machine.Machine, answer: str) -> None:
    """A diagnosis that was asked for and not made proves nothing."""
    check = asked(machine, answer)

    assert (check["status"], check["code"]) == ("fail", "DCGM_BROKEN")


def test_an_error_code_without_a_failed_test_is_a_failure(machine: step_machine.Machine) -> None:
    """The form of the answer is not documented."""
    assert asked(machine, diagnosis(result(0, "Pass")), 1)["code"] == "DCGM_BROKEN"


def test_a_node_without_gpus_or_dcgm(machine: step_machine.Machine) -> None:
    """Each says what is missing."""
    assert asked(machine, "", GPUS="0")["code"] == "DCGM_NO_GPU"
    (machine.bin / "dcgmi").unlink()
    assert the_check(machine)["code"] == "DCGM_MISSING"


def test_a_daemon_that_ran_before_goes_on(machine: step_machine.Machine) -> None:
    """The owner may have enabled it."""
    machine.write("active/nvidia-dcgm.service", "")

    asked(machine, diagnosis(result(0, "Pass")))

    assert (machine.home / "active/nvidia-dcgm.service").exists()


def test_only_a_pool_that_asks_is_diagnosed(machine: step_machine.Machine) -> None:
    """Others have no such check."""
    assert "dcgm" not in {check["id"] for check in machine.run_step("verify").data["checks"]}
    outcome = machine.run_step("verify", EXPECT_DCGM="1")
    assert outcome.check("dcgm")["code"] == "DCGM_MISSING"
    assert outcome.exit_code == 30


@pytest.mark.parametrize(
    ("parameters", "majors"),
    [
        ({}, {"13"}),
        ({"DRIVER_VERSION": "570.211.01"}, {"12"}),
        ({"DRIVER_KIND": "datacenter-proprietary"}, {"12", "13"}),
    ],
)
@pytest.mark.parametrize("system", ["ubuntu-22.04", "ubuntu-24.04", "almalinux-9", "rhel-8"])
def test_its_packages_are_pinned_and_fit_the_driver(
    make_machine: Callable[[str], step_machine.Machine],
    system: str,
    parameters: dict[str, str],
    majors: set[str],
) -> None:
    """CUDA 13 begins with branch 580 and leaves Volta out."""
    machine = make_machine(system)
    vendors.serve_keys(machine)
    machine.fake("dcgmi", "")

    outcome = machine.run_step("features", DCGM="true", **parameters)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["dcgmVersion"] == VERSION
    is_el = not system.startswith("ubuntu")
    installs = [c for c in machine.calls("dnf" if is_el else "apt-get") if "install" in c]
    words = [w for call in installs for w in call if w.startswith("datacenter-gpu-manager")]
    end = f"-{VERSION}-1" if is_el else f"=1:{VERSION}-1"
    names = {"core", "proprietary"} | {f"{p}cuda{m}" for p in ("", "proprietary-") for m in majors}
    assert set(words) == {f"datacenter-gpu-manager-4-{name}{end}" for name in names}


def test_without_the_program_it_is_not_installed(machine: step_machine.Machine) -> None:
    """Packages that came without it are of no use to a node."""
    vendors.serve_keys(machine)

    assert machine.run_step("features", DCGM="true").exit_code == 23
