"""The usage patterns of the old script's documents, typed as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import served
from tests.world import World


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _image_of(world: World, pool: str) -> tuple[str, bool]:
    """Base system of a pool's image, and whether it has the driver."""
    record = next(p for p in world.pools() if p["poolId"] == pool)
    image = next(i for i in world.images() if i["imageId"] == record["imageId"])
    return image["baseOs"], image["gpuEnabled"]


def test_pattern_2_makes_gpu_pools_of_gpu_images_and_cpu_pools_of_cpu_images(
    world: World, there: Path
) -> None:
    """Two teams, two images, one folder: each pool gets an image that can do its work."""
    assert there.is_dir()
    with served.terminal(world) as terminal:
        for line in (
            "--image-only --gpu --os ubuntu",
            "--image-only --cpu --os almalinux",
            "--batch-only --pool-id gpu --vm-size NC6 --nodes 1 --accept-successor --verify",
            "--batch-only --pool-id cpu --vm-size D2s_v5 --nodes 1",
        ):
            ended = terminal.type(line)
            assert ended.code == 0, ended.out + ended.err

    assert _image_of(world, "gpu") == ("ubuntu 24.04", True)
    assert _image_of(world, "cpu") == ("almalinux 9", False)
    assert sorted(i["imageName"] for i in world.images()) == [
        "batchCustomImage-almalinux-9-cpu",
        "batchCustomImage-ubuntu-24.04-gpu",
    ]
