"""What happens in one simulated run, all of it drawn from one seed.

A story says who asks for what and when, what goes wrong on Azure and in the app's storage, and when
the app's process dies. Running it is `running.run`; the story itself does nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.simulation import faults, foreign
from tests.world import a_pool, an_image

Json = dict[str, Any]
ACCOUNT = "mybatch12345"
_LATEST_SECONDS = 2400  # of an arrival: while the first build is still at work, or just after
_PRELOADED = "docker.io/library/busybox:1.36"


class Climate(StrEnum):
    """What can go wrong. It decides what may be expected of the builds."""

    CALM = "calm"  # nothing
    CRASHES = "crashes"  # the process dies
    TRANSIENT = "transient"  # Azure has hiccups, and the process dies: everything must succeed
    STORAGE = "storage"  # the app's tables have hiccups: everything must succeed
    HARD = "hard"  # Azure refuses, machines break: everything must end properly


class Act(StrEnum):
    """What somebody does."""

    BUILD = "build"
    MESSAGE = "message"
    RESIZE = "resize"
    DELETE = "delete"
    CANCEL = "cancel"
    RESUME = "resume"
    REBUILD = "rebuild"  # the weekly timer
    MEDDLE = "meddle"  # somebody with rights of their own changes what is ours


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """One thing that somebody does, perhaps several times."""

    at: float  # seconds after the beginning
    act: Act
    body: Json
    again: tuple[float, ...] = ()
    """Seconds after which the same arrives again: a queue's duplicates, a client that lost the
    answer."""
    dies_after: int | None = None
    """The process dies at the first try, after so many writes to the tables."""
    tries_again: bool = True
    """Whether who asked tries again after that; a queue always does."""

    @property
    def pool(self) -> str:
        """The pool that is changed, of a resize or deletion."""
        return str(self.body["pool"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """Everything that a run depends on."""

    seed: int
    climate: Climate
    arrivals: tuple[Arrival, ...]
    faults: tuple[Json, ...] = ()
    crash_chance: float = 0.0  # at every moment around an effect or an episode
    crashes_max: int = 0
    storage_chance: float = 0.0  # of an error at every request to the tables
    storage_errors_max: int = 0
    sweeps: int = 0
    """How often the sweep runs, every half hour from the beginning."""

    @property
    def is_steady(self) -> bool:
        """Whether nobody meets anybody else: then the outcome does not depend on times."""
        if any(a.act not in {Act.BUILD, Act.MESSAGE} for a in self.arrivals):
            return False
        claims = [claim for a in self.arrivals for claim in _claims(a)]
        return len(claims) == len(set(claims))

    def changes_to(self, pool: str) -> bool:
        """Whether somebody resizes or deletes this pool."""
        changes = {Act.RESIZE, Act.DELETE}
        return any(a.act in changes and a.pool == pool for a in self.arrivals)


def _claims(arrival: Arrival) -> list[str]:
    """What no other request may touch: its id, the image it makes or takes, the pools it makes."""
    body = arrival.body
    own = [f"request {body['requestId']}"] if "requestId" in body else []
    pools = body.get("pools") or ([body["pool"]] if "pool" in body else [])
    image = body["image"]
    taken = [] if image.get("gallery") == foreign.GALLERY else [f"image {image['name']}"]
    return [*own, *taken, *(f"pool {p['id']}" for p in pools)]


def draw(seed: int) -> Story:
    """The story of a seed."""
    dice = random.Random(f"story {seed}")
    climate = dice.choices(list(Climate), weights=[1, 3, 4, 2, 5])[0]
    arrivals = _arrivals(dice, climate)
    crashes = climate in {Climate.CRASHES, Climate.TRANSIENT} or dice.random() < 0.3
    if climate is Climate.CALM:
        crashes = False
    return Story(
        seed=seed,
        climate=climate,
        arrivals=tuple(arrivals),
        faults=faults.draw(dice, climate.value),
        crash_chance=dice.choice([0.005, 0.02, 0.1]) if crashes else 0.0,
        crashes_max=dice.randint(1, 12) if crashes else 0,
        storage_chance=0.02 if climate is Climate.STORAGE else 0.0,
        storage_errors_max=dice.randint(1, 6) if climate is Climate.STORAGE else 0,
        sweeps=dice.choice([0, 2, 10]),
    )


# -- who asks for what ----------------------------------------------------------------------------


def _arrivals(dice: random.Random, climate: Climate) -> list[Arrival]:
    """A few requests, and often somebody who comes in between."""
    first = [_request(dice, number) for number in range(dice.choice([1, 1, 2, 2, 3]))]
    later = [_interruption(dice, first) for _ in range(dice.choice([0, 0, 1, 1, 2]))]
    resumed = [_resume(dice, each) for each in first if dice.random() < 0.5]
    if climate is Climate.HARD and dice.random() < 0.25:
        later.append(_meddling(dice))
    return sorted([*first, *later, *resumed], key=lambda arrival: arrival.at)


def _request(dice: random.Random, number: int) -> Arrival:
    kinds: list[Callable[[random.Random, str], Arrival]] = [
        _image_only,
        _full,
        _batch_only,
        _message,
    ]
    kind = dice.choices(kinds, weights=[3, 3, 3, 2])[0]
    return kind(dice, f"request-{number}")


def _image_only(dice: random.Random, request: str) -> Arrival:
    body = {"mode": "image-only", "requestId": request, "image": _image(dice)}
    return _build(dice, body)


def _full(dice: random.Random, request: str) -> Arrival:
    pools = [_pool(dice, name) for name in dice.sample(["dev", "test", "prod"], _few(dice))]
    image = _image(dice)
    body = {"mode": "full", "requestId": request, "image": image, "pools": pools}
    return _build(dice, {**body, "batchAccount": _account(dice)})


def _batch_only(dice: random.Random, request: str) -> Arrival:
    pools = [_pool(dice, name) for name in dice.sample(["dev", "test", "prod"], _few(dice))]
    body = {"mode": "batch-only", "requestId": request, "image": _existing(dice), "pools": pools}
    return _build(dice, {**body, "batchAccount": _account(dice)})


def _build(dice: random.Random, body: Json) -> Arrival:
    return Arrival(
        at=dice.uniform(0, 300),
        act=Act.BUILD,
        body=body,
        again=_again(dice, chance=0.3),
        dies_after=_dies_after(dice),
        tries_again=dice.random() < 0.5,
    )


def _message(dice: random.Random, request: str) -> Arrival:
    """A queue delivers at least once, and again what was not acknowledged."""
    body: Json = {"batchAccount": _account(dice), "image": _existing(dice)}
    body["pool"] = _pool(dice, dice.choice(["dev", "test", "theirs"]))
    if dice.random() < 0.7:
        body["requestId"] = request
    return Arrival(
        at=dice.uniform(0, 600),
        act=Act.MESSAGE,
        body=body,
        again=_again(dice, chance=0.6),
        dies_after=_dies_after(dice),
    )


def _interruption(dice: random.Random, first: list[Arrival]) -> Arrival:
    at = dice.uniform(60, _LATEST_SECONDS)
    kinds = ["rival", "resize", "delete", "cancel", "reuse", "rebuild"]
    match dice.choices(kinds, weights=[4, 4, 4, 4, 4, 1])[0]:
        case "rival":
            return _image_only(dice, "rival")
        case "resize":
            body = {"pool": dice.choice(["dev", "test"]), "nodes": dice.choice([0, 1, 3])}
            return Arrival(at=at, act=Act.RESIZE, body=body, dies_after=_dies_after(dice))
        case "delete":
            body = {"pool": dice.choice(["dev", "test"])}
            return Arrival(at=at, act=Act.DELETE, body=body, dies_after=_dies_after(dice))
        case "rebuild":
            return Arrival(at=at, act=Act.REBUILD, body={}, again=_again(dice, chance=0.5))
        case "cancel":
            request = dice.choice(first).body.get("requestId", "none")
            return Arrival(at=at, act=Act.CANCEL, body={"requestId": request})
        case _:
            body = {
                "mode": "image-only",
                "requestId": "request-0",
                "image": an_image(name="reused"),
            }
            return Arrival(at=at, act=Act.BUILD, body=body)


def _resume(dice: random.Random, of: Arrival) -> Arrival:
    """Somebody lets a failed build go on, up to when what it needs expires, or too late."""
    return Arrival(
        at=dice.uniform(2400, 30000),
        act=Act.RESUME,
        body={"requestId": of.body.get("requestId", "none")},
        again=_again(dice, chance=0.2),
        dies_after=_dies_after(dice, chance=0.4),
        tries_again=dice.random() < 0.5,
    )


def _meddling(dice: random.Random) -> Arrival:
    """Other people have rights in the same resource group."""
    what = dice.choice(["remove machine", "remove pool", "remove network", "publish"])
    return Arrival(at=dice.uniform(120, 1800), act=Act.MEDDLE, body={"what": what})


def _image(dice: random.Random) -> Json:
    image = an_image(name=dice.choice(["first", "first", "second"]))
    image["outbound"] = dice.choice(["nat", "nat", "defaultAccess", "defaultAccess", "theirs"])
    if image["outbound"] == "theirs":
        image["outbound"] = {"subnetId": foreign.SUBNET_ID}
    options: list[tuple[float, Json]] = [
        (0.25, {"gpu": True}),
        (0.3, {"containerImages": [_PRELOADED]}),
        (0.15, {"managedImage": True}),
        (0.1, {"keepVm": True}),
        (0.1, {"version": "1.0.0"}),
        (0.1, {"zones": ["1", "2"]}),
        (0.1, {"securityType": "TrustedLaunch"}),
        (0.1, {"registry": _REGISTRY}),
        (0.15, {"steps": dice.choice(_OWN_STEPS)}),
    ]
    for chance, option in options:
        if dice.random() < chance:
            image |= option
    if dice.random() < 0.3 and not image.get("gpu"):
        image["builderVmSizes"] = ["Standard_D2s_v5", "Standard_D4s_v5"]
    return image


def _own_step(name: str, **changes: Any) -> Json:
    return {"name": name, "inline": "#!/bin/bash\necho done\n", **changes}


_OWN_STEPS: list[list[Json]] = [
    [_own_step("tools")],
    [_own_step("early", when="before-docker"), _own_step("late", when="after-restart")],
    [_own_step("kernel", when="before-docker", restart=True), _own_step("last", restart=True)],
]
_AUTOSCALE = {
    "autoscaleFormula": "$TargetDedicatedNodes=1;",
    "nodes": None,
    "lowPriorityNodes": None,
}
_REGISTRY = {
    "name": "imagesregistry1",
    "build": {"source": "https://example.org/app.git#main", "image": "app:v1.0"},
}


def _existing(dice: random.Random) -> Json:
    """Mostly an image that somebody else made, which is always there."""
    if dice.random() < 0.8:
        return an_image(gallery=foreign.GALLERY, name=foreign.IMAGE)
    return an_image(name="first")


def _pool(dice: random.Random, name: str) -> Json:
    pool = a_pool(name, nodes=dice.choice([0, 1, 1, 2, 2]))
    options: list[tuple[float, Json]] = [
        (0.4, {"verify": True}),
        (0.3, {"ifExists": dice.choice(["fail", "update", "replace"])}),
        (0.2, {"vmSizes": ["Standard_D2s_v5", "Standard_D4s_v5"], "vmSize": None}),
        (0.1, {"lowPriorityNodes": 1}),
        (0.1, _AUTOSCALE),
        (0.1, {"startTask": {"commandLine": "/bin/true"}}),
        (0.15, {"ttlHours": dice.choice([0.25, 1, 4, 20])}),
    ]
    for chance, option in options:
        if dice.random() < chance:
            pool |= option
    return {key: value for key, value in pool.items() if value is not None}


def _account(dice: random.Random) -> Json:
    name = dice.choice([ACCOUNT, ACCOUNT, foreign.ACCOUNT])
    return {"name": name, "resourceGroup": "images"}


def _few(dice: random.Random) -> int:
    return dice.choices([1, 2, 3], weights=[6, 3, 1])[0]


def _again(dice: random.Random, *, chance: float) -> tuple[float, ...]:
    if dice.random() > chance:
        return ()
    return tuple(sorted(dice.uniform(0, 1200) for _ in range(dice.randint(1, 2))))


def _dies_after(dice: random.Random, chance: float = 0.15) -> int | None:
    return dice.randint(0, 3) if dice.random() < chance else None
