"""Who may ask, and how: tokens, api-versions, paths, bodies."""

import time

import pytest
from azure.identity import ManagedIdentityCredential
from azure_sandbox import GROUP, LOCATION, AzureSandbox

from local.azure_simulator import model, tokens

GROUPS = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups"
VERSION = "?api-version=2025-04-01"


def code_of(answer) -> str:
    return answer.json()["error"]["code"]


def test_a_request_without_a_token_is_refused(world: AzureSandbox) -> None:
    """Resource Manager is never anonymous, and says where to get a token."""
    answer = world.send("GET", f"{GROUPS}{VERSION}", token=None)

    assert (answer.status, code_of(answer)) == (401, "InvalidAuthenticationToken")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_that_was_never_issued_is_refused(world: AzureSandbox) -> None:
    """Only what the identity endpoint handed out counts."""
    answer = world.send("GET", f"{GROUPS}{VERSION}", token="made.up")

    assert (answer.status, code_of(answer)) == (401, "InvalidAuthenticationToken")


def test_an_expired_token_is_refused(world: AzureSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expiry is wall-clock time, because the client library compares it with its own clock."""
    token, expires_on = tokens.new_token(world.azure, "https://management.azure.com/")
    monkeypatch.setattr(time, "time", lambda: expires_on + 1)

    assert world.send("GET", f"{GROUPS}{VERSION}", token=token).status == 401


@pytest.mark.parametrize(
    ("audience", "status"),
    [
        ("https://management.azure.com/", 200),
        ("https://management.core.windows.net/", 200),
        ("https://management.azure.com", 200),
        ("https://batch.core.windows.net/", 401),
        ("https://storage.azure.com/", 401),
    ],
)
def test_a_token_opens_only_the_service_it_was_issued_for(
    world: AzureSandbox, audience: str, status: int
) -> None:
    """A token for Batch does not open Resource Manager."""
    token, _ = tokens.new_token(world.azure, audience)

    assert world.send("GET", f"{GROUPS}{VERSION}", token=token).status == status


def test_the_simulator_s_own_address_is_an_audience_of_resource_manager(
    world: AzureSandbox,
) -> None:
    """A client of another cloud asks for a token for its endpoint."""
    token, _ = tokens.new_token(world.azure, "http://127.0.0.1:7072/")

    answer = world.send("GET", f"http://127.0.0.1:7072{GROUPS}{VERSION}", token=token)

    assert answer.status == 200


def test_managed_identity_gets_tokens_from_the_identity_endpoint(
    world: AzureSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app uses ManagedIdentityCredential; its endpoint is one environment variable."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:7072/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    credential = ManagedIdentityCredential(transport=world.wire)

    token = credential.get_token("https://management.azure.com/.default")

    assert token.expires_on > time.time() + 3600
    assert world.send("GET", f"{GROUPS}{VERSION}", token=token.token).status == 200


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?api-version=2019-08-01&resource=https://management.azure.com/", {}, 401),
        ("?api-version=2019-08-01", {"X-IDENTITY-HEADER": "secret"}, 400),
    ],
)
def test_the_identity_endpoint_wants_its_header_and_a_resource(
    world: AzureSandbox, query: str, headers: dict[str, str], status: int
) -> None:
    """Its header protects it from requests that something else was tricked into."""
    answer = world.send("GET", f"/msi/token{query}", token=None, **headers)

    assert answer.status == status


@pytest.mark.parametrize(
    ("query", "code"),
    [("", "MissingApiVersionParameter"), ("?api-version=v1", "InvalidApiVersionParameter")],
)
def test_each_request_names_its_api_version(world: AzureSandbox, query: str, code: str) -> None:
    """A forgotten api-version is a mistake that must not survive a test."""
    answer = world.send("GET", f"{GROUPS}{query}")

    assert (answer.status, code_of(answer)) == (400, code)


def test_another_subscription_is_unknown(world: AzureSandbox) -> None:
    """A wrong setting shows at once."""
    answer = world.send("GET", f"/subscriptions/other/resourceGroups{VERSION}")

    assert (answer.status, code_of(answer)) == (404, "SubscriptionNotFound")


def test_an_unknown_resource_type_is_an_error_of_azure_s_shape(world: AzureSandbox) -> None:
    """What nobody simulated must not look like an absent resource."""
    answer = world.send("GET", f"{GROUPS}/{GROUP}/providers/Microsoft.Web/sites/x{VERSION}")

    assert (answer.status, code_of(answer)) == (404, "InvalidResourceType")


def test_paths_compare_without_case(world: AzureSandbox) -> None:
    """Clients write resourcegroups and resourceGroups; both are one."""
    world.make_group()

    answer = world.send("GET", f"{GROUPS.upper()}/{GROUP.upper()}{VERSION}")

    assert answer.status == 200
    assert answer.json()["name"] == GROUP


@pytest.mark.parametrize("body", [b"{", b"[1]"])
def test_a_body_that_is_no_json_object_is_refused(world: AzureSandbox, body: bytes) -> None:
    """The refusal is a 400, not a crash."""
    from local.azure_simulator import model

    token, _ = tokens.new_token(world.azure, "https://management.azure.com/")
    url = f"https://management.azure.com{GROUPS}/{GROUP}{VERSION}"
    headers = {"Authorization": f"Bearer {token}"}

    answer = world.azure.handle(model.Request.from_url("PUT", url, headers=headers, body=body))

    assert (answer.status, code_of(answer)) == (400, "InvalidRequestContent")


def test_each_answer_has_its_own_request_id(world: AzureSandbox) -> None:
    """Support cases and error messages quote it."""
    answers = [world.send("GET", f"{GROUPS}{VERSION}") for _ in range(2)]

    first, second = (answer.headers["x-ms-request-id"] for answer in answers)
    assert first != second


def test_the_ledger_holds_every_request_but_its_own(world: AzureSandbox) -> None:
    """Benchmarks count requests there."""
    world.send("PUT", f"{GROUPS}/{GROUP}{VERSION}", {"location": LOCATION})
    world.send("GET", f"{GROUPS}/none{VERSION}")

    lines = world.send("GET", "/_simulator/ledger", token=None).json()

    assert [(line["method"], line["status"]) for line in lines] == [("PUT", 201), ("GET", 404)]
    assert set(lines[0]) == {"time", "method", "url", "status", "seconds"}


def test_a_body_that_is_nested_too_deeply_is_refused(world: AzureSandbox) -> None:
    """Valid JSON is no reason for an error of the server."""
    url = f"https://management.azure.com{GROUPS}/g{VERSION}"
    token, _ = tokens.new_token(world.azure, "https://management.azure.com/")
    deep = b'{"tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    headers = {"Authorization": f"Bearer {token}"}

    answer = world.azure.handle(model.Request.from_url("PUT", url, headers=headers, body=deep))

    assert (answer.status, code_of(answer)) == (400, "InvalidRequestContent")
