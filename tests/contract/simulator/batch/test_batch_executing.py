"""Nodes with a machine that really executes: what runs on it, and what says that it did not."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from azure_sandbox import result_line
from batch_sandbox import BUSYBOX, T4, BatchSandbox, as_preloaded, containers_of, start_task

from local.azure_simulator import durations
from local.azure_simulator.machine import interface, scripted

CONTAINER = {"containerSettings": {"imageName": BUSYBOX}}
LIMIT = {"constraints": {"maxWallClockTime": "PT10M", "maxTaskRetryCount": 0}}
EXITED = interface.Outcome(seconds=0, exit_code=0, stdout="from inside\n")


class ExecutingMachine(scripted.ScriptedMachine):
    """Every machine of its has a system; a run ends at the second look, or never."""

    def __init__(self, outcome: interface.Outcome | None = EXITED) -> None:
        super().__init__(durations.Durations(1))
        self.outcome = outcome
        self.runs: list[interface.ScriptRun] = []
        self.killed: list[str] = []
        self._looks = 0

    def stand_in(self, _vm: Any) -> str:
        return "debian 12"

    def run(self, run: interface.ScriptRun) -> interface.Outcome | None:
        self.runs.append(run)
        return None

    def look(self, _run: interface.ScriptRun) -> interface.Outcome | None:
        self._looks += 1
        return self.outcome if self._looks % 2 == 0 else None

    def kill(self, run: interface.ScriptRun) -> None:
        self.killed.append(run.id)


def a_world(machine: ExecutingMachine | None = None, **pool: Any) -> BatchSandbox:
    """A pool whose image has busybox, and an empty job."""
    world = BatchSandbox(machine=machine)
    world.make_account()
    image = world.make_image(inside={"images": [as_preloaded(BUSYBOX)]})
    world.make_ready_pool(**{"image": image, "containers": containers_of(BUSYBOX), **pool})
    return world


def told(task: Any) -> dict[str, Any]:
    return task.as_dict()["executionInfo"]


def test_a_container_task_runs_in_the_nodes_docker() -> None:
    """From the image on its disk alone, with the words that the task has and no shell around."""
    machine = ExecutingMachine()
    world = a_world(machine)
    command = "/bin/sh -c 'echo \"$AZ_BATCH_TASK_ID\"'"
    world.add_task("t1", commandLine=command, **CONTAINER)
    task = world.await_task("t1")
    [run] = machine.runs
    docker = shlex.split(run.script.splitlines()[-1])
    assert docker[:3] == ["exec", "docker", "run"]
    assert "--pull=never" in docker
    assert docker[docker.index(BUSYBOX) :] == [BUSYBOX, "/bin/sh", "-c", 'echo "$AZ_BATCH_TASK_ID"']
    assert f"--workdir={run.environment['AZ_BATCH_TASK_WORKING_DIR']}" in docker
    assert world.task_output("t1") == "from inside\n"
    assert task.execution_info.exit_code == 0
    assert told(task)["standIn"] == "debian 12"
    assert "scripted" not in told(task)


@pytest.mark.parametrize(
    ("pool", "image"),
    [
        pytest.param({"size": T4}, BUSYBOX, id="the node should have a GPU"),
        pytest.param({}, "docker.io/library/alpine:3.20", id="the disk lacks the image"),
    ],
)
def test_a_task_that_cannot_really_run_is_scripted_and_says_so(pool: Any, image: str) -> None:
    """A proof by a machine that lacks what is to be proved would be none."""
    machine = ExecutingMachine()
    world = a_world(machine, **pool)
    world.add_task(commandLine="/bin/sh -c 'echo hello'", containerSettings={"imageName": image})
    assert told(world.await_task())["scripted"] is True
    assert machine.runs == []


def test_without_machines_every_task_is_scripted() -> None:
    """Which the app reads where it reads the exit code."""
    world = a_world()
    world.add_task(commandLine="/bin/sh -c 'echo hello'", **CONTAINER)
    assert told(world.await_task())["scripted"] is True


def test_a_task_that_does_not_end_is_killed_at_its_limit() -> None:
    """Its container must not outlive it."""
    machine = ExecutingMachine(outcome=None)
    world = a_world(machine)
    world.add_task(commandLine="/bin/sleep 1h", **CONTAINER, **LIMIT)
    task = world.await_task()
    assert task.execution_info.failure_info.code == "TaskEnded"
    assert machine.killed == [machine.runs[0].id]


def test_each_try_of_a_task_is_a_run_of_its_own() -> None:
    """A machine runs a command once, whatever becomes of it."""
    machine = ExecutingMachine(interface.Outcome(seconds=0, exit_code=3))
    world = a_world(machine)
    limits = {"maxTaskRetryCount": 2, "maxWallClockTime": "PT10M"}
    world.add_task(commandLine="/bin/false", **CONTAINER, constraints=limits)
    assert world.await_task().execution_info.exit_code == 3
    assert len({run.id for run in machine.runs}) == 3


def test_the_verification_runs_as_the_start_task_that_it_is() -> None:
    """With what a scripted node would find, for the parts that the machine cannot ask."""
    line = 'batch-prep-result {"v":1,"step":"verify"}\n'
    machine = ExecutingMachine(interface.Outcome(seconds=0, stdout=line))
    world = a_world(machine, start_task=start_task(NONCE="n1", EXPECT_GPU="none"))
    [node] = world.await_nodes()
    [run] = machine.runs
    assert node.state == "idle"
    assert result_line(world.node_output("dev", node.id)) == {"v": 1, "step": "verify"}
    assert run.script.splitlines()[1] == "# batch-prep step: verify"
    assert run.environment["NONCE"] == "n1"
    assert run.imagined is not None
    assert {"kernel", "gpu"} <= {check["id"] for check in run.imagined["checks"]}


def test_another_start_task_is_imitated() -> None:
    """Nobody knows what a stranger's command would do on a stand-in."""
    machine = ExecutingMachine()
    a_world(machine, start_task=start_task("/bin/bash -c 'nvidia-smi -L; exit 0'"))
    assert machine.runs == []
