"""What is remembered of bad nodes, and what follows from it."""

from __future__ import annotations

import pytest

from activities import node_care
from activities.node_care import Care


def node(name: str = "a", since: str = "2026-01-01T00:05:00Z", **more: object) -> dict:
    """A node whose start task failed."""
    told = {"id": name, "state": "starttaskfailed", "stateTransitionTime": since}
    return {**told, "startTaskInfo": {"exitCode": 30}, **more}


def at(minute: int) -> str:
    """A time of the orchestration."""
    return f"2026-01-01T00:{minute:02d}:00Z"


def test_the_same_fault_is_noted_once() -> None:
    """A look that is repeated after a crash learns nothing new."""
    once = Care().noted([node()], at(6))
    assert once.noted([node()], at(7)) == once


def test_remedies_come_in_turn_and_then_no_more() -> None:
    """Reboot, reimage, give up: each for a fault of its own."""
    care, remedies = Care(), []
    for minute in (5, 15, 25):
        bad = [node(since=at(minute))]
        care = care.noted(bad, at(minute + 1))
        if due := care.due(bad):
            remedies.append(due)
            care = care.asked(due[1], at(minute + 2))
        assert care.due(bad) is None
    assert remedies == [("reboot", ["a"]), ("reimage", ["a"])]
    assert care.given_up(bad) == bad
    cause = (
        "its start task exited with 30 (CHECK_FAILED: the finished system did not pass its checks)"
    )
    assert care.history("a") == f"{cause}; the same after the reboot and after the reimage"


def test_each_remedy_that_led_elsewhere_says_where_to() -> None:
    """A reboot that changed the fault is a hint."""
    other = {"startTaskInfo": {"exitCode": 137}}
    care = Care().noted([node()], at(6)).noted([node(since=at(8), **other)], at(9))
    assert care.history("a").endswith("; after the reboot: its start task exited with 137")


def test_a_node_that_does_not_answer_to_its_remedy_gets_the_next() -> None:
    """Batch accepts a reboot of an unusable node and may never carry it out."""
    bad = [node()]
    care = Care().noted(bad, at(6)).asked(["a"], at(7))
    assert care.noted(bad, at(20)) == care
    later = care.noted(bad, at(23))
    assert later.due(bad) == ("reimage", ["a"])


def test_nodes_in_different_trouble_get_different_remedies() -> None:
    """The gentler one first; the other at the next look."""
    first = Care().noted([node("a")], at(6)).asked(["a"], at(6))
    bad = [node("a", since=at(10)), node("b")]
    care = first.noted(bad, at(11))
    assert care.due(bad) == ("reboot", ["b"])
    assert care.asked(["b"], at(12)).due(bad) == ("reimage", ["a"])


def test_what_is_remembered_survives_the_wire() -> None:
    """It travels in the orchestration's history."""
    care = Care().noted([node("a"), node("b")], at(6)).asked(["a"], at(7))
    assert Care.from_wire(care.to_wire()) == care


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        ({}, "starttaskfailed", "exited with 30"),
        ({"startTaskInfo": {"failureInfo": {"code": "X", "message": "m"}}}, "X", "X: m"),
        (
            {
                "startTaskInfo": None,
                "errors": [
                    {"code": "E", "message": "m", "errorDetails": [{"name": "n", "value": "v"}]}
                ],
            },
            "E",
            "E: m v",
        ),
        ({"startTaskInfo": None, "state": "unusable"}, "unusable", "unusable"),
    ],
)
def test_the_cause_in_batchs_own_words(told: dict, code: str, words: str) -> None:
    """Its code where it gives one, else the state."""
    bad = node(**told)
    assert node_care.code(bad) == code
    assert words in node_care.cause(bad)
