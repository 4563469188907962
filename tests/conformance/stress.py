"""What the app must survive: kills, other versions, many builds at once. It needs its processes."""

from __future__ import annotations

import random
import time

from tests.conformance.genuine import Genuine
from tests.conformance.scenarios import (
    _IMAGE,
    a_pool,
    cpu_image,
    nothing_is_left,
    pools_only,
    succeeded,
)

_KILLS = 6


def kills(genuine: Genuine) -> None:
    """Either process is killed at random moments: the builds end as if nothing had happened."""
    app, dice = genuine.app, random.Random(7)
    cpu_image(app)
    builds = [app.start({"mode": "image-only", "image": {**_IMAGE, "name": "killed"}})]
    builds += [app.start(pools_only(a_pool(f"killed{n}", verify=True))) for n in range(3)]
    for _ in range(_KILLS):
        time.sleep(dice.uniform(2, 6))
        genuine.kill(dice.choice(["app", "extension"]))
    for build in builds:
        succeeded(app, build)
        assert nothing_is_left(app, build)


def versions(genuine: Genuine) -> None:
    """A build goes on under a newer `defaultVersion`, waits under an older one, and then ends."""
    app = genuine.app
    build = app.start({"mode": "image-only", "image": {**_IMAGE, "name": "versions"}})
    app.until(lambda: app.show(build), lambda shown: len(shown["steps"]) > 2)
    genuine.set_version("2")
    app.until(lambda: app.show(build), lambda shown: len(shown["steps"]) > 6)
    genuine.set_version("0")
    time.sleep(2)
    before = app.show(build)
    time.sleep(10)
    assert app.show(build) == before, "an older app leaves a newer build alone"
    genuine.set_version("1")
    succeeded(app, build)


def fifty_builds(genuine: Genuine) -> None:
    """Fifty requests at once become fifty pools."""
    app = genuine.app
    cpu_image(app)
    builds = [app.start(pools_only(a_pool(f"fifty{n}"))) for n in range(50)]
    for build in builds:
        succeeded(app, build)


ALL = [kills, versions, fifty_builds]
