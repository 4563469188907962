"""The simulator's machine that executes: real where it can be, and scripted where it cannot."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import builder as builders
import pytest
import step_assembler

from local.azure_simulator import durations
from local.azure_simulator.machine import contents, interface, nspawn
from local.machines import machine

IMAGES = f"{builders.IMAGE}\ndocker.io/library/busybox:1.36"
DRIVER = {"DRIVER_KIND": "datacenter-open"}
SECRET = "hush-hush"
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

    def run(self, name: str, **parameters: str) -> tuple[dict[str, Any], interface.Outcome]:
        """The result line, and the outcome; its changes are merged as the simulator does."""
        environment = {"NONCE": "n", "BUILD_ID": "b", **parameters}
        outcome = self._outcome(step_assembler.assemble(name), environment)
        self.known.update(outcome.changes)
        line = outcome.stdout.splitlines()[-1]
        return json.loads(line.removeprefix(builders.MARKER)), outcome

    def ask(self, command: str) -> str:
        """What a shell command prints."""
        return self._outcome(f"#!/bin/bash\n{command}\n", {}).stdout

    def _outcome(self, script: str, environment: dict[str, str]) -> interface.Outcome:
        self._count += 1
        run = interface.ScriptRun(
            id=f"run-{self._count}",
            script=script,
            environment=environment,
            vm=self.known,
            pull=lambda _: interface.PulledImage(digest="sha256:0", size_bytes=1),
            read_secret=lambda _: SECRET,
        )
        outcome = self._executing.run(run)
        found = [] if outcome is None else [outcome]

        def has_ended() -> bool:
            looked = None if found else self._executing.look(run)
            found.extend([looked] if looked else [])
            return bool(found)

        assert machine.wait_until(has_ended, SECONDS_MAX)
        return found[0]


@pytest.fixture(scope="module")
def executing(kits_or_skip: Path, place_for_machines: Path) -> Iterator[nspawn.NspawnMachine]:
    made = nspawn.NspawnMachine(durations.Durations(1), place_for_machines, kits_or_skip)
    yield made
    made.close()


@pytest.fixture(scope="module")
def built(executing: nspawn.NspawnMachine) -> tuple[SimulatedVm, dict[str, dict[str, Any]]]:
    """A VM with a GPU, as the simulator knows it after its sealing; each step's result line."""
    vm, results = SimulatedVm(executing, hasGpu=True), {}

    def take(step: str, script: str | None = None, **parameters: str) -> interface.Outcome:
        results[step], outcome = vm.run(script or step, **parameters)
        assert results[step]["ok"], results[step]
        return outcome

    vm.boot()
    take("install", "install-gpu-driver", BUILDER_USER=builders.USER, GPU="true", **DRIVER)
    take(
        "preload",
        IMAGES=IMAGES,
        REGISTRY_LOGIN_SERVER=builders.REGISTRY,
        IDENTITY_CLIENT_ID=builders.IDENTITY,
    )
    vm.boot()
    expected = {"EXPECT_GPU": "1", "EXPECT_IMAGES": IMAGES, "VERIFY_IMAGE": builders.IMAGE}
    outcome = take("seal", BUILDER_USER=builders.USER, SEAL_DELAY_SECONDS="20", **expected)
    [later] = outcome.later
    assert (later.console, later.powers_off) == ("batch-prep sealed b n", True)
    assert later.after_seconds == 20
    vm.known.update(later.changes)
    return vm, results


@pytest.fixture(scope="module")
def image(
    executing: nspawn.NspawnMachine, built: tuple[SimulatedVm, dict[str, Any]]
) -> dict[str, Any]:
    """What an image has inside that was captured from it; the VM is gone."""
    vm, _ = built
    captured = executing.capture(vm.known)
    executing.destroy(vm.known)
    return captured


@pytest.mark.root
def test_a_gpu_build_really_runs_what_debian_can_stand_in_for(
    built: tuple[SimulatedVm, dict[str, Any]],
) -> None:
    """And says of each step which part it did not run; what is known of the VM follows."""
    vm, results = built
    assert {step: result.get("scripted", []) for step, result in results.items()} == {
        "install": ["install_container_toolkit", "install_driver", "kernel"],
        "preload": [],
        "seal": ["kernel", "gpu"],
    }
    assert all("standIn" in result for result in results.values())
    assert vm.known["docker"] == results["install"]["data"]["dockerVersion"]
    assert vm.known["toolkit"] == results["install"]["data"]["toolkitVersion"]
    assert [item["name"] for item in vm.known["images"]] == IMAGES.split()
    checks = {item["id"]: item for item in results["seal"]["data"]["checks"]}
    assert {name for name, item in checks.items() if item.get("scripted")} == {"kernel", "gpu"}
    assert {item["status"] for item in checks.values()} == {"pass"}


@pytest.mark.root
def test_the_sealed_disk_holds_the_preloaded_images_by_digest(
    place_for_machines: Path, built: tuple[SimulatedVm, dict[str, Any]], image: dict[str, Any]
) -> None:
    """What was preloaded is in Docker's store of the very disk that the image is."""
    root = place_for_machines / image["disk"] / "root"
    stored = json.loads((root / "var/lib/docker/image/overlay2/repositories.json").read_text())
    digests = {
        name.partition("@")[2]
        for references in stored["Repositories"].values()
        for name in references
        if "@" in name
    }
    preloaded = built[1]["preload"]["data"]["images"]
    assert {item["digest"] for item in preloaded} == digests
    assert set(stored["Repositories"]) == {builders.IMAGE.partition(":")[0], "busybox"}
    assert (root / "etc/machine-id").read_text() == ""
    assert list(root.glob("etc/ssh/ssh_host_*")) == []


@pytest.mark.root
def test_machines_made_from_an_image_leave_it_as_it_is(
    executing: nspawn.NspawnMachine, place_for_machines: Path, image: dict[str, Any]
) -> None:
    """A hundred nodes boot one image; each becomes a machine of its own."""
    root = place_for_machines / image["disk"] / "root"
    before = content_of(root)
    nodes = [SimulatedVm(executing, **image) for _ in range(2)]
    said = []
    for node in nodes:
        node.boot()
        said.append(node.ask("cat /etc/machine-id; docker image ls --quiet | sort --unique"))
        executing.destroy(node.known)
    assert len({text.split()[0] for text in said}) == 2
    assert len({text.split()[1] for text in said}) == 1
    assert content_of(root) == before


@pytest.mark.root
def test_an_own_step_finds_the_secrets_that_its_vault_holds(
    executing: nspawn.NspawnMachine,
) -> None:
    """The simulator knows who may read them; the machine asks a server for them."""
    script = f'[[ $KEY == {SECRET} ]] && echo "the key is $KEY"\n'.encode()
    vm = SimulatedVm(executing)
    vm.boot()
    result, outcome = vm.run(
        "own_step",
        OWN_NAME="secret",
        OWN_SCRIPT=base64.b64encode(script).decode(),
        OWN_SHA256=hashlib.sha256(script).hexdigest(),
        OWN_SECONDS="60",
        OWN_EXIT_CODES="0",
        OWN_SECRETS="KEY https://keys.vault.azure.net/secrets/deploy",
        IDENTITY_CLIENT_ID=builders.IDENTITY,
    )
    assert result["ok"], outcome.stderr
    assert "the key is ***" in outcome.stderr
    executing.destroy(vm.known)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"os": "rhel", "osVersion": "9.6"}, id="another family of systems"),
        pytest.param({"docker": "27.5.1"}, id="a marketplace image that has Docker"),
        pytest.param({"disk": "image-that-is-gone"}, id="an image without its disk"),
    ],
)
def test_what_cannot_be_real_is_scripted(known: dict[str, object], tmp_path: Path) -> None:
    """It says so in its result, and needs neither root nor a container."""
    times = durations.Durations(1)
    vm = SimulatedVm(nspawn.NspawnMachine(times, tmp_path, tmp_path), **known)
    vm.boot()
    result, _ = vm.run("install", BUILDER_USER=builders.USER)
    assert result["scripted"] is True
    assert list(tmp_path.iterdir()) == []


def content_of(root: Path) -> dict[str, tuple[int, int]]:
    """Size and last change of every file."""
    return {
        str(path.relative_to(root)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if not path.is_dir()
    }
