"""Steps that are killed, repeated, refused by a mirror or a registry, or cannot be sealed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable

import builder as builders
import pytest
import tracer

from local.machines import image_registry, machine

pytestmark = pytest.mark.root

SEAL_FAILED = re.compile(r"^batch-prep seal-failed refused nonce-\d+ forget_identity", re.MULTILINE)
SEAL_SECONDS_MAX = 120


@pytest.fixture(scope="module")
def builder(make_builder: Callable[[str], builders.Builder]) -> builders.Builder:
    """A machine whose user no file of Azure names: `waagent` cannot remove it."""
    builder = make_builder("troubles")
    (builder.machine.root / "var/lib/waagent/ovf-env.xml").unlink()
    return builder


@pytest.fixture(scope="module")
def prepared(builder: builders.Builder) -> builders.Builder:
    trouble(builder)
    outcome = builder.step("install", "prepare", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    return builder


@pytest.fixture(scope="module")
def with_docker(prepared: builders.Builder) -> builders.Builder:
    outcome = prepared.step("install", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    return prepared


def trouble(builder: builders.Builder, *lines: str) -> None:
    """Let requests go wrong: `STATUS TIMES PATTERN` or `stall:SECONDS TIMES PATTERN`."""
    (builder.machine.home / "troubles").write_text("\n".join(lines))


def test_a_mirror_that_fails_is_asked_again(builder: builders.Builder) -> None:
    """Mirrors change under one's feet, for seconds."""
    trouble(builder, "503 2 deb.debian.org/debian/dists")
    outcome = builder.step("install", "prepare", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    assert (builder.machine.home / "troubles").read_text().startswith("503 0")


def test_a_step_at_its_own_deadline_stops_what_it_started(prepared: builders.Builder) -> None:
    """It says 124 itself, and the next attempt finds no survivor."""
    trouble(prepared, "stall:60 1 download.docker.com/linux/debian/gpg")
    outcome = prepared.step("install", "install_docker", DEADLINE_SECONDS="2")
    assert outcome.exit_code == 124, outcome.words
    assert outcome.result["message"] == "did not end within 2 seconds"
    assert prepared.ask("pgrep -x curl") == ""


def test_a_killed_step_can_be_sent_again(prepared: builders.Builder) -> None:
    """The second attempt waits for what is left of the first, and repairs half-done work."""
    trouble(prepared, "stall:8 1 download.docker.com/linux/debian/pool/docker-ce_")
    [package] = (prepared.kit.docker / "pool").glob("containerd.io_*.deb")
    shutil.copy(package, prepared.machine.root / "root/containerd.deb")
    assert prepared.command("#!/bin/sh\ndpkg --unpack /root/containerd.deb").exit_code == 0

    killed = prepared.step("install", "install_docker", timeout_seconds=4)
    assert (killed.exit_code, killed.result) == (-1, {}), killed.words
    assert prepared.ask("pgrep -x apt-get") != ""
    outcome = prepared.step("install", BUILDER_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    assert prepared.ask("dpkg --audit") == ""


@pytest.mark.parametrize(
    ("images", "code"),
    [
        pytest.param(f"{builders.REGISTRY}/absent:v1", 21, id="an image that is not there"),
        pytest.param(builders.FOREIGN_IMAGE, 21, id="an image for another architecture"),
    ],
)
def test_an_image_that_cannot_run_here_is_refused(
    with_docker: builders.Builder, images: str, code: int
) -> None:
    """At once: no time cures it."""
    outcome = preload(with_docker, images, builders.IDENTITY)
    assert outcome.exit_code == code, outcome.words
    assert images in outcome.result["message"]


def test_an_identity_that_the_machine_does_not_have_is_refused(
    with_docker: builders.Builder,
) -> None:
    """The metadata service answers 400, and always will."""
    outcome = preload(with_docker, builders.IMAGE, builders.TENANT)
    assert outcome.exit_code == 22, outcome.words


def test_a_role_that_is_still_on_its_way_is_waited_for(with_docker: builders.Builder) -> None:
    """A fresh role assignment needs minutes until a registry knows it."""
    trouble(with_docker, f"403 2 {builders.REGISTRY}/oauth2/exchange")
    outcome = preload(with_docker, builders.IMAGE, builders.IDENTITY)
    assert outcome.exit_code == 0, outcome.words


TEAM = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/team"
)
SECRET = "keys.vault.azure.net/secrets/registry"


@pytest.mark.parametrize(
    "how", [f"identity {TEAM}", f"vault {image_registry.TOKEN_USER} https://{SECRET}"]
)
def test_more_registries_are_signed_in_to(with_docker: builders.Builder, how: str) -> None:
    """As another identity, or as a user whose password is in Key Vault."""
    secret = with_docker.machine.home / "sites" / SECRET
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(json.dumps({"value": image_registry.REFRESH_TOKEN}))
    with_docker.machine.surround(
        machine.Surroundings(
            identities=(TEAM, builders.IDENTITY), images={builders.IMAGE: "busybox"}
        )
    )
    with_docker.ask(f"docker image rm --force {builders.IMAGE}")
    outcome = with_docker.step(
        "preload",
        IMAGES=builders.IMAGE,
        REGISTRIES=f"{builders.REGISTRY} {how}",
        VAULT_CLIENT_ID=builders.IDENTITY,
    )
    assert outcome.exit_code == 0, outcome.words
    assert builders.IMAGE in with_docker.ask("docker image ls --format '{{.Repository}}:{{.Tag}}'")
    assert image_registry.REFRESH_TOKEN not in with_docker.read("var/log/batch-prep/preload.log")


def test_a_machine_that_cannot_be_sealed_stays_on_and_says_why(
    with_docker: builders.Builder,
) -> None:
    """Power-off means sealed; once the cause is gone, sealing works."""
    builder = with_docker
    obstacle = builder.machine.root / "etc/ssh/ssh_host_extra_key"
    obstacle.mkdir()
    assert seal(builder, BUILD_ID="refused").exit_code == 0
    assert machine.wait_until(lambda: "seal-failed" in console(builder), SEAL_SECONDS_MAX)
    assert SEAL_FAILED.search(console(builder))
    tracer.executed.add("sealing_ended")  # the one that writes this line
    assert builder.machine.is_on()

    obstacle.rmdir()
    builder.machine.switch_off()
    builder.boot("troubles", user=builders.USER)
    assert seal(builder, BUILD_ID="accepted").exit_code == 0
    assert builder.machine.wait_until_off(SEAL_SECONDS_MAX)
    assert "batch-prep sealed accepted" in console(builder)
    assert "batch-prep sealed refused" not in console(builder)


def console(builder: builders.Builder) -> str:
    return builder.machine.console()


def preload(builder: builders.Builder, images: str, identity: str) -> builders.Outcome:
    return builder.step(
        "preload",
        IMAGES=images,
        REGISTRY_LOGIN_SERVER=builders.REGISTRY,
        IDENTITY_CLIENT_ID=identity,
        TENANT_ID=builders.TENANT,
    )


def seal(builder: builders.Builder, **parameters: str) -> builders.Outcome:
    return builder.step("seal", BUILDER_USER=builders.USER, SEAL_DELAY_SECONDS="1", **parameters)
