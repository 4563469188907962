"""What this deployment of the app does not allow, whatever Azure would. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from shared.base import allow_lists, names
from shared.base.errors import Problem
from shared.base.settings import Settings
from shared.model.fields import shown
from shared.model.requests import Build


def problems_of(request: Build, settings: Settings) -> list[Problem]:
    """Everything in a request that the settings do not allow."""
    return [
        *_subscription_problems(request, settings.subscription_id),
        *_list_problems(request, settings),
    ]


def _subscription_problems(request: Build, own: str) -> Iterator[Problem]:
    """The app works in one subscription. Batch and compute insist on networks of it:
    https://learn.microsoft.com/azure/batch/batch-virtual-network
    """
    base = request.image.base
    used = _of_ours(request.image.id)
    named = {"image.id": used or "", **request.subnets(), **request.identities()}
    named |= request.public_addresses()
    named["image.base.id"] = (_of_ours(base.id) if base else None) or ""
    for field, id_ in named.items():
        found = id_.split("/")[2:3]
        if found and not names.same(found[0], own):
            message = f"subscription {found[0]} is not the app's; use one of subscription {own}"
            yield Problem(field=field, code="OtherSubscription", message=message)


def _list_problems(request: Build, settings: Settings) -> Iterator[Problem]:
    """Names outside the allow-lists. What the settings name needs no place there: a request takes
    it by leaving it out, and may name it as well, as image_metadata.json does.
    """
    own = {
        "ALLOWED_RESOURCE_GROUPS": {settings.default_resource_group},
        "ALLOWED_LOCATIONS": {settings.default_location},
        "ALLOWED_VM_SIZES": {settings.default_vm_size, settings.default_gpu_vm_size},
    }
    lists: dict[str, tuple[str | None, Mapping[str, str | None]]] = {
        "ALLOWED_RESOURCE_GROUPS": (settings.allowed_groups, _groups(request)),
        "ALLOWED_LOCATIONS": (settings.allowed_locations, _locations(request)),
        "ALLOWED_VM_SIZES": (settings.allowed_vm_sizes, _sizes(request)),
        "ALLOWED_REGISTRIES": (settings.allowed_registries, _registries(request)),
        "ALLOWED_GIT_HOSTS": (settings.allowed_git_hosts, _git_hosts(request)),
        "ALLOWED_SCRIPT_HOSTS": (settings.allowed_script_hosts, _script_hosts(request)),
        "ALLOWED_SUBNETS": (settings.allowed_subnets, request.subnets()),
        "ALLOWED_IDENTITIES": (settings.allowed_identities, request.identities()),
    }
    for setting, (patterns, named) in lists.items():
        for field, name in named.items():
            if name is None or any(names.same(name, each) for each in own.get(setting, ())):
                continue
            if not allow_lists.allows(patterns, name):
                message = f"{shown(name)} is not allowed here; the setting {setting} has {patterns}"
                yield Problem(field=field, code="NotAllowed", message=message)


def _groups(request: Build) -> dict[str, str | None]:
    image, account = request.image, request.batch_account
    return {
        "image.resourceGroup": image.resource_group,
        "image.id": _group_of(image.id),
        "image.registry.resourceGroup": image.registry.resource_group if image.registry else None,
        "image.base.id": _group_of(image.base.id) if image.base else None,
        "batchAccount.resourceGroup": account.resource_group if account else None,
    }


def _group_of(id_: str | None) -> str | None:
    """The resource group in an id; images of community galleries are in none of ours."""
    own = _of_ours(id_)
    return own.split("/")[4] if own and own.count("/") > 4 else None


def _of_ours(id_: str | None) -> str | None:
    """An id with a subscription in it; those of images that others publish have none."""
    return None if id_ is None or names.parse_published_image_id(id_) else id_


def _locations(request: Build) -> dict[str, str | None]:
    regions = enumerate(request.image.target_regions)
    return {
        "image.location": request.image.location,
        "batchAccount.location": request.batch_account.location if request.batch_account else None,
        **{f"image.targetRegions[{i}].name": region.name for i, region in regions},
    }


def _sizes(request: Build) -> dict[str, str | None]:
    image = request.image
    found = {"image.builderVmSize": image.builder_vm_size}
    found |= {f"image.builderVmSizes[{i}]": size for i, size in enumerate(image.builder_vm_sizes)}
    for index, pool in enumerate(request.pools):
        found[f"pools[{index}].vmSize"] = pool.vm_size
        found |= {f"pools[{index}].vmSizes[{i}]": size for i, size in enumerate(pool.vm_sizes)}
    return found


def _registries(request: Build) -> dict[str, str | None]:
    registry = request.image.registry
    named: dict[str, str | None] = {"image.registry.name": registry.name if registry else None}
    for index, each in enumerate(request.image.registries):
        server = each.login_server.lower()
        named[f"image.registries[{index}].loginServer"] = server.removesuffix(".azurecr.io")
    return named


def _script_hosts(request: Build) -> dict[str, str | None]:
    return {
        f"image.steps[{index}].url": (urlsplit(step.url).hostname or "") if step.url else None
        for index, step in enumerate(request.image.steps)
    }


def _git_hosts(request: Build) -> dict[str, str | None]:
    registry = request.image.registry
    source = registry.build.source if registry and registry.build else None
    return {"image.registry.build.source": (urlsplit(source).hostname or "") if source else None}
