"""What must hold whatever happened: the seven invariants of the design, checked when all is over.

Each check takes the world and yields sentences; no sentence means that it holds.
"""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from local.functions_host.store import Query, Status
from shared.base import names
from tests.simulation import foreign, promptness
from tests.simulation.simulated_world import SimulatedWorld, Write, kept_nodes
from tests.simulation.stories import Act

Json = dict[str, Any]
Check = Callable[[SimulatedWorld], Iterator[str]]

_OVER = {"succeeded", "failed", "cancelled"}
_OF_A_BUILDER = (
    "microsoft.compute/virtualmachines", "microsoft.compute/disks", "microsoft.network/",
    "microsoft.compute/virtualmachines/runcommands", "microsoft.compute/snapshots",
)  # fmt: skip
_VERSION = re.compile(r".*/galleries/[^/]+/images/[^/]+/versions/[^/]+$")
_POOL = re.compile(r".*/batchaccounts/[^/]+/pools/[^/]+$")
# What a request may fail with although nothing is wrong with Azure: it meets another request.
_OF_CONTENTION = {
    "Conflict", "PoolExists", "PoolGone", "NotFound", "Blocked", "Cancelled", "VersionExists",
    "PoolScalesItself", "PoolsFailed", "RequestIdUsed",
}  # fmt: skip


def broken_at_rest(world: SimulatedWorld) -> list[str]:
    """What is already clear when all has been done and nothing swept."""
    return _told(world, AT_REST)


def broken(world: SimulatedWorld) -> list[str]:
    """Every sentence of every check at the end, and what was seen before."""
    return world.problems + _told(world, AT_THE_END)


def _told(world: SimulatedWorld, checks: dict[str, Check]) -> list[str]:
    return [f"{name}: {told}" for name, check in checks.items() for told in check(world)]


# -- 1 --------------------------------------------------------------------------------------------


def every_request_ends_with_an_outcome(world: SimulatedWorld) -> Iterator[str]:
    rows = {row.key: row for row in world.build_rows()}
    for build in world.accepted:
        if build not in rows:
            yield f"build {build} was accepted and is not recorded"
    for build, row in rows.items():
        if row["State"] not in _OVER or "Outcome" not in row:
            yield f"build {build} is {row['State']} and nothing will change that"
        elif row["State"] == "failed":
            yield from _unexplained(build, row["Outcome"])
    yield from _lost_messages(world, rows)


def _unexplained(build: str, outcome: Json) -> Iterator[str]:
    told = [("build", outcome.get("error")), *_pool_errors(outcome)]
    for what, error in told:
        if not error or not error.get("message") or not error.get("nextAction"):
            yield f"{what} of build {build} failed without a reason or a next action: {error}"


def _pool_errors(outcome: Json) -> list[tuple[str, Json | None]]:
    failed = [p for p in outcome.get("pools", []) if p["state"] == "failed"]
    return [(f"pool {p['poolId']}", p.get("error")) for p in failed]


def _lost_messages(world: SimulatedWorld, rows: Json) -> Iterator[str]:
    refused = {row.key for row in world.refused()}
    for arrival in world.story.arrivals:
        if arrival.act is not Act.MESSAGE:
            continue
        message = f"m-{arrival.at:.0f}"
        request = arrival.body.get("requestId") or f"message-{message}"
        if names.build_id(request) not in rows and message not in refused:
            yield f"message {message} is neither a build nor refused"


def no_orchestration_dies(world: SimulatedWorld) -> Iterator[str]:
    """One that raises has lost control: nothing removes what it made."""
    for instance in world.engine.store.select(Query()):
        if instance.status is not Status.COMPLETED:
            told = str(instance.output)[:300]
            yield f"{instance.name} {instance.id} is {instance.status}: {told}"


def hiccups_fail_nothing(world: SimulatedWorld) -> Iterator[str]:
    """What time cures must not fail a build; meeting another request may."""
    if not world.is_benign:
        return
    for row in world.build_rows():
        outcome = row.get("Outcome") or {}
        if row["Mode"].endswith("-pool") and (outcome.get("error") or {}).get("code") == "Bug":
            continue  # its trigger died before it began: who asked was told so, and asked again
        for what, error in [("it", outcome.get("error")), *_pool_errors(outcome)]:
            if error and error["code"] not in _OF_CONTENTION:
                yield f"{what} of build {row.key} failed: {error['code']} {error['message'][:300]}"


def an_image_has_one_build_at_a_time(world: SimulatedWorld) -> Iterator[str]:
    """The claim of an image is a lock."""
    runs: dict[str, list[tuple[str, str, str]]] = collections.defaultdict(list)
    for row in world.build_rows():
        image = (row["Request"].get("image") or {}).get("name")
        is_resumed = row.key in world.resumed  # with a pause in between
        if row["Mode"] in {"full", "image-only"} and row.get("CreatedAt") and not is_resumed:
            ended = str(row.get("EndedAt") or "9")
            runs[str(image)].append((str(row["CreatedAt"]), ended, row.key))
    for image, times in runs.items():
        for (_, ended, first), (began, _, second) in itertools.pairwise(sorted(times)):
            if began < ended:
                yield f"builds {first} and {second} made image {image} at once"


# -- 2 --------------------------------------------------------------------------------------------


def no_builder_outlives_its_build(world: SimulatedWorld) -> Iterator[str]:
    """Except what the outcome lists; a kept VM keeps its disk, card and network."""
    told = [left.lower() for row in world.build_rows() for left in _leftovers(row)]
    kept = {left.rpartition("/")[2] for left in told if "/virtualmachines/" in left}
    for resource in _builders_resources(world):
        identity = resource["id"].lower()
        is_kept = any(name in identity for name in [*kept, *_cards(world, kept)])
        if identity not in told and not is_kept:
            yield f"{resource['id']} is still there ({resource['state']})"


def the_sweep_leaves_nothing(world: SimulatedWorld) -> Iterator[str]:
    """Whatever was kept has expired, whatever was lost is found."""
    for resource in _builders_resources(world):
        yield f"{resource['id']} is there for ever ({resource['state']})"


def _builders_resources(world: SimulatedWorld) -> list[Json]:
    theirs = {each.lower() for each in world.foreign}
    return [
        r
        for r in world.resources()
        if r["type"].lower().startswith(_OF_A_BUILDER) and r["id"].lower() not in theirs
    ]


def _cards(world: SimulatedWorld, kept: set[str]) -> list[str]:
    """The network cards of these machines: Azure gives them names of their own."""
    found = []
    for vm in world.azure.store.of_type("Microsoft.Compute/virtualMachines"):
        if vm.name.lower() in kept:
            cards = vm.properties["networkProfile"].get("networkInterfaces") or []
            found += [card["id"].lower().rpartition("/")[2] for card in cards]
    return found


def no_verification_job_stays(world: SimulatedWorld) -> Iterator[str]:
    """Jobs count against the account's quota."""
    for job in world.azure.store.of_type("simulator.batchJob"):
        yield f"job {job.id} is still there"


def no_pool_outlives_its_time(world: SimulatedWorld) -> Iterator[str]:
    """The longest `ttlHours` of a story is over by now."""
    for record in world.records.pools():
        if record.expires_at:
            yield f"pool {record.pool_id} was to go at {record.expires_at}"


def _leftovers(row: Json) -> list[str]:
    return list((row.get("Outcome") or {}).get("leftovers") or [])


# -- 3 --------------------------------------------------------------------------------------------


def a_build_publishes_one_version(world: SimulatedWorld) -> Iterator[str]:
    """And a version has one build, whether or not the answers arrived."""
    puts = [w for w in world.writes if w.method == "PUT" and _VERSION.match(w.path)]
    for build, of_build in _grouped(puts, lambda put: put.build).items():
        paths = sorted({put.path for put in of_build})
        if build is None or len(paths) > 1:
            yield f"build {build} published {paths}"
    for path, of_version in _grouped(puts, lambda put: put.path).items():
        builds = {put.build for put in of_version}
        if len(builds) > 1:
            yield f"version {path} was written by {builds}"


def no_version_is_unsealed(world: SimulatedWorld) -> Iterator[str]:
    """A machine that was not sealed carries its builder's keys and logs into every node."""
    for version in world.azure.store.of_type("Microsoft.Compute/galleries/images/versions"):
        if not version.state["contents"].get("sealed"):
            yield f"version {version.id} was published unsealed"


def _grouped(writes: list[Write], key: Callable[[Write], Any]) -> dict[Any, list[Write]]:
    found: dict[Any, list[Write]] = collections.defaultdict(list)
    for write in writes:
        found[key(write)].append(write)
    return found


# -- 4 --------------------------------------------------------------------------------------------


def a_pool_request_makes_one_pool(world: SimulatedWorld) -> Iterator[str]:
    puts = (w for w in world.writes if w.method == "PUT" and not w.is_change)  # a change of size
    made = collections.Counter((w.build, w.path) for w in puts if _POOL.match(w.path))
    gone = collections.Counter(w.path for w in world.writes if w.method == "DELETE")
    by_others = sum(a.body.get("what") == "remove pool" for a in world.story.arrivals)
    for (build, path), times in made.items():
        if build is None or times > 1 + gone[path] + by_others:
            yield f"build {build} made {path} {times} times"


def a_ready_pool_has_its_nodes(world: SimulatedWorld) -> Iterator[str]:
    """Of every pool that was last shaped by a build that calls it ready."""
    for record in world.records.pools():
        if record.state != "ready" or world.story.changes_to(record.pool_id):
            continue
        pool = _azure_pool(world, record.batch_account, record.pool_id)
        if pool is None:
            continue  # told by the records' own check
        nodes = world.azure.store.children(pool.id, "simulator.batchNode")
        states = [node.document["state"] for node in nodes]
        asked = record.nodes + record.low_priority_nodes
        if "autoScale" in pool.properties["scaleSettings"]:
            asked = len(states)
        if states != ["idle"] * asked:
            yield f"pool {record.pool_id} is ready with {asked} nodes; they are {states}"
        if asked and _asks_for_verification(world, record) and not record.verified:
            yield f"pool {record.pool_id} is ready and not verified"


def no_remedy_is_given_twice(world: SimulatedWorld) -> Iterator[str]:
    """A bad node is rebooted once and reimaged once, whatever crashes in between; once more only by
    a build that meets the nodes which an earlier one could not remove.
    """
    is_stuck = any(fault.get("method") == "PATCH" for fault in world.story.faults)
    builds = len(world.build_rows()) + world.resumed.total() if is_stuck else 1
    given = collections.Counter(
        w.path for w in world.writes if w.path.endswith(("/reboot", "/reimage"))
    )
    yield from (
        f"{path} was asked for {times} times" for path, times in given.items() if times > builds
    )


def nobody_pays_for_dead_nodes(world: SimulatedWorld) -> Iterator[str]:
    """What its build could not remove from a pool that failed, the sweep has removed."""
    for node in world.azure.store.of_type("simulator.batchNode"):
        state, pool = node.document["state"], node.id.split("/")[-3]
        if state in {"unusable", "starttaskfailed"} and not world.story.changes_to(pool):
            yield f"node {node.name} of pool {pool} is {state} and paid for"
    for record in world.records.pools():
        if record.nodes_left:
            yield f"pool {record.pool_id} was left to the sweep for ever"
        if record.state == "failed" and not world.story.changes_to(record.pool_id):
            yield from _nodes_of_a_failed_pool(world, record)


def _nodes_of_a_failed_pool(world: SimulatedWorld, record: Any) -> Iterator[str]:
    """Those that are there, leaving or to come; of a pool that no other build has shaped since."""
    pool = _azure_pool(world, record.batch_account, record.pool_id)
    if pool is None or _shaped_by(pool) != record.build_id:
        return
    scale = pool.properties["scaleSettings"]
    nodes = world.azure.store.children(pool.id, "simulator.batchNode")
    wanted = [n for k, n in (scale.get("fixedScale") or {}).items() if k.endswith("Nodes")]
    if len(nodes) > (kept := kept_nodes(pool)) or "autoScale" in scale or sum(wanted) > kept:
        yield f"failed pool {record.pool_id} has {len(nodes)} nodes and wants {scale}"


def _asks_for_verification(world: SimulatedWorld, record: Any) -> bool:
    row = world.records.build(record.build_id) or {}
    pools = (row.get("Request") or {}).get("pools") or []
    return any(p.get("verify") and p.get("id") == record.pool_id for p in pools)


def _azure_pool(world: SimulatedWorld, account: str, pool: str) -> Any:
    group = f"/subscriptions/{world.azure.subscription}/resourceGroups/images"
    path = f"{group}/providers/Microsoft.Batch/batchAccounts/{account}/pools/{pool}"
    return world.azure.store.find(path)


# -- 6 --------------------------------------------------------------------------------------------


def what_is_foreign_stays_as_it_was(world: SimulatedWorld) -> Iterator[str]:
    after = foreign.state_of(world.azure, world.foreign)
    for each, before in world.foreign_before.items():
        if after[each] != before:
            yield f"{each} was {before[:200]} and is {after[each][:200]}"


# -- 7 --------------------------------------------------------------------------------------------


def records_agree_with_azure(world: SimulatedWorld) -> Iterator[str]:
    yield from _images_agree(world)
    yield from _pools_agree(world)
    for row in world.build_rows():
        if row["State"] != "succeeded":
            continue
        for step in world.records.steps(row.key):
            if step["State"] != "succeeded" and not _may_have_failed(world, row.key, step):
                yield f"step {step.key} of succeeded build {row.key} is {step['State']}"


def _may_have_failed(world: SimulatedWorld, build: str, step: Any) -> bool:
    """Others own what is left: the sweep, or the try that resumed the build."""
    name = step.key.rpartition("|")[2]
    is_over = step["State"] == "failed" and build in world.resumed
    return name.startswith(("remove_", "sweep_")) or (is_over and name == "empty_pool")


def _images_agree(world: SimulatedWorld) -> Iterator[str]:
    recorded = {image.image_id.lower(): image for image in world.records.images()}
    there = {}
    for version in world.azure.store.of_type("Microsoft.Compute/galleries/images/versions"):
        if version.id not in world.foreign:
            there[version.id.lower()] = version
    for image in recorded.keys() - there.keys():
        yield f"image {image} is recorded and does not exist"
    for image, version in there.items():
        if version.properties["provisioningState"] != "Succeeded":
            continue
        if image not in recorded:
            yield f"image {image} exists and is not recorded"
        elif recorded[image].build_id != version.tags.get(names.TAG_BUILD):
            yield f"image {image} is another build's"


def _pools_agree(world: SimulatedWorld) -> Iterator[str]:
    recorded = {(p.batch_account.lower(), p.pool_id.lower()): p for p in world.records.pools()}
    there = {}
    for pool in world.azure.store.of_type("Microsoft.Batch/batchAccounts/pools"):
        account = pool.id.split("/")[-3].lower()
        there[account, pool.name.lower()] = pool
    for key, record in recorded.items():
        if record.state == "ready" and key not in there and not world.has_lost_pools:
            yield f"pool {key} is recorded as ready and does not exist"
    for key, pool in there.items():
        record = recorded.get(key)
        if record is None and pool.id not in world.foreign:
            yield f"pool {key} exists and is not recorded"
        if record and record.state == "ready" and record.build_id != _shaped_by(pool):
            yield f"pool {key} is recorded for {record.build_id}, shaped by {_shaped_by(pool)}"


def _shaped_by(pool: Any) -> str | None:
    found = pool.properties.get("metadata") or []
    return next((m["value"] for m in found if m["name"] == names.TAG_BUILD), None)


def records_promise_nothing_that_is_gone(world: SimulatedWorld) -> Iterator[str]:
    """What was kept has been swept: nobody can resume from it, and no build lists it."""
    there = {r["id"].lower() for r in world.resources()}
    for row in world.build_rows():
        outcome = row.get("Outcome") or {}
        if outcome.get("resumable") and not outcome.get("image"):
            yield f"build {row.key} says that it can be resumed"
        for left in _leftovers(row):
            if left.lower() not in there:
                yield f"build {row.key} lists {left}, which is gone"


AT_REST: dict[str, Check] = {
    "0 prompt": promptness.no_step_waits_in_vain,
    "1 hiccup": hiccups_fail_nothing,
    "1 orchestration": no_orchestration_dies,
    "1 rivals": an_image_has_one_build_at_a_time,
    "2 leftover": no_builder_outlives_its_build,
    "2 job": no_verification_job_stays,
}
AT_THE_END: dict[str, Check] = {
    "1 outcome": every_request_ends_with_an_outcome,
    "1 orchestration at the end": no_orchestration_dies,
    "2 swept": the_sweep_leaves_nothing,
    "2 expired": no_pool_outlives_its_time,
    "3 one version": a_build_publishes_one_version,
    "3 sealed": no_version_is_unsealed,
    "4 one pool": a_pool_request_makes_one_pool,
    "4 ready pool": a_ready_pool_has_its_nodes,
    "4 remedy": no_remedy_is_given_twice,
    "4 dead nodes": nobody_pays_for_dead_nodes,
    "6 foreign": what_is_foreign_stays_as_it_was,
    "7 records": records_agree_with_azure,
    "7 promises": records_promise_nothing_that_is_gone,
}
