"""The baseline: the old script's documented order is really run, and nothing of it side by side."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bench import baseline, page, wanted
from bench.old_script import OldScript, Place, Pool, WentWrong
from bench.startup import Start
from local import clock
from local.azure_simulator import core, operations, times
from tests.world import Json

ORDER = [
    "resource group",
    "network of the VM",
    "VM",
    "NVIDIA driver",
    "restart for the driver",
    "Docker",
    "registry",
    "image build and push",
    "preload",
    "deprovision",
    "deallocate, generalize",
    "gallery",
    "image definition",
    "managed image",
    "image version",
    "resource group",
    "Batch account",
    "pool",
    "nodes",
    "verification job",
    "cleanup: VM",
    "cleanup: interface, disk",
    "cleanup: address, network",
    "cleanup: managed image",
]
PLACE = Place(group=wanted.GROUP, location=wanted.LOCATION, account=wanted.ACCOUNT)


@pytest.fixture(scope="module")
def azure() -> core.Simulator:
    """An Azure on which the whole script has run once."""
    return ran_on(5)[0]


def ran_on(seed: int) -> tuple[core.Simulator, OldScript]:
    """An Azure, and the script that has run there: everything, with one pool."""
    azure = core.Simulator(clock=clock.VirtualClock(), seed=seed)
    script = OldScript(azure, PLACE)
    script.full(baseline.gpu_image(), baseline.gpu_pool("dev"))
    return azure, script


def of_type(azure: core.Simulator, name: str) -> list[Any]:
    """What there is of a type."""
    return [found for found in azure.store.everything() if found.is_type(name)]


def spans(azure: core.Simulator) -> list[tuple[float, float]]:
    """Begin and end of each long operation and of the registry's run, in order."""
    documents = [found.document for found in of_type(azure, operations.TYPE)]
    found = [(times.seconds(d["startTime"]), times.seconds(d["endTime"])) for d in documents]
    runs = [run.properties for run in of_type(azure, "simulator.registryRun")]
    found += [(times.seconds(r["createTime"]), times.seconds(r["finishTime"])) for r in runs]
    return sorted(found)


def test_it_ends_with_what_its_users_got(azure: core.Simulator) -> None:
    """A published image with everything inside, a pool whose nodes are idle, and a good proof."""
    [version] = of_type(azure, "Microsoft.Compute/galleries/images/versions")
    [node] = of_type(azure, "simulator.batchNode")
    [task] = of_type(azure, "simulator.batchTask")

    inside = version.state["contents"]
    assert version.properties["provisioningState"] == "Succeeded"
    assert inside["driver"]
    assert inside["toolkit"]
    assert inside["sealed"]
    assert not inside["user"]
    assert [image["name"] for image in inside["images"]] == [
        "docker.io/library/busybox:1.36",
        "benchregistry.azurecr.io/app:v1.0",
    ]
    assert node.document["state"] == "idle"
    assert task.document["executionInfo"]["result"] == "success"


def test_nothing_of_the_builder_is_left(azure: core.Simulator) -> None:
    """It cleans up as it did: VM, interface, disk, address, network, managed image."""
    kept = {found.type for found in azure.store.everything() if found.type.startswith("Microsoft.")}
    assert kept == {
        "Microsoft.Resources/resourceGroups",
        "Microsoft.ContainerRegistry/registries",
        "Microsoft.Compute/galleries",
        "Microsoft.Compute/galleries/images",
        "Microsoft.Compute/galleries/images/versions",
        "Microsoft.Batch/batchAccounts",
        "Microsoft.Batch/batchAccounts/pools",
    }


def test_no_two_operations_overlap(azure: core.Simulator) -> None:
    """The next one begins when the one before has ended, and somebody has seen it."""
    found = spans(azure)

    assert len(found) > 20
    for one, following in itertools.pairwise(found):
        assert one[1] <= following[0]


def test_nothing_is_written_while_something_is_under_way(azure: core.Simulator) -> None:
    """Whatever answers at once waits its turn too."""
    found = spans(azure)
    writes = [entry for entry in azure.store.ledger() if entry["method"] != "GET"]

    assert len(writes) > len(found)
    for entry in writes:
        busy = [span for span in found if span[0] < entry["time"] < span[1]]
        assert not busy, entry["url"]


def test_its_steps_are_those_that_its_owners_documented() -> None:
    """In their order, each beginning when the one before has ended."""
    steps = ran_on(1)[1].steps

    assert [step.name for step in steps] == ORDER
    assert all(one.ended == following.began for one, following in itertools.pairwise(steps))


def test_it_repeats_exactly() -> None:
    """Otherwise the comparison would be luck."""
    assert ran_on(3)[1].steps == ran_on(3)[1].steps


def test_ends_are_seen_late_as_the_pollers_look(azure: core.Simulator) -> None:
    """Never by more than the longest interval, a minute; in all by minutes: it has no foresight."""
    looks = [entry["time"] for entry in azure.store.ledger()]

    late = [min(look for look in looks if look >= end) - end for _, end in spans(azure)]

    assert max(late) <= 60
    assert sum(late) > 120


def test_several_pools_share_one_image_and_come_one_after_the_other() -> None:
    """`--image-only` once, then `--batch-only` for each."""
    names = [step.name for step in baseline.full(2, 1).steps]

    assert names.count("image version") == 1
    assert names.count("verification job") == 2
    assert names.index("cleanup: managed image") < names.index("pool")


def test_everything_is_made_anew_for_each_pool_where_nothing_else_is_offered() -> None:
    """But nothing that exists: a second gallery would cost the script more than it ever did."""
    ran = baseline.pool_after_pool_anew(2, 1)
    versions = [step.seconds for step in ran.steps if step.name == "image version"]
    galleries = [step.seconds for step in ran.steps if step.name == "gallery"]

    assert min(versions) > 300
    assert galleries[0] > galleries[1] == 0


def test_a_resize_is_waited_for_until_the_pool_is_steady() -> None:
    """As the app's own is measured."""
    ran = baseline.pool_update(1)
    assert [step.name for step in ran.steps] == ["resize"]
    assert ran.seconds > 60


def test_many_pools_take_as_long_as_some_do_on_average() -> None:
    """Only these are run."""
    ran = baseline.queue(30, 1)
    assert [step.name for step in ran.steps].count("verification job") == 3
    assert ran.seconds == pytest.approx(10 * sum(step.seconds for step in ran.steps))


def test_a_verification_that_fails_stops_the_script() -> None:
    """The proof can fail: without a driver in its image a GPU pool does not pass for a good one."""
    azure = core.Simulator(clock=clock.VirtualClock(), seed=1)
    script = OldScript(azure, PLACE)
    image = baseline.gpu_image()
    script.image_only(type(image)(vm_size=image.vm_size, gpu=False, containers=image.containers))

    with pytest.raises(WentWrong, match="The verification of dev failed"):
        script.batch_only(Pool(name="dev", vm_size=wanted.GPU_SIZE, gpu=True))


def test_the_page_tells_the_old_order() -> None:
    """Whoever doubts the comparison sees what was compared with."""
    found: dict[str, Json] = {
        page.OLD_ORDER: {
            "figures": dict.fromkeys(page.table.COLUMNS, 1.0),
            "old_steps": [{"name": "VM", "seconds": 170.0}, {"name": "Docker", "seconds": 70.0}],
        }
    }
    start = Start(seconds=0.4, bare_seconds=0.2, later_seconds=0.3, mib=50.0)
    text = page.render(found, [], start, "a machine")
    assert "| Docker | 70 |" in text
    assert "| **all**, 4.0 minutes | 240 |" in text
