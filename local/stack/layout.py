"""Which processes make the stack, on which ports, with which settings: values only."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Mapping
from pathlib import Path

from local.azure_simulator import storage_accounts

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_STATE = ROOT / ".batch-prep"
DEFAULT_PORT = 7071  # where `func start` serves, so that people's bookmarks work
DEFAULT_TIME_SCALE = 60.0  # a simulated minute takes a second
# Scripts that really run take real seconds, and Azure's time-outs go by simulated ones.
EXECUTING_TIME_SCALE = 20.0

# Azurite's built-in account; the key is public.
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
_ACCOUNT = "devstoreaccount1"
_ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_TENANT = "00000000-0000-0000-0000-000000000002"  # scripts name it when they ask for a token
# A person's own Azure credentials and endpoints must not reach an app that works on a simulator.
_FOREIGN = ("AZURE_", "ARM_", "IDENTITY_", "MSI_", "AzureWebJobs", "BATCH_PREP_")
_STEP_LOGS = "step-logs"
# What a deployment makes in the app's storage account: a queue trigger does not make its queue.
QUEUES = ("pool-requests", "pool-requests-poison")
TABLES = tuple(
    f"batchprep{what}"
    for what in (
        "Images",
        "Pools",
        "Recipes",
        "Changes",
        "Refused",
        "Reconciled",
        "Builds",
        "BuildList",
        "Steps",
        "Pace",
        "Claims",
    )
)
CONTAINERS = ("batch-prep-contexts", "batch-prep-documents")
OPEN_CONTAINERS = (_STEP_LOGS,)
_SCHEDULES = {"WEEKLY_REBUILD_SCHEDULE": "0 0 3 * * 0", "SWEEP_SCHEDULE": "0 */30 * * * *"}


class StackError(Exception):
    """The stack cannot be started, found or stopped; the message says why and what to do."""


class Machines(enum.StrEnum):
    """What the simulator's virtual machines do with a script."""

    SCRIPTED = "scripted"
    NSPAWN = "nspawn"  # they really execute it where they can, in a container with Debian 12

    @property
    def time_scale(self) -> float:
        """Simulated seconds per second, where no option says so."""
        return EXECUTING_TIME_SCALE if self is Machines.NSPAWN else DEFAULT_TIME_SCALE


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a person may choose. `port` 0 takes any free ones; `None` the usual or else any."""

    state: Path = DEFAULT_STATE
    port: int | None = DEFAULT_PORT
    time_scale: float = DEFAULT_TIME_SCALE  # simulated seconds per second
    faults: Path | None = None
    seed: int | None = None
    machines: Machines = Machines.SCRIPTED
    roots: Path | None = None  # what real machines are made from, if not in its usual place
    record: Path | None = None  # gets every request body to Resource Manager
    azure_endpoint: str | None = None  # where the app reaches Azure instead of the simulator itself
    app: Path = ROOT  # the folder of function_app.py; an unpacked package is one, too


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Five ports in a row from `host` on, all on loopback."""

    host: int

    @property
    def simulator(self) -> int:
        return self.host + 1

    @property
    def blob(self) -> int:
        return self.host + 2

    @property
    def queue(self) -> int:
        return self.host + 3

    @property
    def table(self) -> int:
        return self.host + 4

    def named(self) -> dict[int, str]:
        """Each port with what listens there."""
        return {
            self.host: "the app",
            self.simulator: "the simulator",
            self.blob: "Azurite blob",
            self.queue: "Azurite queue",
            self.table: "Azurite table",
        }


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    """One process. It is ready when each of `ready_urls` answers, with 200 where `must_succeed`."""

    name: str
    command: tuple[str, ...]
    log: Path
    ready_urls: tuple[str, ...]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ready_headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    must_succeed: bool = True
    is_storage: bool = False  # the app's storage account, which a deployment prepares
    grace_seconds: float = 10.0  # between SIGTERM and SIGKILL


def url(port: int) -> str:
    """A server of the stack."""
    return f"http://127.0.0.1:{port}"


def storage_connection_string(ports: Ports) -> str:
    """As storage clients take it."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_ACCOUNT_KEY};"
        f"BlobEndpoint={url(ports.blob)}/{_ACCOUNT};QueueEndpoint={url(ports.queue)}/{_ACCOUNT};"
        f"TableEndpoint={url(ports.table)}/{_ACCOUNT};"
    )


def services(
    options: Options,
    ports: Ports,
    *,
    function_key: str,
    identity_secret: str,
    surrounding: Mapping[str, str],
) -> tuple[Service, ...]:
    """The processes in the order of their start; `surrounding` is this process's environment."""
    own = {name: value for name, value in surrounding.items() if not name.startswith(_FOREIGN)}
    own |= {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUNBUFFERED": "1"}
    return (
        _azurite(options, ports, own),
        _simulator(options, ports, own),
        _host(options, ports, own, function_key, identity_secret),
    )


def _azurite(options: Options, ports: Ports, own: Mapping[str, str]) -> Service:
    command = [str(ROOT / "node_modules" / ".bin" / "azurite"), "--silent", "--disableTelemetry"]
    command += ["--skipApiVersionCheck", "--location", str(options.state / "azurite")]
    for kind, port in (("blob", ports.blob), ("queue", ports.queue), ("table", ports.table)):
        command += [f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(port)]
    return Service(
        name="azurite",
        command=tuple(command),
        log=options.state / "logs" / "azurite.log",
        environment=own,
        ready_urls=tuple(
            f"{url(port)}/{_ACCOUNT}" for port in (ports.blob, ports.queue, ports.table)
        ),
        is_storage=True,
        must_succeed=False,  # without a signature it refuses, and that is an answer
        grace_seconds=30.0,  # it writes its tables to disk before it ends
    )


def _simulator(options: Options, ports: Ports, own: Mapping[str, str]) -> Service:
    command = [sys.executable, "-m", "local.azure_simulator", *_common(options, ports.simulator)]
    command += ["--storage", storage_connection_string(ports), "--machines", str(options.machines)]
    if options.roots:
        command += ["--roots", str(options.roots)]
    if options.record:
        command += ["--record", str(options.record)]
    if options.faults:
        command += ["--faults", str(options.faults)]
    if options.seed is not None:
        command += ["--seed", str(options.seed)]
    return Service(
        name="simulator",
        command=tuple(command),
        log=options.state / "logs" / "simulator.log",
        environment=own,
        ready_urls=(f"{url(ports.simulator)}/_simulator/ledger",),
    )


def _host(
    options: Options, ports: Ports, own: Mapping[str, str], function_key: str, identity_secret: str
) -> Service:
    command = [
        sys.executable,
        "-m",
        "local.functions_host",
        str(options.app),
        *_common(options, ports.host),
    ]
    return Service(
        name="host",
        command=tuple(command),
        log=options.state / "logs" / "host.log",
        environment={
            **_SCHEDULES,
            **own,
            **app_settings(options, ports, identity_secret),
            "FUNCTIONS_HOST_KEY": function_key,
        },
        ready_urls=(f"{url(ports.host)}/admin/host/status",),
        ready_headers={"x-functions-key": function_key},
    )


def _common(options: Options, port: int) -> list[str]:
    state, scale = str(options.state), f"{options.time_scale:g}"
    return ["--port", str(port), "--state", state, "--time-scale", scale]


def app_settings(options: Options, ports: Ports, identity_secret: str) -> dict[str, str]:
    """What the app needs to know of this place; in Azure these are its application settings."""
    azure = (options.azure_endpoint or url(ports.simulator)).rstrip("/")
    return {
        "AzureWebJobsStorage": storage_connection_string(ports),
        "WEBSITE_HOSTNAME": url(ports.host).removeprefix("http://"),  # as Azure sets it
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",  # as in local.settings.sample.json
        "AZURE_SUBSCRIPTION_ID": _SUBSCRIPTION,
        "AZURE_TENANT_ID": _TENANT,
        "AZURE_CLIENT_ID": "",  # the one identity that this machine has
        "AZURE_RESOURCE_MANAGER_ENDPOINT": azure,
        "AZURE_RETAIL_PRICES_ENDPOINT": azure,
        "PUBLIC_REGISTRIES_ENDPOINT": azure,
        "IDENTITY_ENDPOINT": f"{azure}/msi/token",
        "IDENTITY_HEADER": identity_secret,
        "STEP_LOG_CONTAINER_URL": f"{url(ports.blob)}/{_ACCOUNT}/{_STEP_LOGS}",
        "STEP_LOG_IDENTITY_ID": storage_accounts.log_identity_id(_SUBSCRIPTION),
        "STEP_LOG_IDENTITY_CLIENT_ID": storage_accounts.LOG_CLIENT_ID,
    }
