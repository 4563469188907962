"""Whether the names of a request are free, and its subnets, identities and uploads exist."""

from __future__ import annotations

from collections.abc import Iterator

from activities import registry_tags
from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Json, Services
from shared.model import own_steps
from shared.model.image_parts import RegistryPlan
from shared.model.plans import AccountPlan, ImagePlan, PoolPlan
from shared.model.pool_parts import ApplicationPackage
from shared.model.results import Findings


def account_problem(services: Services, account: AccountPlan) -> Problem | None:
    """Whether the name of a Batch account that would be created is taken: it is unique in its
    region.
    """
    asked = {"name": account.name, "type": "Microsoft.Batch/batchAccounts"}
    answer = services.azure.batch.location.check_name_availability(account.location, asked)
    if answer.get("nameAvailable", True):
        return None
    message = (
        f"Batch account {account.name} is not in resource group {account.resource_group}, and its "
        f"name is not free in {account.location}: {_why(answer)}. "
        "Give another name, or the resource group that it is in"
    )
    return Problem(field="batchAccount.name", code="NameTaken", message=message)


def _why(answer: Json) -> str:
    """Azure's reason, to stand within a sentence."""
    return str(answer.get("message") or answer.get("reason")).rstrip(".")


def check_image(services: Services, image: ImagePlan) -> Findings:
    """The registry's name and what the build would overwrite there, the builder's identity and
    subnet, the uploads.
    """
    registry = _check_registry(services, image.registry) if image.registry else Findings()
    client, unknown = _identity(services, image)
    found: list[Problem | None] = [*_upload_problems(services, image), unknown]
    for field, identity in _pulling_identities(image):
        found.append(_identity_problem(services, field, identity))
    if not image.own_network:
        found.append(
            _subnet_problem(services, "image.outbound.subnetId", image.outbound, image.location)
        )
    blockers = registry.blockers + [each for each in found if each]
    return replace(registry, blockers=blockers, identity_client_id=client)


def _check_registry(services: Services, registry: RegistryPlan) -> Findings:
    calls = services.azure.registries.registries
    found = sdk.fetch(calls.get, registry.resource_group, registry.name)
    if found is not None:
        return registry_tags.check(services, registry, found)
    if registry.must_exist:
        message = (
            f"there is no registry {registry.name} in resource group {registry.resource_group}"
        )
        field = "image.registry.resourceGroup"
        return Findings(blockers=[Problem(field=field, code="RegistryNotFound", message=message)])
    problem = _registry_name_problem(services, registry)
    return Findings(blockers=[problem] if problem else [])


def _registry_name_problem(services: Services, registry: RegistryPlan) -> Problem | None:
    asked = {"name": registry.name, "type": "Microsoft.ContainerRegistry/registries"}
    answer = services.azure.registries.registries.check_name_availability(asked)
    if answer.get("nameAvailable", True):
        return None
    message = (
        f"registry {registry.name} is not in resource group {registry.resource_group}, and its "
        f"name is not free: {_why(answer)}. Give another name"
    )
    return Problem(field="image.registry.name", code="NameTaken", message=message)


def _identity(services: Services, image: ImagePlan) -> tuple[str | None, Problem | None]:
    """The client id of the identity that the request names, or why it cannot be had."""
    if image.identity_id is None:
        return None, None
    found = _find_identity(services, "image.identity", image.identity_id)
    if isinstance(found, Problem):
        return None, found
    return str(found["properties"]["clientId"]), None


def _pulling_identities(image: ImagePlan) -> Iterator[tuple[str, str]]:
    if image.registry and image.registry.identity_id:
        yield "image.registry.identity", image.registry.identity_id
    for index, registry in enumerate(image.registries):
        if registry.identity:
            yield f"image.registries[{index}].identity", registry.identity


def _upload_problems(services: Services, image: ImagePlan) -> list[Problem]:
    asked = own_steps.uploads(image.steps)
    if image.registry and image.registry.build_context:
        asked["image.registry.build.context"] = image.registry.build_context
    message = "there is no {}: upload it again with POST /api/contexts"
    return [
        Problem(field=field, code="ContextNotFound", message=message.format(name))
        for field, name in asked.items()
        if not services.outbox.has_context(name)
    ]


def pool_problems(services: Services, pools: list[PoolPlan]) -> list[Problem]:
    """The subnets, identities and public addresses of pools; each is asked for once."""
    asked: dict[str, Problem | None] = {}
    for index, plan in enumerate(pools):
        pool, location = plan.pool, plan.account.location
        if pool.subnet_id and pool.subnet_id not in asked:
            field = f"pools[{index}].subnetId"
            asked[pool.subnet_id] = _subnet_problem(services, field, pool.subnet_id, location)
        for below, identity in pool.identities():
            if identity.lower() not in asked:
                field = f"pools[{index}].{below}"
                asked[identity.lower()] = _identity_problem(services, field, identity)
        for below, address in pool.public_addresses():
            if address.lower() not in asked:
                field = f"pools[{index}].{below}"
                asked[address.lower()] = _address_problem(services, field, address, location)
    return [problem for problem in asked.values() if problem]


def _identity_problem(services: Services, field: str, identity: str) -> Problem | None:
    found = _find_identity(services, field, identity)
    return found if isinstance(found, Problem) else None


def _find_identity(services: Services, field: str, identity: str) -> Json | Problem:
    parts = identity.split("/")
    group, name = parts[4], parts[-1]
    found = sdk.fetch(services.azure.identities.user_assigned_identities.get, group, name)
    if found is not None:
        return found
    message = f"there is no identity {name} in resource group {group}"
    return Problem(field=field, code="IdentityNotFound", message=message)


def package_problems(services: Services, pools: list[PoolPlan]) -> list[Problem]:
    """The application packages of pools that their account does not have."""
    return [
        Problem(
            field=f"pools[{index}].applicationPackages[{place}]",
            code="PackageNotFound",
            message=(
                f"account {plan.account.name} has no active package of application {package.id}"
                + (f" in version {package.version}" if package.version else " as its default")
            ),
        )
        for index, plan in enumerate(pools)
        for place, package in enumerate(plan.pool.application_packages)
        if not _has_package(services, plan.account, package)
    ]


def _has_package(services: Services, account: AccountPlan, package: ApplicationPackage) -> bool:
    home = (account.resource_group, account.name, package.id)
    version = package.version
    if version is None:
        application = sdk.fetch(services.azure.batch.application.get, *home)
        version = resource_state.properties(application).get("defaultVersion")
    if version is None:
        return False
    found = sdk.fetch(services.azure.batch.application_package.get, *home, version)
    return names.same(resource_state.properties(found).get("state"), "Active")


def _address_problem(services: Services, field: str, address: str, location: str) -> Problem | None:
    """https://learn.microsoft.com/azure/batch/create-pool-public-ip#public-ip-address-requirements"""
    parts = address.split("/")
    found = sdk.fetch(services.azure.network.public_ip_addresses.get, parts[4], parts[-1])
    if found is None:
        message = f"there is no public IP address {parts[-1]} in resource group {parts[4]}"
        return Problem(field=field, code="AddressNotFound", message=message)
    is_there = names.same(names.region(found.get("location")), location)
    allocation = resource_state.properties(found).get("publicIPAllocationMethod")
    if is_there and names.same(allocation, "Static"):
        return None
    message = f"Batch takes static addresses in {location} only"
    return Problem(field=field, code="AddressUnsuitable", message=message)


def _subnet_problem(services: Services, field: str, subnet: str, location: str) -> Problem | None:
    """Whether a subnet exists, in a network of the region where its machines will be."""
    _, _, _, _, group, _, _, _, network, _, name = subnet.split("/")
    found = sdk.fetch(services.azure.network.virtual_networks.get, group, network)
    subnets = resource_state.properties(found).get("subnets") or []
    if found is None or not any(names.same(each.get("name"), name) for each in subnets):
        message = (
            f"there is no subnet {name} in virtual network {network} of resource group {group}"
        )
        return Problem(field=field, code="SubnetNotFound", message=message)
    if not names.same(names.region(found.get("location")), location):
        message = f"the subnet is in {found['location']}, and its machines would be in {location}"
        return Problem(field=field, code="SubnetElsewhere", message=message)
    return None
