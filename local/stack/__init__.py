"""The local stack: Azurite, the simulator and the Functions host, started and stopped together.

layout       which processes, ports, files and settings; pure
record       what is kept in the state folder: stack.json, the key, the lock
child        one process: start, readiness, log, end
storage      the blob containers that infrastructure makes in Azure
supervisor   all of them: `running` for a while, `up` until someone stops it
background   the stack seen from another process: find, start, stop
"""

from local.stack.background import down, down_command, find, start_in_background
from local.stack.layout import (
    DEFAULT_PORT,
    DEFAULT_STATE,
    DEFAULT_TIME_SCALE,
    EXECUTING_TIME_SCALE,
    ROOT,
    Machines,
    Options,
    StackError,
)
from local.stack.record import Running
from local.stack.supervisor import running, stop_signals, up

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_STATE",
    "DEFAULT_TIME_SCALE",
    "EXECUTING_TIME_SCALE",
    "ROOT",
    "Machines",
    "Options",
    "Running",
    "StackError",
    "down",
    "down_command",
    "find",
    "running",
    "start_in_background",
    "stop_signals",
    "up",
]
