"""What a client asks before it asks for resources: the cloud's endpoints, a tenant, a token."""

from __future__ import annotations

import asyncio
import pathlib
import ssl
from typing import Any
from urllib import parse

import aiohttp
import pytest
from azure_sandbox import START, AzureSandbox

from local import clock
from local.azure_simulator import certificate, core, model, proxy, server

TOKEN = f"https://127.0.0.1:7073/{core.LOCAL_TENANT}/oauth2/v2.0/token"
GOOD = {
    "grant_type": "client_credentials",
    "client_id": "00000000-0000-0000-0000-0000000000f1",
    "client_secret": "any",
    "scope": "https://management.azure.com//.default",
}


def ask(world: AzureSandbox, url: str = TOKEN, **form: str) -> model.Response:
    body = parse.urlencode({**GOOD, **form}).encode()
    return world.azure.handle(model.Request.from_url("POST", url, body=body))


def test_the_clouds_endpoints_are_at_the_address_that_was_asked(world: AzureSandbox) -> None:
    """One cloud, or in older API versions a list of clouds."""
    path = "https://127.0.0.1:7073/metadata/endpoints?api-version="

    cloud = world.send("GET", f"{path}2022-09-01", token=None).json()
    older = world.send("GET", f"{path}2019-05-01", token=None).json()

    assert older == [cloud]
    assert cloud["resourceManager"] == "https://127.0.0.1:7073"
    assert cloud["authentication"]["loginEndpoint"] == "https://127.0.0.1:7073"


def test_the_tenant_says_where_tokens_are(world: AzureSandbox) -> None:
    base = f"https://127.0.0.1:7073/{core.LOCAL_TENANT}"

    found = world.send("GET", f"{base}/v2.0/.well-known/openid-configuration", token=None).json()

    assert found["token_endpoint"] == TOKEN
    assert world.send("GET", found["jwks_uri"], token=None).json() == {"keys": []}


def test_a_service_principals_token_opens_resource_manager(world: AzureSandbox) -> None:
    token = ask(world).json()["access_token"]

    listed = world.send("GET", "/subscriptions?api-version=2022-12-01", token=token).json()
    (subscription,) = listed["value"]
    (tenant,) = world.send("GET", "/tenants?api-version=2022-12-01", token=token).json()["value"]

    assert subscription["subscriptionId"] == world.azure.subscription
    assert subscription["tenantId"] == tenant["tenantId"] == core.LOCAL_TENANT


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
    ],
)
def test_a_wrong_request_for_a_token_is_refused(
    world: AzureSandbox, form: dict[str, str], code: str
) -> None:
    """In the words of OAuth 2.0."""
    answer = ask(world, **form)

    assert (answer.status, answer.json()["error"]) == (400, code)


def test_another_tenant_is_unknown(world: AzureSandbox) -> None:
    assert ask(world, TOKEN.replace(core.LOCAL_TENANT, "other")).json()["error"] == "invalid_tenant"


def test_the_same_simulator_speaks_https_on_a_second_port(tmp_path: pathlib.Path) -> None:
    """With a certificate that a client trusts if it is told to; links lead back to https."""

    async def story() -> Any:
        azure = core.Simulator(clock=clock.VirtualClock(START))
        tls = server.Tls(port=0, context=certificate.server_context(tmp_path))
        running = await server.start(azure, 0, tls)
        trusting = ssl.create_default_context(cafile=tmp_path / certificate.CERTIFICATE)
        url = f"https://{server.HOST}:{running.tls_port}"
        try:
            async with aiohttp.ClientSession() as session:
                path = "/metadata/endpoints?api-version=2022-09-01"
                async with session.get(url + path, ssl=trusting) as answer:
                    return url, await answer.json()
        finally:
            await running.stop()

    url, cloud = asyncio.run(story())

    assert cloud["resourceManager"] == url
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_a_registry_is_reached_by_its_own_name_through_the_proxy(tmp_path: pathlib.Path) -> None:
    """No name service on this machine knows `name.azurecr.io`."""

    async def story() -> tuple[int, str]:
        azure = core.Simulator(clock=clock.VirtualClock(START))
        tls = server.Tls(port=0, context=certificate.server_context(tmp_path))
        running = await server.start(azure, 0, tls)
        assert running.tls_port is not None
        through = await proxy.start(0, running.tls_port)
        trusting = ssl.create_default_context(cafile=tmp_path / certificate.CERTIFICATE)
        address = f"http://{server.HOST}:{through.sockets[0].getsockname()[1]}"
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get("https://my.azurecr.io/v2/", proxy=address, ssl=trusting) as answer,
            ):
                return answer.status, answer.headers["WWW-Authenticate"]
        finally:
            through.close()
            await running.stop()

    status, challenge = asyncio.run(story())

    assert status == 401
    assert 'realm="https://my.azurecr.io/oauth2/token"' in challenge


def test_a_providers_types_are_listed(world: AzureSandbox) -> None:
    """Clients look up the API version of a type that they know by its name only."""
    found = world.resources.providers.get("Microsoft.ContainerRegistry")

    assert "registries" in [item.resource_type for item in found.resource_types]


def test_the_older_list_of_sizes(world: AzureSandbox) -> None:
    path = f"/subscriptions/{world.azure.subscription}/providers/Microsoft.Compute/locations"

    answer = world.send("GET", f"{path}/swedencentral/vmSizes?api-version=2024-11-01").json()

    (size,) = (item for item in answer["value"] if item["name"] == "Standard_D4s_v5")
    assert (size["numberOfCores"], size["memoryInMB"]) == (4, 16384)


def test_built_in_roles_are_found_by_name(world: AzureSandbox) -> None:
    roles = world.authorization.role_definitions
    scope = f"/subscriptions/{world.azure.subscription}"

    (role,) = roles.list(scope, filter="roleName eq 'AcrPull'")

    assert roles.get(scope, role.name).role_name == "AcrPull"
