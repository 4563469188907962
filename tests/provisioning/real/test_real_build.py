"""One builder VM from its creation to its sealed disk, and a pool node that boots this disk.

What changes something is run, sent again as it was, and run again for another build: activities run
at least once, and a build may find a machine that an earlier attempt left half done.
"""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Callable
from pathlib import Path

import builder as builders
import pytest
import tracer

from local.machines import container_images, image_registry

pytestmark = pytest.mark.root

SEAL_LINE = re.compile(r"^batch-prep sealed (\S+) (\S+)$", re.MULTILINE)
SEAL_SECONDS_MAX = 120


@pytest.fixture(scope="module")
def builder(make_builder: Callable[[str], builders.Builder]) -> builders.Builder:
    return make_builder("builder")


INSTALL = {"BUILDER_USER": builders.USER}
PRELOAD = {
    "IMAGES": builders.IMAGE,
    "REGISTRY_LOGIN_SERVER": builders.REGISTRY,
    "IDENTITY_CLIENT_ID": builders.IDENTITY,
    "TENANT_ID": builders.TENANT,
}
SEAL = {
    "BUILDER_USER": builders.USER,
    "SEAL_DELAY_SECONDS": "3",
    "EXPECT_GPU": "none",
    "EXPECT_IMAGES": builders.IMAGE,
    "VERIFY_IMAGE": builders.IMAGE,
}


@pytest.fixture(scope="module")
def wrongly_signed(builder: builders.Builder) -> builders.Outcome:
    """The step as it is: its pinned key is not the one that signs the repository here."""
    return builder.step("install", adapted=False, **INSTALL)


@pytest.fixture(scope="module")
def in_vain(builder: builders.Builder, wrongly_signed: builders.Outcome) -> builders.Outcome:
    """Preloading where the install has failed."""
    return builder.step("preload", **PRELOAD)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SideBySide:
    """Two steps that ran at the same time; what they wrote into their logs."""

    install: builders.Outcome
    preload: builders.Outcome
    install_log: str
    preload_log: str


@pytest.fixture(scope="module")
def side_by_side(builder: builders.Builder, in_vain: builders.Outcome) -> SideBySide:
    """Preloading is sent as soon as the install has begun, which takes back its word of failure."""
    install = builder.start("install", **INSTALL)
    builder.ask("while [ -e /run/batch-prep/install.failed ]; do sleep 0.1; done")
    preload = builder.start("preload", **PRELOAD)
    return SideBySide(
        preload=builder.outcome(preload),
        install=builder.outcome(install),
        install_log=builder.read("var/log/batch-prep/install.log"),
        preload_log=builder.read("var/log/batch-prep/preload.log"),
    )


@pytest.fixture(scope="module")
def installed(builder: builders.Builder, side_by_side: SideBySide) -> builders.Runs:
    return builder.repeat(side_by_side.install, "install", **INSTALL)


@pytest.fixture(scope="module")
def preloaded(
    builder: builders.Builder, side_by_side: SideBySide, installed: builders.Runs
) -> builders.Runs:
    return builder.repeat(side_by_side.preload, "preload", **PRELOAD)


@pytest.fixture(scope="module")
def restarted(builder: builders.Builder, preloaded: builders.Runs) -> builders.Builder:
    """As in a build, before its sealing."""
    builder.machine.switch_off()
    builder.boot("builder", user=builders.USER)
    return builder


@pytest.fixture(scope="module")
def not_sealed(restarted: builders.Builder) -> builders.Outcome:
    """A machine that is not what the image is to be."""
    return restarted.step("seal", **{**SEAL, "EXPECT_DOCKER": "9.9.9"})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """The two runs of the step, and what identified the machine before."""

    first: builders.Outcome
    sent_again: builders.Outcome
    host_key: str
    machine_id: str
    is_off: bool


@pytest.fixture(scope="module")
def sealed(builder: builders.Builder, not_sealed: builders.Outcome) -> Sealed:
    host_key = builder.read("etc/ssh/ssh_host_ed25519_key.pub")
    machine_id = builder.read("etc/machine-id")
    sealed = Sealed(
        first=builder.step("seal", **SEAL),
        sent_again=builder.step("seal", **SEAL),
        host_key=host_key,
        machine_id=machine_id,
        is_off=builder.machine.wait_until_off(SEAL_SECONDS_MAX),
    )
    if sealed.is_off:  # the script that seals goes from one function to the next, or stays on
        names = {name for name in tracer.functions() if name.startswith("sealing_")}
        tracer.executed.update(names - {"sealing_ended"})
    return sealed


@pytest.fixture(scope="module")
def node(builder: builders.Builder, sealed: Sealed) -> builders.Builder:
    """The sealed disk in another machine."""
    builder.boot("node-1")
    return builder


# --- install -------------------------------------------------------------------------------


def test_install_says_what_it_left(builder: builders.Builder, installed: builders.Runs) -> None:
    """The system, its kernel, and Docker in the pinned version."""
    assert installed.first.exit_code == 0, installed.first.words
    assert installed.first.data == {
        "os": "debian",
        "osVersion": "12",
        "dockerVersion": builder.kit.docker_version,
        "kernel": platform.release(),
    }


def test_install_brings_the_machine_to_rest(
    builder: builders.Builder, installed: builders.Runs
) -> None:
    """Nothing upgrades behind the build's back, and neither kernel nor agent moves."""
    assert builder.ask("systemctl is-enabled apt-daily.timer") == "masked"
    assert builder.ask("systemctl is-active apt-daily.timer") == "inactive"
    held = builder.ask("apt-mark showhold").split()
    assert {"linux-image-cloud-amd64", "waagent"} <= set(held)


def test_a_kernel_that_runs_already_needs_no_restart(installed: builders.Runs) -> None:
    """A restart costs a minute and a half."""
    assert not installed.first.result["rebootRequired"]


@pytest.mark.parametrize("step", ["installed", "preloaded"])
def test_a_step_changes_something_once(step: str, request: pytest.FixtureRequest) -> None:
    """Sent again it repeats its result; run again it finds everything done."""
    runs: builders.Runs = request.getfixturevalue(step)
    assert runs.first.exit_code == 0, runs.first.words
    assert runs.first.result["changed"]
    assert runs.sent_again.exit_code == 0
    assert runs.sent_again.data == runs.first.data
    assert runs.run_again.exit_code == 0, runs.run_again.words
    assert not runs.run_again.result["changed"]


def test_a_repository_with_another_key_is_refused(wrongly_signed: builders.Outcome) -> None:
    """The pinned fingerprint is what makes a package trustworthy."""
    assert wrongly_signed.exit_code == 24
    assert "fingerprint" in wrongly_signed.result["message"]


def test_docker_runs_in_the_pinned_version(
    builder: builders.Builder, installed: builders.Runs
) -> None:
    """What was asked for is what answers, now and after an upgrade."""
    answer = builder.ask("docker info --format '{{.ServerVersion}}'")
    assert answer.partition("+")[0] == builder.kit.docker_version
    assert builder.ask("systemctl is-enabled docker containerd").split() == ["enabled", "enabled"]
    assert builder.ask("docker info --format '{{.LoggingDriver}}'") == "json-file"
    held = builder.ask("apt-mark showhold").split()
    assert {"docker-ce", "docker-ce-cli", "containerd.io"} <= set(held)


# --- preload -------------------------------------------------------------------------------


def test_nothing_is_preloaded_where_the_install_failed(in_vain: builders.Outcome) -> None:
    """It says so at once, to be sent again beside the next install."""
    assert in_vain.exit_code == 75, in_vain.words
    assert "the step install failed" in in_vain.result["message"]
    assert in_vain.result["seconds"] < 5


def test_preloading_waits_for_the_install_beside_it(side_by_side: SideBySide) -> None:
    """It began before Docker was complete, and pulled after that."""
    assert side_by_side.install.exit_code == 0, side_by_side.install.words
    assert side_by_side.preload.exit_code == 0, side_by_side.preload.words
    began = moment_of("== wait", side_by_side.preload_log)
    announced = moment_of("== announce", side_by_side.install_log)
    assert began < announced <= moment_of("== space", side_by_side.preload_log)


def test_the_image_comes_from_the_private_registry(
    builder: builders.Builder, preloaded: builders.Runs
) -> None:
    """With the machine's identity alone, and exactly the image that the registry has."""
    manifest = (builder.kit.images / "busybox" / "manifest").read_bytes()
    [image] = preloaded.first.data["images"]
    assert image["name"] == builders.IMAGE
    assert image["digest"] == container_images.digest(manifest)
    asked = (builder.machine.home / "requests.log").read_text()
    assert f'{builders.REGISTRY} "POST /oauth2/exchange HTTP/1.1" 200' in asked


def test_no_token_outlives_the_step(builder: builders.Builder, preloaded: builders.Runs) -> None:
    """An image with a registry's token in it would give it to whoever gets the image."""
    assert builder.ask("ls -A /root/.docker /run/batch-prep/docker* 2>/dev/null") == ""
    places = [
        builder.machine.root / place for place in ("etc", "root", "home", "var/lib", "var/log")
    ]
    assert [str(path) for path in files_with(b"stand-in-", places)] == []
    assert builder.ask("grep -rl stand-in- /run /tmp --include='*' 2>/dev/null") == ""


# --- seal ----------------------------------------------------------------------------------


def test_a_machine_that_fails_a_check_is_not_sealed(
    builder: builders.Builder, not_sealed: builders.Outcome, sealed: Sealed
) -> None:
    """Only the second attempt left its mark on the console."""
    assert not_sealed.exit_code == 30, not_sealed.words
    assert "VERSION_MISMATCH" in not_sealed.result["message"]
    assert "scheduled" not in not_sealed.data
    assert not_sealed.result["nonce"] not in builder.machine.console()


def test_the_finished_machine_passes_every_check(sealed: Sealed) -> None:
    """Including a container that runs without a network and without pulling."""
    assert sealed.first.exit_code == 0, sealed.first.words
    status = {item["id"]: item["status"] for item in sealed.first.data["checks"]}
    assert status.pop("gpu") == "skip"
    assert set(status.values()) == {"pass"}, sealed.first.data["checks"]


def test_seal_answers_first_and_then_powers_off(builder: builders.Builder, sealed: Sealed) -> None:
    """The result must be fetched before the agent stops; power-off means sealed."""
    assert sealed.first.exit_code == 0, sealed.first.words
    assert sealed.sent_again.exit_code == 0, sealed.sent_again.words
    assert not sealed.sent_again.result["changed"]
    assert sealed.sent_again.data == {"scheduled": True, "sealAfterSeconds": 3}
    assert sealed.is_off
    [(build_id, nonce)] = SEAL_LINE.findall(builder.machine.console())
    assert (build_id, nonce) == (builders.BUILD_ID, sealed.first.result["nonce"])


def test_a_sealed_disk_has_no_identity(builder: builders.Builder, sealed: Sealed) -> None:
    """Every machine that boots it must become one of its own."""
    root = builder.machine.root
    assert builder.read("etc/machine-id") == ""
    assert list(root.glob("etc/ssh/ssh_host_*")) == []
    gone = ("var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/docker/engine-id")
    assert [path for path in gone if (root / path).exists()] == []
    assert list(root.glob("var/lib/cloud/instance*/*")) == []


def test_a_sealed_disk_does_not_know_the_builder(builder: builders.Builder, sealed: Sealed) -> None:
    """Neither its user, nor its way in, nor anything that names the build."""
    root = builder.machine.root
    for path in ("etc/passwd", "etc/shadow", "etc/group"):
        assert builders.USER not in builder.read(path)
    assert list(root.glob("home/*")) == []
    assert not (root / "etc/sudoers.d/90-cloud-init-users").exists()
    assert not any(path.exists() for path in root.glob("var/lib/waagent/*"))
    places = [root / place for place in ("etc", "home", "root", "tmp", "usr/local", "var")]
    names = (builders.BUILD_ID, builders.USER, image_registry.IDENTITY_TOKEN, "stand-in-refresh")
    seed = root / "var/lib/cloud/seed"  # put there from outside, to describe the machine
    for name in names:
        found = files_with(name.encode(), places)
        left = {str(path.relative_to(root)) for path in found if not path.is_relative_to(seed)}
        assert left == set(), f"{name} is left in {left}"


def test_a_sealed_disk_has_no_logs(builder: builders.Builder, sealed: Sealed) -> None:
    """They name people, addresses and times of the build."""
    root = builder.machine.root
    logs = [
        path for path in (root / "var/log").rglob("*") if path.is_file() and not path.is_symlink()
    ]
    written = {path.name for path in logs if path.stat().st_size}
    assert written <= {"wtmp"}  # where the system notes its own power-off
    assert [str(path) for path in (root / "var/lib/apt/lists").glob("*_*")] == []
    assert [str(path) for path in root.glob("var/cache/apt/archives/*.deb")] == []


def test_what_was_installed_is_still_there(builder: builders.Builder, sealed: Sealed) -> None:
    """Sealing forgets the builder, not its work; agent upgrades are allowed again."""
    assert (builder.machine.root / "usr/bin/docker").exists()
    holds = builder.read("var/lib/dpkg/status").count("Status: hold ok installed")
    assert holds >= 4


# --- a pool node boots the disk ------------------------------------------------------------


def test_a_node_becomes_a_machine_of_its_own(node: builders.Builder, sealed: Sealed) -> None:
    """Two nodes with one identity confuse each other's keys, logs and addresses."""
    node.ask("cloud-init status --wait")
    assert node.ask("hostname") == "node-1"
    assert node.read("etc/machine-id") not in {"", sealed.machine_id}
    assert node.read("etc/ssh/ssh_host_ed25519_key.pub") != sealed.host_key
    assert node.ask("systemctl is-system-running --wait") == "running"


def test_a_node_has_the_image_and_runs_it(node: builders.Builder, preloaded: builders.Runs) -> None:
    """Pulling at the start of a thousand nodes is what preloading is for."""
    before = (node.machine.home / "requests.log").read_text().count("/v2/")
    outcome = node.step(
        "verify",
        EXPECT_GPU="none",
        EXPECT_IMAGES=builders.IMAGE,
        VERIFY_IMAGE=builders.IMAGE,
        USER_START_TASK='echo "of the owner: $HOSTNAME"; exit 0',
    )
    assert outcome.exit_code == 0, outcome.words
    assert "of the owner: node-1" in outcome.stderr
    [image] = preloaded.first.data["images"]
    digests = node.ask(f"docker image inspect --format '{{{{.RepoDigests}}}}' {builders.IMAGE}")
    assert image["digest"] in digests
    after = (node.machine.home / "requests.log").read_text().count("/v2/")
    assert after == before


def test_the_owners_command_runs_as_the_owners_user(node: builders.Builder) -> None:
    """With the owner's variables, and with the files of the working directory in hand."""
    node.ask("useradd --create-home worker && install -m 0600 /dev/null /srv/file")
    outcome = node.step(
        "verify",
        EXPECT_GPU="none",
        USER_START_TASK='echo "$(id -un) in $HOME has $A"; echo new >>/srv/file',
        USER_START_TASK_AS="worker",
        USER_ENV_A="a b",
        AZ_BATCH_TASK_WORKING_DIR="/srv",
    )
    assert outcome.exit_code == 0, outcome.words
    assert "worker in /home/worker has a b" in outcome.stderr
    assert node.read("srv/file") == "new\n"


def test_a_node_without_docker_takes_no_tasks(node: builders.Builder) -> None:
    """A start task that fails holds the node back."""
    node.ask("systemctl stop docker.socket docker.service")
    outcome = node.step("verify", EXPECT_GPU="none", EXPECT_IMAGES=builders.IMAGE)
    node.ask("systemctl start docker.socket docker.service")
    assert outcome.exit_code == 30
    assert "DOCKER_DOWN" in outcome.result["message"]


def moment_of(words: str, log: str) -> str:
    """When a step last wrote a line that ends with the words."""
    return [line for line in log.splitlines() if line.endswith(words)][-1].split()[0]


def files_with(content: bytes, places: list[Path]) -> list[Path]:
    """Files below the places that contain the bytes; container layers are not looked into."""
    found = []
    for place in places:
        for path in place.rglob("*"):
            is_data = path.is_file() and not path.is_symlink() and "overlay2" not in path.parts
            if is_data and content in path.read_bytes():
                found.append(path)
    return found
