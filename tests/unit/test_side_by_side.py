"""Children side by side within a width: a place that is free is taken at once."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from local.clock import VirtualClock
from local.functions_host import adapters
from local.functions_host.inline import InlineEngine
from shared.base.wire import Wire
from shared.engine import workflow


class Sleep(Wire):
    """How long a child takes."""

    seconds: float


def begun_at(seconds: list[float], width: int) -> list[float]:
    """When each of the children began, in the order in which they were asked for."""
    clock = VirtualClock(0.0)
    began: dict[str, float] = {}

    def note_beginning(who: str) -> None:
        began[who] = clock.now()

    def child(context: Any) -> Generator[Any, Any, Any]:
        yield context.call_activity("note_beginning", context.instance_id)
        seconds = Sleep.from_wire(context.get_input()).seconds
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
        return {"result": {}}

    def parent(context: Any) -> Generator[Any, Any, Any]:
        work = [("child", f"child-{n}", Sleep(seconds=s)) for n, s in enumerate(seconds)]
        outcomes = yield from workflow.run_bounded(context, work, width, own_ids=True)
        return len(outcomes)

    engine = InlineEngine(
        adapters.orchestrators({"parent": parent, "child": child}),
        adapters.activities({"note_beginning": note_beginning}),
        clock=clock,
    )
    engine.start("parent", None, "parent")
    assert engine.run_until_complete("parent").output == len(seconds)
    return [began[f"child-{n}"] for n in range(len(seconds))]


def test_a_free_place_is_taken_while_later_children_run() -> None:
    """Not when the child that began last has ended, which the extension would wait for."""
    assert begun_at([100, 150, 1000, 500, 10], width=3) == [0, 0, 0, 100, 150]


def test_without_a_bound_in_the_way_all_begin_at_once() -> None:
    """Nobody waits for anybody."""
    assert begun_at([50, 10, 30], width=10) == [0, 0, 0]
