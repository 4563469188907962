"""The machine's agent keeps the rules of Azure's run commands: the steps are written for them.

Source of the rules: the handler's code, https://github.com/Azure/run-command-handler-linux, 1.3.28.
"""

from __future__ import annotations

from collections.abc import Callable

import builder as builders
import pytest

from local.machines import run_command

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def builder(make_builder: Callable[[str], builders.Builder]) -> builders.Builder:
    return make_builder("rules")


def test_values_arrive_as_they_are_and_empty_ones_not_at_all(builder: builders.Builder) -> None:
    """A script cannot tell an empty parameter from an absent one."""
    ended = builder.command(
        '#!/bin/bash\nprintf "%s|%s" "$GIVEN" "${EMPTY-absent}"',
        {"GIVEN": "a $(id) 'b'\nc", "EMPTY": ""},
    )
    assert ended.stdout == "a $(id) 'b'\nc|absent"


def test_only_the_end_of_each_stream_comes_back(builder: builders.Builder) -> None:
    """So the result line must be the last one."""
    ended = builder.command("#!/bin/bash\nseq 5000; seq 6000 >&2; exit 7")
    assert ended.exit_code == 7
    assert len(ended.stdout) == run_command.OUTPUT_BYTES_MAX
    assert ended.stdout.endswith("4999\n5000\n")
    assert ended.stderr.endswith("5999\n6000\n")


def test_the_scripts_own_first_line_decides_what_runs_it(builder: builders.Builder) -> None:
    """A script is started as a program."""
    assert builder.command("#!/usr/bin/python3\nprint(1 + 1)").stdout == "2\n"
    assert builder.command("#!/bin/absent\n").exit_code in {126, 127}


def test_a_timeout_kills_the_script_and_not_its_children(builder: builders.Builder) -> None:
    """What a killed attempt has started may still hold locks when the next one begins."""
    script = "#!/bin/bash\ntrap 'echo trapped' EXIT\n( sleep 60; true ) & echo $!\nsleep 60; true"
    ended = builder.command(script, timeout_seconds=1)
    child = ended.stdout.strip()
    assert ended.exit_code == -1
    assert builder.ask(f"ps -o comm= -p {child}") == "script.sh"
    builder.ask(f"kill {child}")


def test_a_command_runs_once_also_after_a_restart(builder: builders.Builder) -> None:
    """The agent comes back and finds the command still lying there."""
    builder.command("#!/bin/bash\necho once >>/root/count")
    builder.machine.switch_off()
    builder.boot("rules", user=builders.USER)
    assert builder.ask("cat /root/count") == "once"


def test_nothing_can_be_reached_but_the_servers(builder: builders.Builder) -> None:
    """A machine here must not touch anyone's network."""
    assert builder.ask("ip route show default") == ""
    assert builder.command("#!/bin/bash\ncurl -sS -m 5 http://192.0.2.1").exit_code == 7
