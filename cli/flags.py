"""Every flag of the main command, declared once: --help shows it, `arguments.py` reads it.

A value is kept as it was typed; `None` and `False` mean "not given": the service's settings decide.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli import request_reading

_MODE, _IMAGE, _POOLS = "What to do", "Image", "Batch account and pools"
_REGISTRY, _RUN = "Container images", "This command"


def _option(*names: str, panel: str, help: str, value: str | None = None) -> Any:  # noqa: A002
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=value)


Switch = bool
Text = str | None
Many = list[str] | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Flags:
    """The command line as typed."""

    image_only: Annotated[
        Switch, _option("--image-only", panel=_MODE, help="Build the image; make no pools.")
    ] = False
    batch_only: Annotated[
        Switch, _option("--batch-only", panel=_MODE, help="Make pools from an image that exists.")
    ] = False
    full: Annotated[
        Switch,
        _option("--full", panel=_MODE, help="Build the image, then make the pools (default)."),
    ] = False
    plan: Annotated[
        Switch,
        _option(
            *("--plan", "--dry-run", "--validate"),
            panel=_MODE,
            help="Show steps, blockers, minutes and cost; start nothing.",
        ),
    ] = False
    save_recipe: Annotated[
        Text,
        _option(
            "--save-recipe",
            value="NAME",
            panel=_MODE,
            help="Store the request as a recipe for the weekly rebuild; start nothing.",
        ),
    ] = None

    gpu: Annotated[Switch, _option("--gpu", panel=_IMAGE, help="Install the NVIDIA driver.")] = (
        False
    )
    cpu: Annotated[
        Switch,
        _option("--cpu", panel=_IMAGE, help="Build without the NVIDIA driver (default)."),
    ] = False
    infiniband: Annotated[
        Switch,
        _option("--infiniband", panel=_IMAGE, help="Install the InfiniBand stack, for RDMA sizes."),
    ] = False
    os: Annotated[
        Text, _option("--os", value="OS", panel=_IMAGE, help="ubuntu (default), almalinux, ...")
    ] = None
    os_version: Annotated[
        Text,
        _option(
            "--version", value="VERSION", panel=_IMAGE, help="Version of the OS, such as 24.04."
        ),
    ] = None
    gallery: Annotated[
        Text, _option("--gallery", value="NAME", panel=_IMAGE, help="Name of the gallery.")
    ] = None
    image_name: Annotated[
        Text,
        _option("--image-name", value="NAME", panel=_IMAGE, help="Name of the image definition."),
    ] = None
    image_version: Annotated[
        Text,
        _option(
            "--image-version",
            value="X.Y.Z",
            panel=_IMAGE,
            help="Version to build (default: the next one), or with --batch-only the version to "
            "use (default: that of image_metadata.json, else latest).",
        ),
    ] = None
    image_id: Annotated[
        Text,
        _option(
            "--image-id",
            value="ID",
            panel=_IMAGE,
            help="With --batch-only: the image version to use, by its resource id.",
        ),
    ] = None
    builder_vm_size: Annotated[
        Text,
        _option("--builder-vm-size", value="SIZE", panel=_IMAGE, help="Size of the builder VM."),
    ] = None
    os_disk_size: Annotated[
        Text,
        _option(
            "--os-disk-size",
            value="GIB",
            panel=_IMAGE,
            help="Size of the image's disk (default: what is known of its container images asks "
            "for, at least 64).",
        ),
    ] = None
    keep_vm: Annotated[
        Switch,
        _option(
            "--keep-vm", panel=_IMAGE, help="Keep the builder VM, deallocated, until its expiry."
        ),
    ] = False
    script: Annotated[
        Many,
        _option(
            "--script",
            value="[WHEN:]FILE",
            panel=_IMAGE,
            help="A script that the builder runs after Docker is installed; may be repeated. WHEN: "
            "before-docker, after-docker or after-restart.",
        ),
    ] = None
    force: Annotated[
        Switch, _option("--force", panel=_IMAGE, help="Build although nothing changed.")
    ] = False

    preload: Annotated[
        Many,
        _option(
            "--preload",
            value="IMAGE",
            panel=_REGISTRY,
            help="A container image to preload; may be repeated. "
            "Also: PRELOAD_IMAGES=true CONTAINER_IMAGE=...",
        ),
    ] = None
    acr: Annotated[
        Text,
        _option(
            "--acr", value="NAME", panel=_REGISTRY, help="Name of the Azure container registry."
        ),
    ] = None
    docker_context: Annotated[
        Text,
        _option(
            "--docker-context",
            value="DIR|URL",
            panel=_REGISTRY,
            help="A folder or git URL to build in the registry; see --docker-image.",
        ),
    ] = None
    docker_image: Annotated[
        Text,
        _option(
            "--docker-image",
            value="NAME:TAG",
            panel=_REGISTRY,
            help="The image to build (default: CONTAINER_IMAGE, else the folder's name).",
        ),
    ] = None

    resource_group: Annotated[
        Text,
        _option(
            "--resource-group",
            value="NAME",
            panel=_POOLS,
            help="Resource group of everything that is created.",
        ),
    ] = None
    location: Annotated[
        Text,
        _option(
            "--location",
            value="REGION",
            panel=_POOLS,
            help="Azure region of everything that is created.",
        ),
    ] = None
    account: Annotated[
        Text, _option("--account", value="NAME", panel=_POOLS, help="Name of the Batch account.")
    ] = None
    pool_id: Annotated[
        Many, _option("--pool-id", value="ID", panel=_POOLS, help="Id of a pool; may be repeated.")
    ] = None
    vm_size: Annotated[
        Many,
        _option(
            "--vm-size",
            value="SIZE",
            panel=_POOLS,
            help="Size of the nodes: once for all pools, or once per --pool-id in its order. "
            "NC6 means Standard_NC6. With --image-only: size of the builder VM.",
        ),
    ] = None
    nodes: Annotated[
        Many,
        _option(
            "--nodes", value="N", panel=_POOLS, help="Number of dedicated nodes: once, or per pool."
        ),
    ] = None
    low_priority_nodes: Annotated[
        Many,
        _option(
            "--low-priority-nodes",
            value="N",
            panel=_POOLS,
            help="Number of Spot nodes: once, or per pool.",
        ),
    ] = None
    autoscale_formula: Annotated[
        Many,
        _option(
            "--autoscale-formula",
            value="TEXT",
            panel=_POOLS,
            help="Formula that sets the number of nodes, instead of --nodes: once, or per pool.",
        ),
    ] = None
    if_exists: Annotated[
        Text,
        _option(
            "--if-exists",
            value="WHAT",
            panel=_POOLS,
            help="What to do if the pool exists: fail, update (default) or replace.",
        ),
    ] = None
    ttl_hours: Annotated[
        Text,
        _option(
            "--ttl-hours",
            value="HOURS",
            panel=_POOLS,
            help="Delete the pools this many hours after they are ready (default: never).",
        ),
    ] = None
    inter_node_communication: Annotated[
        Switch,
        _option(
            "--inter-node-communication",
            panel=_POOLS,
            help="Let nodes talk to each other, as MPI does: 100 nodes at most.",
        ),
    ] = False
    yes: Annotated[
        Switch,
        _option(
            "--yes",
            panel=_POOLS,
            help="Empty or replace pools although tasks run on them, and overwrite the tag of "
            "--docker-image in a registry that batch-prep did not make.",
        ),
    ] = False
    verify: Annotated[
        bool | None,
        _option("--verify/--no-verify", panel=_POOLS, help="Verify every pool."),
    ] = None

    request: Annotated[
        Text,
        _option(
            "--request",
            value="FILE",
            panel=_RUN,
            help="YAML or JSON request with any field; flags override its values.",
        ),
    ] = None
    file: Annotated[  # older scripts named a Dockerfile by it
        Text,
        _option(
            "--file",
            value="FILE",
            panel=_RUN,
            help="The same as --request, for a file that ends in .yaml, .yml or .json.",
        ),
    ] = None
    request_id: Annotated[
        Text,
        _option(
            "--request-id",
            value="ID",
            panel=_RUN,
            help="Id that makes it safe to repeat the command.",
        ),
    ] = None
    accept_successor: Annotated[
        Switch,
        _option(
            "--accept-successor", panel=_RUN, help="Replace a retired VM size by its successor."
        ),
    ] = False
    endpoint: Annotated[
        Text,
        _option(
            "--endpoint",
            value="URL",
            panel=_RUN,
            help="The service (or BATCH_PREP_ENDPOINT, with BATCH_PREP_KEY); else the local stack.",
        ),
    ] = None
    metadata_dir: Annotated[
        Text,
        _option(
            "--metadata-dir",
            value="DIR",
            panel=_RUN,
            help="Folder of image_metadata.json and batch_metadata.json (default: this one).",
        ),
    ] = None
    no_wait: Annotated[
        Switch, _option("--no-wait", panel=_RUN, help="Return as soon as the build is accepted.")
    ] = False
    as_json: Annotated[
        Switch,
        _option("--json", panel=_RUN, help="Print one JSON document, nothing else, on stdout."),
    ] = False

    @property
    def request_file(self) -> str | None:
        """The request file, by either of its flags."""
        if self.request is None and self.file and self.file.endswith(request_reading.SUFFIXES):
            return self.file
        return self.request

    def given(self) -> list[str]:
        """The names of the flags that were typed, as typed: `--image-only`."""
        return [
            option_name(field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) not in (field.default, [])
        ]


def option_name(field: str) -> str:
    """`os_version` as `--version`."""
    renamed = {"os_version": "--version", "as_json": "--json"}
    return renamed.get(field, "--" + field.replace("_", "-"))


def accept(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command(context, **flags)` the signature that Typer reads the flags from."""
    hints = typing.get_type_hints(Flags, include_extras=True)
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    flags = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(Flags)
    ]
    command.__signature__ = inspect.Signature([context, *flags])  # type: ignore[attr-defined]
    return command
