"""Who may pull, and the registry's own protocol."""

from __future__ import annotations

import types
from urllib import parse

import pytest
from azure_sandbox import refused
from batch_sandbox import BatchSandbox, containers_of
from registry_requests import (
    REGISTRY,
    SERVER,
    assign_role,
    make_identity,
    make_registry,
    run_build,
    try_pull,
)

from local.azure_simulator import model, tokens
from local.azure_simulator.container_registry import image_names, pulls, registries

DIGEST = f"sha256:{'a' * 64}"

# --- who may pull ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "exists"),
    [
        ("busybox", True),
        ("docker.io/library/anything:1.2", True),
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", True),
        ("mcr.microsoft.com/hello-world", True),
        ("nobody/nothing", False),
        ("Bad Name", False),
        ("unknown.example.org/x:1", False),
        ("nobody.azurecr.io/x:1", False),
    ],
)
def test_public_images_are_pulled_by_anyone(world, reference, exists):
    """Official images of Docker Hub, a known list, and nothing else."""
    if exists:
        assert try_pull(world, reference).digest.startswith("sha256:")
    else:
        with pytest.raises(pulls.PullError):
            try_pull(world, reference)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("busybox", "docker.io/library/busybox:latest", True),
        ("library/busybox:1.36", "index.docker.io/library/busybox:1.36", True),
        ("busybox:1.36", "busybox:1.37", False),
        ("localhost/app", "app", False),
        ("my.registry:5000/a/b", "my.registry:5000/a/b:latest", True),
    ],
)
def test_names_are_read_as_docker_reads_them(one, other, same):
    """A registry has a dot, a colon, or is localhost."""
    assert image_names.same_image(one, other) is same


def test_a_private_image_needs_a_role_that_has_spread(world):
    """Nobody; an identity without a role; one whose role is too new; then the image."""
    make_registry(world)
    run_build(world)
    identity = make_identity(world)
    image = f"{SERVER}/team/app:v1.0"
    for identities in ((), (identity,)):
        with pytest.raises(pulls.NotAuthorizedError, match="unauthorized"):
            try_pull(world, image, *identities)
    assign_role(world, identity)
    with pytest.raises(pulls.NotAuthorizedError):
        try_pull(world, image, identity)
    world.wait(900)
    assert try_pull(world, image, identity).size_bytes > 0


def test_a_role_on_the_group_opens_its_registries(world):
    """Roles are inherited."""
    make_registry(world)
    run_build(world)
    identity = make_identity(world)
    assign_role(world, identity, scope=world.group_id())
    world.wait(900)
    assert try_pull(world, f"{SERVER}/team/app:v1.0", identity)


def test_repository_permissions_ignore_acr_pull(world):
    """In that mode another role counts."""
    registry = make_registry(world, roleAssignmentMode="AbacRepositoryPermissions")
    registries.push(world.azure, world.azure.store.find(registry.id), "team/app", "v1.0", DIGEST)
    identity, other = make_identity(world), make_identity(world, "other")
    assign_role(world, identity)
    world.wait(900)
    with pytest.raises(pulls.NotAuthorizedError):
        try_pull(world, f"{SERVER}/team/app:v1.0", identity)
    scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    assign_role(world, other, pulls.REPOSITORY_READER, scope)
    world.wait(900)
    assert try_pull(world, f"{SERVER}/team/app:v1.0", other)


@pytest.mark.parametrize(
    ("identity", "role", "status"),
    [
        (None, pulls.REPOSITORY_WRITER, "Failed"),
        ("[caller]", "8311e382-0749-4cb8-b61a-304f252e45ec", "Failed"),  # AcrPush
        ("[caller]", pulls.REPOSITORY_WRITER, "Succeeded"),
    ],
)
def test_with_repository_permissions_a_build_pushes_as_its_caller(world, identity, role, status):
    """It has no access of its own there: https://aka.ms/acr/auth/abac."""
    make_registry(world, roleAssignmentMode="AbacRepositoryPermissions")
    scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    caller = tokens.object_id(world.azure, tokens.OWN_CLIENT_ID)
    world.assign_role(types.SimpleNamespace(principal_id=caller), scope, role)
    world.wait(900)
    login = {"credentials": {"sourceRegistry": {"identity": identity}}} if identity else {}

    run = run_build(world, **login)

    assert run.properties.status == status
    assert ("unauthorized" in (run.properties.run_error_message or "")) == (status == "Failed")


def test_a_registry_has_one_of_two_modes(world):
    refusal = refused(make_registry, world, roleAssignmentMode="Both")
    assert refusal.status_code == 400


def test_identities_are_found_by_their_client_id(world):
    """Scripts on a machine know the client id only."""
    identity = make_identity(world)
    assert pulls.identities_of_client(world.azure, identity.client_id) == [identity.id]
    assert pulls.identities_of_client(world.azure, "") == []


def test_nodes_prefetch_with_the_pools_identity(world):
    """The whole way: registry, build, role, pool, node."""
    world.make_account()
    make_registry(world)
    run_build(world)
    identity = make_identity(world)
    entry = {"registryServer": SERVER, "identityReference": {"resourceId": identity.id}}
    wanted = containers_of(f"{SERVER}/team/app:v1.0", containerRegistries=[entry])
    options = {"image": world.make_image(), "containers": wanted, "identity": identity.id}
    world.make_pool("early", **options)
    assert [node.state for node in world.await_nodes("early")] == ["unusable"]
    assign_role(world, identity)
    world.wait(900)
    world.make_pool("late", **options)
    assert [node.state for node in world.await_nodes("late")] == ["idle"]


# --- the registry's own protocol ---------------------------------------------------------------


def _form(world: BatchSandbox, path: str, host: str = SERVER, **fields: str) -> model.Response:
    url = f"https://{host}{path}"
    body = parse.urlencode(fields).encode()
    return world.azure.handle(model.Request.from_url("POST", url, body=body))


def _access_token(
    world: BatchSandbox, client_id: str = tokens.OWN_CLIENT_ID, repository: str = "team/app"
) -> str:
    entra, _ = tokens.new_token(world.azure, "https://containerregistry.azure.net", client_id)
    fields = {"grant_type": "access_token", "service": SERVER, "access_token": entra}
    refresh = _form(world, "/oauth2/exchange", **fields).json()["refresh_token"]
    fields = {"grant_type": "refresh_token", "service": SERVER, "refresh_token": refresh}
    token = _form(world, "/oauth2/token", **fields, scope=f"repository:{repository}:pull")
    return str(token.json()["access_token"])


@pytest.mark.parametrize(
    ("mode", "role", "other"),
    [
        ("LegacyRegistryPermissions", pulls.ACR_PULL, pulls.REPOSITORY_READER),
        ("AbacRepositoryPermissions", pulls.REPOSITORY_READER, pulls.ACR_PULL),
    ],
)
def test_an_identity_logs_in_but_reads_with_the_right_role_only(world, mode, role, other):
    """The exchange asks for no role; the manifest does."""
    registry = make_registry(world, roleAssignmentMode=mode)
    registries.push(world.azure, world.azure.store.find(registry.id), "app", "1", DIGEST)
    identity = make_identity(world)
    scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    url = f"https://{SERVER}/v2/app/manifests/1"
    assign_role(world, identity, other, scope)
    world.wait(900)
    refused_answer = world.send("GET", url, token=_access_token(world, identity.client_id, "app"))
    assign_role(world, identity, role, scope)
    world.wait(900)
    allowed = world.send("GET", url, token=_access_token(world, identity.client_id, "app"))

    assert (refused_answer.status, allowed.status) == (403, 200)
    assert refused_answer.json()["errors"][0]["code"] == "DENIED"


def test_a_manifest_is_read_after_the_token_exchange(world):
    """Entra token, refresh token, access token, digest."""
    make_registry(world)
    digest = run_build(world).properties.output_images[0].digest
    token = _access_token(world)
    path = "/v2/team/app/manifests"
    head = world.send("HEAD", f"https://{SERVER}{path}/v1.0", token=token)
    assert (head.status, head.headers["Docker-Content-Digest"]) == (200, digest)
    assert world.send("GET", f"https://{SERVER}{path}/{digest}", token=token).status == 200
    missing = world.send("GET", f"https://{SERVER}{path}/v9", token=token)
    assert missing.json()["errors"][0]["code"] == "MANIFEST_UNKNOWN"
    other = _access_token(world, repository="team/other")
    assert world.send("GET", f"https://{SERVER}{path}/v1.0", token=other).status == 401


def test_a_registry_without_public_access_exchanges_no_token(world):
    """Its firewall does not know the caller."""
    make_registry(world, publicNetworkAccess="Disabled")
    entra, _ = tokens.new_token(world.azure, "https://containerregistry.azure.net")
    fields = {"grant_type": "access_token", "service": SERVER, "access_token": entra}
    answer = _form(world, "/oauth2/exchange", **fields)
    assert (answer.status, answer.json()["errors"][0]["code"]) == (403, "DENIED")


def test_without_a_token_the_registry_says_where_to_get_one(world):
    """401 with a Bearer challenge; a token of another registry or kind does not open it."""
    make_registry(world)
    answer = world.send("GET", f"https://{SERVER}/v2/", token=None)
    assert answer.status == 401
    assert f'realm="https://{SERVER}/oauth2/token"' in answer.headers["WWW-Authenticate"]
    assert world.send("GET", f"https://{SERVER}/v2/", token="made up").status == 401
    token = _access_token(world)
    assert world.send("GET", f"https://{SERVER}/v2/", token=token).status == 200
    world.wait(2 * 3600)
    assert world.send("GET", f"https://{SERVER}/v2/", token=token).status == 401


def test_only_tokens_for_registries_are_exchanged(world):
    """Audience containerregistry.azure.net, or Resource Manager's."""
    make_registry(world)
    fields = {"grant_type": "access_token", "service": SERVER}
    for audience, status in (
        ("https://containerregistry.azure.net", 200),
        ("https://management.azure.com/", 200),
        ("https://batch.core.windows.net/", 401),
    ):
        entra, _ = tokens.new_token(world.azure, audience)
        assert _form(world, "/oauth2/exchange", access_token=entra, **fields).status == status
    nobody = _form(world, "/oauth2/exchange", host="x.example", access_token="t", **{
        **fields, "service": "nobody.azurecr.io"})  # fmt: skip
    assert nobody.status == 404
