"""What the app must survive: kills, and other versions. It needs its processes."""

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
# For so long, what a stopped process had taken is hidden from the next one: the visibility timeouts
# of host.json, which the extension does not accept below a minute.
_HIDDEN_SECONDS = 60


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
        genuine.kill(*dice.choice([["extension"], ["extension", "app"], ["extension", "app"]]))
    for build in builds:
        succeeded(app, build)
        assert nothing_is_left(app, build)


def versions(genuine: Genuine) -> None:
    """A build waits under an older `defaultVersion`, and goes on under a newer one to its end."""
    app = genuine.app
    build = app.start({"mode": "image-only", "image": {**_IMAGE, "name": "versions"}})
    app.until(lambda: app.show(build), lambda shown: len(shown["steps"]) > 2)
    genuine.set_version("0")
    time.sleep(_HIDDEN_SECONDS + 5)  # an hour of Azure's, in which a build that runs would end
    waiting = app.show(build)
    begun = {step["name"] for step in waiting["steps"]}
    assert (waiting["state"], "install" in begun) == ("running", False), waiting
    genuine.set_version("2")
    succeeded(app, build)


ALL = [kills, versions]
