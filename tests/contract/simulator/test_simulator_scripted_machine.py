"""The scripted machine: what each step needs, prints and leaves behind."""

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox, result_line, run_body, step_script
from scripted_steps import IMAGES, inside, restart, worlds_where_the_kernel


def test_a_result_line_has_the_form_of_the_contract(world: AzureSandbox) -> None:
    """And says that nothing was executed."""
    world.make_vm()

    result = world.step("docker")

    assert result == {
        "v": 1,
        "step": "docker",
        "nonce": "n1",
        "ok": True,
        "exitCode": 0,
        "changed": True,
        "rebootRequired": False,
        "seconds": result["seconds"],
        "phase": "",
        "message": "",
        "logTail": "",
        "log": "/var/log/batch-prep/docker.log",
        "data": {"dockerVersion": "29.7.2"},
        "scripted": True,
    }


def test_other_scripts_end_well_and_say_nothing(world: AzureSandbox) -> None:
    """The simulator does not pretend."""
    world.make_vm()

    view = world.run("other", "#!/bin/bash\necho hello\n")

    assert (view.exit_code, view.output) == (0, "")


@pytest.mark.parametrize(
    ("script", "exit_code"),
    [
        ("#!/usr/bin/fish\n", 126),
        ("#!/bin/bash\r\necho\r\n", 126),
        ("#!/usr/bin/env bash\n", 0),
        ("echo no interpreter named\n", 0),
    ],
)
def test_the_first_line_decides_the_interpreter(
    world: AzureSandbox, script: str, exit_code: int
) -> None:
    """A script saved with Windows line ends does not start."""
    world.make_vm()

    assert world.run("one", script).exit_code == exit_code


@pytest.mark.parametrize(
    ("line", "exit_code"),
    [
        ('echo "$NAME"', 1),
        ('echo "${NAME}"', 1),
        ('echo "${NAME:-none}"', 0),
        ('NAME=x; echo "$NAME"', 0),
        ("for NAME in a b; do echo $NAME; done", 0),
        ('echo "$HOME"', 0),
    ],
)
def test_a_missing_parameter_is_fatal_under_set_u(
    world: AzureSandbox, line: str, exit_code: int
) -> None:
    """Unless the script has a default for it."""
    world.make_vm()

    assert world.run("one", f"#!/bin/bash\nset -euo pipefail\n{line}\n").exit_code == exit_code


def test_a_missing_parameter_is_empty_without_set_u(world: AzureSandbox) -> None:
    """The ordinary shell."""
    world.make_vm()

    assert world.run("one", "#!/bin/bash\necho $NAME\n").exit_code == 0


@pytest.mark.parametrize(
    ("step", "parameters"),
    [
        ("prepare", {}),
        ("driver", {}),
        ("driver", {"DRIVER_KIND": "magic"}),
        ("preload", {}),
        ("seal", {}),
    ],
)
def test_a_step_refuses_wrong_parameters(
    world: AzureSandbox, step: str, parameters: dict[str, str]
) -> None:
    """Exit code 11, in the result line and as the process's own."""
    world.make_vm()

    view = world.run(step, step_script(step), NONCE="n1", BUILD_ID="b1", **parameters)

    assert view.exit_code == 11
    assert result_line(view.output)["exitCode"] == 11


def test_a_step_that_uses_a_missing_parameter_bare_dies_without_a_result(
    world: AzureSandbox,
) -> None:
    """As bash does under set -u: no line means unknown."""
    world.make_vm()
    script = step_script("prepare") + 'echo "$BUILDER_USER"\n'

    view = world.run("one", script, NONCE="n1", BUILD_ID="b1")

    assert (view.exit_code, view.output) == (1, "")


def test_preparing_may_want_a_restart(make_world) -> None:
    """Where the final kernel is not the image's; the restart brings it."""
    world = worlds_where_the_kernel(make_world, changes=True)
    before = inside(world)["kernel"]

    restart(world)

    assert inside(world)["kernel"] > before


def test_preparing_may_find_everything_in_order(make_world) -> None:
    """Then no restart is needed."""
    world = worlds_where_the_kernel(make_world, changes=False)

    assert not inside(world)["kernelPending"]


def test_an_unsupported_system_is_refused(world: AzureSandbox) -> None:
    """Exit code 10."""
    image = {
        "publisher": "Canonical",
        "offer": "0001-com-ubuntu-server-focal",
        "sku": "20_04-lts-gen2",
        "version": "latest",
    }
    world.make_vm(image=image)

    assert world.step("prepare", BUILDER_USER="builder")["exitCode"] == 10


def test_a_repeated_step_changes_nothing(world: AzureSandbox) -> None:
    """The stored result comes back at once, under the new nonce."""
    world.make_vm()
    first = world.step("docker", nonce="n1")

    second = world.step("docker", nonce="n2")

    assert (first["changed"], second["changed"]) == (True, False)
    assert second["data"] == first["data"]
    assert (second["nonce"], second["seconds"]) == ("n2", 1)


def test_a_repeated_step_still_wants_its_restart(make_world) -> None:
    """A retried activity must not forget it."""
    world = worlds_where_the_kernel(make_world, changes=True)

    assert world.step("prepare", nonce="n2", BUILDER_USER="builder")["rebootRequired"]


def test_a_step_keeps_its_own_deadline(world: AzureSandbox) -> None:
    """124 with a result line, before the run command's timeout."""
    world.make_vm()

    assert world.step("docker", DEADLINE_SECONDS="5")["exitCode"] == 124


def test_the_toolkit_comes_with_docker_on_request(world: AzureSandbox) -> None:
    """GPU=true."""
    world.make_vm()

    assert world.step("docker", GPU="true")["data"]["toolkitVersion"]


def test_some_drivers_need_the_final_kernel(make_world) -> None:
    """40: first restart, then build. Ubuntu's are built for the kernel that waits."""
    world = worlds_where_the_kernel(make_world, changes=True)
    grid = {"DRIVER_KIND": "grid", "DRIVER_SHA256": "0" * 64}

    assert world.step("driver", **grid)["exitCode"] == 40
    assert world.step("driver", DRIVER_KIND="datacenter-open")["exitCode"] == 0
    restart(world)
    assert inside(world)["driverLoaded"]


def test_debian_gets_no_driver(world: AzureSandbox) -> None:
    """10."""
    image = {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"}
    world.make_vm(image=image)

    assert world.step("driver", DRIVER_KIND="datacenter-open")["exitCode"] == 10


def test_preloading_waits_for_docker(world: AzureSandbox) -> None:
    """Sent beside the script that installs it, it pulls once Docker is there."""
    world.make_vm()
    begin = world.compute.virtual_machine_run_commands.begin_create_or_update
    begin(GROUP, "builder", "preload", run_body(step_script("preload"), IMAGES=IMAGES))
    install = "run_step install prepare install_docker install_driver\n"
    parameters = {"BUILDER_USER": "builder", "DRIVER_KIND": "datacenter-open"}
    begin(GROUP, "builder", "install", run_body(step_script("install") + install, **parameters))

    pulled = world.await_run("preload")
    driver_was_there = bool(inside(world)["driver"])
    world.await_run("install")

    assert pulled.exit_code == 0
    assert len(inside(world)["images"]) == 2
    assert (driver_was_there, bool(inside(world)["driver"])) == (False, True)


def test_preloading_ends_where_docker_is_never_installed(world: AzureSandbox) -> None:
    """75 once the installation has failed, else 124 at the deadline."""
    world.make_vm()
    assert world.step("preload", IMAGES=IMAGES, DEADLINE_SECONDS="60")["exitCode"] == 124
    world.add_fault(effect="script", step="docker", exitCode=23, message="no mirror")
    script = step_script("install") + "run_step install prepare install_docker\n"
    world.run("install", script, BUILDER_USER="builder")

    assert world.step("preload", nonce="n2", IMAGES=IMAGES)["exitCode"] == 75


def test_preloaded_images_are_listed_with_their_digests(world: AzureSandbox) -> None:
    """And take longer the more they are."""
    world.make_vm()
    world.step("docker")

    result = world.step("preload", IMAGES=IMAGES)

    names = [image["name"] for image in result["data"]["images"]]
    assert names == IMAGES.split()
    assert all(image["digest"].startswith("sha256:") for image in result["data"]["images"])
    assert inside(world)["images"] == result["data"]["images"]
    assert result["seconds"] > 25


def test_an_image_that_does_not_exist_cannot_be_pulled(world: AzureSandbox) -> None:
    """21 with Docker's words."""
    world.make_vm()
    world.step("docker")

    result = world.step("preload", IMAGES="nobody/nothing:1")

    assert result["exitCode"] == 21
    assert "pull access denied" in result["message"]


def test_a_full_disk_ends_preloading(world: AzureSandbox) -> None:
    """20."""
    world.make_vm(disk_gb=30)
    world.step("docker")

    assert world.step("preload", IMAGES="nvcr.io/nvidia/pytorch:25.01-py3")["exitCode"] == 20


def make_registry(world: AzureSandbox) -> str:
    body = {"location": LOCATION, "sku": {"name": "Basic"}, "properties": {}}
    path = world.id("Microsoft.ContainerRegistry/registries", "myacr")
    world.send("PUT", f"{path}?api-version=2025-11-01", body)
    world.wait(120)
    return path


def test_a_private_registry_needs_the_machine_s_identity(world: AzureSandbox) -> None:
    """22: the identity was not attached, whatever roles it has."""
    make_identity(world)
    registry = grant_pull(world)
    world.make_vm()
    world.step("docker")

    result = world.step("preload", IMAGES=f"{registry}/app:v1", **login(world, registry))

    assert result["exitCode"] == 22


def test_with_identity_and_role_the_registry_is_asked(world: AzureSandbox) -> None:
    """Then only the image may be missing: 21, manifest unknown."""
    identity = make_identity(world)
    registry = grant_pull(world)
    world.make_vm(identity=identity)
    world.step("docker")

    result = world.step("preload", IMAGES=f"{registry}/app:v1", **login(world, registry))

    assert (result["exitCode"], "manifest unknown" in result["message"]) == (21, True)


def test_a_role_that_does_not_work_yet_is_waited_for(world: AzureSandbox) -> None:
    """The script tries for five minutes; a fresh role needs some of them."""
    identity = make_identity(world)
    world.make_vm(identity=identity)
    world.step("docker")
    registry = grant_pull(world, wait=0)

    result = world.step("preload", IMAGES=f"{registry}/app:v1", **login(world, registry))

    assert (result["exitCode"], "manifest unknown" in result["message"]) == (21, True)


def make_identity(world: AzureSandbox) -> str:
    world.make_group()
    world.identities.user_assigned_identities.create_or_update(
        GROUP, "pull", {"location": LOCATION}
    )
    return world.id("Microsoft.ManagedIdentity/userAssignedIdentities", "pull")


def grant_pull(world: AzureSandbox, wait: float = 900) -> str:
    """Registry, role, and the time it takes to work; returns the login server."""
    registry_id = make_registry(world)
    identity = world.identities.user_assigned_identities.get(GROUP, "pull")
    role = "/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
    body = {
        "properties": {
            "roleDefinitionId": f"/subscriptions/{world.azure.subscription}{role}",
            "principalId": identity.principal_id,
            "principalType": "ServicePrincipal",
        }
    }
    name = "11111111-1111-1111-1111-111111111111"
    path = f"{registry_id}/providers/Microsoft.Authorization/roleAssignments/{name}"
    world.send("PUT", f"{path}?api-version=2022-04-01", body)
    world.wait(wait)
    registry = world.send("GET", f"{registry_id}?api-version=2025-11-01").json()
    return str(registry["properties"]["loginServer"])


def login(world: AzureSandbox, registry: str) -> dict[str, str]:
    identity = world.identities.user_assigned_identities.get(GROUP, "pull")
    return {"REGISTRY_LOGIN_SERVER": registry, "IDENTITY_CLIENT_ID": identity.client_id}


def test_volumes_that_a_script_does_not_grow_stay_too_small(world: AzureSandbox) -> None:
    """The growth is not given: what the script says decides."""
    world.make_vm()
    (vm,) = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    vm.state["machine"]["volumes"] = {"/": 2.0, "/var": 8.0}

    def verdict(name: str) -> tuple[str, str]:
        result = world.step("check", nonce=name)
        (system,) = [check for check in result["data"]["checks"] if check["id"] == "system"]
        return system["code"], system["message"]

    world.step("prepare", BUILDER_USER="me")
    assert verdict("n1") == ("DISK_LOW", "/ has 1969 MiB free, 2048 are needed")
    grows = step_script("prepare") + "grow_volumes\n"
    world.run("prepare", grows, NONCE="n2", BUILD_ID="b1", BUILDER_USER="you")
    assert verdict("n2") == ("", "")
