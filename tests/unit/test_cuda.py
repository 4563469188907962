"""What a container image requires of the driver, by the rules of NVIDIA's container toolkit."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import cuda, version_floors
from shared.model.plans import ImagePlan
from tests.unit.test_image_steps import plan_of

OF_NVIDIA = (
    "cuda>=12.8 brand=unknown,driver>=470,driver<471 brand=tesla,driver>=535,driver<536 "
    "brand=tesla,driver>=550,driver<551"
)


def problem(driver: str, *environment: str, **image: Any) -> str | None:
    """Of an image with this driver."""
    asked: ImagePlan = plan_of({"gpu": True, "driverVersion": driver, **image})
    return cuda.problem(asked, "docker.io/nvidia/cuda:tag", list(environment))


@pytest.mark.parametrize(
    ("driver", "environment"),
    [
        ("580.173.02", ["NVIDIA_REQUIRE_CUDA=cuda>=13.0"]),
        ("580.173.02", [f"NVIDIA_REQUIRE_CUDA={OF_NVIDIA}"]),
        ("535.309.01", [f"NVIDIA_REQUIRE_CUDA={OF_NVIDIA}"]),  # with the image's own libraries
        ("535.309.01", ["NVIDIA_REQUIRE_CUDA=cuda>=13.0", "NVIDIA_DISABLE_REQUIRE=true"]),
        ("580.173.02", ["CUDA_VERSION=13.0.1"]),
        ("580.173.02", ["NVIDIA_REQUIRE_JETPACK=driver>=900"]),
        ("580.173.02", ["NVIDIA_REQUIRE_CUDA=brand=tesla", "NVIDIA_REQUIRE_OTHER=nonsense"]),
        ("610.43.02", ["NVIDIA_REQUIRE_CUDA=cuda>=13.4"]),  # newer than all that is known
        ("580.173.02", ["PATH=/bin", "NVIDIA_REQUIRE_CUDA="]),
    ],
)
def test_a_driver_that_has_it_is_no_problem(driver: str, environment: list[str]) -> None:
    """Nor is one of which it cannot be said."""
    assert problem(driver, *environment) is None


@pytest.mark.parametrize(
    ("driver", "variable", "suffices"),
    [
        ("535.309.01", "NVIDIA_REQUIRE_CUDA=cuda>=12.8", "580.159.03"),  # no safe one before
        ("580.173.02", "NVIDIA_REQUIRE_CUDA=cuda>=13.1", "595.71.05"),
        ("580.173.02", "CUDA_VERSION=13.2.0", "595.71.05"),
        ("535.309.01", "NVIDIA_REQUIRE_CUDA=cuda>=12.3,arch=amd64", "580.159.03"),
        ("570.211.01", f"NVIDIA_REQUIRE_CUDA={OF_NVIDIA.replace('12.8', '12.9')}", "580.159.03"),
    ],
)
def test_the_driver_that_suffices_is_named(driver: str, variable: str, suffices: str) -> None:
    """It is one that the image may have."""
    why = problem(driver, variable)

    assert why is not None
    assert f"set image.driverVersion to {suffices} or a newer one" in why
    assert version_floors.below_floor("driver", suffices) is None


def test_where_no_driver_suffices_that_is_said() -> None:
    """Either none is known, or none that has what the GPUs need."""
    why = problem("580.173.02", "NVIDIA_REQUIRE_CUDA=cuda>=19.0") or ""
    assert "no driver for these GPUs is known here that has it" in why
    volta = problem("580.173.02", "CUDA_VERSION=13.1", builderVmSize="Standard_ND40rs_v2") or ""
    assert "no driver for these GPUs is known here that has it" in volta


def test_a_requirement_of_the_driver_alone_is_named_as_it_is() -> None:
    """No CUDA is asked for, so no driver is derived."""
    assert "requires driver>=590" in (problem("580.173.02", "NVIDIA_REQUIRE_X=driver>=590") or "")


def test_an_image_without_a_driver_has_nothing_to_compare() -> None:
    """Its containers get no GPU."""
    assert cuda.problem(plan_of({}), "x", ["NVIDIA_REQUIRE_CUDA=cuda>=13.2"]) is None
