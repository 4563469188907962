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

_KILLS = 4


def kills(genuine: Genuine) -> None:
    """The extension is killed at random moments, mostly with the app: the builds end as if nothing
    had happened. The app alone is not killed: the Functions host would start its worker again and
    repeat the call, which this host reports as a failure.
    """
    app, dice = genuine.app, random.Random(7)
    cpu_image(app)
    builds = [app.start({"mode": "image-only", "image": {**_IMAGE, "name": "killed"}})]
    builds += [app.start(pools_only(a_pool(f"killed{n}", verify=True))) for n in range(3)]
    for _ in range(_KILLS):
        time.sleep(dice.uniform(3, 8))
        for which in dice.choice([("extension",), ("extension", "app"), ("extension", "app")]):
            genuine.kill(which)
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
