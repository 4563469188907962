"""`python -m local.azure_simulator --port P --state DIR [--time-scale 60] [--faults FILE] …`"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import pathlib
import time

from local import clock
from local.azure_simulator import certificate, core, server, storage_accounts
from local.azure_simulator.machine import nspawn
from local.machines import features, kit


def main() -> None:
    options = _parse()
    logging.basicConfig(level=options.log_level.upper(), format="%(name)s %(message)s")
    state: pathlib.Path = options.state
    azure = core.Simulator(
        clock=clock.ScaledClock.open(state / "clock.json", scale=options.time_scale),
        seed=options.seed,
        path=state / "azure.sqlite",
        storage=options.storage,
        record=options.record,
        stopwatch=time.perf_counter,
        retry_after=True if options.retry_after is None else options.retry_after,
    )
    machines = _machines(options, azure) if options.machines == "nspawn" else None
    faults = json.loads(options.faults.read_text()) if options.faults else []
    for number, fault in enumerate(faults, start=1):
        azure.faults.add_once({"id": f"file-{number}", **fault})
    if options.storage:
        storage_accounts.deploy_log_account(azure, _account_of(options.storage))
    azure.store.commit()
    asyncio.run(server.serve(azure, options.port, _tls(options), options.proxy_port))
    if machines is not None:
        machines.close()


def _account_of(connection: str) -> str:
    parts = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
    return parts["AccountName"]


def _tls(options: argparse.Namespace) -> server.Tls | None:
    if options.tls_port is None:
        return None
    context = certificate.server_context(options.state / "tls")
    return server.Tls(port=options.tls_port, context=context)


def _machines(options: argparse.Namespace, azure: core.Simulator) -> nspawn.NspawnMachine:
    """Let builder VMs really execute. Ends the process where they cannot."""
    missing = features.missing()
    if not missing and kit.find(options.roots) is None:
        missing = [f"{options.roots} has nothing to make machines from; try: make roots"]
    if missing:
        raise SystemExit("\n".join(["Machines cannot really execute here:", *missing]))
    machines = nspawn.NspawnMachine(
        azure.durations, options.state.resolve() / "machines", options.roots.resolve()
    )
    azure.machine = machines
    return machines


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.azure_simulator")
    parser.add_argument("--port", type=int, required=True, help="on the loopback address")
    parser.add_argument("--tls-port", type=int, help="a second port, for https")
    parser.add_argument("--proxy-port", type=int, help="a proxy to the https port, for registries")
    parser.add_argument(
        "--retry-after", type=int, help="seconds that each running operation asks to wait for"
    )
    parser.add_argument("--state", type=pathlib.Path, required=True, help="directory of the state")
    parser.add_argument("--time-scale", type=float, default=1, help="simulated seconds per second")
    parser.add_argument("--faults", type=pathlib.Path, help="JSON list of faults, see `faults`")
    parser.add_argument("--seed", type=int, default=1, help="decides durations and chances")
    parser.add_argument("--storage", help="connection string of a storage account, for logs")
    parser.add_argument(
        "--record", type=pathlib.Path, help="file that gets every request body to Resource Manager"
    )
    parser.add_argument(
        "--machines",
        choices=("scripted", "nspawn"),
        default="scripted",
        help="nspawn: they really execute what Debian 12 can stand in for (root on Linux)",
    )
    parser.add_argument(
        "--roots",
        type=pathlib.Path,
        default=kit.DEFAULT_HOME,
        help="directory with what such machines are made from, see `local.machines`",
    )
    parser.add_argument("--log-level", default="warning")
    options = parser.parse_args()
    if options.proxy_port is not None and options.tls_port is None:
        parser.error("--proxy-port leads to https: give --tls-port, too")
    return options


if __name__ == "__main__":
    main()
