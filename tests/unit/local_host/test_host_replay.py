"""What the extension makes of an orchestrator's actions: tables of actions and history."""

import pytest

from local.functions_host import history, replay
from local.functions_host.history import Kind, Mark
from local.functions_host.replay import ActionKind as A
from local.functions_host.replay import TaskKind

T0 = history.seconds("2026-01-01T00:00:00Z")


def call(name="step", text="1"):
    return {"actionType": A.CALL_ACTIVITY, "functionName": name, "input": text}


def retried(attempts, name="step"):
    options = {"firstRetryIntervalInMilliseconds": 5000, "maxNumberOfAttempts": attempts}
    kind = A.CALL_ACTIVITY_WITH_RETRY
    return {"actionType": kind, "functionName": name, "input": "1", "retryOptions": options}


def child(name="part", instance_id=None):
    kind = A.CALL_SUB_ORCHESTRATOR
    return {"actionType": kind, "functionName": name, "input": "1", "instanceId": instance_id}


def timer(after, *, cancelled=False):
    fire_at = history.stamp(T0 + after)
    return {"actionType": A.CREATE_TIMER, "fireAt": fire_at, "isCanceled": cancelled}


def event(name):
    return {"actionType": A.WAIT_FOR_EXTERNAL_EVENT, "externalEventName": name}


def every(*children):
    return {"actionType": A.WHEN_ALL, "compoundActions": list(children)}


def first(*children):
    return {"actionType": A.WHEN_ANY, "compoundActions": list(children)}


def mark(kind, number=-1, name="", time=0.0, detail=None):
    return Mark(kind=kind, number=number, name=name, time=time, detail=detail)


STARTED = [mark(Kind.ORCHESTRATOR_STARTED, time=T0), mark(Kind.EXECUTION_STARTED)]


def scheduled(number, name="step", detail="1"):
    return mark(Kind.TASK_SCHEDULED, number, name, detail=detail)


def done(number):
    return mark(Kind.TASK_COMPLETED, number)


def failed(number):
    return mark(Kind.TASK_FAILED, number)


def set_timer(number, after=0.0):
    return mark(Kind.TIMER_CREATED, number, detail=history.stamp(T0 + after))


def fired(number):
    return mark(Kind.TIMER_FIRED, number)


def raised(name):
    return mark(Kind.EVENT_RAISED, name=name)


def later(seconds):
    return mark(Kind.ORCHESTRATOR_STARTED, time=T0 + seconds)


def new(played):
    return [(task.number, task.kind.name, task.name) for task in played.new]


NOTHING: list = []
ACTIVITY, TIMER = TaskKind.ACTIVITY.name, TaskKind.TIMER.name

SCHEDULES = {
    "nothing happens before the execution has started": ([call()], NOTHING, NOTHING),
    "the first activity gets number 0": ([call()], STARTED, [(0, ACTIVITY, "step")]),
    "the next action waits for the first": (
        [call("a"), call("b")],
        [*STARTED, scheduled(0, "a")],
        NOTHING,
    ),
    "and comes when the first has ended": (
        [call("a"), call("b")],
        [*STARTED, scheduled(0, "a"), done(0)],
        [(1, ACTIVITY, "b")],
    ),
    "a failed one has ended too: the SDK has raised it": (
        [call("a"), call("b")],
        [*STARTED, scheduled(0, "a"), failed(0)],
        [(1, ACTIVITY, "b")],
    ),
    "all of a WHEN_ALL start together": (
        [every(call("a"), call("b"))],
        STARTED,
        [(0, ACTIVITY, "a"), (1, ACTIVITY, "b")],
    ),
    "a WHEN_ALL with a failure waits for the others all the same": (
        [every(call("a"), call("b")), call("c")],
        [*STARTED, scheduled(0, "a"), scheduled(1, "b"), failed(0)],
        NOTHING,
    ),
    "a WHEN_ANY goes on with the first": (
        [first(call("a"), call("b")), call("c")],
        [*STARTED, scheduled(0, "a"), scheduled(1, "b"), done(1)],
        [(2, ACTIVITY, "c")],
    ),
    "an empty WHEN_ALL is passed": ([every(), call("c")], STARTED, [(0, ACTIVITY, "c")]),
    "a composite in a composite ends it": (
        [first(every(call("a"), call("b")), timer(60)), call("c")],
        [*STARTED, scheduled(0, "a"), scheduled(1, "b"), set_timer(2, 60), done(0), done(1)],
        [(3, ACTIVITY, "c")],
    ),
    "a cancelled timer is passed at once, and keeps its number": (
        [timer(60, cancelled=True), call("a")],
        STARTED,
        [(0, TIMER, ""), (1, ACTIVITY, "a")],
    ),
    "an event takes no number": (
        [event("go"), call("a")],
        [*STARTED, raised("GO")],
        [(0, ACTIVITY, "a")],
    ),
    "an event for somebody else changes nothing": (
        [event("go"), call("a")],
        [*STARTED, raised("stop")],
        NOTHING,
    ),
    "of two waits for one name the last gets the event": (
        [first(event("go"), call("a")), event("go"), call("b")],
        [*STARTED, scheduled(0, "a"), done(0), raised("go")],
        [(1, ACTIVITY, "b")],
    ),
    "a failure of a retried task sets a timer": (
        [retried(3)],
        [*STARTED, scheduled(0), later(7), failed(0)],
        [(1, TIMER, "")],
    ),
    "when it fires, the next attempt gets the next number": (
        [retried(3)],
        [*STARTED, scheduled(0), later(7), failed(0), set_timer(1, 12), later(12), fired(1)],
        [(2, ACTIVITY, "step")],
    ),
    "after the last failure comes one more timer": (
        [retried(1), call("b")],
        [*STARTED, scheduled(0), later(7), failed(0)],
        [(1, TIMER, "")],
    ),
    "and only then the next action": (
        [retried(1), call("b")],
        [*STARTED, scheduled(0), later(7), failed(0), set_timer(1, 7), fired(1)],
        [(2, ACTIVITY, "b")],
    ),
    "a result that nobody waits for is ignored": (
        [call("a"), call("b")],
        [*STARTED, scheduled(0, "a"), done(0), done(0), done(9)],
        [(1, ACTIVITY, "b")],
    ),
}


@pytest.mark.parametrize("case", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_what_is_scheduled(case):
    """The numbers must be those the SDK counts, or it mixes up results."""
    actions, past, expected = case

    assert new(replay.play(actions, past)) == expected


def test_a_retry_waits_from_the_time_of_the_failure():
    """The interval counts from the episode that saw the failure, not from the start."""
    played = replay.play([retried(3)], [*STARTED, scheduled(0), later(7), failed(0)])

    assert played.new[0].fire_at == T0 + 7 + 5


def test_a_child_keeps_the_id_it_was_given():
    """Fixed ids are how a repeated start meets the running child."""
    played = replay.play([child("part", "build-1:part")], STARTED)

    assert played.new[0].kind is TaskKind.SUB_ORCHESTRATION
    assert played.new[0].instance_id == "build-1:part"


ENDED = {
    "an empty list has ended": ([], STARTED, True),
    "but not before the start": ([], NOTHING, False),
    "an open activity holds it back": (
        [first(call("a"), call("b"))],
        [*STARTED, scheduled(0, "a"), scheduled(1, "b"), done(0)],
        False,
    ),
    "a forgotten timer holds it back": (
        [first(call("a"), timer(60))],
        [*STARTED, scheduled(0, "a"), set_timer(1, 60), done(0)],
        False,
    ),
    "a cancelled timer does not": (
        [first(call("a"), timer(60, cancelled=True))],
        [*STARTED, scheduled(0, "a"), set_timer(1, 60), done(0)],
        True,
    ),
    "an event nobody sends does, although it is not open": ([event("go")], STARTED, False),
    "a list that is not played out does": ([call(), call()], [*STARTED, scheduled(0)], False),
}


@pytest.mark.parametrize("case", ENDED.values(), ids=ENDED.keys())
def test_when_an_instance_may_end(case):
    """An instance stays Running while anything it scheduled is open."""
    actions, past, expected = case

    assert replay.play(actions, past).ended is expected


DISAGREES = {
    "another name": ([call("b")], [*STARTED, scheduled(0, "a")], "instead scheduled .*'b'"),
    "another kind": ([timer(1)], [*STARTED, scheduled(0, "a")], "instead scheduled a? ?timer"),
    "nothing with that number": ([], [*STARTED, scheduled(0, "a")], r"hasn't \(yet\?\) scheduled"),
    "a number used twice": (
        [call("a"), call("b")],
        [*STARTED, scheduled(0, "a"), done(0), scheduled(0, "a")],
        r"hasn't \(yet\?\)",
    ),
    "a step put before one that had run": (
        [call("new"), call("a")],
        [*STARTED, scheduled(0, "a"), done(0)],
        "instead scheduled .*'new'",
    ),
}


@pytest.mark.parametrize("case", DISAGREES.values(), ids=DISAGREES.keys())
def test_code_that_disagrees_with_its_history_is_found(case):
    """The SDK does not notice, and would give one step the result of another."""
    actions, past, message = case

    with pytest.raises(replay.NonDeterministic, match=message):
        replay.play(actions, past)


def test_names_are_compared_as_the_extension_compares_them():
    """Function names are not case-sensitive there."""
    assert replay.play([call("Step")], [*STARTED, scheduled(0, "step")]).new == ()


@pytest.mark.parametrize(
    ("action", "past"),
    [
        (call("a", '{"at": 2}'), scheduled(0, "a", '{"at": 1}')),
        (timer(61), set_timer(0, 60)),
    ],
    ids=["an input", "a due time"],
)
def test_strict_replay_also_compares(action, past):
    """A random or clock-made value goes unnoticed in production; a test should find it."""
    replay.play([action], [*STARTED, past])

    with pytest.raises(replay.NonDeterministic, match="does not notice"):
        replay.play([action], [*STARTED, past], strict=True)


@pytest.mark.parametrize("kind", [A.CALL_ENTITY, A.SIGNAL_ENTITY, A.CALL_HTTP])
def test_what_is_left_out_is_refused(kind):
    """Better a clear failure than an instance that waits for ever."""
    with pytest.raises(replay.Unsupported, match=kind.name):
        replay.play([{"actionType": kind}], STARTED)


def test_events_that_nobody_waited_for_are_reported():
    """They belong to the next execution after continue-as-new."""
    played = replay.play([event("b")], [*STARTED, raised("a"), raised("b"), raised("b")])

    assert played.unclaimed == (2, 4)


def test_the_input_of_the_next_execution_is_reported():
    """The SDK adds nothing after continue-as-new."""
    played = replay.play([{"actionType": A.CONTINUE_AS_NEW, "input": "7"}], STARTED)

    assert played.continue_as_new == "7"
    assert played.ended
