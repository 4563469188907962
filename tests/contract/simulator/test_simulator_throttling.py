"""Azure's own limits: token buckets that refill with simulated time."""

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox, refused

GROUPS = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups"


def statuses(
    world: AzureSandbox, method: str, path: str, count: int, body: object = None
) -> list[int]:
    url = f"{path}?api-version=2026-04-01"
    return [world.send(method, url, body).status for _ in range(count)]


@pytest.mark.parametrize(
    ("method", "body", "burst"),
    [("GET", None, 250), ("PUT", {"location": LOCATION}, 200), ("DELETE", None, 200)],
)
def test_resource_manager_s_buckets(
    world: AzureSandbox, method: str, body: object, burst: int
) -> None:
    """Reads 250 at once, writes and deletes 200."""
    path = GROUPS if method == "GET" else world.group_id()

    answers = statuses(world, method, path, burst + 1, body)

    assert 429 not in answers[:burst]
    assert answers[burst] == 429


def test_a_full_bucket_says_how_long_to_wait(world: AzureSandbox) -> None:
    """After that, it is enough."""
    statuses(world, "GET", GROUPS, 250)

    answer = world.send("GET", f"{GROUPS}?api-version=2025-04-01")

    assert answer.json()["error"]["code"] == "SubscriptionRequestsThrottled"
    world.wait(int(answer.headers["Retry-After"]))
    assert world.send("GET", f"{GROUPS}?api-version=2025-04-01").status == 200


@pytest.mark.parametrize(
    ("method", "suffix", "burst"),
    [
        ("GET", "", 36),
        ("GET", "/instanceView", 36),
        ("GET", "/runCommands/x", 36),
        ("PUT", "", 12),
        ("PUT", "/runCommands/x", 12),
        ("PATCH", "", 12),
        ("DELETE", "/runCommands/x", 12),
        ("POST", "/restart", 12),
        ("POST", "/generalize", 12),
        ("POST", "/deallocate", 12),
        ("DELETE", "", 12),
    ],
)
def test_compute_s_buckets_are_per_machine(
    world: AzureSandbox, method: str, suffix: str, burst: int
) -> None:
    """Even what fails is counted; another machine has its own."""
    world.make_group()
    body = {"location": LOCATION} if method in {"PUT", "PATCH"} else None

    answers = statuses(world, method, world.vm_id() + suffix, burst + 1, body)

    assert 429 not in answers[:burst]
    assert answers[burst] == 429
    assert statuses(world, method, world.vm_id("other") + suffix, 1, body) != [429]


def test_polling_an_operation_has_a_bucket_of_its_own(world: AzureSandbox) -> None:
    """45 at once."""
    world.make_network()
    body = world.vm_body()
    started = world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", body)
    url = started.headers["Azure-AsyncOperation"]

    answers = [world.send("GET", url).status for _ in range(46)]

    assert answers == [200] * 45 + [429]


def test_compute_says_it_in_its_own_words(world: AzureSandbox) -> None:
    """OperationNotAllowed once more, with TooManyRequests in the details."""
    world.make_group()
    statuses(world, "GET", world.vm_id(), 36)

    error = refused(world.compute.virtual_machines.get, GROUP, "builder")

    assert (error.status_code, error.error.code) == (429, "OperationNotAllowed")
    assert error.error.details[0].code == "TooManyRequests"
    assert int(error.response.headers["Retry-After"]) <= 5


def test_polling_every_15_seconds_is_within_the_limits(world: AzureSandbox) -> None:
    """As the documentation advises."""
    world.make_vm()
    for _ in range(100):
        world.wait(15)
        world.codes()


def test_throttling_can_be_switched_off(make_world) -> None:
    """For thousands of simulated builds."""
    world = make_world(throttled=False)

    assert 429 not in statuses(world, "GET", GROUPS, 300)


def test_answers_tell_what_is_left(world: AzureSandbox) -> None:
    """For the subscription, and compute's own."""
    world.make_vm()

    first, second = (world.send("GET", f"{world.vm_id()}?api-version=2026-04-01") for _ in "ab")

    reads = "x-ms-ratelimit-remaining-subscription-reads"
    assert int(first.headers[reads]) == int(second.headers[reads]) + 1
    assert second.headers["x-ms-ratelimit-remaining-resource"] == "Microsoft.Compute/GetVM;34"
