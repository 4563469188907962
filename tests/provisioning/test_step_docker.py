"""Docker and the container toolkit: pinned, from signed repositories, and safe to run twice."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import step_machine
import vendors

WITH_TOOLKIT = ("install_docker", "install_container_toolkit")


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """An Ubuntu machine that reaches the vendors."""
    vendors.serve_keys(machine)
    return machine


def installs(machine: step_machine.Machine, command: str) -> list[list[str]]:
    """What each install asked for."""
    calls = [call for call in machine.calls(command) if "install" in call]
    names = [[a for a in call[call.index("install") + 1 :] if a[0] != "-"] for call in calls]
    return [wanted for wanted in names if wanted]


@pytest.mark.parametrize(
    ("system", "suffix", "source"),
    [
        ("ubuntu-24.04", "~ubuntu.24.04~noble", "linux/ubuntu noble stable"),
        ("ubuntu-22.04", "~ubuntu.22.04~jammy", "linux/ubuntu jammy stable"),
        ("debian-12", "~debian.12~bookworm", "linux/debian bookworm stable"),
    ],
)
def test_docker_comes_pinned_from_its_own_repository(
    make_machine: Callable[[str], step_machine.Machine], system: str, suffix: str, source: str
) -> None:
    """The very version, not the newest one, with the key that its documentation prints."""
    machine = make_machine(system)
    vendors.serve_keys(machine)

    outcome = machine.run_step("install", "install_docker")

    assert outcome.exit_code == 0
    assert outcome.data == {"dockerVersion": "29.7.2"}
    assert installs(machine, "apt-get")[-1] == [
        f"docker-ce=5:29.7.2-1{suffix}",
        f"docker-ce-cli=5:29.7.2-1{suffix}",
        f"containerd.io=2.3.3-1{suffix}",
        "apparmor",
        "iptables",
    ]
    key = machine.root / "etc/apt/keyrings/docker.asc"
    listing = (machine.root / "etc/apt/sources.list.d/docker.list").read_text()
    assert listing == (f"deb [arch=amd64 signed-by={key}] https://download.docker.com/{source}\n")
    assert key.read_text() == vendors.DOCKER_APT_KEY
    assert "hold docker-ce docker-ce-cli containerd.io" in machine.asked("apt-mark")


@pytest.mark.parametrize(("system", "release"), [("almalinux-8", 8), ("rhel-9", 9)])
def test_docker_on_el(
    make_machine: Callable[[str], step_machine.Machine], system: str, release: int
) -> None:
    """The distribution's podman and runc go first: they conflict."""
    machine = make_machine(system)
    vendors.serve_keys(machine)

    outcome = machine.run_step("install", "install_docker")

    repository = (machine.root / "etc/yum.repos.d/docker.repo").read_text()
    assert outcome.exit_code == 0
    assert installs(machine, "dnf")[-2] == [
        "docker-ce-29.7.2",
        "docker-ce-cli-29.7.2",
        "containerd.io-2.3.3",
        "container-selinux",
    ]
    assert f"baseurl=https://download.docker.com/linux/rhel/{release}/x86_64/stable" in repository
    assert "gpgcheck=1" in repository
    assert "remove podman buildah runc" in machine.asked("dnf")


def test_a_second_run_changes_nothing(world: step_machine.Machine) -> None:
    """Neither a package nor a restart: running containers stay."""
    world.run_step("install", "install_docker")
    step_machine.boot_again(world)
    before = len(world.calls("apt-get"))

    outcome = world.run_step("install", "install_docker")

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert len(world.calls("apt-get")) == before
    assert world.asked("systemctl").count("restart docker.service") == 1


def test_settings_that_are_there_stay(world: step_machine.Machine) -> None:
    """The configuration is merged, never replaced."""
    world.write("root/etc/docker/daemon.json", '{"bip": "10.9.0.1/16", "log-driver": "journald"}')

    world.run_step("install", "install_docker")

    assert json.loads((world.root / "etc/docker/daemon.json").read_text()) == {
        "bip": "10.9.0.1/16",
        "log-driver": "journald",
        "log-opts": {"max-size": "50m", "max-file": "3"},
        "features": {"containerd-snapshotter": False},
    }


def test_a_key_that_is_not_the_pinned_one_is_refused(world: step_machine.Machine) -> None:
    """Before anything is installed with it."""
    world.serves("https://download.docker.com/linux/ubuntu/gpg", "F" * 40)

    outcome = world.run_step("install", "install_docker")

    assert outcome.exit_code == 24
    assert vendors.DOCKER_APT_KEY in outcome.result["message"]
    assert not (world.root / "etc/apt/keyrings/docker.asc").exists()
    assert "docker-ce" not in world.asked("apt-get")


@pytest.mark.parametrize("version", ["29.0.1", "29.2.0", "latest", "29.7.2; reboot", "28.5"])
def test_versions_that_break_the_node_agent_are_refused(
    world: step_machine.Machine, version: str
) -> None:
    """29.0 to 29.2 do not speak to older clients."""
    outcome = world.run_step("install", "install_docker", DOCKER_VERSION=version)

    assert outcome.exit_code == 11
    assert world.calls("apt-get") == []


def test_a_daemon_that_does_not_answer_is_no_success(world: step_machine.Machine) -> None:
    """Ready is what answers, not a unit that is active."""
    world.fake("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")

    outcome = world.run_step("install", "install_docker")

    assert outcome.result["ok"] is False
    assert "does not answer" in outcome.result["message"]


def test_an_install_that_fails_for_good_names_the_packages(world: step_machine.Machine) -> None:
    """Exit code 23, once: a version that is not there does not come by waiting."""
    world.fails_first("apt-get", 9, "E: Version 5:29.7.2-1 was not found", when="docker-ce=")

    outcome = world.run_step("install", "install_docker")

    assert outcome.exit_code == 23
    assert "docker-ce=5:29.7.2-1" in outcome.result["message"]
    assert world.calls("sleep") == []


# The toolkit


def test_the_toolkit_comes_whole_and_pinned(world: step_machine.Machine) -> None:
    """Four packages: the others would come in their newest version and fit no more."""
    outcome = world.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")

    assert outcome.exit_code == 0
    assert outcome.data == {"dockerVersion": "29.7.2", "toolkitVersion": "1.20.0"}
    assert installs(world, "apt-get")[-1] == [
        "nvidia-container-toolkit=1.20.0-1",
        "nvidia-container-toolkit-base=1.20.0-1",
        "libnvidia-container-tools=1.20.0-1",
        "libnvidia-container1=1.20.0-1",
    ]
    assert "nvidia" in (world.root / "etc/docker/daemon.json").read_text()


def test_a_reload_of_systemd_leaves_containers_their_gpus(world: step_machine.Machine) -> None:
    """A rule makes the names by which systemd allows a container its devices."""
    world.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")

    rule = (world.root / "etc/udev/rules.d/71-batch-prep-nvidia.rules").read_text()
    assert "nvidia-ctk system create-dev-char-symlinks --create-all" in rule


def test_the_toolkit_has_the_version_of_the_request(world: step_machine.Machine) -> None:
    """All four of its packages; what is no version is refused before anything is installed."""
    outcome = world.run_step(
        "install-gpu", *WITH_TOOLKIT, GPU="true", CONTAINER_TOOLKIT_VERSION="1.19.1"
    )
    refused = world.run_step(
        "install-gpu", *WITH_TOOLKIT, GPU="true", CONTAINER_TOOLKIT_VERSION="1.20.0; reboot"
    )

    assert outcome.data["toolkitVersion"] == "1.19.1"
    assert "libnvidia-container1=1.19.1-1" in world.asked("apt-get")
    assert refused.exit_code == 11


def test_the_toolkit_on_el_is_signed_as_a_whole(
    make_machine: Callable[[str], step_machine.Machine],
) -> None:
    """NVIDIA signs the metadata of this repository, not its packages."""
    machine = make_machine("almalinux-9")
    vendors.serve_keys(machine)

    outcome = machine.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")

    text = (machine.root / "etc/yum.repos.d/nvidia-container-toolkit.repo").read_text()
    assert outcome.exit_code == 0
    assert "gpgcheck=0\nrepo_gpgcheck=1" in text
    assert "nvidia-container-toolkit-1.20.0-1" in machine.asked("dnf")


def test_the_toolkit_restarts_docker_only_once(world: step_machine.Machine) -> None:
    """A restart aborts pulls that run beside it."""
    world.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")
    step_machine.boot_again(world)
    before = world.asked("systemctl").count("restart")

    outcome = world.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert world.asked("systemctl").count("restart") == before


def test_a_runtime_that_docker_does_not_list_fails(world: step_machine.Machine) -> None:
    """The file alone proves nothing."""
    world.fake("nvidia-ctk", "")

    outcome = world.run_step("install-gpu", *WITH_TOOLKIT, GPU="true")

    assert outcome.exit_code == 41


def test_without_a_gpu_no_toolkit(world: step_machine.Machine) -> None:
    """The GPU variant may be sent to any build."""
    outcome = world.run_step("install-gpu", *WITH_TOOLKIT, GPU="false")

    assert outcome.exit_code == 0
    assert "toolkitVersion" not in outcome.data
