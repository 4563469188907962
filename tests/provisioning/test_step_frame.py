"""The frame of every step: whatever happens, one result line comes out, and it tells the truth."""

from __future__ import annotations

import pytest
import step_assembler
import step_machine

NOTE_THE_RUN = 'echo ran >>"$MACHINE/runs"'
FRAME = ["lib.sh", "exit_codes.sh", "helpers/outcome.sh", "helpers/result.sh"]


def a_step(body: str, *, step: str = "prepare") -> str:
    """A step whose only function does `body`."""
    return step_assembler.assemble_files(step, FRAME, ["try_it"], f"try_it() {{\n{body}\n}}")


def test_a_step_that_works_says_so(machine: step_machine.Machine) -> None:
    """Success is this line, with this nonce, and exit code 0."""
    outcome = machine.run_text(
        a_step("mark_changed; add_data answer 42; echo chatter; echo noise >&2")
    )

    assert outcome.exit_code == 0
    assert outcome.result == {
        "v": 1,
        "step": "prepare",
        "nonce": "n-1",
        "ok": True,
        "exitCode": 0,
        "changed": True,
        "rebootRequired": False,
        "seconds": outcome.result["seconds"],
        "phase": "",
        "message": "",
        "logTail": "",
        "log": str(machine.root / "var/log/batch-prep/prepare.log"),
        "data": {"answer": 42},
    }


def test_the_result_line_is_all_that_stdout_holds(machine: step_machine.Machine) -> None:
    """A run command returns 4096 bytes: nothing may push the line out. The rest is in the log,
    and the log on stderr, from where it goes whole to the step's blob.
    """
    outcome = machine.run_text(a_step("echo chatter; echo noise >&2"))

    assert len(outcome.stdout.splitlines()) == 1
    assert "chatter\nnoise\n" in outcome.log
    assert outcome.stderr == outcome.log


def test_the_last_lines_are_those_that_tell(machine: step_machine.Machine) -> None:
    """1200 bytes come back: none of them for dpkg's progress or for the end of our own shells."""
    noise = "for i in {1..300}; do printf '(Reading database ... %s%%\\r' $((i % 100)); done; echo"

    outcome = machine.run_text(a_step(f"echo it went wrong; {noise}; sleep 1; exit 9"))

    assert "it went wrong" in outcome.result["logTail"]
    assert "Reading database" not in outcome.result["logTail"]
    assert "No such process" not in outcome.log


@pytest.mark.parametrize(
    ("body", "exit_code", "message"),
    [
        pytest.param('fail "$EXIT_NO_SPACE" "no room"', 20, "no room", id="named"),
        pytest.param(
            'x=$(fail "$EXIT_TOOLKIT" inner); echo "$x"', 41, "inner", id="in-a-substitution"
        ),
        pytest.param('(fail "$EXIT_SEAL" deep)', 50, "deep", id="in-a-subshell"),
        pytest.param("false", 70, "false", id="a-command-nobody-expected-to-fail"),
        pytest.param("ls /no/such/file | cat", 70, "line", id="first-of-a-pipe"),
        pytest.param("(exit 23)", 70, "exit 23", id="a-code-that-only-looks-like-ours"),
        pytest.param('echo "$NOT_SET"', 70, "", id="an-unset-variable"),
        pytest.param("nonsense_command", 70, "nonsense_command", id="an-unknown-command"),
        pytest.param("kill -KILL $BASHPID", 70, "without a message", id="killed-from-outside"),
    ],
)
def test_a_failure_keeps_its_code_and_its_reason(
    machine: step_machine.Machine, body: str, exit_code: int, message: str
) -> None:
    """Only codes that a step gave on purpose mean something; all else is a bug, never a success."""
    outcome = machine.run_text(a_step(f"phase dig\n{body}"))

    assert outcome.exit_code == outcome.result["exitCode"] == exit_code
    assert outcome.result["ok"] is False
    assert outcome.result["phase"] == "dig"
    assert message in outcome.result["message"]
    assert "== dig" in outcome.result["logTail"]


def test_cleaning_up_does_not_turn_a_failure_into_a_success(machine: step_machine.Machine) -> None:
    """`$?` is 0 after the first command of a trap: the code is saved before."""
    outcome = machine.run_text(a_step('touch "$WORK/left-behind"; false'))

    assert outcome.exit_code == 70
    left = [path.name for path in (machine.root / "run/batch-prep").iterdir()]
    assert left == ["prepare.failed"]


def test_the_deadline_is_our_own(machine: step_machine.Machine) -> None:
    """The agent kills with SIGKILL, and then no line would ever come: the step is quicker."""
    waits = a_step("phase dig; read -r -t 50 <> <(:) || true; add_data reached true")

    outcome = machine.run_text(waits, DEADLINE_SECONDS="1")

    assert outcome.exit_code == outcome.result["exitCode"] == 124
    assert outcome.result["message"] == "did not end within 1 seconds"
    assert outcome.result["phase"] == "dig"


def test_what_a_step_leaves_running_is_stopped(machine: step_machine.Machine) -> None:
    """A child that lives on would meet the next attempt."""
    leaves_a_child = a_step(
        '/bin/sleep 50 & echo $! >"$MACHINE/child"; fail "$EXIT_NO_SPACE" "a failure beside it"'
    )

    machine.run_text(leaves_a_child)

    child = int((machine.home / "child").read_text())
    assert any(step_machine.is_gone(child) for _ in range(100_000))


def test_a_signal_to_the_step_is_reported(machine: step_machine.Machine) -> None:
    """Even a step that is asked to go says that it went. ($$ is the shell that supervises.)"""
    outcome = machine.run_text(a_step("kill -TERM $$; read -r -t 50 <> <(:) || true"))

    assert outcome.exit_code == outcome.result["exitCode"] == 70
    assert outcome.result["message"] == "stopped by a signal"


def test_a_child_never_speaks_for_the_step(machine: step_machine.Machine) -> None:
    """A child that is killed in its first moment has the traps of the supervisor."""
    outcome = machine.run_text(
        a_step('(exec 3>"$MACHINE/second"; trap report EXIT; exit 0) || fail 30 "it went wrong"')
    )

    assert (machine.home / "second").read_text() == ""
    assert outcome.exit_code == 30


def test_the_line_stays_below_its_limit_whatever_it_holds(machine: step_machine.Machine) -> None:
    """4096 bytes come back; a line that is cut in the middle is no line."""
    wordy = a_step(
        'for ((i = 0; i < 99; i++)); do echo \'"\\"\\"\\"\\"\\"\\"\\"\\"\\"\\"\'; done\n'
        'add_data much "\\"$(head -c 4000 /dev/zero | tr \'\\0\' x)\\""\n'
        'fail "$EXIT_CHECK_FAILED" "$(head -c 5000 /dev/zero | tr \'\\0\' y)"'
    )

    outcome = machine.run_text(wordy)

    assert len(outcome.stdout) < 3100
    assert outcome.data == {"truncated": True}
    assert outcome.result["exitCode"] == 30


def test_strange_bytes_do_not_spoil_the_line(machine: step_machine.Machine) -> None:
    """Tools print colours, carriage returns and other alphabets."""
    strange = a_step(
        "printf 'a\\033[31mb\\rc\\000d\\xff\\tq\"\\\\ \\303\\244\\n'\n"
        "fail 30 $'new\\nline \"quoted\" \\\\ \\a'"
    )

    outcome = machine.run_text(strange)

    assert outcome.result["message"] == 'new\nline "quoted" \\ ?'
    assert all(
        character.isprintable() or character == "\n" for character in outcome.result["logTail"]
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NONCE", 'n"1'),
        ("NONCE", "a b"),
        ("BUILD_ID", "$(id)"),
        ("DEADLINE_SECONDS", "soon"),
        ("DEADLINE_SECONDS", "-1"),
    ],
)
def test_malformed_parameters_of_the_frame_are_refused(
    machine: step_machine.Machine, name: str, value: str
) -> None:
    """They end up in paths, in the console line and in arithmetic."""
    outcome = machine.run_text(a_step('touch "$MACHINE/ran"'), **{name: value})

    assert outcome.exit_code == outcome.result["exitCode"] == 11
    assert name in outcome.result["message"]
    assert not (machine.home / "ran").exists()


def test_a_machine_that_cannot_keep_a_log_still_answers(machine: step_machine.Machine) -> None:
    """A missing line means "unknown", which costs a whole attempt."""
    machine.write("root/var/log/batch-prep", "a file where a directory must be")

    outcome = machine.run_text(a_step("true"))

    assert outcome.exit_code == 70
    assert "cannot write to" in outcome.result["message"]


# The memory of what worked


def test_a_step_sent_again_repeats_its_result(machine: step_machine.Machine) -> None:
    """Activities run at least once. The second answer carries the second attempt's nonce."""
    step = a_step(f"{NOTE_THE_RUN}; mark_changed; add_data answer 42")
    first = machine.run_text(step)

    second = machine.run_text(step, NONCE="n-2")

    assert (machine.home / "runs").read_text() == "ran\n"
    assert second.result | {"seconds": 0} == first.result | {"seconds": 0, "nonce": "n-2"}


@pytest.mark.parametrize(
    "parameters", [{"BUILD_ID": "b-2"}, {"IMAGES": "busybox:1"}], ids=["build", "images"]
)
def test_other_parameters_are_another_step(
    machine: step_machine.Machine, parameters: dict[str, str]
) -> None:
    """Only the same question has the same answer."""
    machine.run_text(a_step(NOTE_THE_RUN))

    machine.run_text(a_step(NOTE_THE_RUN), **parameters)

    assert (machine.home / "runs").read_text() == "ran\nran\n"


def test_another_text_is_another_step(machine: step_machine.Machine) -> None:
    """A build that goes on after the app was deployed anew uses the new scripts."""
    machine.run_text(a_step(NOTE_THE_RUN))

    machine.run_text(a_step(f"{NOTE_THE_RUN}; true"))

    assert (machine.home / "runs").read_text() == "ran\nran\n"


def test_after_a_restart_a_step_looks_again(machine: step_machine.Machine) -> None:
    """A stored "restart required" would restart the machine for ever."""
    machine.run_text(a_step(f"{NOTE_THE_RUN}; require_reboot"))
    step_machine.boot_again(machine)

    machine.run_text(a_step(f"{NOTE_THE_RUN}; require_reboot"))

    assert (machine.home / "runs").read_text() == "ran\nran\n"


def test_a_failure_is_not_remembered(machine: step_machine.Machine) -> None:
    """The next attempt is to try."""
    step = a_step(f'{NOTE_THE_RUN}; fail "$EXIT_RETRY_LATER" "not today"')
    machine.run_text(step)

    machine.run_text(step, NONCE="n-2")

    assert (machine.home / "runs").read_text() == "ran\nran\n"


@pytest.mark.parametrize("step", ["verify", "seal"])
def test_steps_that_look_at_the_machine_look_each_time(
    machine: step_machine.Machine, step: str
) -> None:
    """What a check saw earlier is no check."""
    text = a_step(NOTE_THE_RUN, step=step)
    machine.run_text(text)

    machine.run_text(text)

    assert (machine.home / "runs").read_text() == "ran\nran\n"


def test_nothing_that_a_run_leaves_outlives_its_machine(machine: step_machine.Machine) -> None:
    """Not even a process group of its own, as `timeout` makes one."""
    leaves = 'timeout 50 tail -f /dev/null >/dev/null 2>&1 & echo $! >"$MACHINE/child"'
    machine.run_text(f"#!/bin/bash\n{leaves}\n")
    child = int((machine.home / "child").read_text())
    assert not step_machine.is_gone(child)

    machine.end()

    assert any(step_machine.is_gone(child) for _ in range(100_000))
