"""The two small languages that Batch users write: autoscale formulas and task commands."""

from __future__ import annotations

import pytest

from local.azure_simulator.batch import autoscale, commands, iso8601

GPUS = commands.Gpus(model="Tesla T4", count=2, has_driver=True, is_installed=True)


@pytest.mark.parametrize(
    ("expression", "nodes"),
    [
        ("3", 3),
        ("2.9", 2),
        ("-1", 0),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("9 / 2", 4),
        ("min(4, 2, 3)", 2),
        ("max(4, 2)", 4),
        ("avg(2, 4)", 3),
        ("floor(2.9) + ceil(2.1)", 5),
        ("1 < 2 ? 5 : 6", 5),
        ("1 >= 2 ? 5 : 6", 6),
        ("1 == 1 && 2 != 2 ? 5 : 6", 6),
        ("0 || 1 ? 5 : 6", 5),
        ("!0 ? 5 : 6", 5),
        ("0 ? 1 : 0 ? 2 : 3", 3),
        ("TimeInterval_Hour / TimeInterval_Minute", 60),
        ("$PendingTasks.GetSample(1) + $PendingTasks", 8),
        ("$PendingTasks.GetSamplePercent(60 * TimeInterval_Second)", 100),
    ],
)
def test_expressions_are_evaluated(expression, nodes):
    """Arithmetic, comparisons, functions, samples; nodes are whole and not below zero."""
    formula = f"/* why */ wanted = {expression}; $TargetDedicatedNodes = wanted;"
    assert autoscale.evaluate(formula, {"$PendingTasks": 4}).dedicated == nodes


def test_both_targets_and_the_deallocation_option_are_told():
    """As `autoScaleRun.results` shows them; a target that is not set is none."""
    formula = "$TargetLowPriorityNodes = 2; $NodeDeallocationOption = taskcompletion;"
    evaluation = autoscale.evaluate(formula, {})
    assert (evaluation.dedicated, evaluation.low_priority) == (None, 2)
    assert evaluation.results == (
        "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=2;$NodeDeallocationOption=taskcompletion"
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("$TargetDedicatedNodes", "Expected an assignment"),
        ("$TargetDedicatedNodes = ;", "found 'the end'"),
        ("$TargetDedicatedNodes = 1 2;", "Unexpected '2'"),
        ("$TargetDedicatedNodes = 1 / 0;", "Division by zero"),
        ("$TargetDedicatedNodes = $Nothing;", "'$Nothing' is not defined"),
        ("$TargetDedicatedNodes = requeue;", "not a number of nodes"),
        ("$TargetDedicatedNodes = $PendingTasks.Count();", "')' is not defined"),
        ("$TargetDedicatedNodes = $PendingTasks.Count(1);", "not a method"),
        ("$TargetDedicatedNodes = 1 # 2;", "Unexpected character"),
        ("$TargetDedicatedNodes = (1;", "Expected ')'"),
    ],
)
def test_a_formula_that_cannot_be_evaluated_says_where(formula, words):
    """The reason is what a user reads."""
    with pytest.raises(autoscale.FormulaError) as caught:
        autoscale.evaluate(formula, {"$PendingTasks": 4})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout"),
    [
        ("echo a 'b c'", 0, "a b c\n"),
        ("echo $A", 0, "$A\n"),
        ("/bin/bash -c 'echo $A ${B}'", 0, "x \n"),
        ("/bin/sh -ec 'echo 1; echo 2'", 0, "1\n2\n"),
        ("/bin/bash -c 'echo 1 && false && echo 2'", 1, "1\n"),
        ("/bin/bash -c 'false; echo 2'", 0, "2\n"),
        ("/bin/bash -c 'set -euo pipefail; false; echo 2'", 1, ""),
        ("/bin/bash -c 'false; exit'", 1, ""),
        ("/bin/bash -c 'exit 300'", 44, ""),
        ("/bin/bash -c '# nothing'", 0, ""),
        ("/bin/bash -c 'apt-get install something'", 0, ""),
        ("/bin/bash -euo pipefail -c 'echo 1'", 0, "1\n"),
        ("/app/run -c 'echo 1'", 0, ""),
        ("/bin/false", 1, ""),
        ("echo 'open", 2, ""),
        ("/app/run --fast", 0, ""),
    ],
)
def test_commands_are_imitated(command, exit_code, stdout):
    """Enough of a shell for tests and demonstrations; what is not known succeeds silently."""
    ran = commands.run(command, {"A": "x"}, commands.Gpus())
    assert (ran.exit_code, ran.stdout) == (exit_code, stdout)


def test_nvidia_smi_lists_what_it_can_see():
    """One line for each GPU; 127 where it is not installed, 9 where the driver does not answer."""
    listed = commands.run("/bin/bash -c 'nvidia-smi -L'", {}, GPUS)
    assert [line.split(" (")[0] for line in listed.stdout.splitlines()] == [
        "GPU 0: Tesla T4",
        "GPU 1: Tesla T4",
    ]
    assert commands.run("nvidia-smi", {}, commands.Gpus()).exit_code == 127
    without = commands.Gpus(model="Tesla T4", count=0, has_driver=True, is_installed=True)
    assert commands.run("nvidia-smi", {}, without).exit_code == 9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT15M", 900),
        ("PT1H30M", 5400),
        ("P7D", 604_800),
        ("PT0.5S", 0.5),
        ("P10675199DT2H48M5.4775807S", 922_337_203_685.4775807),
    ],
)
def test_durations_are_read(text, seconds):
    """ISO 8601, up to the service's largest."""
    assert iso8601.seconds(text) == pytest.approx(seconds)


# Formulas of https://learn.microsoft.com/azure/batch/batch-automatic-scaling and of public pools.
_BY_TASKS = """
// Get pending tasks for the past 15 minutes.
$samples = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 15);
$tasks = $samples < 70 ? max(0, $PendingTasks.GetSample(1)) :
    max($PendingTasks.GetSample(1), avg($PendingTasks.GetSample(TimeInterval_Minute * 15)));
$targetVMs = $tasks > 0 ? $tasks : max(0, $TargetDedicatedNodes / 2);
cappedPoolSize = 20;
$TargetDedicatedNodes = max(0, min($targetVMs, cappedPoolSize));
$NodeDeallocationOption = taskcompletion;
"""
_BY_HOURS = """
$curTime = time();
$workHours = $curTime.hour >= 8 && $curTime.hour < 18;
$isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
$TargetDedicatedNodes = $workHours && $isWeekday ? 20 : 10;
"""
_BY_AGE = """
lifespan = time() - time("2026-02-02T10:00:00Z");
interval = TimeInterval_Minute * 5;
$TargetDedicatedNodes = lifespan < interval ? 1 : 7;
"""
_MONDAY_10 = 1_770_026_400.0  # 2 February 2026, 10:00 UTC


@pytest.mark.parametrize(
    ("formula", "observed", "now", "nodes"),
    [
        (_BY_TASKS, {"$PendingTasks": 0, "$TargetDedicatedNodes": 8}, 0.0, 4),
        (_BY_TASKS, {"$PendingTasks": 50, "$TargetDedicatedNodes": 8}, 0.0, 20),
        (_BY_HOURS, {}, _MONDAY_10, 20),
        (_BY_HOURS, {}, _MONDAY_10 + 12 * 3600, 10),
        (_BY_HOURS, {}, _MONDAY_10 - 86_400, 10),
        (_BY_AGE, {}, _MONDAY_10 + 60, 1),
        (_BY_AGE, {}, _MONDAY_10 + 600, 7),
    ],
)
def test_published_formulas_are_evaluated(
    formula: str, observed: dict[str, float], now: float, nodes: int
) -> None:
    """Targets can be read, and times compared."""
    assert autoscale.evaluate(formula, observed, now).dedicated == nodes


def test_a_target_that_is_only_read_is_not_set() -> None:
    """The other target stays as it was."""
    evaluation = autoscale.evaluate("x = $TargetDedicatedNodes;", {"$TargetDedicatedNodes": 3.0})
    assert evaluation.dedicated is None
