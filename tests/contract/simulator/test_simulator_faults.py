"""Injected faults: whom they meet, how often, and what the SDK makes of them."""

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure_sandbox import GROUP, LOCATION, AzureSandbox, refused, result_line, step_script

ADDRESS = "Microsoft.Network/publicIPAddresses"


def get_group(world: AzureSandbox):
    return world.resources.resource_groups.get(GROUP)


def put_group(world: AzureSandbox):
    return world.resources.resource_groups.create_or_update(GROUP, {"location": LOCATION})


def test_throttling_answers_429_with_a_wait(world: AzureSandbox) -> None:
    """Once by default; then all is well again."""
    world.make_group()
    world.add_fault(effect="throttle", retryAfter=17)

    error = refused(get_group, world)

    assert (error.status_code, error.error.code) == (429, "TooManyRequests")
    assert error.response.headers["Retry-After"] == "17"
    assert get_group(world).name == GROUP


def test_throttling_may_leave_the_wait_out(world: AzureSandbox) -> None:
    """Retry-After is usual, not certain."""
    world.make_group()
    world.add_fault(effect="throttle", retryAfter=None)

    assert "Retry-After" not in refused(get_group, world).response.headers


def test_any_status_can_be_injected(world: AzureSandbox) -> None:
    """With its code and message."""
    world.make_group()
    world.add_fault(effect="status", status=504, code="GatewayTimeout", message="late")

    error = refused(get_group, world)

    assert (error.status_code, error.error.code, error.error.message) == (
        504,
        "GatewayTimeout",
        "late",
    )


def test_a_refused_request_has_no_effect(world: AzureSandbox) -> None:
    """The fault stands before the handler."""
    world.add_fault(effect="status", status=500)

    refused(put_group, world)

    assert world.listed() == {}


def test_a_dropped_connection_before_the_effect(world: AzureSandbox) -> None:
    """Nothing was done; the SDK says that the request was not sent."""
    world.add_fault(effect="drop", when="before")

    with pytest.raises(ServiceRequestError):
        put_group(world)

    assert world.listed() == {}


def test_a_dropped_connection_after_the_effect(world: AzureSandbox) -> None:
    """It was done, and nobody was told."""
    world.add_fault(effect="drop", when="after")

    with pytest.raises(ServiceResponseError):
        put_group(world)

    assert set(world.listed()) == {GROUP}
    assert world.ledger()[-1]["status"] == 0


def test_a_quota_refusal_has_its_numbers(world: AzureSandbox) -> None:
    """The same words as the real rule."""
    world.make_network()
    world.add_fault(method="PUT", effect="quota", name="Total Regional Cores", limit=50, usage=50)
    begin = world.compute.virtual_machines.begin_create_or_update

    error = refused(begin, GROUP, "builder", world.vm_body())

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")
    assert "exceeding approved Total Regional Cores quota" in error.error.message
    assert "Current Limit: 50, Current Usage: 50" in error.error.message


def test_a_slow_operation_takes_longer(make_world) -> None:
    """Its factor multiplies the duration."""
    spent = []
    for factor in (1, 5):
        world = make_world(duration_band=(1, 1), retry_after=False)
        world.make_network()
        world.add_fault(operation="virtualMachines.create", effect="slow", factor=factor)
        before = world.now()
        begin = world.compute.virtual_machines.begin_create_or_update
        begin(GROUP, "builder", world.vm_body()).result()
        spent.append(world.now() - before)

    assert spent == [150, 750]


def test_a_slow_script_takes_longer(make_world) -> None:
    """Scripts are slowed as well."""
    world = make_world(duration_band=(1, 1), throttled=False)
    world.make_vm()
    world.add_fault(operation="runCommands.run", effect="slow", factor=10)

    view = world.run("docker", step_script("docker"))

    assert (view.end_time - view.start_time).total_seconds() == 500


# --- scripts -------------------------------------------------------------------------------


def test_a_step_can_be_made_to_fail(world: AzureSandbox) -> None:
    """Only the step that is named; its result line tells."""
    world.make_vm()
    world.add_fault(effect="script", step="preload", exitCode=21, message="manifest unknown")

    assert world.step("docker")["ok"] is True
    failed = world.step("preload", IMAGES="busybox")

    assert (failed["ok"], failed["exitCode"], failed["message"]) == (False, 21, "manifest unknown")
    assert world.azure.store.find(world.vm_id()).state["machine"]["images"] == []


def test_a_step_can_print_something_else(world: AzureSandbox) -> None:
    """A cut result line, for instance."""
    world.make_vm()
    world.add_fault(effect="script", step="docker", exitCode=0, stdout='batch-prep-result {"v":1,')

    view = world.run("docker", step_script("docker"))

    assert view.output == 'batch-prep-result {"v":1,'


def test_a_step_can_lose_its_result_line(world: AzureSandbox) -> None:
    """Exit code 0 without the line is unknown, never success."""
    world.make_vm()
    world.add_fault(effect="silent", step="docker")

    view = world.run("docker", step_script("docker"))

    assert (view.exit_code, result_line(view.output)) == (0, {})


def test_a_machine_can_crash_in_a_step(world: AzureSandbox) -> None:
    """It looks stopped, as a sealed one does, without the mark."""
    world.make_vm()
    world.add_fault(effect="crash", step="docker")

    view = world.run("docker", step_script("docker"))

    assert view.execution_state == "Unknown"
    assert world.codes()[-1] == "PowerState/stopped"
    inside = world.azure.store.find(world.vm_id()).state["machine"]
    assert (inside["docker"], inside["sealed"]) == ("", False)


def test_sealing_can_fail_after_its_script(world: AzureSandbox) -> None:
    """The line on the console says why; the machine stays on."""
    world.make_vm()
    world.add_fault(effect="sealFails", message="host keys remain")

    assert world.step("seal", BUILDER_USER="builder")["ok"] is True
    world.wait(600)

    assert world.codes()[-1] == "PowerState/running"
    console = world.azure.store.find(world.vm_id()).state["console"]
    assert console[-1] == "batch-prep seal-failed b1 n1 host keys remain"


# --- whom and how often --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "strikes"),
    [
        ({}, True),
        ({"method": "get"}, True),
        ({"method": "PUT"}, False),
        ({"path": "/resourceGroups/batch-"}, True),
        ({"path": "/resourceGroups/other"}, False),
        ({"resourceType": "microsoft.resources/resourcegroups"}, True),
        ({"resourceType": ADDRESS}, False),
        ({"operation": "resourceGroups"}, False),
    ],
)
def test_a_fault_meets_whom_it_describes(
    world: AzureSandbox, condition: dict[str, str], strikes: bool
) -> None:
    """Each condition narrows it."""
    world.make_group()
    world.add_fault(effect="status", status=418, **condition)

    answer = world.send("GET", f"{world.group_id()}?api-version=2025-04-01")

    assert (answer.status == 418) == strikes


def test_writes_are_met_by_their_operation_s_name(world: AzureSandbox) -> None:
    """The names of the duration table."""
    world.add_fault(effect="status", status=418, operation="^resourceGroups.write$")

    assert refused(put_group, world).status_code == 418


def test_a_fault_strikes_as_often_as_it_says(world: AzureSandbox) -> None:
    """And lets some go by first."""
    world.make_group()
    world.add_fault(effect="status", status=418, times=2, after=1)
    path = f"{world.group_id()}?api-version=2025-04-01"

    assert [world.send("GET", path).status for _ in range(5)] == [200, 418, 418, 200, 200]


def test_chance_is_decided_by_the_seed(make_world) -> None:
    """The same seed, the same strikes; about as many as asked for."""

    def strikes(seed: int) -> list[int]:
        world = make_world(seed=seed, throttled=False)
        world.make_group()
        world.add_fault(effect="status", status=418, probability=0.3)
        path = f"{world.group_id()}?api-version=2025-04-01"
        return [world.send("GET", path).status for _ in range(100)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 15 < strikes(1).count(418) < 45


def test_faults_are_listed_and_cleared(world: AzureSandbox) -> None:
    """With how often each struck."""
    world.make_group()
    world.add_fault(effect="throttle", times=3)
    refused(get_group, world)

    (fault,) = world.send("GET", "/_simulator/faults", token=None).json()
    assert (fault["effect"], fault["struck"]) == ("throttle", 1)

    world.send("DELETE", "/_simulator/faults", token=None)
    assert world.send("GET", "/_simulator/faults", token=None).json() == []
    assert get_group(world).name == GROUP


@pytest.mark.parametrize("fault", [{"effect": "explode"}, {"effect": "drop", "whne": "after"}])
def test_a_misspelt_fault_is_refused(world: AzureSandbox, fault: dict[str, str]) -> None:
    """A fault that never strikes tests nothing."""
    answer = world.send("POST", "/_simulator/faults", fault, token=None)

    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidFault")


def test_several_faults_can_be_added_at_once(world: AzureSandbox) -> None:
    """A list, as in a file."""
    faults = [{"effect": "throttle"}, {"effect": "drop"}]

    answer = world.send("POST", "/_simulator/faults", faults, token=None)

    assert [item["id"] for item in answer.json()] == ["1", "2"]


def test_the_simulator_s_own_api_is_never_met(world: AzureSandbox) -> None:
    """A fault must be removable."""
    world.add_fault(effect="status", status=418, times=99)

    assert world.send("GET", "/_simulator/resources", token=None).status == 200


def test_the_identity_endpoint_can_be_met(world: AzureSandbox) -> None:
    """Tokens fail as well in the real world."""
    world.add_fault(effect="status", status=500, path="/msi/token")

    answer = world.send("GET", "/msi/token?resource=x", token=None, X_IDENTITY_HEADER="s")

    assert answer.status == 500


def test_settings_are_listed(world: AzureSandbox) -> None:
    """What a test or a person changed."""
    world.set(**{"quota:cores": 7})

    assert world.send("GET", "/_simulator/settings", token=None).json() == {"quota:cores": 7}
