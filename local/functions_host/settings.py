"""What host.json and local.settings.json say, with the defaults of Azure Functions."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.functions_host import engine, versions
from local.functions_host.functions import AppRefused

_SLOTS_PER_CORE = (
    10  # of activities and orchestrators; docs "Durable Functions settings in host.json"
)
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Queues:
    """`extensions.queues`; intervals in simulated seconds."""

    encodes_base64: bool = True
    batch_size: int = 16
    new_batch_threshold: int = 8
    dequeue_count_max: int = 5
    visibility_timeout: float = 0.0
    """How long a message stays away after a failed attempt."""
    polling_interval_max: float = 60.0


def _slots() -> int:
    return _SLOTS_PER_CORE * (os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """host.json, as far as this host knows it."""

    route_prefix: str = "api"
    hub_name: str = "LocalTaskHub"
    activities_max: int = field(default_factory=_slots)
    orchestrators_max: int = field(default_factory=_slots)
    policy: versions.Policy = field(default_factory=versions.Policy)
    visibility: engine.Visibility = field(default_factory=engine.Visibility)
    queues: Queues = field(default_factory=Queues)


def read(app_dir: Path) -> Settings:
    """The settings of the app; raises AppRefused for what makes no sense."""
    extensions = _json(app_dir / "host.json").get("extensions", {})
    durable = extensions.get("durableTask", {})
    try:
        return Settings(
            route_prefix=extensions.get("http", {}).get("routePrefix", "api"),
            hub_name=durable.get("hubName", "LocalTaskHub"),
            activities_max=int(durable.get("maxConcurrentActivityFunctions", _slots())),
            orchestrators_max=int(durable.get("maxConcurrentOrchestratorFunctions", _slots())),
            policy=_policy(durable),
            visibility=_visibility(durable.get("storageProvider", {})),
            queues=_queues(extensions.get("queues", {})),
        )
    except ValueError as error:
        raise AppRefused(f"{app_dir / 'host.json'}: {error}") from error


def worker_threads() -> int:
    """Threads for plain functions in one Python worker, as Azure's has them; all kinds of functions
    share them.
    """
    asked = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
    return int(asked) if asked else min(32, (os.cpu_count() or 1) + 4)


def apply_values(app_dir: Path) -> None:
    """Values of local.settings.json become defaults of the environment."""
    for name, value in _json(app_dir / "local.settings.json").get("Values", {}).items():
        os.environ.setdefault(name, str(value))


def resolved(text: str) -> str:
    """`%NAME%` replaced by the app setting; raises AppRefused where there is none."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise AppRefused(f"There is no app setting {match[1]}, which '{text}' names.")
        return found

    return re.sub(r"%([^%\s]+)%", value, text)


def seconds(time_span: str) -> float:
    """.NET's `d.hh:mm:ss.fffffff` in seconds; raises ValueError."""
    match = _TIME_SPAN.fullmatch(time_span)
    if match is None:
        raise ValueError(f"'{time_span}' is not a time as hh:mm:ss")
    days, hours, minutes, whole, fraction = match.groups(default="0")
    return (
        int(days) * 86_400
        + int(hours) * 3_600
        + int(minutes) * 60
        + int(whole)
        + float(f"0.{fraction}")
    )


def _policy(durable: Mapping[str, Any]) -> versions.Policy:
    return versions.Policy(
        default=durable.get("defaultVersion"),
        match=versions.Match(durable.get("versionMatchStrategy", versions.Match.CURRENT_OR_OLDER)),
        on_mismatch=versions.OnMismatch(
            durable.get("versionFailureStrategy", versions.OnMismatch.REJECT),
        ),
    )


def _visibility(provider: Mapping[str, Any]) -> engine.Visibility:
    """The extension refuses to start with less than a minute, or more than an hour."""
    messages = seconds(provider.get("controlQueueVisibilityTimeout", "00:05:00"))
    if not 60 <= messages <= 3600:
        raise ValueError("controlQueueVisibilityTimeout must be between 1 and 60 minutes")
    return engine.Visibility(
        messages=messages,
        activities=seconds(provider.get("workItemQueueVisibilityTimeout", "00:05:00")),
    )


def _queues(queues: Mapping[str, Any]) -> Queues:
    encoding = queues.get("messageEncoding", "base64").lower()
    if encoding not in ("base64", "none"):
        raise ValueError(f"messageEncoding is base64 or none, not {encoding}")
    batch_size = int(queues.get("batchSize", 16))
    if not 1 <= batch_size <= 32:
        raise ValueError(f"batchSize is 1 to 32, not {batch_size}")
    return Queues(
        encodes_base64=encoding == "base64",
        batch_size=batch_size,
        new_batch_threshold=int(queues.get("newBatchThreshold", batch_size // 2)),
        dequeue_count_max=int(queues.get("maxDequeueCount", 5)),
        visibility_timeout=seconds(queues.get("visibilityTimeout", "00:00:00")),
        polling_interval_max=seconds(queues.get("maxPollingInterval", "00:01:00")),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    return content
