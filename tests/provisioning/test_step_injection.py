"""Values are data: whatever a parameter holds, no shell ever reads it as text."""

from __future__ import annotations

import pytest
import step_machine

SPELLS = [
    "$(touch OWNED)",
    "`touch OWNED`",
    "; touch OWNED",
    "a\ntouch OWNED",
    "a' && touch OWNED && '",
    'a" && touch OWNED && "',
    "a b",
    "*",
    "-v /:/host",
    "--privileged",
    "a|touch OWNED",
    "a>OWNED",
    "$IFS",
    "../../etc/passwd",
    "a\\",
    "{{.Id}}",
    "a[$(touch OWNED)]",
]
PARAMETERS = {
    "install": ["BUILDER_USER", "NONCE", "BUILD_ID", "DEADLINE_SECONDS"],
    "install-gpu": ["DOCKER_VERSION", "GPU"],
    "install-gpu-driver": [
        *("DRIVER_KIND", "DRIVER_VERSION", "FABRIC_MANAGER", "DRIVER_URL", "DRIVER_SHA256"),
    ],
    "driver": ["DRIVER_KIND", "DRIVER_VERSION", "FABRIC_MANAGER", "DRIVER_URL", "DRIVER_SHA256"],
    "preload": ["IMAGES", "REGISTRY_LOGIN_SERVER", "IDENTITY_CLIENT_ID", "TENANT_ID"],
    "own_step": [
        *("OWN_NAME", "OWN_SHA256", "OWN_URL", "OWN_ARCHIVE", "OWN_RUN", "OWN_DESTINATION"),
        *("OWN_SECRETS", "OWN_SECONDS", "OWN_EXIT_CODES", "OWN_USER", "IDENTITY_CLIENT_ID"),
    ],
    "seal": [
        *("BUILDER_USER", "SEAL_DELAY_SECONDS", "NONCE", "BUILD_ID"),
        *("EXPECT_GPU", "EXPECT_IMAGES", "SIZE_HAS_GPU", "VERIFY_IMAGE"),
        *("EXPECT_DIGESTS", "EXPECT_DOCKER", "EXPECT_TOOLKIT", "EXPECT_DRIVER"),
    ],
    "verify": ["EXPECT_GPU", "EXPECT_IMAGES", "VERIFY_IMAGE", "NONCE"],
}
GOOD = {
    "install": {"BUILDER_USER": "builder"},
    "install-gpu": {"BUILDER_USER": "builder"},
    "install-gpu-driver": {"BUILDER_USER": "builder", "DRIVER_KIND": "datacenter-open"},
    "driver": {"DRIVER_KIND": "datacenter-open"},
    "preload": {"IMAGES": "busybox:1"},
    "own_step": {
        "OWN_NAME": "setup",
        "OWN_SHA256": "0" * 64,
        "OWN_SECONDS": "9",
        "OWN_EXIT_CODES": "0",
        "OWN_URL": "https://files.example.org/a",
    },
    "seal": {"BUILDER_USER": "builder"},
}


@pytest.mark.parametrize(
    ("step", "parameter"), [(step, name) for step, names in PARAMETERS.items() for name in names]
)
def test_no_parameter_is_a_spell(machine: step_machine.Machine, step: str, parameter: str) -> None:
    """Refused by name, and nothing happened. (Each parameter meets some of the spells.)"""
    first = (len(step) + len(parameter)) % 12
    for spell in SPELLS[first::12]:
        value = spell.replace("OWNED", str(machine.home / "OWNED"))

        outcome = machine.run_step(step, **{**GOOD.get(step, {}), parameter: value})

        assert outcome.exit_code == 11, spell
        assert parameter in outcome.result["message"]
    assert not (machine.home / "OWNED").exists()
    assert not [name for name in ("apt-get", "docker", "systemd-run") if machine.calls(name)]


def test_the_systems_own_description_is_no_script(machine: step_machine.Machine) -> None:
    """os-release is shell text: it is read, not sourced."""
    machine.write("root/etc/os-release", f'ID="$(touch {machine.home}/OWNED)"\nVERSION_ID=1\n')

    outcome = machine.run_step("install", BUILDER_USER="builder")

    assert outcome.exit_code == 10
    assert not (machine.home / "OWNED").exists()


def test_image_names_reach_docker_as_one_argument(machine: step_machine.Machine) -> None:
    """The longest reference there is, unchanged."""
    reference = f"reg-1.example.org:5000/a/b_c/d.e:v1.0-rc_2@sha256:{'0a' * 32}"
    machine.has_docker()
    machine.offers_image(reference)

    outcome = machine.run_step("preload", IMAGES=reference)

    assert outcome.exit_code == 0
    assert ["pull", "--quiet", reference] in machine.calls("docker")
