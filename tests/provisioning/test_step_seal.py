"""Sealing: detached from the agent, and powered off only when everything before it worked."""

from __future__ import annotations

import pytest
import step_machine

SEALED = "batch-prep sealed b-1 n-1"


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """A finished builder, with everything that must not be in an image."""
    for path, text in {
        "etc/machine-id": "0123456789abcdef\n",
        "etc/ssh/ssh_host_rsa_key": "secret",
        "etc/ssh/ssh_host_rsa_key.pub": "public",
        "etc/ssh/sshd_config": "stays",
        "etc/sudoers.d/90-cloud-init-users": "builder ALL=(ALL) NOPASSWD:ALL",
        "etc/cdi/nvidia.yaml": "the builder's GPU",
        "home/builder/.ssh/authorized_keys": "ssh-rsa builder",
        "root/.ssh/authorized_keys": "ssh-rsa root",
        "root/.docker/config.json": "{}",
        "root/.bash_history": "history",
        "run/batch-prep/packages.lock": "",
        "var/lib/cloud/instances/i-1/user-data.txt": "",
        "var/lib/docker/engine-id": "engine",
        "var/lib/docker/overlay2/layer": "stays",
        "var/lib/systemd/random-seed": "seed",
        "var/lib/waagent/Microsoft.CPlat.Core.RunCommandHandlerLinux-1.3.28/bin/handler": "elf",
        "var/lib/waagent/Microsoft.CPlat.Core.RunCommandHandlerLinux__1.3.28.zip": "zip",
        "var/lib/waagent/ovf-env.xml": "<xml/>",
        "var/lib/waagent/run-command-handler/download/prepare/0/script.sh": "#!/bin/bash",
        "var/log/syslog": "lines",
        "var/log/journal/abc/system.journal": "journal",
        "tmp/left": "",
        "dev/console": "",
    }.items():
        machine.write(f"root/{path}", text)
    machine.has_docker()
    machine.has_packages("bash 5.2-1")
    machine.write("users", "root\nbuilder\n")
    machine.fake("waagent", 'rm -f "$ROOT/var/lib/waagent/ovf-env.xml"')
    return machine


def seal(machine: step_machine.Machine, **parameters: str) -> step_machine.Outcome:
    return machine.run_step("seal", **{"BUILDER_USER": "builder", **parameters})


def console(machine: step_machine.Machine) -> list[str]:
    return [line for line in (machine.root / "dev/console").read_text().splitlines() if line]


def is_powered_off(machine: step_machine.Machine) -> bool:
    return ["poweroff"] in machine.calls("systemctl")


def test_the_step_only_schedules(world: step_machine.Machine) -> None:
    """Deprovisioning stops the agent, and with it whatever the agent runs."""
    outcome = seal(world, SEAL_DELAY_SECONDS="30")

    [call] = world.calls("systemd-run")
    assert outcome.exit_code == 0
    assert list(outcome.data) == [
        *("kernel", "dockerVersion", "checks", "images", "packages"),
        *("scheduled", "sealAfterSeconds"),
    ]
    assert (outcome.data["scheduled"], outcome.data["sealAfterSeconds"]) == (True, 30)
    assert call[:2] == ["--unit=batch-prep-seal", "--collect"]
    assert world.calls("waagent") == []
    script = world.root / "usr/local/sbin/batch-prep-seal"
    assert script.stat().st_mode & 0o777 == 0o600


def test_nothing_of_the_builder_is_left(world: step_machine.Machine) -> None:
    """Then the mark, then the power-off."""
    seal(world)

    done = world.run_detached()

    files = {str(p.relative_to(world.root)) for p in world.root.rglob("*") if p.is_file()}
    assert done.returncode == 0
    assert console(world) == [SEALED]
    assert is_powered_off(world)
    assert files == {
        "boot/vmlinuz-6.8.0-1067-azure",
        "etc/docker/daemon.json",
        "dev/console",
        "etc/machine-id",
        "etc/os-release",
        "etc/ssh/sshd_config",
        "proc/meminfo",
        "proc/sys/kernel/random/boot_id",
        "proc/sys/kernel/random/uuid",
        "var/lib/docker/overlay2/layer",
        "var/log/syslog",
    }
    assert (world.root / "etc/machine-id").read_text() == ""
    assert (world.root / "var/log/syslog").read_text() == ""


def test_the_order_of_sealing(world: step_machine.Machine) -> None:
    """The result line is fetched before the agent goes; the agent's user goes after it."""
    seal(world)
    (world.home / "calls").write_text("")

    world.run_detached()

    records = (world.home / "calls").read_text().split("\036")
    order = [record.split("\037")[0] for record in records]
    assert order[0] == "sleep"
    assert order.index("cloud-init") < order.index("waagent") < order.index("userdel")
    assert world.calls("waagent") == [["-force", "-deprovision+user"]]
    assert world.calls("systemctl")[-1] == ["poweroff"]
    assert "unhold walinuxagent waagent" in world.asked("apt-mark")


@pytest.mark.parametrize(
    ("command", "body", "stage"),
    [
        ("cloud-init", "exit 1", "forget_first_boot"),
        ("waagent", "exit 1", "deprovision"),
        ("waagent", ":", "assert: the agent's state is left"),
        (
            "waagent",
            'rm "$ROOT"/var/lib/waagent/*.xml; mkdir -p "$ROOT/run/batch-prep/x"',
            "assert: credentials are left",
        ),
        (
            "journalctl",
            'mkdir "$ROOT/var/lib/waagent/Microsoft.CPlat.Core.RunCommandLinux-1.0"',
            "assert: an extension is left",
        ),
        ("userdel", "exit 8", "remove_user"),
        ("userdel", ":", "assert: user builder is left"),
        (
            "journalctl",
            'echo key >"$ROOT/etc/ssh/ssh_host_ed25519_key"',
            "assert: host keys are left",
        ),
        ("journalctl", 'echo id >"$ROOT/etc/machine-id"', "assert: machine-id is not empty"),
        ("journalctl", 'rm "$ROOT/etc/machine-id"', "assert: machine-id is not empty"),
        ("journalctl", 'mkdir -p "$ROOT/home/builder"', "assert: the build user's home is left"),
        (
            "journalctl",
            'mkdir -p "$ROOT/root/.docker"; touch "$ROOT/root/.docker/config.json"',
            "assert: credentials are left",
        ),
    ],
)
def test_a_seal_that_fails_leaves_the_machine_on(
    world: step_machine.Machine, command: str, body: str, stage: str
) -> None:
    """Power off means "sealed": a half-sealed image must never be published."""
    world.fake(command, body)
    seal(world)

    done = world.run_detached()

    assert done.returncode != 0
    assert console(world) == [f"batch-prep seal-failed b-1 n-1 {stage}"]
    assert not is_powered_off(world)


def test_a_mark_that_cannot_be_written_leaves_the_machine_on(world: step_machine.Machine) -> None:
    """Without the mark nobody would believe the power-off."""
    seal(world)
    (world.root / "dev/console").unlink()
    (world.root / "dev/console").mkdir()

    world.run_detached()

    assert not is_powered_off(world)


def test_on_el_the_caches_are_dnfs(world: step_machine.Machine) -> None:
    """There is no apt to ask."""
    world.lacks("apt-get", "apt-mark")
    seal(world)

    world.run_detached()

    assert world.calls("dnf") == [["clean", "all"]]
    assert console(world) == [SEALED]


def test_the_resolver_is_put_back(world: step_machine.Machine) -> None:
    """The agent's general handler deletes the link; the next boot would have no names."""
    (world.root / "run/systemd/resolve").mkdir(parents=True)
    seal(world)

    world.run_detached()

    link = world.root / "etc/resolv.conf"
    assert str(link.readlink()) == "../run/systemd/resolve/stub-resolv.conf"


def test_sealing_twice_schedules_once(world: step_machine.Machine) -> None:
    """Activities run at least once; two seals would tread on each other."""
    seal(world)
    world.write("active/batch-prep-seal.service", "")

    (world.home / "active/docker.service").unlink()  # stopped by the seal
    asked_docker = len(world.calls("docker"))

    outcome = seal(world)

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.data == {"scheduled": True, "sealAfterSeconds": 20}
    assert len(world.calls("systemd-run")) == 1
    assert len(world.calls("docker")) == asked_docker


# The checks before it


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param({"EXPECT_IMAGES": "busybox:1"}, "IMAGE_MISSING", id="IMAGE_MISSING"),
        pytest.param({"EXPECT_DOCKER": "9.9.9"}, "VERSION_MISMATCH", id="VERSION_MISMATCH"),
        pytest.param({"EXPECT_GPU": "1"}, "GPU_ABSENT", id="GPU_ABSENT"),
    ],
)
def test_a_failed_check_schedules_no_sealing(
    world: step_machine.Machine, fault: dict[str, str], code: str
) -> None:
    """Power-off means sealed, and sealed means that every check has passed."""
    outcome = seal(world, **fault)

    assert outcome.exit_code == 30
    assert code in outcome.result["message"]
    assert "scheduled" not in outcome.data
    assert len(outcome.stdout.splitlines()) == 1
    assert world.calls("systemd-run") == []
    assert not (world.root / "usr/local/sbin/batch-prep-seal").exists()


def test_the_document_stands_before_the_result(world: step_machine.Machine) -> None:
    """What was checked is what is listed, and then sealed."""
    outcome = seal(world)

    assert outcome.data["packages"] == 1
    assert "bash" in [found["name"] for found in outcome.bill_of_materials["components"]]


def test_a_full_answer_fits_the_line(world: step_machine.Machine) -> None:
    """With a GPU, many images and every kind of evidence, nothing is cut."""
    names = [
        f"registry.example.org/team/application-{number}:2026.11.{number}" for number in range(18)
    ]
    for name in names:
        world.offers_image(name, here=True)
    world.write(f"modules/{step_machine.KERNEL}", "580.173.02")
    world.write("root/etc/docker/daemon.json", '{"runtimes": {"nvidia": {}}}')
    world.write("failed_units", "some-quite-long-name.service loaded failed failed It\n" * 20)
    world.write("root/var/run/reboot-required", "")

    outcome = seal(
        world,
        NONCE="n" * 80,
        EXPECT_GPU="driver-only",
        EXPECT_IMAGES="\n".join(names),
        EXPECT_DOCKER="29.7.2",
        EXPECT_TOOLKIT="1.20.0",
        EXPECT_DRIVER="580.173.02",
        VERIFY_IMAGE=names[0],
    )

    assert outcome.exit_code == 0
    assert len(outcome.stdout.splitlines()[-1]) < 3000
    assert outcome.data["scheduled"] is True
    assert outcome.data["pending"] == ["gpu"]
    assert len(outcome.data["images"]) + outcome.data["imagesLeftOut"] == 18


@pytest.mark.parametrize(
    "parameters",
    [
        {"BUILDER_USER": ""},
        {"BUILDER_USER": "root"},
        {"BUILDER_USER": "_azbatchtask_1"},
        {"BUILDER_USER": "a;reboot"},
        {"BUILDER_USER": "../etc"},
        {"SEAL_DELAY_SECONDS": "soon"},
        {"NONCE": ""},
        {"BUILD_ID": ""},
    ],
    ids=str,
)
def test_a_seal_without_its_words_is_refused(
    world: step_machine.Machine, parameters: dict[str, str]
) -> None:
    """Each of them decides what is deleted, or what the mark says."""
    outcome = seal(world, **parameters)

    assert outcome.exit_code == 11
    assert world.calls("systemd-run") == []


@pytest.mark.parametrize("missing", ["waagent", "systemd-run"])
def test_a_machine_that_cannot_be_sealed(world: step_machine.Machine, missing: str) -> None:
    """Said at once, not after the deadline."""
    world.lacks(missing)

    assert seal(world).exit_code == 50
