"""A build by the app exactly as the template deploys it: with its settings, as its identity, under
its roles, and in its storage.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra import deployed, template
from tests.world import a_pool, a_request, an_image


@pytest.mark.parametrize(
    "snapshot", [template.DEFAULT, template.EVERYTHING], ids=lambda path: path.stem
)
def test_the_deployed_app_builds_an_image_and_a_pool(snapshot: Path) -> None:
    """Nothing that it uses is missing in the template."""
    world = deployed.world(snapshot)
    group = {"resourceGroup": deployed.GROUP}
    account = {"name": "mybatch12345", **group}
    pools = [a_pool("dev", verify=True)]

    build = world.build(a_request(image=an_image(**group), batchAccount=account, pools=pools))

    assert build["state"] == "succeeded", build["error"]
    logs = containers(snapshot)["step-logs"]
    assert set(world.outbox.log_containers) == {logs}
    assert world.outbox.logs
    assert all(url.startswith(f"{logs}/") for url in world.outbox.logs)
    used = {name for name, rows in world.dump()["rows"]["tables"].items() if rows}
    assert used
    assert used <= {each.name for each in of(snapshot, "tables")}
    assert not {entry["url"] for entry in world.ledger() if entry["status"] == 403}


def test_what_is_not_simulated_is_known_by_name() -> None:
    """A new type of resource is either simulated, or named in `deployed.NOT_SIMULATED`."""
    found = {
        each.type
        for snapshot in (template.DEFAULT, template.EVERYTHING)
        for each in template.resources(snapshot, {})
    }
    assert found >= deployed.NOT_SIMULATED


def of(snapshot: Path, kind: str) -> list[template.Resource]:
    """What the template makes of one kind in its storage account."""
    found = template.resources(snapshot, {})
    return [each for each in found if each.type.endswith(f"Services/{kind}")]


def containers(snapshot: Path) -> dict[str, str]:
    """The address of each container, by its name."""
    return {
        each.name: f"https://{each.id.split('/')[8]}.blob.core.windows.net/{each.name}"
        for each in of(snapshot, "containers")
    }
