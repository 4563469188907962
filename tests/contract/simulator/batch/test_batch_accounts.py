"""Batch accounts and regions answer through the SDK as the real service does."""

from __future__ import annotations

import json

import pytest
from azure_sandbox import GROUP, LOCATION, refused
from batch_sandbox import ACCOUNT, HOST, BatchSandbox

from local.azure_simulator import tokens


def _put(world: BatchSandbox, name: str = ACCOUNT, **body: object):
    path = world.id("Microsoft.Batch/batchAccounts", name)
    full = {"location": LOCATION, **body}
    return world.send("PUT", f"{path}?api-version=2025-06-01", full)


def test_an_account_is_created_by_location_alone(world):
    """Recorded: 202, empty, Location and Retry-After 15; 202 again; then 200 and the account."""
    started = _put(world)
    assert (started.status, started.body) == (202, b"")
    assert started.headers["Retry-After"] == "15"
    assert "Azure-AsyncOperation" not in started.headers
    pending = world.send("GET", started.headers["Location"])
    assert (pending.status, pending.headers["Retry-After"]) == (202, "15")
    world.wait(60)
    done = world.send("GET", pending.headers["Location"])
    assert done.status == 200
    assert done.json()["properties"]["provisioningState"] == "Succeeded"


def test_the_poller_ends_with_the_account(world):
    """The endpoint has no scheme and leads back to the host that was asked."""
    account = world.make_account()
    assert account.name == ACCOUNT
    assert account.account_endpoint == f"management.azure.com/{HOST}"
    assert account.pool_allocation_mode == "BatchService"


def test_the_endpoint_follows_the_host_of_the_request(world):
    """A proxy in front of the simulator sees the traffic of the data plane too."""
    world.make_account()
    path = world.id("Microsoft.Batch/batchAccounts", ACCOUNT) + "?api-version=2025-06-01"
    shown = world.send("GET", f"http://127.0.0.1:7072{path}").json()
    assert shown["properties"]["accountEndpoint"] == f"127.0.0.1:7072/{HOST}"


def test_most_family_quotas_are_zero(world):
    """64 were recorded, and newer series came since; the families that pools use have cores."""
    account = world.make_account()
    quotas = {item.name: item.core_quota for item in account.dedicated_core_quota_per_vm_family}
    assert len(quotas) >= 64
    assert sum(cores == 0 for cores in quotas.values()) >= 50
    assert quotas["Standard NCASv3_T4 Family"] > 0
    assert quotas["standardDSv5Family"] > 0
    assert account.dedicated_core_quota_per_vm_family_enforced
    assert account.pool_quota == 100


def test_a_put_on_an_existing_account_changes_nothing(world):
    """Only PATCH updates an account."""
    world.make_account(tags={"build": "b1"})
    answered = _put(world, tags={"build": "b2"})
    assert answered.status == 200
    assert world.batch.batch_account.get(GROUP, ACCOUNT).tags == {"build": "b1"}


def test_a_patch_changes_tags_and_properties(world):
    """PATCH answers 200 with the account at once."""
    world.make_account()
    body = {"tags": {"a": "b"}, "properties": {"publicNetworkAccess": "Disabled"}}
    changed = world.batch.batch_account.update(GROUP, ACCOUNT, body)
    assert changed.tags == {"a": "b"}
    assert changed.public_network_access == "Disabled"


def test_a_patch_of_the_allocation_mode_is_refused(world):
    """What was decided at creation stays."""
    world.make_account()
    body = {"properties": {"poolAllocationMode": "UserSubscription"}}
    error = refused(world.batch.batch_account.update, GROUP, ACCOUNT, body)
    assert (error.status_code, error.error.code) == (400, "PropertyCannotBeUpdated")


def test_an_account_on_its_way_answers_with_its_operation(world):
    """The same PUT again meets the creation; PATCH must wait."""
    first, second = _put(world), _put(world)
    assert (first.status, second.status) == (202, 202)
    assert _operation(first) == _operation(second)
    error = refused(world.batch.batch_account.update, GROUP, ACCOUNT, {"tags": {}})
    assert (error.status_code, error.error.code) == (409, "OperationInvalidForCurrentState")


def test_an_account_on_its_way_out_refuses_everything(world):
    """Its name is free only when it is gone."""
    world.make_account()
    path = world.id("Microsoft.Batch/batchAccounts", ACCOUNT) + "?api-version=2025-06-01"
    first, second = world.send("DELETE", path), world.send("DELETE", path)
    assert _operation(first) == _operation(second)
    assert _put(world).json()["error"]["code"] == "OperationInvalidForCurrentState"
    error = refused(world.make_pool)
    assert error.error.code == "OperationInvalidForCurrentState"
    world.wait(120)
    assert _put(world).status == 202


def test_an_unknown_allocation_mode_is_refused(world):
    """BatchService and UserSubscription exist."""
    answer = _put(world, properties={"poolAllocationMode": "Mine"})
    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidPropertyValue")


def _operation(answer):
    """Which operation a monitor's URL names; its signature changes with each answer."""
    return answer.headers["Location"].partition("?")[0]


@pytest.mark.parametrize("name", ["ab", "Has-Dash", "UPPER123", "a" * 25])
def test_a_bad_account_name_is_refused(world, name):
    """Names have 3 to 24 lowercase letters and digits."""
    assert _put(world, name).status == 400


def test_names_are_checked_before_anything_is_created(world):
    """A free name, one of our own, one of another customer, one against the rule."""
    world.make_account()
    kind = "Microsoft.Batch/batchAccounts"

    def check(name: str) -> tuple[bool, str | None]:
        body = {"name": name, "type": kind}
        found = world.batch.location.check_name_availability(LOCATION, body)
        return found.name_available, found.reason

    assert check("fresh12345") == (True, None)
    assert check(ACCOUNT) == (False, "AlreadyExists")
    assert check("batch") == (False, "AlreadyExists")
    assert check("Not-Valid") == (False, "Invalid")


def test_a_taken_name_is_refused_in_another_group(world):
    """Names are unique in a region, not in a group."""
    world.make_account()
    world.make_group("other-rg")
    path = f"{world.group_id('other-rg')}/providers/Microsoft.Batch/batchAccounts/{ACCOUNT}"
    answer = world.send("PUT", f"{path}?api-version=2025-06-01", {"location": LOCATION})
    assert (answer.status, answer.json()["error"]["code"]) == (409, "AccountAlreadyExists")


def test_accounts_of_one_name_in_two_regions_have_a_data_plane_each(world):
    """Its host names the region: a job of one account is none of the other."""
    world.make_account()
    world.make_group("other-rg")
    begin = world.batch.batch_account.begin_create
    theirs = begin("other-rg", ACCOUNT, {"location": "West Europe"}).result()
    assert theirs.account_endpoint == f"management.azure.com/{ACCOUNT}.westeurope"
    world.make_job()
    token, _ = tokens.new_token(world.azure, "https://batch.core.windows.net/")

    def jobs(host: str) -> list[str] | str:
        found = world.send("GET", f"/{host}/jobs?api-version=2025-06-01", token=token).json()
        return found.get("code") or [job["id"] for job in found["value"]]

    assert (jobs(HOST), jobs(f"{ACCOUNT}.westeurope")) == (["job"], [])
    assert jobs(f"{ACCOUNT}.northeurope") == jobs(ACCOUNT) == "AccountNotFound"


def test_a_region_takes_three_accounts(world):
    """The region's quota, which the API also tells, ends further accounts."""
    quota = world.batch.location.get_quotas(LOCATION).account_quota
    for number in range(quota):
        world.make_account(f"account{number}")
    error = refused(world.make_account, "onemore123")
    assert (quota, error.error.code) == (3, "SubscriptionQuotaExceeded")
    world.make_account("elsewhere1", location="westeurope")


def test_an_account_of_the_own_subscription_needs_a_key_vault_and_has_no_core_quota(world):
    """In UserSubscription mode compute's quotas count."""
    mode = {"poolAllocationMode": "UserSubscription"}
    assert _put(world, properties=mode).json()["error"]["code"] == "MissingRequiredProperty"
    vault = {"keyVaultReference": {"id": "/v", "url": "https://v.vault.azure.net/"}}
    account = world.make_account(properties={**mode, **vault})
    assert account.dedicated_core_quota is None
    assert account.low_priority_core_quota is None
    assert account.dedicated_core_quota_per_vm_family is None
    assert not account.dedicated_core_quota_per_vm_family_enforced
    world.make_pool(nodes=200, low_priority=200)
    assert world.resize_errors() == []


def test_a_deleted_account_is_gone_with_its_pools(world):
    """DELETE is an operation by Location alone; deleting twice is 204."""
    world.make_account()
    world.make_pool(nodes=0)
    path = world.id("Microsoft.Batch/batchAccounts", ACCOUNT) + "?api-version=2025-06-01"
    started = world.send("DELETE", path)
    assert (started.status, started.headers["Retry-After"]) == (202, "15")
    assert world.batch.batch_account.get(GROUP, ACCOUNT).provisioning_state == "Deleting"
    world.batch.batch_account.begin_delete(GROUP, ACCOUNT).result()
    assert refused(world.pool).status_code == 404
    assert world.listed().get(ACCOUNT) is None
    assert world.send("DELETE", path).status == 204


def test_a_failed_creation_leaves_no_account(world):
    """The Location monitor fails with the status itself, and the name is free again."""
    world.add_fault(effect="allocation", operation="batchAccounts.create", code="InternalError")
    error = refused(world.make_account)
    assert error.error.code == "InternalError"
    assert refused(world.batch.batch_account.get, GROUP, ACCOUNT).status_code == 404
    world.make_account()


def test_accounts_are_listed_by_group_and_by_subscription(world):
    """Both lists show the same documents, endpoint included."""
    world.make_account()
    by_group = list(world.batch.batch_account.list_by_resource_group(GROUP))
    everywhere = list(world.batch.batch_account.list())
    assert [item.name for item in by_group] == [item.name for item in everywhere] == [ACCOUNT]
    assert by_group[0].account_endpoint.endswith(f"/{HOST}")


def test_a_name_is_checked_for_a_batch_account_in_a_known_region(world):
    """Another type, another planet: refused."""
    check = world.batch.location.check_name_availability
    assert refused(check, LOCATION, {"name": "fresh12345", "type": "x"}).status_code == 400
    assert refused(world.batch.location.get_quotas, "moonbase").status_code == 404


def test_sizes_that_batch_takes_name_their_family_and_their_end(world):
    """Retired GPU sizes are absent; families on the way out carry a date; of Arm64 only Cobalt."""
    sizes = {
        item.name: item
        for item in world.batch.location.list_supported_virtual_machine_skus(LOCATION)
    }
    assert sizes["Standard_NC4as_T4_v3"].family_name == "Standard NCASv3_T4 Family"
    assert "Standard_NC6" not in sizes
    assert "Standard_D4ps_v5" not in sizes
    assert "Standard_D4ps_v6" in sizes
    assert sizes["Standard_F4s_v2"].batch_support_end_of_life is not None
    assert sizes["Standard_D4s_v5"].batch_support_end_of_life is None
    capabilities = {item.name: item.value for item in sizes["Standard_NC4as_T4_v3"].capabilities}
    assert (capabilities["vCPUs"], capabilities["GPUs"]) == ("4", "1")


def test_sizes_are_filtered_by_family_and_paged():
    """A long list comes in pages that the SDK follows."""
    world = BatchSandbox(page_size=5)
    found = list(world.batch.location.list_supported_virtual_machine_skus(LOCATION))
    assert len(found) > 20
    text = "familyName eq 'standardDSv5Family'"
    few = list(world.batch.location.list_supported_virtual_machine_skus(LOCATION, filter=text))
    assert {item.family_name for item in few} == {"standardDSv5Family"}


def test_an_unregistered_provider_refuses_everything(world):
    """The first call on a new subscription must register the provider."""
    world.resources.providers.unregister("Microsoft.Batch")
    answer = _put(world)
    assert answer.json()["error"]["code"] == "MissingSubscriptionRegistration"
    quotas = f"/subscriptions/{world.azure.subscription}/providers/Microsoft.Batch/locations"
    answer = world.send("GET", f"{quotas}/{LOCATION}/quotas?api-version=2025-06-01")
    assert answer.status == 409


def test_errors_name_the_request_and_the_time_in_the_message(world):
    """Recorded form: target BatchAccount, RequestId and Time inside the message, Reason beside."""
    world.make_account()
    error = refused(world.make_pool, size="Standard_NC6")
    document = json.loads(error.response.text())["error"]
    assert document["target"] == "BatchAccount"
    assert "\nRequestId:" in document["message"]
    assert "\nTime:20" in document["message"]
    assert "Reason" in {item["code"] for item in document["details"]}


def test_accounts_and_pools_say_when_they_were_changed(world: BatchSandbox) -> None:
    """The headers of an answer have the version and the time; an account's document has neither."""
    world.make_account()
    world.make_pool(nodes=0)
    path = f"{world.id('Microsoft.Batch/batchAccounts', ACCOUNT)}"

    account = world.send("GET", f"{path}?api-version=2025-06-01")
    pool = world.send("GET", f"{path}/pools/dev?api-version=2025-06-01")

    for answer in (account, pool):
        assert answer.headers["Last-Modified"].endswith(" GMT")
        assert answer.headers["ETag"]
    assert "etag" not in account.json()
