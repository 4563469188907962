"""The list of cleanup, from facts alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from activities import pool_shrinking
from shared.base.errors import Failure, Kind
from shared.model import abandoned_pools, cleanup, results
from shared.model.cleanup import Action, BuildFacts, CleanupItem, Facts, PoolFacts, ResourceFacts
from shared.model.outcomes import PoolRecord
from shared.model.results import PoolEmptied

NOW, LATER, EARLIER = "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-01T00:00:00Z"
GROUP = "/subscriptions/s/resourceGroups/images"
POOL = f"{GROUP}/providers/Microsoft.Batch/batchAccounts/a/pools/p"


def id_of(type_: str, name: str) -> str:
    """A resource id in the group."""
    return f"{GROUP}/providers/{type_}/{name}"


def vm(build: str = "b1", expires: str = EARLIER, **changes: Any) -> ResourceFacts:
    """A builder."""
    type_ = "Microsoft.Compute/virtualMachines"
    return ResourceFacts(id=id_of(type_, f"vm-{build}"), build=build, expires=expires, **changes)


def lasting(type_: str, name: str, build: str = "b1", **changes: Any) -> ResourceFacts:
    """Something that lasts."""
    return ResourceFacts(id=id_of(type_, name), build=build, **changes)


GALLERY = lasting("Microsoft.Compute/galleries", "g")
IMAGE = ResourceFacts(id=f"{GALLERY.id}/images/i", build="b1")
FAILED = BuildFacts(state="failed", imageless_in="images")


def in_group(*contents: ResourceFacts, **changes: Any) -> Facts:
    """The group that the failed build has made, and what is in it."""
    own = ResourceFacts(id=GROUP, build="b1", **changes)
    return Facts(builds={"b1": FAILED}, resources=(own, *contents))


def planned_again(facts: Facts) -> list[str]:
    """The last parts of the ids of what lasts and is planned right before a removal."""
    items = cleanup.plan_lasting("b1", "images", facts, NOW, is_cleared=True)
    return [item.id.rpartition("/")[2] for item in items]


def keeping(*ids: str) -> BuildFacts:
    """A failed build that keeps these on purpose."""
    return BuildFacts(state="failed", leftovers=ids, kept=frozenset(i.lower() for i in ids))


def planned(items: list[CleanupItem]) -> list[tuple[str, str]]:
    """The last part of each id, and what is done with it."""
    return [(item.id.rpartition("/")[2], str(item.action)) for item in items]


# -- what builds made -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "expires", "action", "until"),
    [
        (None, EARLIER, Action.KEEP, None),
        (BuildFacts(state="running", is_over=False), EARLIER, Action.KEEP, None),
        (FAILED, LATER, Action.REMOVE, NOW),
        (BuildFacts(state="failed", leftovers=(vm().id,)), LATER, Action.REMOVE, NOW),
        (keeping(vm().id.upper()), LATER, Action.KEEP, LATER),
        (keeping(vm().id), EARLIER, Action.REMOVE, NOW),
    ],
    ids=["no record", "runs", "is over", "could not remove it", "keeps it", "kept it"],
)
def test_a_builder(
    build: BuildFacts | None, expires: str, action: Action, until: str | None
) -> None:
    """It goes when its build is over, or at its expiry if the build keeps it."""
    facts = Facts(resources=(vm(expires=expires),), builds={"b1": build} if build else {})
    (item,) = cleanup.plan_cleanup(facts, NOW)
    assert (item.action, item.until, item.build_id) == (action, until, "b1")
    assert item.reason


def test_the_order_of_removal() -> None:
    """What uses a resource goes before it, the group last; the disk goes with its VM."""
    disk, network = "Microsoft.Compute/disks", "Microsoft.Network/virtualNetworks"
    temporary = (
        lasting(network, "net-b1", expires=EARLIER),
        lasting(disk, "disk-b1", expires=EARLIER),
        vm(),
    )
    card = lasting("Microsoft.Network/networkInterfaces", "vm-b1-nic", "")
    contents = (*temporary, card, GALLERY, IMAGE)
    items = cleanup.plan_cleanup(in_group(*contents), NOW)
    assert [name for name, _ in planned(items)] == ["vm-b1", "net-b1", "i", "g", "images"]
    assert {action for _, action in planned(items)} == {"remove"}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ((GALLERY, IMAGE), ["i", "g", "images"]),
        ((), ["images"]),
        ((GALLERY, lasting("Microsoft.Web/sites", "theirs", "")), ["g"]),
        ((GALLERY, lasting("Microsoft.Compute/galleries/images", "x", "b2")), ["g"]),
        ((lasting("Microsoft.ContainerRegistry/registries", "r", is_used=True),), []),
        ((GALLERY, ResourceFacts(id=f"{GALLERY.id}/images/x", build="b2")), []),
    ],
    ids=[
        "all its own",
        "empty",
        "an untagged one beside",
        "another build's beside",
        "used",
        "inside",
    ],
)
def test_what_lasts(contents: tuple[ResourceFacts, ...], expected: list[str]) -> None:
    """Only what this build made, with nothing of others inside."""
    assert planned_again(in_group(*contents)) == expected


def test_what_a_dead_build_made_goes_after_its_closing() -> None:
    """Nothing temporary may be left of it, and its record lists nothing."""
    facts = in_group(GALLERY)
    assert planned(cleanup.plan_cleanup(facts, NOW)) == [("g", "remove"), ("images", "remove")]


def test_what_a_build_made_that_has_published_stays() -> None:
    """Pools need it, also pools of other builds."""
    facts = dataclasses.replace(in_group(GALLERY), builds={"b1": BuildFacts(state="failed")})
    assert cleanup.plan_cleanup(facts, NOW) == []


def test_what_an_image_needs_stays_when_the_record_of_its_build_is_gone() -> None:
    """Its pools pull with the identity that the failed build has made."""
    identity = lasting("Microsoft.ManagedIdentity/userAssignedIdentities", "i")
    facts = dataclasses.replace(in_group(identity), image_groups=frozenset({"images"}))
    assert cleanup.plan_cleanup(facts, NOW) == []


def test_what_another_build_may_need_stays() -> None:
    """Azure takes a group's name in any case."""
    other = BuildFacts(state="running", is_over=False, may_need=("IMAGES",))
    facts = dataclasses.replace(in_group(GALLERY), builds={"b1": FAILED, "b2": other})
    assert cleanup.plan_cleanup(facts, NOW) == []


PUBLISHES: dict[str, Any] = {"may_need": ("images",), "publishes": "I"}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (BuildFacts(state="succeeded", may_need=("images",)), ["1.0.1", "i"]),
        (BuildFacts(state="running", is_over=False, **PUBLISHES), ["1.0.1"]),
        (BuildFacts(state="failed", is_resumable=True, **PUBLISHES), ["1.0.1"]),
        (BuildFacts(state="running", is_over=False, may_need=("images",)), ["1.0.1", "i"]),
    ],
    ids=["ended", "runs", "can be resumed", "publishes another image"],
)
def test_what_is_empty_goes_also_where_others_need_the_group(
    other: BuildFacts, expected: list[str]
) -> None:
    """A build of the same image may be about to use an empty definition, and no build a version
    that failed.
    """
    version = ResourceFacts(id=f"{IMAGE.id}/versions/1.0.1", build="b1")
    facts = in_group(GALLERY, IMAGE, version)
    facts = dataclasses.replace(facts, builds={"b1": FAILED, "b2": other})
    assert planned_again(facts) == expected


@pytest.mark.parametrize(
    ("maker", "found", "goes"),
    [
        (FAILED, (), True),
        (FAILED, (ResourceFacts(id=f"{IMAGE.id}/versions/1.0.0", build="b2"),), False),
        (BuildFacts(state="succeeded", may_need=("images",)), (), False),
        (BuildFacts(state="running", is_over=False, may_need=("images",)), (), False),
    ],
    ids=["failed", "another has published", "succeeded", "runs"],
)
def test_a_sweep_finds_an_empty_definition(
    maker: BuildFacts, found: tuple[ResourceFacts, ...], goes: bool
) -> None:
    """Its build failed, and left it to another one of the same image, which failed later."""
    facts = Facts(resources=(IMAGE, *found), builds={"b1": maker, "b2": BuildFacts(state="failed")})
    assert planned(cleanup.plan_cleanup(facts, NOW)) == ([("i", "remove")] if goes else [])


def test_what_is_temporary_must_be_gone_before_the_group() -> None:
    """The list counts it as gone; the look right before the removal does not."""
    assert ("images", "remove") in planned(cleanup.plan_cleanup(in_group(vm()), NOW))
    assert planned_again(in_group(vm())) == []


def test_a_build_that_keeps_something_is_not_given_up() -> None:
    """It may be resumed until then."""
    gone = vm(is_gone=True)
    kept = ResourceFacts(
        id=id_of("Microsoft.Compute/disks", "d"),
        build="b1",
        expires=LATER,
    )
    build = keeping(gone.id, kept.id)
    build = dataclasses.replace(FAILED, leftovers=build.leftovers, kept=build.kept)
    facts = Facts(resources=(gone, kept, GALLERY), builds={"b1": build})
    (work,) = cleanup.divide(cleanup.plan_cleanup(facts, NOW), 1)
    assert (work.gives_up, planned(work.items), work.items[0].is_done) == (
        False, [("vm-b1", "remove")], True,
    )  # fmt: skip


def test_what_azure_does_not_show_is_kept() -> None:
    """It may be what a build needs to be resumed."""
    refused = vm(expires="", refused="no right")
    build = dataclasses.replace(FAILED, leftovers=(refused.id,))
    facts = Facts(resources=(refused, GALLERY), builds={"b1": build})
    (item,) = cleanup.plan_cleanup(facts, NOW)
    assert (item.action, "no right" in item.reason) == (Action.KEEP, True)


# -- pools ----------------------------------------------------------------------------------------


def record(**changes: Any) -> PoolRecord:
    """A pool of one node."""
    known = {"batch_account": "a", "pool_id": "p", "image_id": "", "vm_size": "s", "nodes": 1}
    rest = {"resource_group": "images", "location": "l", "build_id": "b1", "changed_at": EARLIER}
    return PoolRecord(**{**known, **rest, "state": "ready", **changes})


def left(**changes: Any) -> PoolRecord:
    """A failed pool with a node."""
    error = Failure(code="NodesUnusable", kind=Kind.SCRIPT, message="bad")
    return record(state="failed", error=error, nodes_left=True, **changes)


OVER = record(expires_at=EARLIER)
SEEN: dict[str, Any] = {"shaped_by": "b1"}


@pytest.mark.parametrize(
    ("of", "seen", "expected"),
    [
        (record(), SEEN, None),
        (record(expires_at=LATER), SEEN, ("keep", LATER, False)),
        (OVER, SEEN, ("remove", NOW, False)),
        (OVER, {"is_gone": True}, ("remove", NOW, True)),
        (OVER, {"refused": "503"}, ("remove", NOW, False)),
        (OVER, {**SEEN, "at_work": "b2"}, ("keep", None, False)),
        (OVER, {"is_gone": True, "at_work": "b2"}, ("keep", None, False)),
        (OVER, {**SEEN, "at_work": "b2", "is_marked": True}, ("remove", NOW, False)),
        (OVER, {**SEEN, "shaped_by": "b2"}, ("keep", None, True)),
        (OVER, {**SEEN, "shaped_by": None}, ("keep", None, True)),
        (OVER, {**SEEN, "is_resized": True}, ("remove", NOW, False)),
        (left(), SEEN, ("shrink", NOW, False)),
        (left(), {**SEEN, "is_shrunk": True}, ("shrink", NOW, True)),
        (left(), {**SEEN, "is_resized": True}, ("keep", None, True)),
        (left(), {"is_gone": True}, ("shrink", NOW, True)),
        (left(expires_at=EARLIER), SEEN, ("remove", NOW, False)),
        (left(expires_at=LATER), SEEN, ("shrink", NOW, False)),
    ],
)
def test_a_pool(
    of: PoolRecord, seen: dict[str, Any], expected: tuple[str, str | None, bool] | None
) -> None:
    """One item per pool: what is done with it, when, and whether only the record is behind."""
    item = cleanup.plan_pool(PoolFacts(id=POOL, build="b1", record=of, **seen), NOW)
    assert (item and (item.action, item.until, item.is_done)) == expected
    assert item is None or (item.reason and item.build_id == "b1")


@pytest.mark.parametrize(
    ("nodes", "keeps", "expected"),
    [
        (1, "", False),  # as recorded
        (0, "", False),  # the build has shrunk it
        (2, "2 0", False),  # to the nodes that it had before the build
        (5, "", True),
        (5, "2 0", True),
        (None, "", False),  # a formula decides
    ],
)
def test_a_failed_pool_counts_as_resized(nodes: int | None, keeps: str, expected: bool) -> None:
    """By somebody else, and neither by its build nor by a formula."""
    scale: dict[str, Any] = {"autoScale": {"formula": "x"}}
    if nodes is not None:
        scale = {"fixedScale": {"targetDedicatedNodes": nodes, "targetLowPriorityNodes": 0}}
    metadata = [{"name": "batch-prep-keeps", "value": keeps}] if keeps else []
    observed = {"properties": {"scaleSettings": scale, "metadata": metadata}}
    assert pool_shrinking.is_resized(observed, left()) is expected


def test_pools_are_carried_out_in_groups() -> None:
    """What is only kept is carried out by none."""
    pools = [PoolFacts(id=f"{POOL}{n}", build="b1", record=OVER, **SEEN) for n in range(120)]
    kept = PoolFacts(id=POOL, build="b1", record=record(expires_at=LATER))
    works = cleanup.divide(cleanup.plan_cleanup(Facts(pools=(kept, *pools)), NOW), 50)
    assert [len(work.items) for work in works] == [50, 50, 20]
    assert not any(work.gives_up for work in works)
    assert len({work.key for work in works}) == 3


def test_the_same_facts_give_the_same_list() -> None:
    """The plan depends on nothing else."""
    facts = Facts(resources=(vm(), vm("b2")), builds={"b1": FAILED})
    assert cleanup.plan_cleanup(facts, NOW) == cleanup.plan_cleanup(facts, NOW)


# -- what 0.1.0 has begun -------------------------------------------------------------------------


def test_a_removal_that_0_1_0_planned_is_scheduled_as_it_was() -> None:
    """A build that runs during an upgrade schedules it again at each replay."""
    plan = {"id": GALLERY.id, "type": "Microsoft.Compute/galleries"}
    plan |= {"buildId": "b1", "resourceGroup": "images"}
    found = results.MadeList.from_wire({"made": [{"step": "remove_gallery", "plan": plan}]})
    (item,) = (each.plan for each in found.made)
    assert (item.step, item.to_wire()) == ("remove_gallery", plan)


def test_a_failed_pool_that_keeps_nodes_says_how_many() -> None:
    """Of both kinds, and it has the end that it had."""
    found = PoolEmptied(emptied=True, nodes=1, low_priority_nodes=2, expires_at=NOW)
    shrunk = abandoned_pools.shrunk(left(), found)
    assert (shrunk.nodes, shrunk.low_priority_nodes, shrunk.expires_at) == (1, 2, NOW)
    assert shrunk.error is not None
    assert "as many nodes as it had before: 3" in (shrunk.error.next_action or "")
