"""What is done to instances from outside: purged, restarted, rewound, held by their version."""

import pytest
from host_orchestrations import an_engine

from local.functions_host import versions
from local.functions_host.store import Status


def test_a_purged_instance_is_gone():
    """With its history; and its id is free again."""
    world = an_engine()
    world.start("fan_out", 2, "old")
    world.run_until_complete("old")

    assert world.purge("old")
    assert world.status("old") is None
    assert world.history("old") == []
    assert not world.purge("old")


def test_a_restart_runs_the_same_again():
    """With the same input, under a new id or the old one."""
    world = an_engine()
    world.start("fan_out", 3, "first")
    world.run_until_complete("first")

    second = world.restart("first")
    assert second != "first"
    assert world.run_until_complete(second).output == 5
    assert world.restart("first", with_new_id=False) == "first"
    assert world.run_until_complete("first").output == 5
    with pytest.raises(KeyError):
        world.restart("nobody")


def test_a_rewound_instance_goes_on_where_it_failed():
    """The failed step runs again; those that succeeded do not."""
    ran = []
    broken = [True]

    def flaky(number):
        ran.append(number)
        if number == 2 and broken:
            raise ValueError("not today")
        return number

    world = an_engine(activities={"square": flaky})
    world.start("in_turn", 4, "bumpy")
    assert world.run_until_complete("bumpy").runtime_status is Status.FAILED

    broken.clear()
    assert world.rewind("bumpy")
    status = world.run_until_complete("bumpy")

    assert status.output == 0 + 1 + 2 + 3
    assert ran == [0, 1, 2, 2, 3]
    assert not world.rewind("bumpy")


def test_a_rewind_reaches_the_failed_child():
    """The parent's failure is the child's; so the child goes on first."""
    broken = [True]

    def flaky(number):
        if number == 1 and broken:
            raise ValueError("not today")
        return number

    world = an_engine(activities={"square": flaky})
    world.start("parent", [3], "family")
    assert world.run_until_complete("family").runtime_status is Status.FAILED

    broken.clear()
    world.rewind("family")

    assert world.run_until_complete("family").output == [3]


def test_new_instances_get_the_default_version():
    """`defaultVersion` of host.json; an explicit one wins."""
    world = an_engine(policy=versions.Policy(default="1.9"))
    world.start("versioned", None, "new")
    world.start("versioned", None, "old", version="1.0")

    assert world.run_until_complete("new").output == "1.9"
    assert world.run_until_complete("old").output == "1.0"


def test_instances_of_a_newer_version_wait_for_newer_code():
    """The extension's default: current or older; the others are left as they are."""
    world = an_engine(policy=versions.Policy(default="1.9"))
    world.start("versioned", None, "newer", version="1.10")

    world.run_until_idle()

    assert world.status("newer").runtime_status is Status.PENDING


def test_or_fail_where_that_is_asked_for():
    """`versionFailureStrategy: Fail`."""
    policy = versions.Policy(default="2.0", match=versions.Match.STRICT, on_mismatch="Fail")
    world = an_engine(policy=policy)
    world.start("versioned", None, "older", version="1.0")

    status = world.run_until_complete("older")

    assert status.runtime_status is Status.FAILED
    assert "version '1.0'" in status.output
