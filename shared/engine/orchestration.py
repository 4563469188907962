"""An orchestration with typed input and output.

    @orchestration(PoolWork, PoolRecord)
    def create_pool(context: Context, work: PoolWork) -> Workflow[PoolRecord]: ...

Durable calls an orchestrator with a context and stores what it returns as JSON. The decorator
parses the input before the first line and serializes the result after the last, so that the body
handles models only, and a parent that runs `create_pool` as a child gets a `PoolRecord`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.base.wire import Wire
from shared.engine.polling_loop import Context, Json, Workflow

In = TypeVar("In", bound=Wire)
Out = TypeVar("Out", bound=Wire)


@dataclass(frozen=True, kw_only=True, slots=True)
class Orchestration(Generic[In, Out]):
    """An orchestrator under the name by which it is registered."""

    name: str
    input: type[In]
    output: type[Out]
    body: Callable[[Context, In], Workflow[Out]]

    def __call__(self, context: Context) -> Workflow[Json]:
        """Run as Durable does: from the context's input to JSON."""
        work = self.input.from_wire(context.get_input() or {})
        result = yield from self.body(context, work)
        return result.to_wire()


def orchestration(
    input_: type[In], output: type[Out]
) -> Callable[[Callable[[Context, In], Workflow[Out]]], Orchestration[In, Out]]:
    """Declare an orchestration; the function's name becomes its own."""

    def declare(body: Callable[[Context, In], Workflow[Out]]) -> Orchestration[In, Out]:
        return Orchestration(name=body.__name__, input=input_, output=output, body=body)

    return declare


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Child(Generic[In, Out]):
    """A child orchestration to run; `identity` becomes part of its instance id."""

    orchestration: Orchestration[In, Out]
    identity: str
    input: In
