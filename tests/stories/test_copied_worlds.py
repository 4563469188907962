"""A build that many stories begin with runs once; each gets a world of its own from its end."""

from __future__ import annotations

from tests.world import a_pool, image_only, pools_only, world_after


def test_what_happens_in_one_world_is_not_seen_in_another() -> None:
    """Neither on Azure nor in the app's records."""
    first, second = world_after(image_only("image")), world_after(image_only("image"))
    before = second.ledger(), second.resources(), second.build_rows()

    first.build(pools_only("r1", a_pool("dev")))

    assert len(first.build_rows()) == 2
    assert (second.ledger(), second.resources(), second.build_rows()) == before


def test_both_go_on_in_the_same_way() -> None:
    """From the same state: the same requests at the same times."""
    worlds = [world_after(image_only("image")) for _ in range(2)]
    worlds.append(worlds[0].copy())

    builds = [each.build(pools_only("r1", a_pool("dev"))) for each in worlds]

    assert builds[0]["state"] == "succeeded"
    assert builds[0] == builds[1] == builds[2]
    answered = [[{**r, "seconds": 0} for r in each.ledger()] for each in worlds]
    assert answered[0] == answered[1] == answered[2]
