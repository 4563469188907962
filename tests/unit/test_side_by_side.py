"""Children side by side within a width: a place that is free is taken at once."""

from __future__ import annotations

from datetime import timedelta

from local.clock import VirtualClock
from local.functions_host import adapters
from local.functions_host.inline import InlineEngine
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.activity import NoResult
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, Workflow


class Sleep(Wire):
    """How long a child takes."""

    seconds: float


def begun_at(seconds: list[float], width: int) -> list[float]:
    """When each of the children began, in the order in which they were asked for."""
    clock = VirtualClock(0.0)
    began: dict[str, float] = {}

    def note_beginning(who: str) -> None:
        began[who] = clock.now()

    @orchestration(Sleep, NoResult)
    def child(context: Context, sleep: Sleep) -> Workflow[NoResult]:
        yield context.call_activity("note_beginning", context.instance_id)
        end = context.current_utc_datetime + timedelta(seconds=sleep.seconds)
        yield context.create_timer(end)
        return NoResult()

    def parent(context: Context) -> Workflow[int]:
        children = [
            Child(orchestration=child, identity=f"child-{n}", input=Sleep(seconds=s))
            for n, s in enumerate(seconds)
        ]
        outcomes = yield from workflow.run_children(context, children, width, own_ids=True)
        return sum(outcomes[each] == NoResult() for each in children)

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
