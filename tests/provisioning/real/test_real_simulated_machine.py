"""The simulator's machine that executes: real where it can be, and scripted where it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builder as builders
import pytest
import step_assembler

from local.azure_simulator import durations, model
from local.azure_simulator.machine import contents, interface, nspawn
from local.machines import machine

IMAGES = f"{builders.IMAGE}\ndocker.io/library/busybox:1.36"
SECONDS_MAX = 300


class SimulatedVm:
    """What the simulator knows of a VM, and what it does with its scripts."""

    def __init__(self, executing: nspawn.NspawnMachine, **known: object) -> None:
        new = contents.new(source="urn", os="ubuntu", os_version="24.04", kernel="6.8.0-1-azure")
        identities = [builders.IDENTITY]
        self.known = {**new, "user": builders.USER, "identities": identities, **known}
        self._executing = executing
        self._count = 0

    def boot(self) -> None:
        self._executing.boot(self.known)

    def run(
        self, name: str, fault: model.JsonObject | None = None, **parameters: str
    ) -> tuple[dict[str, Any], interface.Outcome]:
        """The result line, and the outcome; its changes are merged as the simulator does."""
        self._count += 1
        run = interface.ScriptRun(
            id=f"run-{self._count}",
            script=step_assembler.assemble(name),
            environment={"NONCE": "n", "BUILD_ID": "b", **parameters},
            vm=self.known,
            fault=fault,
            pull=lambda _: interface.PulledImage(digest="sha256:0", size_bytes=1),
        )
        outcome = self._executing.run(run)
        found = [] if outcome is None else [outcome]

        def has_ended() -> bool:
            looked = None if found else self._executing.look(run)
            found.extend([looked] if looked else [])
            return bool(found)

        assert machine.wait_until(has_ended, SECONDS_MAX)
        self.known.update(found[0].changes)
        return json.loads(found[0].stdout.removeprefix(builders.MARKER)), found[0]


@pytest.fixture(scope="module")
def executing(kits_or_skip: Path, place_for_machines: Path) -> Iterator[nspawn.NspawnMachine]:
    made = nspawn.NspawnMachine(durations.Durations(1), place_for_machines, kits_or_skip)
    yield made
    made.close()


@pytest.mark.root
def test_a_builder_is_really_built(executing: nspawn.NspawnMachine) -> None:
    """From first boot to sealed disk; what the simulator knows follows from what happened."""
    vm = SimulatedVm(executing)
    vm.boot()
    prepared, _ = vm.run("prepare", BUILDER_USER=builders.USER)
    docker, _ = vm.run("docker")
    preloaded, _ = vm.run(
        "preload",
        IMAGES=IMAGES,
        REGISTRY_LOGIN_SERVER=builders.REGISTRY,
        IDENTITY_CLIENT_ID=builders.IDENTITY,
    )
    vm.boot()
    checked, _ = vm.run("check", EXPECT_IMAGES=IMAGES, VERIFY_IMAGE=builders.IMAGE)
    sealed, outcome = vm.run("seal", BUILDER_USER=builders.USER, SEAL_DELAY_SECONDS="20")

    for result in (prepared, docker, preloaded, checked, sealed):
        assert result["ok"], result
        assert result["standIn"] == "debian 12"
        assert "scripted" not in result
    [later] = outcome.later
    assert (later.console, later.powers_off) == ("batch-prep sealed b n", True)
    assert later.after_seconds == 20
    assert vm.known["docker"] == docker["data"]["dockerVersion"]
    assert [item["name"] for item in vm.known["images"]] == IMAGES.split()


@pytest.mark.root
def test_a_builder_that_is_asked_for_nvidias_software_goes_on_scripted(
    executing: nspawn.NspawnMachine,
) -> None:
    """No Debian machine can stand in for it, and half a real machine would be a lie."""
    vm = SimulatedVm(executing)
    vm.boot()
    prepared, _ = vm.run("prepare", BUILDER_USER=builders.USER)
    docker, _ = vm.run("docker-gpu", GPU="true")
    checked, _ = vm.run("check")
    assert "scripted" not in prepared
    assert docker["scripted"]
    assert checked["scripted"]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"hasGpu": True}, id="a machine with a GPU"),
        pytest.param({"os": "rhel", "osVersion": "9.6"}, id="another family of systems"),
        pytest.param({"machine": "", "sealed": True}, id="a machine from a captured image"),
    ],
)
def test_what_cannot_be_real_is_scripted(known: dict[str, object], tmp_path: Path) -> None:
    """It says so in its result, and needs neither root nor a container."""
    times = durations.Durations(1)
    vm = SimulatedVm(nspawn.NspawnMachine(times, tmp_path, tmp_path), **known)
    vm.boot()
    result, _ = vm.run("docker")
    assert result["scripted"]
    assert list(tmp_path.iterdir()) == []
