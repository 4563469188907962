"""Preloading: by reference, a few at a time, and no secret ever where it could be read."""

from __future__ import annotations

import json

import pytest
import step_machine

BUSYBOX = "docker.io/library/busybox:1.36"
APP = "acme.azurecr.io/team/app:v1.0"
SECRETS = ("identity-token-4711", "registry-token-0815")
IDENTITY = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
REGISTRY = {
    "REGISTRY_LOGIN_SERVER": "acme.azurecr.io",
    "IDENTITY_CLIENT_ID": IDENTITY,
    "TENANT_ID": TENANT,
}
IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
EXCHANGE = "https://acme.azurecr.io/oauth2/exchange"


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """A machine with Docker, an identity, and a registry that knows it."""
    machine.has_docker()
    machine.offers_image(BUSYBOX)
    machine.offers_image(APP)
    machine.serves(IMDS, json.dumps({"access_token": SECRETS[0]}))
    machine.serves(EXCHANGE, json.dumps({"refresh_token": SECRETS[1]}))
    return machine


def test_images_are_pulled_and_recorded(world: step_machine.Machine) -> None:
    """Name, digest and size of each: what a pool is later checked against."""
    outcome = world.run_step("preload", IMAGES=f"{BUSYBOX}\n\n{APP}\n{BUSYBOX}\n")

    assert outcome.exit_code == 0
    assert outcome.result["changed"] is True
    assert outcome.data["images"] == [
        {"name": BUSYBOX, "digest": f"sha256:{'ab' * 32}", "sizeBytes": 4200000},
        {"name": APP, "digest": f"sha256:{'ab' * 32}", "sizeBytes": 4200000},
    ]


def test_images_that_are_here_change_nothing(world: step_machine.Machine) -> None:
    """The tag is asked again all the same: it may have moved."""
    world.offers_image(BUSYBOX, here=True)

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert ["pull", "--quiet", BUSYBOX] in world.calls("docker")


def test_four_pulls_run_at_once(world: step_machine.Machine) -> None:
    """More would only share the same line; fewer would wait for each other's slowest layer."""
    names = [f"docker.io/library/image{number}:1" for number in range(9)]
    for name in names:
        world.offers_image(name)
    world.precede(
        "docker",
        'if [[ $1 == pull ]]; then touch "$MACHINE/running.$$"\n'
        'ls "$MACHINE"/running.* | wc -l >>"$MACHINE/width"\n'
        'read -r -t 0.05 <> <(:); rm "$MACHINE/running.$$"; fi',
    )

    outcome = world.run_step("preload", IMAGES="\n".join(names))

    widths = [int(line) for line in (world.home / "width").read_text().split()]
    assert outcome.exit_code == 0
    assert len(outcome.data["images"]) == 9
    assert max(widths) <= 4


def test_many_images_still_fit_the_line(world: step_machine.Machine) -> None:
    """The rest is counted: the line must come whole."""
    names = [f"docker.io/library/image{number}:1" for number in range(18)]
    for name in names:
        world.offers_image(name, here=True)
        world.offers_image(name)

    outcome = world.run_step("preload", IMAGES="\n".join(names))

    assert outcome.exit_code == 0
    assert len(outcome.data["images"]) + outcome.data["imagesLeftOut"] == 18
    assert len(outcome.stdout) < 3000


def test_a_mistyped_image_fails_once_and_by_name(world: step_machine.Machine) -> None:
    """The others are pulled; the message names the one that is wrong."""
    outcome = world.run_step("preload", IMAGES=f"{BUSYBOX}\ndocker.io/library/bussybox:1")

    assert outcome.exit_code == 21
    assert "1 of 2 images: pull of docker.io/library/bussybox:1" in outcome.result["message"]
    assert "manifest unknown" in outcome.result["message"]
    assert world.calls("sleep") == []


def test_a_rate_limit_is_waited_out(world: step_machine.Machine) -> None:
    """Docker Hub counts pulls by address."""
    world.fails_first("docker", 2, "toomanyrequests: rate limit", when="pull")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 0
    assert world.calls("sleep") == [["5"], ["10"]]


def test_a_rate_limit_that_lasts_has_its_own_code(world: step_machine.Machine) -> None:
    """It holds for hours, and starting again would meet it again."""
    world.fails_first("docker", 99, "toomanyrequests: pull rate limit", when="pull")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 26
    assert "pull rate limit" in outcome.result["message"]


def test_an_image_for_another_processor_is_refused(world: step_machine.Machine) -> None:
    """It would be found out by the first task of a pool."""
    world.offers_image(BUSYBOX, architecture="arm64")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 21
    assert "arm64" in outcome.result["message"]


def test_too_little_room_is_seen_before_the_first_pull(world: step_machine.Machine) -> None:
    """Not after minutes of it."""
    world.write("free_mib", "900")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 20
    assert "pull" not in world.asked("docker")


# Beside the step that installs Docker

READY = "var/lib/batch-prep/docker.ready"
FAILED = "run/batch-prep/install.failed"


def test_docker_is_waited_for_until_it_is_complete(world: step_machine.Machine) -> None:
    """A daemon that answers is not enough: the toolkit would restart it in the midst of a pull."""
    (world.root / READY).unlink()
    world.fake(
        "sleep",
        'if [[ -e $MACHINE/slept ]]; then touch "$ROOT/' + READY + '"; else\n'
        'touch "$MACHINE/slept"; fi',
    )

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 0
    assert world.calls("sleep") == [["1"], ["1"]]
    assert ["pull", "--quiet", BUSYBOX] in world.calls("docker")


def test_nothing_is_waited_for_that_will_not_come(world: step_machine.Machine) -> None:
    """The install failed: at once, and to be sent again when that has been."""
    (world.root / READY).unlink()
    world.write(f"root/{FAILED}", "")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 75
    assert outcome.result["phase"] == "wait"
    assert outcome.result["message"] == (
        "the step install failed, so there is no Docker to pull with"
    )
    assert world.calls("docker") + world.calls("sleep") == []


def test_an_install_that_fails_after_docker_stops_no_pull(world: step_machine.Machine) -> None:
    """Docker is complete and stays as it is when the driver is tried again."""
    world.write(f"root/{FAILED}", "")

    assert world.run_step("preload", IMAGES=BUSYBOX).exit_code == 0


def test_waiting_ends_at_the_deadline(world: step_machine.Machine) -> None:
    """No install ever began."""
    (world.root / READY).unlink()
    world.fake("sleep", "read -r -t 0.05 <> <(:) || true")

    outcome = world.run_step("preload", IMAGES=BUSYBOX, DEADLINE_SECONDS="1")

    assert outcome.exit_code == 124
    assert outcome.result["phase"] == "wait"


def test_a_daemon_that_still_starts_is_waited_for(world: step_machine.Machine) -> None:
    """After a restart of the machine Docker was announced long ago."""
    world.fails_first("docker", 3, "Cannot connect to the Docker daemon", when="info")

    outcome = world.run_step("preload", IMAGES=BUSYBOX)

    assert outcome.exit_code == 0
    assert world.calls("sleep") == [["1"], ["1"], ["1"]]


# The registry


def test_the_identity_signs_in_to_the_registry(world: step_machine.Machine) -> None:
    """Identity token, exchanged for a registry token, given to Docker through a pipe."""
    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    form = (world.home / "received/form").read_text()
    assert outcome.exit_code == 0
    assert f"client_id={IDENTITY}" in world.asked("curl")
    assert "resource=https%3A//containerregistry.azure.net" in world.asked("curl")
    assert form == (
        f"grant_type=access_token&service=acme.azurecr.io&tenant={TENANT}&access_token={SECRETS[0]}"
    )
    assert (world.home / "received/login").read_text() == SECRETS[1]
    assert "--password-stdin acme.azurecr.io" in world.asked("docker")


def test_no_token_is_anywhere_afterwards(world: step_machine.Machine) -> None:
    """Not in an argument, an environment, the log, the result, or the image."""
    world.write("environments", "")

    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    kept = [world.home / "calls", world.home / "environments"]
    kept += [path for path in world.root.rglob("*") if path.is_file()]
    texts = [path.read_text(errors="replace") for path in kept]
    texts += [outcome.stdout, outcome.stderr, outcome.log]
    assert not [text for text in texts if any(secret in text for secret in SECRETS)]
    assert not list(world.root.rglob("config.json"))


def test_no_token_is_anywhere_after_a_failure(world: step_machine.Machine) -> None:
    """The same, where the way out is another."""
    world.fake("docker", 'if [[ $1 == info ]]; then echo /; else echo "denied: $1" >&2; exit 1; fi')

    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    texts = [path.read_text(errors="replace") for path in world.root.rglob("*") if path.is_file()]
    assert outcome.exit_code == 22
    assert not [text for text in texts if any(secret in text for secret in SECRETS)]


def test_the_private_files_are_private(world: step_machine.Machine) -> None:
    """While the step runs, too: other users of the machine see nothing."""
    world.precede(
        "docker",
        "[[ -z ${DOCKER_CONFIG:-} ]] ||"
        ' ls -ld "$DOCKER_CONFIG" "${DOCKER_CONFIG%/*}"/*.json >>"$MACHINE/modes"',
    )

    world.run_step("preload", IMAGES=APP, **REGISTRY)

    modes = [line.split()[0] for line in (world.home / "modes").read_text().splitlines()]
    assert set(modes) == {"drwx------", "-rw-------"}


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "oauth2/exchange"], ids=["identity", "exchange"]
)
def test_a_fresh_identity_is_waited_for(world: step_machine.Machine, address: str) -> None:
    """A role needs minutes until every registry knows it: 401 and 403 pass, but only here."""
    world.fails_first("curl", 3, "curl: (22) The requested URL returned error: 403", when=address)

    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    assert outcome.exit_code == 0
    assert world.calls("sleep") == [["5"], ["10"], ["20"]]


def test_an_identity_that_is_refused_for_good(world: step_machine.Machine) -> None:
    """After ten minutes it is no longer freshness: the caller is told of the role, not to wait."""
    world.fails_first(
        "curl", 99, "curl: (22) The requested URL returned error: 401", when="exchange"
    )

    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    waited = sum(int(call[0]) for call in world.calls("sleep"))
    assert outcome.exit_code == 22
    assert "token exchange with acme.azurecr.io" in outcome.result["message"]
    assert 600 <= waited <= 700


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("login", "unauthorized: authentication required"),
        ("pull", "denied: requested access to the resource is denied"),
    ],
)
def test_a_fresh_role_is_waited_for_in_dockers_words_too(
    world: step_machine.Machine, command: str, words: str
) -> None:
    """The exchange may know the role before the registry's other servers do."""
    world.fails_first("docker", 4, words, when=command)

    outcome = world.run_step("preload", IMAGES=APP, **REGISTRY)

    assert outcome.exit_code == 0
    assert world.calls("sleep") == [["5"], ["10"], ["20"], ["40"]]


def test_another_registrys_refusal_is_final(world: step_machine.Machine) -> None:
    """Only the registry that we have signed in to can be late to know the role."""
    world.fails_first("docker", 1, "denied: requested access", when="pull")

    outcome = world.run_step("preload", IMAGES="busybox:1", **REGISTRY)

    assert outcome.exit_code == 21
    assert world.calls("sleep") == []


def test_the_metadata_service_may_be_elsewhere(world: step_machine.Machine) -> None:
    """For a machine that is none of Azure's."""
    world.serves("http://127.0.0.1:1/metadata/identity/oauth2/token", '{"access_token": "x"}')

    outcome = world.run_step("preload", IMAGES=APP, IMDS_URL="http://127.0.0.1:1", **REGISTRY)

    assert outcome.exit_code == 0
    assert "169.254" not in world.asked("curl")
