"""The host as a process: python -m local.functions_host APP_DIR --port P --state DIR.

FUNCTIONS_HOST_KEY is the key that functions and the admin endpoints ask for. The app's settings are
the environment, with the values of local.settings.json as defaults. SIGTERM and SIGINT end it
quickly; after a SIGKILL the same command goes on where it was.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from local.functions_host import logs
from local.functions_host.functions import AppRefused
from local.functions_host.host import Host

_KEY = "FUNCTIONS_HOST_KEY"


def main() -> None:
    options = _parser().parse_args()
    _log_to_stderr(verbose=options.verbose)
    if not os.environ.get(_KEY):
        sys.exit(f"Set {_KEY}: the key that clients of the functions must send.")
    try:
        asyncio.run(_serve(options))
    except AppRefused as problem:
        sys.exit(str(problem))
    except OSError as problem:
        sys.exit(f"The host cannot start: {problem}")
    # Functions that still run cannot be stopped, and need not be waited for: they run again.
    logging.shutdown()
    os._exit(0)


async def _serve(options: argparse.Namespace) -> None:
    app_dir, state = options.app_dir.resolve(), options.state.resolve()
    stopping = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    os.chdir(app_dir)  # where the worker of Azure Functions starts an app, too
    async with Host(
        app_dir,
        state=state,
        key=os.environ[_KEY],
        port=options.port,
        time_scale=options.time_scale,
    ) as host:
        stopped = asyncio.create_task(stopping.wait())
        either: set[asyncio.Future[Any]] = {stopped, host.broken}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if host.broken.done():
            # At once, because what follows would fail as well. The same command goes on from here.
            logs.log.critical("The host ends after a fault of its own: %s", host.broken.result())
            logging.shutdown()
            os._exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.functions_host")
    parser.add_argument("app_dir", type=Path, help="the folder of function_app.py")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="the folder of what is kept")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="simulated seconds per second"
    )
    parser.add_argument("--verbose", action="store_true", help="with the traces of all failures")
    return parser


def _log_to_stderr(*, verbose: bool) -> None:
    line = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=line)
    logging.getLogger("functions_host").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)  # else a line per request to storage


if __name__ == "__main__":
    main()
