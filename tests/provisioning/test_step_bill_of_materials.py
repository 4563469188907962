"""What is in the image, as a document that others can read: CycloneDX, from the packages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import step_machine
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

IMAGE = "reg.example.org:5000/team/app:v1.0"


def finished(machine: step_machine.Machine, *packages: str) -> step_machine.Machine:
    """It runs Docker, and has packages and a container image."""
    machine.has_packages(*(packages or ["bash 5.2-1"]))
    machine.has_docker()
    machine.offers_image(IMAGE, here=True)
    return machine


def of_type(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [found for found in document["components"] if found["type"] == kind]


@pytest.mark.parametrize("system", ["ubuntu-22.04", "debian-12", "almalinux-8", "rhel-9"])
def test_the_document_is_cyclonedx(
    make_machine: Callable[[str], step_machine.Machine], system: str
) -> None:
    """By the official schema, with every word spelled as it asks."""
    packages = ("curl 7.88.1-10+deb12u5", "docker-ce 29.7.2-1.el9")
    machine = finished(make_machine(system), *packages)

    outcome = machine.run_step("seal", "check_image", EXPECT_IMAGES=IMAGE)

    text = json.dumps(outcome.bill_of_materials)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert outcome.bill_of_materials["specVersion"] == "1.6"
    assert outcome.data["packages"] == 2


@pytest.mark.parametrize(
    ("system", "package", "address"),
    [
        (
            "ubuntu-24.04",
            "docker-ce 5:29.7.2-1~ubuntu.24.04~noble",
            PackageURL(
                "deb",
                "ubuntu",
                "docker-ce",
                "5:29.7.2-1~ubuntu.24.04~noble",
                {"arch": "amd64", "distro": "ubuntu-24.04"},
            ),
        ),
        (
            "debian-12",
            "libstdc++6 12.2.0-14+deb12u1",
            PackageURL(
                "deb",
                "debian",
                "libstdc++6",
                "12.2.0-14+deb12u1",
                {"arch": "amd64", "distro": "debian-12"},
            ),
        ),
        (
            "rocky-9",
            "docker-ce 29.7.2-1.el9",
            PackageURL(
                "rpm",
                "rocky",
                "docker-ce",
                "29.7.2-1.el9",
                {"arch": "x86_64", "distro": "rocky-9.6", "epoch": "3"},
            ),
        ),
    ],
)
def test_a_package_has_its_address(
    make_machine: Callable[[str], step_machine.Machine],
    system: str,
    package: str,
    address: PackageURL,
) -> None:
    """By which scanners look up what is known of it."""
    document = (
        finished(make_machine(system), package).run_step("seal", "check_image").bill_of_materials
    )

    (found,) = of_type(document, "library")
    assert PackageURL.from_string(found["purl"]) == address
    assert (found["name"], found["version"]) == tuple(package.split())


def test_container_images_are_named_by_digest(machine: step_machine.Machine) -> None:
    """A tag says where it came from; only the digest says what it is."""
    document = (
        finished(machine).run_step("seal", "check_image", EXPECT_IMAGES=IMAGE).bill_of_materials
    )

    (found,) = of_type(document, "container")
    address = PackageURL.from_string(found["purl"])
    assert found["name"] == "reg.example.org:5000/team/app"
    assert found["version"] == f"sha256:{'ab' * 32}"
    assert found["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert (address.type, address.name, address.version) == ("oci", "app", f"sha256:{'ab' * 32}")
    assert address.qualifiers == {"repository_url": "reg.example.org:5000/team/app", "tag": "v1.0"}


def test_a_driver_that_is_no_package_is_in_it(machine: step_machine.Machine) -> None:
    """GRID comes by an installer of its own, which the package database knows nothing of."""
    world = finished(machine)
    world.write(f"modules/{step_machine.KERNEL}", "570.211.01")
    world.write("root/usr/bin/nvidia-uninstall", "")
    world.write("root/etc/docker/daemon.json", '{"runtimes": {"nvidia": {}}}')

    document = world.run_step("seal", "check_image", EXPECT_GPU="driver-only").bill_of_materials

    (found,) = of_type(document, "device-driver")
    assert (found["name"], found["version"]) == ("nvidia-grid-driver", "570.211.01")


def test_a_machine_that_failed_has_none(machine: step_machine.Machine) -> None:
    """It becomes no image."""
    outcome = machine.run_step("seal", "check_image")

    assert outcome.exit_code == 30
    assert "batch-prep-bom" not in outcome.stdout


def test_an_image_without_one_is_no_worse(machine: step_machine.Machine) -> None:
    """It is a help; what decides are the checks."""
    world = finished(machine)
    world.fake("dpkg-query", "echo 'dpkg-query: error: the database is locked' >&2; exit 2")

    outcome = world.run_step("seal", "check_image")

    assert outcome.exit_code == 0
    assert len(outcome.stdout.splitlines()) == 1
    assert "the bill of materials cannot be written" in outcome.log


def test_thousands_of_packages_leave_the_result_in_sight(machine: step_machine.Machine) -> None:
    """The run command shows the last 4096 bytes of stdout: the whole result line is in them."""
    world = finished(machine, *(f"package-{n} 1.0-{n}" for n in range(3000)))

    outcome = world.run_step("seal", "check_image")

    shown = outcome.stdout.encode()[-4096:].decode()
    assert json.loads(shown.splitlines()[-1].removeprefix("batch-prep-result "))["ok"] is True
    assert len(of_type(outcome.bill_of_materials, "library")) == 3000
