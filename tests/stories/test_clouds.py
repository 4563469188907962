"""Azure Government and Azure China: every token is for the cloud that the settings name."""

from __future__ import annotations

import pytest

from tests.world import World, a_pool, a_request


@pytest.mark.parametrize("host", ["management.usgovcloudapi.net", "management.chinacloudapi.cn"])
def test_a_pool_is_verified_in_another_cloud(host: str) -> None:
    """Its services refuse tokens for the public cloud's."""
    world = World(own_settings={"AZURE_RESOURCE_MANAGER_ENDPOINT": f"https://{host}/"})

    build = world.build(a_request(pools=[a_pool("dev", verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    assert build["pools"][0]["verified"]
