"""The supervisor of the local stack, over real processes that stand in for the three."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import stack_world
from stack_world import Up, happened, interrupt

from local import stack
from local.stack import background, layout, record, supervisor
from shared.base import names
from shared.store import row_checks
from tests.waiting import soon


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def options(state: Path) -> stack.Options:
    return stack.Options(state=state, port=0)


def pids_of(state: Path) -> dict[str, int]:
    running = record.read(state)
    assert running is not None
    return dict(running.pids)


def test_the_processes_start_in_order_and_end_in_reverse_order(
    state: Path, options: stack.Options
) -> None:
    """The host needs both others; Azurite, which holds the tables, ends last."""
    up = Up(options, interrupt)
    assert up.code == 0
    assert happened(state) == [
        *("azurite starts", "simulator starts", "host starts"),
        *("host ends", "simulator ends", "azurite ends"),
    ]


def test_stack_json_says_where_everything_is_while_it_runs(
    state: Path, options: stack.Options
) -> None:
    """Other programs find the stack by this file; only its owner may read the key in it."""
    seen: dict[str, object] = {}

    def read_it() -> None:
        file = state / "stack.json"
        seen.update(json.loads(file.read_text()), mode=stat.S_IMODE(file.stat().st_mode))
        interrupt()

    Up(options, read_it)
    assert seen["mode"] == 0o600
    assert set(seen["pids"]) == {"host", "simulator", "azurite"}  # type: ignore[call-overload]
    assert {"appUrl", "functionKey", "simulatorUrl", "storageConnectionString"} <= set(seen)
    assert not (state / "stack.json").exists()


def test_what_the_stack_writes_is_for_its_owner_only(state: Path, options: stack.Options) -> None:
    """Keys, logs, requests: also files that an earlier version made for everybody."""
    log = state / "logs" / "host.log"
    log.parent.mkdir(parents=True)
    log.touch(mode=0o644)
    Up(options, interrupt)
    made = [path for path in state.rglob("*") if path.is_file() and path.name != "stack.lock"]
    assert log in made
    secret = [p for p in made if p.suffix in {".log", ".json", ".key", ".sqlite"}]
    assert [p for p in secret if stat.S_IMODE(p.stat().st_mode) & 0o077] == []
    assert stat.S_IMODE((state / "azurite").stat().st_mode) == 0o700


def test_the_databases_are_for_their_owner_only(tmp_path: Path) -> None:
    """With the files that SQLite makes beside them."""
    from local.azure_simulator.core import Simulator
    from local.clock import VirtualClock
    from local.functions_host.store import Store

    old = tmp_path / "durable.sqlite"
    old.touch(mode=0o644)
    store = Store(old)
    azure = Simulator(clock=VirtualClock(0), path=tmp_path / "azure.sqlite")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert {"durable.sqlite-wal", "azure.sqlite-wal"} < set(modes)
    assert set(modes.values()) == {0o600}
    store.close()
    azure.close()


def test_the_key_survives_a_restart(state: Path, options: stack.Options) -> None:
    """A terminal in which the key was exported goes on working."""
    keys = []

    def note_key() -> None:
        running = record.read(state)
        keys.append(running and running.function_key)
        interrupt()

    Up(options, note_key)
    Up(options, note_key)
    assert keys[0] == keys[1]
    assert stat.S_IMODE((state / "function.key").stat().st_mode) == 0o600


def test_a_process_that_dies_is_named_and_the_rest_is_stopped(
    state: Path, options: stack.Options
) -> None:
    """Half a stack would fail builds in strange ways."""
    up = Up(options, lambda: os.kill(pids_of(state)["simulator"], signal.SIGKILL))
    assert up.code == 1
    assert "simulator ended by SIGKILL" in up.said[-1]
    assert "simulator listens" in up.said[-1]
    assert happened(state)[-2:] == ["host ends", "azurite ends"]


def test_a_process_that_cannot_start_ends_the_stack_with_its_words(options: stack.Options) -> None:
    """The reason is in the child's log, and a person should not have to look for it."""

    def broken(
        options: stack.Options, ports: layout.Ports, **_: object
    ) -> tuple[layout.Service, ...]:
        fails = layout.Service(
            name="host",
            command=(sys.executable, "-c", "raise SystemExit('no such module')"),
            log=options.state / "logs" / "host.log",
            ready_urls=(layout.url(ports.host),),
        )
        return (*stack_world.stand_ins(options, ports)[:1], fails)

    with pytest.raises(stack.StackError, match=r"host ended with exit code 1[\s\S]*no such module"):
        supervisor.up(options, print, broken)
    assert happened(options.state) == ["azurite starts", "azurite ends"]


def test_a_program_that_is_missing_is_named(options: stack.Options) -> None:
    """Azurite is absent until `make setup` has run."""

    def missing(options: stack.Options, *_: object, **__: object) -> tuple[layout.Service, ...]:
        log = options.state / "logs" / "azurite.log"
        return (layout.Service(name="azurite", command=("/no/azurite",), log=log, ready_urls=()),)

    with pytest.raises(stack.StackError, match=r"azurite cannot be started.*make setup"):
        supervisor.up(options, print, missing)


def test_ports_that_are_taken_are_named(state: Path) -> None:
    """`Address already in use` does not say whose."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(stack.StackError, match=rf"port {port} \(the simulator\)"):
            supervisor.up(stack.Options(state=state, port=port - 1), print, stack_world.stand_ins)


def test_a_port_of_another_stack_names_that_stack(state: Path) -> None:
    """`make up` beside `local up --state DIR`: it is this clone's own stack, and no foreign one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
        line += ["--port", str(port), "--state", "/home/me/.batch-prep"]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            with pytest.raises(stack.StackError, match=r"the stack on /home/me/\.batch-prep: port"):
                supervisor.up(stack.Options(state=state, port=port), print, stack_world.stand_ins)
            other.kill()


def test_a_second_stack_in_the_same_folder_is_refused(options: stack.Options) -> None:
    """Two hosts on one history would each run every build."""
    refusals = []

    def start_another() -> None:
        with pytest.raises(stack.StackError) as refused:
            supervisor.up(options, print, stack_world.stand_ins)
        refusals.append(str(refused.value))
        interrupt()

    Up(options, start_another)
    assert "runs on" in refusals[0]
    assert "local down --state" in refusals[0]


def test_down_stops_a_stack_of_another_process(state: Path) -> None:
    """`local down` works from any terminal."""
    said: list[str] = []
    with _another_process(state) as process:
        background.down(state, said.append)
        assert process.wait(60) == 0
    assert said == [f"The local stack on {state} is stopped; its state stays."]
    assert happened(state)[-1] == "azurite ends"


def test_down_stops_the_stacks_below_its_folder(state: Path) -> None:
    """`make clean` removes these folders: a process that stays could not be stopped any more."""
    said: list[str] = []
    below = state / "faults"
    below.mkdir(parents=True)
    with _another_process(below) as process:
        background.down(state, said.append)
        assert process.wait(60) == 0
    assert said == [f"The local stack on {below} is stopped; its state stays."]


def test_the_command_that_stops_a_stack_names_its_folder(tmp_path: Path) -> None:
    """Without `--state` it would stop that of the usual folder."""
    assert stack.down_command(stack.DEFAULT_STATE) == "./batch-prep.sh local down"
    folder = tmp_path / "my faults"
    assert stack.down_command(folder) == f"./batch-prep.sh local down --state '{folder}'"


def test_down_where_nothing_runs_says_so(state: Path) -> None:
    """Stopping what is stopped is no error."""
    said: list[str] = []
    background.down(state, said.append)
    assert said == [f"No stack runs on {state}."]


def test_a_killed_supervisor_leaves_nothing_behind(state: Path, options: stack.Options) -> None:
    """After a SIGKILL the same command starts again where it was, whatever is left over."""
    with _another_process(state) as process:
        pids = pids_of(state)
        process.kill()
        process.wait(60)
        background.end_orphans(state)
        assert soon(lambda: not any(map(psutil.pid_exists, pids.values())))
    assert Up(options, interrupt).code == 0


def test_a_process_that_is_not_ours_is_left_alone(state: Path) -> None:
    """The kernel gives process ids out again."""
    state.mkdir()
    stranger = record.Running(
        app_url="",
        function_key="",
        simulator_url="",
        storage_connection_string="",
        pids={"host": os.getpid()},
        port=1,
        time_scale=60,
    )
    record.write(state, stranger)
    assert background.end_orphans(state) == 0


def test_a_stack_is_found_only_while_it_answers(state: Path) -> None:
    """A file of a stack that was killed must not be believed."""
    assert stack.find(state) is None
    with _another_process(state):
        found = stack.find(state)
        written = record.read(state)
        background.down(state, lambda _: None)
    assert found == written
    assert written is not None
    record.write(state, written)
    assert stack.find(state) is None


class _another_process:  # noqa: N801  reads as a phrase
    """A stack in a process of its own, ready; killed at the end of the block if it still runs."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._state.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, stack_world.__file__, str(self._state)],
            env={**os.environ, "PYTHONPATH": str(layout.ROOT)},
            stdout=subprocess.DEVNULL,
        )
        assert soon(lambda: record.read(self._state) is not None)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


# ---------------------------------------------------------------------------------------
# What is started


@pytest.fixture
def services(state: Path) -> dict[str, layout.Service]:
    made = layout.services(
        stack.Options(state=state, faults=state / "faults.json", seed=7),
        layout.Ports(host=7071),
        function_key="key",
        identity_secret="secret",
        surrounding={"PATH": "/bin", "AZURE_TENANT_ID": "mine", "SWEEP_SCHEDULE": "0 0 * * * *"},
    )
    return {service.name: service for service in made}


def test_a_persons_own_azure_settings_do_not_reach_the_app(
    services: dict[str, layout.Service],
) -> None:
    """An app on a simulator must not hold somebody's real tenant."""
    environment = services["host"].environment
    assert environment["AZURE_TENANT_ID"] != "mine"
    assert "AZURE_TENANT_ID" not in services["simulator"].environment
    assert environment["AZURE_RESOURCE_MANAGER_ENDPOINT"] == "http://127.0.0.1:7072"
    assert environment["IDENTITY_ENDPOINT"] == "http://127.0.0.1:7072/msi/token"
    assert environment["SWEEP_SCHEDULE"] == "0 0 * * * *"
    assert environment["FUNCTIONS_HOST_KEY"] == "key"


def test_nothing_listens_beyond_this_machine(services: dict[str, layout.Service]) -> None:
    """The stack has public keys; only loopback may reach it."""
    command = services["azurite"].command
    hosts = [command[index + 1] for index, part in enumerate(command) if part.endswith("Host")]
    assert hosts == ["127.0.0.1"] * 3
    assert "--disableTelemetry" in command


def test_the_simulator_gets_its_faults_and_its_seed(services: dict[str, layout.Service]) -> None:
    """They make a run repeatable."""
    command = " ".join(services["simulator"].command)
    assert "--faults" in command
    assert "--seed 7" in command


def test_the_storage_gets_what_the_app_expects_in_it(
    services: dict[str, layout.Service],
) -> None:
    """In Azure the deployment makes it; here nobody else would."""
    url = services["host"].environment["STEP_LOG_CONTAINER_URL"]
    assert (url.rpartition("/")[2],) == layout.OPEN_CONTAINERS
    assert layout.CONTAINERS == (names.CONTEXTS_CONTAINER, names.DOCUMENTS_CONTAINER)
    assert layout.QUEUES == (names.POOL_REQUESTS_QUEUE, names.POISON_QUEUE)
    of_app = {n for n in vars(row_checks).values() if str(n).startswith("batchprep")}
    assert set(layout.TABLES) == of_app
    assert [s.name for s in services.values() if s.is_storage] == ["azurite"]


def test_machines_that_really_execute_get_more_time(state: Path) -> None:
    """Their scripts take real seconds while Azure's time-outs go by simulated ones."""
    assert stack.Machines.NSPAWN.time_scale < stack.Machines.SCRIPTED.time_scale
    options = stack.Options(state=state, machines=stack.Machines.NSPAWN, roots=Path("/kits"))
    assert background.arguments(options)[-4:] == ["--machines", "nspawn", "--roots", "/kits"]


def test_azure_can_be_reached_through_another_address(state: Path) -> None:
    """A recording proxy in front of the simulator sees all of the app's traffic."""
    options = stack.Options(state=state, azure_endpoint="http://127.0.0.1:9999/")
    settings = layout.app_settings(options, layout.Ports(host=7071), "secret")
    assert settings["AZURE_RESOURCE_MANAGER_ENDPOINT"] == "http://127.0.0.1:9999"
    assert settings["IDENTITY_ENDPOINT"] == "http://127.0.0.1:9999/msi/token"


def test_background_options_survive_the_command_line(state: Path) -> None:
    """The stack in the background is the one that was asked for."""
    line = background.arguments(stack.Options(state=state, port=0, time_scale=600, seed=3))
    assert line == ["--state", str(state), "--time-scale", "600", "--port", "0", "--seed", "3"]


def test_signals_work_as_before_afterwards() -> None:
    """A command that ran a stack for a while must still be interruptible."""
    before = signal.getsignal(signal.SIGTERM)
    with stack.stop_signals() as asked:
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.wait(10)
    assert signal.getsignal(signal.SIGTERM) is before
    assert isinstance(asked, threading.Event)
