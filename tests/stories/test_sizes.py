"""Requests that do not fit where they are stored are refused, with the field and the limit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.model import request_size
from tests.world import World, a_pool, a_request, an_image
from triggers import builds, intake

Json = dict[str, Any]
EMOJI = "\U0001f600"
IMAGE = "docker.io/library/busybox:1.36"


def with_checks(number: int, text: str) -> Json:
    checks = [{"image": IMAGE, "command": f"echo {text}"}] * number
    return a_request(pools=[a_pool("dev", verify=True, checks=checks)])


def refusal(answer: Any) -> Json:
    assert answer.status == 400, answer.body
    (problem,) = answer.body["error"]["details"]
    return dict(problem)


def test_a_request_of_many_emoji_is_stored(world: World) -> None:
    """Azure counts UTF-16 units, two for each."""
    request = with_checks(10, EMOJI * 3_000)

    assert world.ask(builds.start_build, request).status == 202

    row = world.records.build(world.ask(builds.start_build, request).body["buildId"])
    assert row is not None
    assert row["Request"]["pools"][0]["checks"][0]["command"] == f"echo {EMOJI * 3_000}"


def test_a_request_that_no_record_can_hold_is_too_large(world: World) -> None:
    """Nothing is written, and the answer names the field that takes the room."""
    checks = [{"image": IMAGE, "command": "x" * 8_000}] * 20
    pools = [a_pool(f"pool{i}", verify=True, checks=checks) for i in range(2)]

    problem = refusal(world.ask(builds.start_build, a_request(pools=pools)))

    assert (problem["field"], problem["code"]) == ("pools", "TooLarge")
    assert "524288 are allowed" in problem["message"]
    assert world.builds() == []


def test_a_pool_request_that_no_message_can_hold_is_too_large(world: World) -> None:
    """64 KiB of UTF-8; the answer says which route takes more."""
    checks = [{"image": IMAGE, "command": EMOJI * 3_000}] * 8
    message = {
        "requestId": "q1",
        "batchAccount": {"name": "mybatch12345", "resourceGroup": "images"},
        "image": an_image(),
        "pool": a_pool("queued", verify=True, checks=checks),
    }

    problem = refusal(world.ask(intake.request_pool, message))

    assert (problem["field"], problem["code"]) == ("pool.checks", "TooLarge")
    assert "65536 are allowed" in problem["message"]
    assert "/api/builds" in problem["message"]
    assert world.outbox.messages == []


@pytest.mark.parametrize(("size", "is_taken"), [(65_536, True), (65_537, False)])
def test_a_message_may_fill_the_queues_limit(size: int, is_taken: bool) -> None:
    """To the last byte."""
    assert (request_size.message_problem({}, "x" * size) is None) is is_taken


def test_a_long_refused_message_is_recorded(world: World) -> None:
    """Cut to what a column holds, not lost."""
    world.deliver(EMOJI * 20_000)

    (row,) = world.refused()
    assert row["Message"].startswith(EMOJI)


@pytest.mark.parametrize("text", ['"\\ud800"', '{"a": NaN}', '{"a": "\\udc00\\ud800"}'])
def test_what_python_takes_for_json_and_nothing_could_store_is_refused(
    world: World, text: str
) -> None:
    """Half a surrogate pair, and NaN."""
    problem = refusal(world.ask(builds.start_build, text.encode()))
    assert problem["code"] == "NotJson"
    world.deliver(text)
    assert json.loads(json.dumps(world.refused()[0]["Problems"]))[0]["code"] == "NotJson"
