"""Registries, quick builds, uploads, the registry protocol, and who may pull."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any
from urllib import parse

import pytest
from azure.storage.blob import BlobClient
from batch_world import BatchWorld, containers_of
from simulated_world import GROUP, LOCATION, refused

from local.azure_simulator import model, tokens
from local.azure_simulator.container_registry import image_names, pulls

REGISTRY = "myacr"
SERVER = "myacr.azurecr.io"
ACR_PULL = pulls.ACR_PULL


@pytest.fixture
def world() -> BatchWorld:
    return BatchWorld()


def _make_registry(world: BatchWorld, sku: str = "Basic", **properties: Any) -> Any:
    body = {"location": LOCATION, "sku": {"name": sku}, "properties": properties}
    return world.registries.registries.begin_create(GROUP, REGISTRY, body).result()


def _request(**changes: Any) -> dict[str, Any]:
    return {
        "type": "DockerBuildRequest",
        "imageNames": ["team/app:v1.0"],
        "isPushEnabled": True,
        "dockerFilePath": "Dockerfile",
        "platform": {"os": "Linux", "architecture": "amd64"},
        "sourceLocation": "https://example.org/app.git#main",
        **changes,
    }


def _build(world: BatchWorld, **changes: Any) -> Any:
    """A quick build at its end."""
    registries, runs = world.registry_tasks.registries, world.registry_tasks.runs
    run = registries.schedule_run(GROUP, REGISTRY, _request(**changes))
    for _ in range(100):
        found = runs.get(GROUP, REGISTRY, run.name)
        if found.properties.status not in {"Queued", "Started", "Running"}:
            return found
        world.wait(10)
    raise AssertionError("the build does not end")


def _identity(world: BatchWorld, name: str = "pull") -> Any:
    body = {"location": LOCATION}
    return world.identities.user_assigned_identities.create_or_update(GROUP, name, body)


def _assign(world: BatchWorld, identity: Any, role: str = ACR_PULL, scope: str = "") -> None:
    own_scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    world.assign_role(identity, scope or own_scope, role)


def _pull(world: BatchWorld, reference: str, *identities: Any) -> Any:
    world.azure.settle()
    return pulls.find(world.azure, reference, [identity.id for identity in identities])


# --- registries --------------------------------------------------------------------------------


def test_a_registry_is_created_as_an_operation(world):
    """201 with Azure-AsyncOperation; 200 when it was there."""
    path = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    body = {"location": LOCATION, "sku": {"name": "basic"}}
    started = world.send("PUT", f"{path}?api-version=2025-11-01", body)
    assert (started.status, "Azure-AsyncOperation" in started.headers) == (201, True)
    assert started.json()["properties"]["provisioningState"] == "Creating"
    world.wait(60)
    registry = world.registries.registries.get(GROUP, REGISTRY)
    assert (registry.provisioning_state, registry.login_server) == ("Succeeded", SERVER)
    assert registry.sku.name == "Basic"
    assert world.send("PUT", f"{path}?api-version=2025-11-01", body).status == 200


@pytest.mark.parametrize(
    ("name", "reason"),
    [("fresh123", None), ("abc", "Invalid"), ("has-dash", "Invalid"), (REGISTRY, "AlreadyExists"),
     ("MyAcr", "AlreadyExists"), ("registry", "AlreadyExists")],
)  # fmt: skip
def test_names_are_global_and_checked(world, name, reason):
    """5 to 50 letters and digits, unique without case among all customers."""
    _make_registry(world)
    kind = "Microsoft.ContainerRegistry/registries"
    found = world.registries.registries.check_name_availability({"name": name, "type": kind})
    assert (found.name_available, found.reason) == (reason is None, reason)


def test_a_taken_name_is_refused_in_another_group(world):
    """409: somebody else's registry, or one's own."""
    _make_registry(world)
    world.make_group("other-rg")
    body = {"location": LOCATION, "sku": {"name": "Basic"}}
    error = refused(world.registries.registries.begin_create, "other-rg", REGISTRY, body)
    assert error.status_code == 409


def test_an_unknown_sku_is_refused(world):
    """Basic, Standard and Premium exist."""
    assert refused(_make_registry, world, "Tiny").status_code == 400


def test_anonymous_pull_needs_more_than_basic(world):
    """Documented: Standard and Premium."""
    assert refused(_make_registry, world, anonymousPullEnabled=True).status_code == 400
    assert _make_registry(world, "Standard", anonymousPullEnabled=True).anonymous_pull_enabled


def test_a_deleted_registry_is_gone_with_its_images(world):
    """And its name is free."""
    _make_registry(world)
    _build(world)
    world.registries.registries.begin_delete(GROUP, REGISTRY).result()
    assert refused(world.registries.registries.get, GROUP, REGISTRY).status_code == 404
    _make_registry(world)
    identity = _identity(world)
    _assign(world, identity)
    world.wait(900)
    with pytest.raises(pulls.PullError, match="manifest unknown"):
        _pull(world, f"{SERVER}/team/app:v1.0", identity)


# --- quick builds ------------------------------------------------------------------------------


def test_a_build_is_queued_and_runs_and_succeeds(world):
    """Recorded: 200 at once, status Queued, provisioningState Succeeded."""
    _make_registry(world)
    run = world.registry_tasks.registries.schedule_run(GROUP, REGISTRY, _request())
    assert (run.properties.status, run.properties.provisioning_state) == ("Queued", "Succeeded")
    seen = []
    while "Succeeded" not in seen:
        world.wait(5)
        status = world.registry_tasks.runs.get(GROUP, REGISTRY, run.name).properties.status
        seen += [] if status in seen else [status]
    assert seen[-2:] == ["Running", "Succeeded"]


def test_a_built_image_is_in_the_registry_with_its_digest(world):
    """What the run says it pushed is what a pull finds."""
    _make_registry(world, "Standard", anonymousPullEnabled=True)
    run = _build(world, imageNames=["team/app:v1.0", f"{SERVER}/team/app:latest", "x:{{.Run.ID}}"])
    outputs = {f"{i.repository}:{i.tag}": i.digest for i in run.properties.output_images}
    assert set(outputs) == {"team/app:v1.0", "team/app:latest", f"x:{run.name}"}
    found = _pull(world, f"{SERVER}/team/app:v1.0")
    assert found.digest == outputs["team/app:v1.0"]
    assert _pull(world, f"{SERVER}/team/app@{found.digest}").digest == found.digest


def test_a_second_build_moves_the_tag(world):
    """Each build has a digest of its own."""
    _make_registry(world, "Standard", anonymousPullEnabled=True)
    first, second = _build(world), _build(world)
    digests = [run.properties.output_images[0].digest for run in (first, second)]
    assert digests[0] != digests[1]
    assert _pull(world, f"{SERVER}/team/app:v1.0").digest == digests[1]


def test_a_build_that_does_not_push_leaves_nothing(world):
    """isPushEnabled false."""
    _make_registry(world, "Standard", anonymousPullEnabled=True)
    assert _build(world, isPushEnabled=False).properties.status == "Succeeded"
    with pytest.raises(pulls.PullError, match="manifest unknown"):
        _pull(world, f"{SERVER}/team/app:v1.0")


def test_the_log_is_read_without_credentials(world):
    """A signed URL of the simulator's own address."""
    _make_registry(world)
    run = _build(world)
    link = world.registry_tasks.runs.get_log_sas_url(GROUP, REGISTRY, run.name).log_link
    assert link.startswith("https://management.azure.com/")
    answer = world.send("GET", link, token=None)
    assert "Successfully pushed image: myacr.azurecr.io/team/app:v1.0" in answer.body.decode()
    assert world.send("GET", link.partition("?")[0], token=None).status == 404


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sourceLocation": "https://git.invalid/app.git"}, "could not resolve host"),
        ({"sourceLocation": "tasks-source/nothing.tar.gz"}, "blob does not exist"),
    ],
)
def test_a_build_without_its_source_fails(world, changes, words):
    """HTTP 200, status Failed, runErrorMessage; the log says the same."""
    _make_registry(world)
    run = _build(world, **changes)
    assert run.properties.status == "Failed"
    assert words in run.properties.run_error_message
    link = world.registry_tasks.runs.get_log_sas_url(GROUP, REGISTRY, run.name).log_link
    assert words in world.send("GET", link, token=None).body.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "FileTaskRunRequest"},
        {"dockerFilePath": ""},
        {"sourceLocation": ""},
        {"platform": {"architecture": "amd64"}},
        {"imageNames": ["Not A Name"]},
        {"timeout": 60},
    ],
)
def test_an_impossible_request_is_refused(world, changes):
    """400 before a run exists."""
    _make_registry(world)
    path = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    url = f"{path}/scheduleRun?api-version=2025-03-01-preview"
    assert world.send("POST", url, _request(**changes)).status == 400
    assert list(world.registry_tasks.runs.list(GROUP, REGISTRY)) == []


def test_an_injected_failure_fails_the_build(world):
    """With its message."""
    _make_registry(world)
    world.add_fault(effect="allocation", operation="runs.build", message="no space left")
    assert _build(world).properties.run_error_message == "no space left"


def test_a_build_that_is_too_slow_times_out(world):
    """At its own limit."""
    _make_registry(world)
    world.add_fault(effect="slow", operation="runs.build", factor=10)
    assert _build(world, timeout=300).properties.status == "Timeout"


def test_a_build_is_canceled(world):
    """It ends at once and pushes nothing."""
    _make_registry(world)
    run = world.registry_tasks.registries.schedule_run(GROUP, REGISTRY, _request())
    world.registry_tasks.runs.cancel(GROUP, REGISTRY, run.name)
    assert world.registry_tasks.runs.get(GROUP, REGISTRY, run.name).properties.status == "Canceled"
    world.wait(600)
    assert world.registry_tasks.runs.get(GROUP, REGISTRY, run.name).properties.status == "Canceled"


# --- uploads -----------------------------------------------------------------------------------


def _archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


def _upload(world: BatchWorld, content: bytes) -> str:
    """Put a context where the registry wants it, with the storage SDK."""
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    BlobClient.from_blob_url(source.upload_url, transport=world.wire).upload_blob(content)
    return str(source.relative_path)


def test_an_uploaded_context_is_built(world):
    """tar.gz as a block blob, then its relative path as the source."""
    _make_registry(world)
    path = _upload(world, _archive("./Dockerfile", "app.py"))
    assert _build(world, sourceLocation=path).properties.status == "Succeeded"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_archive("app.py"), "Dockerfile"),
        (b"no archive", "not a gzip-compressed tar"),
        (gzip.compress(b"no tar"), "not a gzip-compressed tar"),
    ],
)
def test_an_unusable_context_fails_the_build(world, content, words):
    """Found out when it is built, not when it is uploaded."""
    _make_registry(world)
    run = _build(world, sourceLocation=_upload(world, content))
    assert words in run.properties.run_error_message


def test_an_announced_context_must_really_be_uploaded(world):
    """An address alone is nothing."""
    _make_registry(world)
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    run = _build(world, sourceLocation=source.relative_path)
    assert "blob does not exist" in run.properties.run_error_message


def test_an_upload_needs_the_signature_and_the_blob_type(world):
    """As storage demands."""
    _make_registry(world)
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    assert world.send("PUT", source.upload_url, token=None).status == 400
    unsigned = source.upload_url.partition("?")[0]
    answer = world.send("PUT", unsigned, token=None, x_ms_blob_type="BlockBlob")
    assert answer.status == 403


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
        assert _pull(world, reference).digest.startswith("sha256:")
    else:
        with pytest.raises(pulls.PullError):
            _pull(world, reference)


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
    _make_registry(world)
    _build(world)
    identity = _identity(world)
    image = f"{SERVER}/team/app:v1.0"
    for identities in ((), (identity,)):
        with pytest.raises(pulls.NotAuthorizedError, match="unauthorized"):
            _pull(world, image, *identities)
    _assign(world, identity)
    with pytest.raises(pulls.NotAuthorizedError):
        _pull(world, image, identity)
    world.wait(900)
    assert _pull(world, image, identity).size_bytes > 0


def test_a_role_on_the_group_opens_its_registries(world):
    """Roles are inherited."""
    _make_registry(world)
    _build(world)
    identity = _identity(world)
    _assign(world, identity, scope=world.group_id())
    world.wait(900)
    assert _pull(world, f"{SERVER}/team/app:v1.0", identity)


def test_repository_permissions_ignore_acr_pull(world):
    """In that mode another role counts."""
    _make_registry(world, roleAssignmentMode="AbacRepositoryPermissions")
    _build(world)
    identity, other = _identity(world), _identity(world, "other")
    _assign(world, identity)
    world.wait(900)
    with pytest.raises(pulls.NotAuthorizedError):
        _pull(world, f"{SERVER}/team/app:v1.0", identity)
    scope = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    _assign(world, other, pulls.REPOSITORY_READER, scope)
    world.wait(900)
    assert _pull(world, f"{SERVER}/team/app:v1.0", other)


def test_identities_are_found_by_their_client_id(world):
    """Scripts on a machine know the client id only."""
    identity = _identity(world)
    assert pulls.identities_of_client(world.azure, identity.client_id) == [identity.id]
    assert pulls.identities_of_client(world.azure, "") == []


def test_nodes_prefetch_with_the_pools_identity(world):
    """The whole way: registry, build, role, pool, node."""
    world.make_account()
    _make_registry(world)
    _build(world)
    identity = _identity(world)
    entry = {"registryServer": SERVER, "identityReference": {"resourceId": identity.id}}
    wanted = containers_of(f"{SERVER}/team/app:v1.0", containerRegistries=[entry])
    options = {"image": world.make_image(), "containers": wanted, "identity": identity.id}
    world.make_pool("early", **options)
    assert [node.state for node in world.await_nodes("early")] == ["unusable"]
    _assign(world, identity)
    world.wait(900)
    world.make_pool("late", **options)
    assert [node.state for node in world.await_nodes("late")] == ["idle"]


# --- the registry's own protocol ---------------------------------------------------------------


def _form(world: BatchWorld, path: str, host: str = SERVER, **fields: str) -> model.Response:
    url = f"https://{host}{path}"
    body = parse.urlencode(fields).encode()
    return world.azure.handle(model.Request.from_url("POST", url, body=body))


def _access_token(world: BatchWorld) -> str:
    entra, _ = tokens.new_token(world.azure, "https://containerregistry.azure.net")
    fields = {"grant_type": "access_token", "service": SERVER, "access_token": entra}
    refresh = _form(world, "/oauth2/exchange", **fields).json()["refresh_token"]
    fields = {"grant_type": "refresh_token", "service": SERVER, "refresh_token": refresh}
    token = _form(world, "/oauth2/token", **fields, scope="repository:team/app:pull")
    return str(token.json()["access_token"])


def test_a_manifest_is_read_after_the_token_exchange(world):
    """Entra token, refresh token, access token, digest."""
    _make_registry(world)
    digest = _build(world).properties.output_images[0].digest
    token = _access_token(world)
    path = "/v2/team/app/manifests"
    head = world.send("HEAD", f"https://{SERVER}{path}/v1.0", token=token)
    assert (head.status, head.headers["Docker-Content-Digest"]) == (200, digest)
    assert world.send("GET", f"https://{SERVER}{path}/{digest}", token=token).status == 200
    missing = world.send("GET", f"https://{SERVER}{path}/v9", token=token)
    assert missing.json()["errors"][0]["code"] == "MANIFEST_UNKNOWN"


def test_without_a_token_the_registry_says_where_to_get_one(world):
    """401 with a Bearer challenge; a token of another registry or kind does not open it."""
    _make_registry(world)
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
    _make_registry(world)
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
