"""Theory of operation.

**The problem.** Building an image takes a dozen operations on Azure, each of which takes between a
second and six hours, and the app may be killed at any moment. Durable Functions keeps the history
of an orchestration and replays the orchestrator from its beginning after every event, so the
orchestrator survives a crash. An activity does not: Durable runs it *at least once*. If the
process dies after the activity has asked Azure for a VM and before its result is stored, it runs
again.

**Level-triggering.** So no activity assumes that it runs once. A `Reconciler` does not ask "what
happened?" but "what is there?" (levels, not edges, as Kubernetes controllers do). Each call

    observes   the resource as Azure shows it now, or None
    decides    from plan and observation alone: Start, Wait, Done or Fail (pure code)
    acts       at most once, if the decision was Start

and returns. Calling it again is always safe, because the second call observes what the first one
did. Names of resources derive from the build id, so a repeated call looks for the right one. Where
Azure itself refuses a second resource of a name (a pool, a job), the request takes the place of
the observation. Where an observation cannot show what was done (a node that was rebooted), the
reconciler remembers its intention *before* it acts: a crash in between repeats the observation,
never the action.

**Who waits.** An activity never waits. `polling_loop` calls it, sleeps by durable timer and calls
it again, for as long as `shared.base.timing` says. So a wait costs no process, survives a restart,
and counts only its own seconds towards the step's limit, not those in which the app was down. The
orchestration's clock is the only one: tests run a 25-minute build in a second.

**What is remembered where.**

    plan          the input of an orchestration or activity: decided once, never changed
    PollState     between two calls of one activity: what it started, what it chose to remember;
                  it travels in the reply and back, so it is part of the orchestration's history
    step record   a table row per step, for people and for `resume`; written by `activity_runner`
    claims        table rows that two builds cannot both insert: a version number, a pool
    TtlCache      facts of Azure that many builds share; lost with the process, and never needed

**Failures** are values. A reply is done, waiting or failed; a `Failure` has a kind, and the kind
says what to do: a transient one is retried by the loop, a lack of capacity leads to the next
alternative, anything else ends the step. `StepFailed` carries a failure through the code of one
orchestrator; a child orchestration returns its failure as data, so that siblings go on and the
parent cleans up. An exception that leaves an activity is a bug.

**The verbs** (`workflow`, `step_graph`). Use `call` for a look-up or a record, `poll_step` for a
step of one or two polls, `run_step` for a longer one (a child orchestration keeps its polls out of
the parent's history, which is replayed after every event), `follow` for steps that depend on each
other, and `run_children` for whole orchestrations side by side.

**The quirk of `task_any`.** The Durable extension learns of the tasks that an orchestrator yields,
and wakes the orchestrator when one of them ends. Where `task_any` gets some tasks that it had
before and some new ones, the extension learns of the new ones only, and wakes the orchestrator
for none of the old ones until a new one ends. `workflow.wait_for_any` therefore adds a timer that
is due at once; when it fires, a second `task_any` has no new task, and whichever task ends first
wakes it.

**Replaying.** An orchestrator must schedule the same tasks in the same order at every replay: no
clock, no randomness, no I/O, no iteration over sets. Inputs and outputs are plain JSON
(`shared.base.wire`), and stored names stay. `tests/upgrade` replays histories of released
versions.

The modules: `activity` (the contract) · `decisions` (what a reconciler decides) ·
`activity_runner` (one call) · `polling_loop` (many calls) · `orchestration` (typed input and
output) · `workflow` and `step_graph` (the verbs) · `services` (made once per process).
"""
