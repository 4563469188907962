"""Registries, quick builds and uploads."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from azure.storage.blob import BlobClient
from azure_sandbox import GROUP, LOCATION, refused
from batch_sandbox import BatchSandbox
from registry_requests import (
    REGISTRY,
    SERVER,
    assign_role,
    make_identity,
    make_registry,
    quick_build,
    run_build,
    try_pull,
)

from local.azure_simulator.container_registry import pulls

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
    make_registry(world)
    kind = "Microsoft.ContainerRegistry/registries"
    found = world.registries.registries.check_name_availability({"name": name, "type": kind})
    assert (found.name_available, found.reason) == (reason is None, reason)


def test_a_taken_name_is_refused_in_another_group(world):
    """409: somebody else's registry, or one's own."""
    make_registry(world)
    world.make_group("other-rg")
    body = {"location": LOCATION, "sku": {"name": "Basic"}}
    error = refused(world.registries.registries.begin_create, "other-rg", REGISTRY, body)
    assert error.status_code == 409


def test_an_unknown_sku_is_refused(world):
    """Basic, Standard and Premium exist."""
    assert refused(make_registry, world, "Tiny").status_code == 400


def test_anonymous_pull_needs_more_than_basic(world):
    """Documented: Standard and Premium."""
    assert refused(make_registry, world, anonymousPullEnabled=True).status_code == 400
    assert make_registry(world, "Standard", anonymousPullEnabled=True).anonymous_pull_enabled


def test_a_deleted_registry_is_gone_with_its_images(world):
    """And its name is free."""
    make_registry(world)
    run_build(world)
    world.registries.registries.begin_delete(GROUP, REGISTRY).result()
    assert refused(world.registries.registries.get, GROUP, REGISTRY).status_code == 404
    make_registry(world)
    identity = make_identity(world)
    assign_role(world, identity)
    world.wait(900)
    with pytest.raises(pulls.PullError, match="manifest unknown"):
        try_pull(world, f"{SERVER}/team/app:v1.0", identity)


# --- quick builds ------------------------------------------------------------------------------


def test_a_build_is_queued_and_runs_and_succeeds(world):
    """Recorded: 200 at once, status Queued, provisioningState Succeeded."""
    make_registry(world)
    run = world.registry_tasks.registries.schedule_run(GROUP, REGISTRY, quick_build())
    assert (run.properties.status, run.properties.provisioning_state) == ("Queued", "Succeeded")
    seen = []
    while "Succeeded" not in seen:
        world.wait(5)
        status = world.registry_tasks.runs.get(GROUP, REGISTRY, run.name).properties.status
        seen += [] if status in seen else [status]
    assert seen[-2:] == ["Running", "Succeeded"]


def test_a_built_image_is_in_the_registry_with_its_digest(world):
    """What the run says it pushed is what a pull finds."""
    make_registry(world, "Standard", anonymousPullEnabled=True)
    run = run_build(
        world, imageNames=["team/app:v1.0", f"{SERVER}/team/app:latest", "x:{{.Run.ID}}"]
    )
    outputs = {f"{i.repository}:{i.tag}": i.digest for i in run.properties.output_images}
    assert set(outputs) == {"team/app:v1.0", "team/app:latest", f"x:{run.name}"}
    found = try_pull(world, f"{SERVER}/team/app:v1.0")
    assert found.digest == outputs["team/app:v1.0"]
    assert try_pull(world, f"{SERVER}/team/app@{found.digest}").digest == found.digest


def test_a_second_build_moves_the_tag(world):
    """Each build has a digest of its own."""
    make_registry(world, "Standard", anonymousPullEnabled=True)
    first, second = run_build(world), run_build(world)
    digests = [run.properties.output_images[0].digest for run in (first, second)]
    assert digests[0] != digests[1]
    assert try_pull(world, f"{SERVER}/team/app:v1.0").digest == digests[1]


def test_a_build_that_does_not_push_leaves_nothing(world):
    """isPushEnabled false."""
    make_registry(world, "Standard", anonymousPullEnabled=True)
    assert run_build(world, isPushEnabled=False).properties.status == "Succeeded"
    with pytest.raises(pulls.PullError, match="manifest unknown"):
        try_pull(world, f"{SERVER}/team/app:v1.0")


def test_the_log_is_read_without_credentials(world):
    """A signed URL of the simulator's own address."""
    make_registry(world)
    run = run_build(world)
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
    make_registry(world)
    run = run_build(world, **changes)
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
    make_registry(world)
    path = world.id("Microsoft.ContainerRegistry/registries", REGISTRY)
    url = f"{path}/scheduleRun?api-version=2025-03-01-preview"
    assert world.send("POST", url, quick_build(**changes)).status == 400
    assert list(world.registry_tasks.runs.list(GROUP, REGISTRY)) == []


def test_an_injected_failure_fails_the_build(world):
    """With its message."""
    make_registry(world)
    world.add_fault(effect="allocation", operation="runs.build", message="no space left")
    assert run_build(world).properties.run_error_message == "no space left"


def test_a_build_that_is_too_slow_times_out(world):
    """At its own limit."""
    make_registry(world)
    world.add_fault(effect="slow", operation="runs.build", factor=10)
    assert run_build(world, timeout=300).properties.status == "Timeout"


def test_a_build_is_canceled(world):
    """It ends at once and pushes nothing."""
    make_registry(world)
    run = world.registry_tasks.registries.schedule_run(GROUP, REGISTRY, quick_build())
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


def _upload(world: BatchSandbox, content: bytes) -> str:
    """Put a context where the registry wants it, with the storage SDK."""
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    BlobClient.from_blob_url(source.upload_url, transport=world.wire).upload_blob(content)
    return str(source.relative_path)


def test_an_uploaded_context_is_built(world):
    """tar.gz as a block blob, then its relative path as the source."""
    make_registry(world)
    path = _upload(world, _archive("./Dockerfile", "app.py"))
    assert run_build(world, sourceLocation=path).properties.status == "Succeeded"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (_archive("app.py"), "Dockerfile"),
        (b"no archive", "not a gzip-compressed tar"),
        (gzip.compress(b"no tar"), "not a gzip-compressed tar"),
    ],
    ids=["no Dockerfile", "no archive", "no tar"],  # an archive's bytes hold the time
)
def test_an_unusable_context_fails_the_build(world, content, words):
    """Found out when it is built, not when it is uploaded."""
    make_registry(world)
    run = run_build(world, sourceLocation=_upload(world, content))
    assert words in run.properties.run_error_message


def test_an_announced_context_must_really_be_uploaded(world):
    """An address alone is nothing."""
    make_registry(world)
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    run = run_build(world, sourceLocation=source.relative_path)
    assert "blob does not exist" in run.properties.run_error_message


def test_an_upload_needs_the_signature_and_the_blob_type(world):
    """As storage demands."""
    make_registry(world)
    source = world.registry_tasks.registries.get_build_source_upload_url(GROUP, REGISTRY)
    assert world.send("PUT", source.upload_url, token=None).status == 400
    unsigned = source.upload_url.partition("?")[0]
    answer = world.send("PUT", unsigned, token=None, x_ms_blob_type="BlockBlob")
    assert answer.status == 403


def test_a_registry_has_its_policies_and_other_defaults(world: BatchSandbox) -> None:
    """As the service's own example of API version 2025-11-01 shows them."""
    make_registry(world)

    found = world.registries.registries.get(GROUP, REGISTRY)["properties"]

    assert found["policies"]["exportPolicy"] == {"status": "enabled"}
    assert found["policies"]["azureADAuthenticationAsArmPolicy"] == {"status": "enabled"}
    assert found["networkRuleBypassAllowedForTasks"] is False
    assert found["encryption"] == {"status": "disabled"}
    assert found["zoneRedundancy"] == "Disabled"
