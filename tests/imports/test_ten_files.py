"""Ten files as people have them: imported by the command, and built on the simulated Azure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import request_reading, scripts
from cli.app import app
from cli.surroundings import Surroundings
from tests.world import World
from triggers import contexts

FILES = Path(__file__).parent / "files"
# The file or folder, what else the command needs, and fields that must come of it.
IMPORTS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "Packer JSON, managed image": (
        "packer-json-1-nightly/image.json",
        [],
        {
            "image.os": "ubuntu",
            "image.osVersion": "22.04",
            "image.name": "worker-nightly",
            "image.location": "northeurope",
            "image.steps.0.environment": {"STAGE": "nightly"},
            "image.steps.1.name": "harden",
            "image.steps.1.timeoutMinutes": 20,
        },
    ),
    "Packer JSON, gallery": (
        "packer-json-2-sequencing/template.json",
        ["--var", "image_version=2.5.0"],
        {
            "image.os": "almalinux",
            "image.version": "2.5.0",
            "image.gallery": "sequencingImages",
            "image.osDiskSizeGiB": 128,
            "image.targetRegions.1": {"name": "northeurope", "replicas": 2},
            "image.steps.2.restart": True,
        },
    ),
    "Packer HCL2, gallery and Trusted Launch": (
        "packer-hcl-1-render/render.pkr.hcl",
        [],
        {
            "image.securityType": "TrustedLaunch",
            "image.spot": True,
            "image.name": "frames-4.2",
            "image.targetRegions.0.replicas": 3,
            "image.steps.0.exitCodes": [0, 3],
            "image.steps.1.inline": "#!/bin/sh -e\ncat >/etc/profile.d/render.sh <<'END'\n"
            'export RENDER_HOME="/opt/render" PATH="${PATH}:/opt/render/bin"\nEND\n',
        },
    ),
    "Packer HCL2, a folder of files": (
        "packer-hcl-2-geo",
        [],
        {
            "image.os": "rocky",
            "image.osDiskSizeGiB": 200,
            "image.steps.0.destination": "/opt/tiles",
            "image.steps.1.elevated": False,
            "image.steps.3.environment": {"TILES_HOME": "/opt/tiles"},
        },
    ),
    "body of az batch pool create": (
        "batch-json-1-simulations.json",
        [],
        {
            "mode": "full",
            "image.osVersion": "22.04",
            "pools.0.nodes": 0,
            "pools.0.lowPriorityNodes": 2,
            "pools.0.interNodeCommunication": True,
            "pools.0.startTask.environmentSettings": [{"name": "SOLVER_THREADS", "value": "4"}],
            "pools.0.startTask.resourceFiles.0.filePath": "solver.conf",
        },
    ),
    "what az batch pool show printed": (
        "batch-json-2-shown.json",
        [],
        {
            "batchAccount": {"name": "scanning01", "location": "westeurope"},
            "pools.0.autoscaleEvaluationInterval": "PT10M",
            "pools.0.userAccounts.0.name": "reader",
            "pools.0.taskSlotsPerNode": 2,
        },
    ),
    "exported template": (
        "arm-1-exported.json",
        [],
        {
            "batchAccount": {"name": "weather01", "location": "swedencentral"},
            "image.securityType": "TrustedLaunch",
            "pools.0.id": "forecast",
            "pools.0.tags": {"project": "forecast"},
            "pools.0.mountConfiguration.0.nfsMountConfiguration.relativeMountPath": "grids",
        },
    ),
    "template made from Bicep": (
        "arm-2-from-bicep.json",
        [],
        {
            "batchAccount.name": "vision20",
            "image.gpu": True,
            "pools.0.id": "train",
            "pools.0.autoscaleFormula": "$TargetDedicatedNodes = "
            "min(4, max(0, $PendingTasks.GetSample(1)));",
        },
    ),
    "Terraform, autoscale": (
        "terraform-1-imaging.tf",
        [],
        {
            "batchAccount": {
                "name": "imagingacc01",
                "resourceGroup": "imaging-batch",
                "location": "westeurope",
            },
            "pools.0.displayName": "Slides of imaging",
            "pools.0.metadata": [{"name": "team", "value": "imaging"}],
        },
    ),
    "Terraform, network and mounts": (
        "terraform-2-grid.tf",
        [],
        {
            "pools.0.nodeDeallocationOption": "TaskCompletion",
            "pools.0.endpointConfiguration.inboundNatPools.0.frontendPortRangeEnd": 4100,
            "pools.0.osDisk.ephemeralOSDiskSettings.placement": "CacheDisk",
        },
    ),
}


class Uploads:
    """Stores what the command line would upload."""

    def __init__(self, world: World) -> None:
        self.world = world

    def upload_context(self, packed: bytes, purpose: str = "build") -> str:
        url = f"http://app/api/contexts?purpose={purpose}"
        answer = self.world.ask(contexts.upload_context, packed, url)
        assert answer.status == 201, answer.body
        return str(answer.body["context"])


def imported(source: str, *more: str, folder: Path) -> tuple[str, str]:
    """The request file that the command writes, and what it says."""
    line = ["import", str(FILES / source), "--output", str(folder / "request.yaml"), *more]
    ended = CliRunner().invoke(app, line, obj=Surroundings(environment={}))
    assert ended.exit_code == 0, ended.stderr
    return (folder / "request.yaml").read_text(), ended.stderr


def field(request: Any, path: str) -> Any:
    """What lies at `image.steps.0.name`."""
    for part in path.split("."):
        request = request[int(part)] if part.isdigit() else request[part]
    return request


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_is_imported_and_built(name: str, tmp_path: Path) -> None:
    """Nothing is added by hand: what the file asks for, as far as it can be had."""
    source, more, expected = IMPORTS[name]
    imported(source, *more, folder=tmp_path)
    request = request_reading.read(tmp_path / "request.yaml").content
    assert {path: field(request, path) for path in expected} == expected
    world = World()
    for pool in request.get("pools", []):
        an_identity(world, pool.get("identity"))

    build = world.build(scripts.with_files(Uploads(world), request))  # type: ignore[arg-type]

    assert build["state"] == "succeeded", json.dumps(build["error"], indent=1)
    assert build["image"]
    assert [pool["state"] for pool in build["pools"]] == ["ready"] * len(request.get("pools", []))


def an_identity(world: World, named: Any) -> None:
    """The identities that a pool names: they are not batch-prep's to make."""
    for id_ in (named or {}).get("userAssignedIdentities", {}):
        group, name = id_.split("/")[4], id_.split("/")[-1]
        calls = world.services.azure.identities.user_assigned_identities
        world.services.azure.resources.resource_groups.create_or_update(
            group, {"location": "swedencentral"}
        )
        calls.create_or_update(group, name, {"location": "swedencentral"})


SECRETS = ("not-a-real", "made-up", "bm90LWE", "not-a-real-password", "sig=")


@pytest.mark.parametrize("name", IMPORTS)
def test_no_secret_of_a_file_is_written(name: str, tmp_path: Path) -> None:
    """They are named as left out, without their values."""
    source, more, _ = IMPORTS[name]
    text, said = imported(source, *more, folder=tmp_path)
    assert not [secret for secret in SECRETS if secret in text + said]
