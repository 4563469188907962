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
