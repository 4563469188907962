"""The proof of a pool: five checks and the owner's, each with its verdict, time and evidence."""

from __future__ import annotations

import pytest

from shared.base.wire import replace
from tests.world import World, a_pool, a_request, an_image, image_only, pools_only, world_after

GPU_SIZE = "Standard_NC4as_T4_v3"
BUSYBOX = "docker.io/library/busybox:1.36"
FIVE = ["system", "docker", "gpu", "images", "container"]


def a_gpu_request(*pools: dict, **image: object) -> dict:
    """A whole build of a GPU image with a preloaded container image."""
    made = an_image(gpu=True, containerImages=[BUSYBOX], **image)
    return a_request(image=made, pools=list(pools))


def proofs_of(world: World, pool: str) -> dict:
    return {proof["check"]: proof for proof in world.pool("mybatch12345", pool)["proofs"]}


def test_dcgm_examines_the_gpus_of_a_pool_that_asks(world: World) -> None:
    """On each node, before it takes tasks; a pool that does not ask is not held up."""
    asks = a_pool("dev", vmSize=GPU_SIZE, nodes=2, dcgm=True)
    plain = a_pool("plain", vmSize=GPU_SIZE, verify=True)

    build = world.build(a_gpu_request(asks, plain, dcgm=True))

    assert build["state"] == "succeeded", build["error"]
    assert list(proofs_of(world, "dev")) == [*FIVE, "dcgm"]
    assert proofs_of(world, "dev")["dcgm"]["nodes"] == 2
    assert list(proofs_of(world, "plain")) == FIVE
    assert world.pool("mybatch12345", "dev")["verified"] is True
    image = build["image"]
    assert image["dcgmVersion"]


def test_an_image_without_dcgm_examines_no_gpus() -> None:
    """A pool that asks for it is blocked, also where its image is there already."""
    world = world_after(image_only(gpu=True))
    pool = a_pool("dev", vmSize=GPU_SIZE, dcgm=True)
    build = world.build(pools_only("checked", pool, gpu=True))
    assert (build["error"]["code"], "DCGM" in build["error"]["message"]) == ("Blocked", True)


def test_the_failed_test_of_dcgm_is_named(world: World) -> None:
    """In the pool's error and in its record."""
    world.change_facts({"failingGpuTest": "memory"})
    pool = a_pool("dev", vmSize=GPU_SIZE, dcgm=True)

    build = world.build(a_gpu_request(pool, dcgm=True))

    record = world.pool("mybatch12345", "dev")
    assert build["state"] == "failed"
    assert record["state"] == "failed"
    assert "memory on GPU 0" in str(record["error"])
    proof = proofs_of(world, "dev")["dcgm"]
    assert (proof["code"], proof["evidence"]["failedTest"]) == ("DCGM_FAILED", "memory")


@pytest.mark.parametrize(
    ("image", "size", "why"),
    [
        ({"gpu": True}, GPU_SIZE, "it needs image.dcgm"),
        ({"gpu": True, "dcgm": True}, "Standard_D2s_v5", "has no GPU"),
    ],
)
def test_a_diagnosis_that_cannot_be_made_is_a_blocker(
    world: World, image: dict, size: str, why: str
) -> None:
    """The nodes would fail after the image is paid for."""
    build = world.build(
        a_request(image=an_image(**image), pools=[a_pool("dev", vmSize=size, dcgm=True)])
    )

    assert build["state"] == "failed"
    assert why in str(build["error"])
    assert "pools[0].dcgm" in str(build["error"])


def test_an_image_without_dcgm_gives_no_diagnosis(world: World) -> None:
    """Its record says so."""
    world.build(image_only(gpu=True))

    build = world.build(pools_only("r2", a_pool("dev", vmSize=GPU_SIZE, dcgm=True)))

    assert "it needs image.dcgm" in str(build["error"])


def own_check(code: int) -> dict:
    return {"image": BUSYBOX, "command": "/bin/sh -c 'exit 3'", "exitCode": code}


def test_every_check_tells_its_verdict_its_time_and_what_it_saw(world: World) -> None:
    """In the build's document and in the pool's own metadata alike."""
    pool = a_pool("dev", vmSize=GPU_SIZE, nodes=2, verify=True, checks=[own_check(3)])

    build = world.build(a_gpu_request(pool))

    record = world.pool("mybatch12345", "dev")
    proofs = {proof["check"]: proof for proof in record["proofs"]}
    assert build["state"] == "succeeded", build["error"]
    assert build["pools"][0]["proofs"] == record["proofs"]
    assert record["verified"] is True
    assert list(proofs) == [*FIVE, "check-1"]
    assert {proof["verdict"] for proof in proofs.values()} == {"pass"}
    assert all(proof["at"] > "2026-01-01" and proof["seconds"] >= 0 for proof in proofs.values())
    assert [proofs[name]["nodes"] for name in FIVE] == [2, 2, 2, 2, 2]
    assert proofs["gpu"]["evidence"]["count"] == 1
    assert proofs["container"]["evidence"] | {
        "image": BUSYBOX, "preloaded": True, "pulled": False, "gpu": True, "exitCode": 0,
    } == proofs["container"]["evidence"]  # fmt: skip
    assert proofs["check-1"]["evidence"]["expectedExitCode"] == 3


def test_a_node_with_another_image_than_the_record_is_a_warning() -> None:
    """The digests that the nodes report are compared with those of the VM image's record."""
    world = world_after(image_only(containerImages=[BUSYBOX]))
    (image,) = world.services.records.images()
    (preloaded,) = image.container_images
    moved = replace(preloaded, digest="sha256:" + "0" * 64)
    world.services.records.change_image(image, lambda old: replace(old, container_images=[moved]))

    build = world.build(pools_only("checked", a_pool("dev", verify=True)))

    proofs = {proof["check"]: proof for proof in build["pools"][0]["proofs"]}
    assert build["state"] == "succeeded", build["error"]
    assert (proofs["images"]["verdict"], proofs["images"]["code"]) == ("warn", "IMAGE_DIGEST")


def test_a_check_of_the_owners_that_fails_is_told_with_its_evidence(world: World) -> None:
    """The record of a pool that was not verified says what was found, too."""
    pool = a_pool("dev", vmSize=GPU_SIZE, verify=True, checks=[own_check(0)])

    build = world.build(a_gpu_request(pool))

    record = world.pool("mybatch12345", "dev")
    verdicts = {proof["check"]: proof["verdict"] for proof in record["proofs"]}
    assert build["pools"][0]["error"]["code"] == "VerificationFailed"
    assert (record["state"], record["verified"]) == ("failed", False)
    assert verdicts == {**dict.fromkeys(FIVE, "pass"), "check-1": "fail"}
    failed = record["proofs"][-1]
    assert failed["evidence"]["exitCode"] == 3
    assert failed["evidence"]["command"] == own_check(0)["command"]


@pytest.mark.parametrize(("verify", "left"), [(True, None), (False, ["gpu"])])
def test_the_pool_proves_what_the_builder_could_not(
    world: World, verify: bool, left: list[str] | None
) -> None:
    """The image stays unproved; this pool is, if it was verified."""
    pool = a_pool("dev", vmSize=GPU_SIZE, verify=verify)

    build = world.build(a_gpu_request(pool, builderVmSize="Standard_D4s_v5"))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["pending"] == ["gpu"]
    assert build["pools"][0]["pending"] == (left or [])


def test_a_pool_without_a_gpu_proves_no_gpu(world: World) -> None:
    """Its nodes work; whether the image drives a GPU is as open as before."""
    pool = a_pool("cpu", verify=True)

    build = world.build(a_gpu_request(pool, builderVmSize="Standard_D4s_v5"))

    made = build["pools"][0]
    assert (made["verified"], made["pending"]) == (True, ["gpu"])
    assert {p["check"]: p["verdict"] for p in made["proofs"]}["gpu"] == "skip"


def test_nodes_that_never_become_ready_leave_their_verdicts(world: World) -> None:
    """Their start task refuses the work: the verdict names the check that did, like any other."""
    pools = [a_pool("good", vmSize=GPU_SIZE), a_pool("bad", vmSize="Standard_NC4ads_X900_v9")]

    build = world.build(a_gpu_request(*pools))

    bad = world.pool("mybatch12345", "bad")
    verdicts = {proof["check"]: (proof["verdict"], proof.get("code")) for proof in bad["proofs"]}
    assert [p["state"] for p in build["pools"]] == ["ready", "failed"]
    assert bad["error"]["code"] == "NodesUnusable"
    assert verdicts["gpu"] == ("fail", "GPU_UNSUPPORTED")
    assert verdicts["docker"] == ("pass", None)
    assert bad["verified"] is False


def test_a_pool_that_is_deleted_while_it_is_proved_is_missed_soon(world: World) -> None:
    """Its tasks would wait for ever, and the step for an hour."""
    build = world.start(a_request(pools=[a_pool("dev", verify=True)]))
    while not [r for r in world.ledger() if "addtaskcollection" in r["url"]]:
        world.engine.advance(1)
    world.services.azure.batch.pool.begin_delete("images", "mybatch12345", "dev", polling=False)
    world.engine.run_until_complete(build)
    shown = world.show(build)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "PoolGone")
    [verify] = [s for s in shown["steps"] if s["name"] == "verify"]
    assert verify["seconds"] < 200


def test_every_node_of_a_large_pool_is_asked(world: World) -> None:
    """More than one call of an activity reads. The pools of a build share the room of its row."""
    world.change_facts({"batchQuota:standardDSv5Family": 240, "batchQuota:dedicatedCores": 240})
    pools = [a_pool(name, nodes=60, verify=True) for name in ("dev", "test")]
    build = world.build(a_request(pools=pools))
    assert build["state"] == "succeeded", build["error"]
    for pool in build["pools"]:
        [system] = [p for p in pool["proofs"] if p["check"] == "system"]
        assert (system["verdict"], system["nodes"]) == ("pass", 60)
        assert len(pool["checks"]) == 200
    assert len(world.pool("mybatch12345", "dev")["checks"]) > 200


def test_a_job_that_was_made_though_no_answer_came_is_gone_on_with(world: World) -> None:
    """It is not looked for first: its own request shows that it is there."""
    lost = {"effect": "drop", "when": "after", "method": "POST", "path": "/jobs$"}
    world.fault(lost)
    build = world.build(a_request(pools=[a_pool("dev", verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    asked = [r["status"] for r in world.ledger() if r["method"] == "POST" and "/jobs?" in r["url"]]
    assert asked[-1] == 409
    assert world.pool("mybatch12345", "dev")["verified"] is True


def test_an_account_that_takes_no_more_jobs_says_so(world: World) -> None:
    """A new account is asked as soon as it is there, before the image is built."""
    world.change_facts({"batchQuota:activeJobs": 0})

    build = world.build(a_request(pools=[a_pool("dev", verify=True)]))

    (found,) = build["error"]["details"]
    assert (found["field"], found["code"]) == ("pools[0].verify", "QuotaExceeded")
    assert world.resources("virtualMachines") == []


APP = "imagesregistry1.azurecr.io/app:v1"


def app_image(request_id: str, name: str) -> dict:
    """A request for an image that holds `app:v1`, built from the newest source."""
    made = {"source": "https://example.org/app.git#main", "image": "app:v1"}
    return image_only(request_id, name=name, registry={"name": "imagesregistry1", "build": made})


def test_a_tag_that_has_moved_since_the_image_was_built_is_a_warning(world: World) -> None:
    """Batch pulls the images that a pool names, so the nodes run another one than was preloaded."""
    assert world.build(app_image("first", "apps"))["state"] == "succeeded"
    good = world.build(pools_only("good", a_pool("good", verify=True), name="apps"))
    assert world.build(app_image("second", "others"))["state"] == "succeeded"
    moved = world.build(pools_only("moved", a_pool("moved", verify=True), name="apps"))

    assert good["state"] == moved["state"] == "succeeded", moved["error"]
    proofs = {
        pool: next(p for p in world.pool("mybatch12345", pool)["proofs"] if p["check"] == "images")
        for pool in ("good", "moved")
    }
    assert (proofs["good"]["verdict"], proofs["moved"]["verdict"]) == ("pass", "warn")
    assert proofs["moved"]["code"] == "IMAGE_DIGEST"
    assert APP in proofs["moved"]["message"]
    assert world.pool("mybatch12345", "moved")["verified"]
