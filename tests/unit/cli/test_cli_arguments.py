"""Flags and environment to requests: every documented command line, and what cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_world import an_image
from lines import parsed, problems_of, request_of

from cli import arguments, metadata

DOCUMENTED = {
    "": {"mode": "full", "pools": [{}]},
    "--image-only --gpu --os ubuntu --version 24.04": {
        "mode": "image-only",
        "image": {"os": "ubuntu", "osVersion": "24.04", "gpu": True},
    },
    "--image-only --gpu --os ubuntu --version 22.04": {
        "mode": "image-only",
        "image": {"os": "ubuntu", "osVersion": "22.04", "gpu": True},
    },
    "--image-only --cpu --os almalinux": {
        "mode": "image-only",
        "image": {"os": "almalinux", "gpu": False},
    },
    "--image-only --gpu": {"mode": "image-only", "image": {"gpu": True}},
    "--image-only --gpu --infiniband": {
        "mode": "image-only",
        "image": {"gpu": True, "infiniband": True},
    },
    "--batch-only --pool-id dev --vm-size NC6 --nodes 1": {
        "mode": "batch-only",
        "image": {"version": "latest"},
        "pools": [{"id": "dev", "vmSize": "Standard_NC6", "nodes": 1}],
    },
    "--batch-only --pool-id test --vm-size NC6 --nodes 2": {
        "mode": "batch-only",
        "image": {"version": "latest"},
        "pools": [{"id": "test", "vmSize": "Standard_NC6", "nodes": 2}],
    },
    "--batch-only --pool-id prod --vm-size NC12 --nodes 10": {
        "mode": "batch-only",
        "image": {"version": "latest"},
        "pools": [{"id": "prod", "vmSize": "Standard_NC12", "nodes": 10}],
    },
    "--batch-only --vm-size NC12": {
        "mode": "batch-only",
        "image": {"version": "latest"},
        "pools": [{"vmSize": "Standard_NC12"}],
    },
    "--batch-only --nodes 5": {
        "mode": "batch-only",
        "image": {"version": "latest"},
        "pools": [{"nodes": 5}],
    },
    "--full --gpu --verify": {
        "mode": "full",
        "image": {"gpu": True},
        "pools": [{"verify": True}],
    },
    "--full --gpu --keep-vm": {
        "mode": "full",
        "image": {"gpu": True, "keepVm": True},
        "pools": [{}],
    },
}


@pytest.mark.parametrize("line", DOCUMENTED, ids=lambda line: line or "bare")
def test_every_documented_command_line_means_what_it_meant(line: str) -> None:
    """Pipelines call the command as they called the old script."""
    assert request_of(line) == DOCUMENTED[line]


def test_values_given_once_hold_for_all_pools() -> None:
    """Three pools of one size need one --vm-size."""
    pools = request_of("--pool-id a --pool-id b --vm-size Standard_D2s_v5 --nodes 1 --nodes 3")[
        "pools"
    ]
    assert pools == [
        {"id": "a", "vmSize": "Standard_D2s_v5", "nodes": 1},
        {"id": "b", "vmSize": "Standard_D2s_v5", "nodes": 3},
    ]


def test_every_field_of_image_account_and_pools_has_its_place() -> None:
    """A flag that lands in the wrong place would be ignored silently."""
    request = request_of(
        "--resource-group rg --location westeurope --gallery g --image-name i "
        "--image-version 2.0.0 --builder-vm-size NC8as_T4_v3 --os-disk-size 128 --force "
        "--account acc --pool-id p --low-priority-nodes 4 --ttl-hours 0.5 "
        "--inter-node-communication --if-exists replace --no-verify --request-id r1"
    )
    assert request == {
        "mode": "full",
        "requestId": "r1",
        "image": {
            "resourceGroup": "rg",
            "location": "westeurope",
            "gallery": "g",
            "name": "i",
            "version": "2.0.0",
            "builderVmSize": "Standard_NC8as_T4_v3",
            "osDiskSizeGiB": 128,
            "force": True,
        },
        "batchAccount": {"name": "acc", "resourceGroup": "rg", "location": "westeurope"},
        "pools": [
            {
                "id": "p",
                "lowPriorityNodes": 4,
                "verify": False,
                "ifExists": "replace",
                "ttlHours": 0.5,
                "interNodeCommunication": True,
            }
        ],
    }


def test_with_image_only_the_vm_size_is_the_builders() -> None:
    """No pool is made, so the only VM is the one that the image is made on."""
    assert request_of("--image-only --vm-size NC6")["image"] == {"builderVmSize": "Standard_NC6"}


def test_a_formula_stands_in_for_numbers() -> None:
    """Azure takes a formula or numbers."""
    pools = request_of("--pool-id p --autoscale-formula '$TargetDedicatedNodes=1;'")["pools"]
    assert pools == [{"id": "p", "autoscaleFormula": "$TargetDedicatedNodes=1;"}]


# ---------------------------------------------------------------------------------------
# The image of batch-only mode


def image_file(*, named: bool = True, **content: Any) -> metadata.ImageFile:
    return metadata.ImageFile(
        path=Path("out/image_metadata.json"), content=an_image(**content), was_named=named
    )


def batch_only(line: str, file: metadata.ImageFile) -> tuple[dict[str, Any], str]:
    """The image of the request, and what is said about it."""
    made = arguments.order(parsed(f"--batch-only {line}"), environment={}, image_metadata=file)
    return made.request.get("image", {}), " ".join(made.notes)


def test_batch_only_takes_exactly_the_image_of_the_metadata_file() -> None:
    """A pipeline deploys the version that it has tested, on its system; and says so."""
    image, said = batch_only("", image_file())
    assert image == {
        "resourceGroup": "images-rg",
        "location": "westeurope",
        "gallery": "batchImageGallery",
        "name": "batchCustomImage",
        "version": "1.0.3",
        "os": "ubuntu",
        "osVersion": "24.04",
        "gpu": True,
    }
    assert "batchImageGallery/batchCustomImage 1.0.3 (ubuntu 24.04, GPU)" in said
    assert "out/image_metadata.json" in said


@pytest.mark.parametrize(
    ("line", "image"),
    [
        ("--image-version 1.0.9", {"version": "1.0.9"}),
        ("--image-version latest", {"version": "latest"}),
        ("--image-name other", {"name": "other", "version": "latest"}),
        ("--gallery other", {"gallery": "other", "version": "latest"}),
        ("--version 22.04", {"osVersion": "22.04", "version": "latest"}),
        ("--cpu --os AlmaLinux", {"os": "almalinux", "gpu": False, "version": "latest"}),
    ],
)
def test_a_flag_that_names_another_image_leaves_the_whole_file_alone(
    line: str, image: dict[str, Any]
) -> None:
    """A version of one image and the name of another are no image; it is said."""
    made, said = batch_only(line, image_file())
    assert made == image
    assert "image_metadata.json is not used: --" in said


def test_flags_that_agree_with_the_file_change_nothing() -> None:
    """Scripts pass the same --gpu --os --version to both halves."""
    same = "--gpu --os Ubuntu --version 24.04 --image-version 1.0.3"
    assert batch_only(same, image_file()) == batch_only("", image_file())


def test_a_file_that_lies_around_gives_gpu_pools_no_image_without_a_driver() -> None:
    """The file of the current folder is what was built last, perhaps for other pools. A folder that
    was named is obeyed, and the service says what is wrong.
    """
    stray = image_file(named=False, gpuEnabled=False)
    image, said = batch_only("--vm-size NC4as_T4_v3", stray)
    assert image == {
        "resourceGroup": "images-rg",
        "location": "westeurope",
        "gallery": "batchImageGallery",
        "version": "latest",
    }
    assert "is not used" in said
    assert batch_only("--vm-size D2s_v5", stray)[0]["version"] == "1.0.3"
    assert batch_only("--vm-size NC4as_T4_v3", image_file(gpuEnabled=False))[0]["gpu"] is False


# ---------------------------------------------------------------------------------------
# Container images

BUSYBOX = "mcr.microsoft.com/azurelinux/busybox:1.36"
APP = "myacr.azurecr.io/myapp:v1.0"


@pytest.mark.parametrize(
    ("line", "environment", "images"),
    [
        ("", {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "true"}, [APP]),
        ("", {"PRELOAD_IMAGES": "true"}, [BUSYBOX]),
        ("", {"PRELOAD_IMAGES": "false"}, None),
        ("", {"CONTAINER_IMAGE": APP}, None),
        ("", {}, None),
        ("--preload a:1 --preload b:2", {}, ["a:1", "b:2"]),
        ("--preload a:1", {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "1"}, ["a:1", APP]),
        (f"--preload {APP}", {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "1"}, [APP]),
    ],
)
def test_images_to_preload(
    line: str, environment: dict[str, str], images: list[str] | None
) -> None:
    """The old script's two variables, and the flag for more than one image."""
    request = request_of(line, environment=environment)
    assert request.get("image", {}).get("containerImages") == images


@pytest.mark.parametrize(
    ("line", "environment", "registry"),
    [
        ("--acr myacr", {}, {"name": "myacr"}),
        ("", {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "true"}, {"name": "myacr"}),
        (f"--preload {APP} --preload {BUSYBOX}", {}, {"name": "myacr"}),
        ("--acr myacr.azurecr.io", {}, {"name": "myacr"}),
        ("--acr myacr.azurecr.us", {}, {"name": "myacr"}),
        ("--preload myacr.azurecr.cn/app:1", {}, {"name": "myacr"}),
        (
            "--acr myacr --docker-context https://example.org/My-App.git#main",
            {},
            {
                "name": "myacr",
                "build": {
                    "source": "https://example.org/My-App.git#main",
                    "image": "my-app:latest",
                },
            },
        ),
        (
            "--acr myacr --docker-context /src/app --docker-image app:v2",
            {},
            {"name": "myacr", "build": {"context": "/src/app", "image": "app:v2"}},
        ),
        (
            "--acr myacr --docker-context /src/app",
            {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "true"},
            {"name": "myacr", "build": {"context": "/src/app", "image": "myapp:v1.0"}},
        ),
        (
            "--acr myacr --docker-context /src/app",
            {"CONTAINER_IMAGE": BUSYBOX, "PRELOAD_IMAGES": "true"},
            {"name": "myacr", "build": {"context": "/src/app", "image": "app:latest"}},
        ),
    ],
)
def test_what_is_built_in_the_registry(
    line: str, environment: dict[str, str], registry: dict[str, Any]
) -> None:
    """CONTAINER_IMAGE names what is built if it belongs to the registry; else the folder does."""
    assert request_of(line, environment=environment)["image"]["registry"] == registry


def test_an_image_that_is_being_built_is_not_asked_for_twice() -> None:
    """The service preloads what it builds; asking again would pull before the push."""
    environment = {"CONTAINER_IMAGE": APP, "PRELOAD_IMAGES": "true"}
    image = request_of("--acr myacr --docker-context /src/app", environment=environment)["image"]
    assert "containerImages" not in image


def test_a_variable_without_effect_is_said_so() -> None:
    """CONTAINER_IMAGE alone preloaded nothing in the old script either, and nobody was told."""
    order = arguments.order(parsed(""), environment={"CONTAINER_IMAGE": APP})
    assert order.notes == (
        "CONTAINER_IMAGE is set but not PRELOAD_IMAGES=true: it is not preloaded.",
    )


# ---------------------------------------------------------------------------------------
# What cannot be asked for

ONCE_OR_EACH = "give it once for all, or once for each in the order of --pool-id"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--image-only --full", "--image-only and --full exclude each other"),
        ("--gpu --cpu", "--gpu and --cpu exclude each other"),
        ("--plan --no-wait", "--plan and --no-wait exclude each other"),
        ("--image-only --pool-id a", "--pool-id is about pools; --image-only makes none"),
        ("--image-only --verify", "--verify is about pools; --image-only makes none"),
        (
            "--image-only --vm-size A --vm-size B",
            "--vm-size may be given once with --image-only: there is one builder VM",
        ),
        (
            "--batch-only --keep-vm",
            "--keep-vm is about building an image; --batch-only builds none",
        ),
        ("--pool-id a --pool-id a", "--pool-id a is given twice"),
        (
            "--pool-id a --pool-id b --pool-id c --nodes 1 --nodes 2",
            f"--nodes is given 2 times for 3 pools: {ONCE_OR_EACH}",
        ),
        (
            "--vm-size A --vm-size B",
            f"--vm-size is given 2 times for 1 pool: {ONCE_OR_EACH}",
        ),
        ("--nodes many", "--nodes many: give a whole number of nodes, 0 or more"),
        (
            "--os-disk-size 1TB",
            "--os-disk-size 1TB: give a whole number of GiB, such as 128",
        ),
        ("--ttl-hours soon", "--ttl-hours soon: give hours, such as 8 or 0.5"),
        ("--image-only --ttl-hours 8", "--ttl-hours is about pools; --image-only makes none"),
        ("--nodes -1", "--nodes -1: give a whole number of nodes, 0 or more"),
        (
            "--autoscale-formula x --nodes 2",
            "--autoscale-formula decides the nodes: leave --nodes and --low-priority-nodes out",
        ),
        ("--docker-context .", "--docker-context is built in a registry: name it with --acr"),
        (
            "--docker-image a:1",
            "--docker-image names what --docker-context builds: give that too",
        ),
        (
            "--save-recipe r --acr a --docker-context .",
            "--save-recipe needs a git URL as --docker-context: a folder serves one build",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_words(line: str, problem: str) -> None:
    """Each impossible combination has a sentence of its own."""
    assert problems_of(line) == (problem,)


def test_all_problems_come_in_one_message() -> None:
    """Nobody should have to run a command four times to learn four things."""
    found = problems_of(
        "--image-only --batch-only --gpu --cpu --nodes x", environment={"PRELOAD_IMAGES": "maybe"}
    )
    assert found == (
        "--image-only and --batch-only exclude each other",
        "--gpu and --cpu exclude each other",
        "--nodes is about pools; --image-only makes none",
        "PRELOAD_IMAGES=maybe: give true or false",
        "--nodes x: give a whole number of nodes, 0 or more",
    )


def test_the_same_flags_give_the_same_request() -> None:
    """Nothing of the parsing depends on anything but its input."""
    line = "--gpu --pool-id a --pool-id b --nodes 2"
    assert request_of(line) == request_of(line)


# ---------------------------------------------------------------------------------------
# Flags of other scripts of this name


def test_flags_of_other_scripts_mean_what_they_meant_or_point_to_what_does() -> None:
    """A user who moves here types what the fingers know."""
    assert all(parsed(flag).plan for flag in ("--validate", "--dry-run", "--plan"))
    image = request_of("--batch-only --image-id /subscriptions/s/x", image_metadata=image_file())
    assert image["image"] == {"id": "/subscriptions/s/x"}
    assert "--batch-only" in problems_of("--image-id /subscriptions/s/x")[0]
    assert "--docker-context" in problems_of("--file Dockerfile.gpu.ubuntu")[0]
