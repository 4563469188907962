"""One setting as the documentation shows it, and the settings that other programs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One environment variable, as the documentation shows it."""

    name: str
    about: str
    default: str = ""  # the value, or words in place of one
    rule: str = ""  # completes "NAME must be ..."
    is_value: bool = True  # whether `default` is a value and not words
    example: str = ""  # what the sample file says where there is no default

    def as_row(self) -> str:
        """The row of this setting in the documentation's table."""
        default = f"`{self.default}`" if self.default and self.is_value else self.default
        rule = f" It must be {self.rule}." if self.rule else ""
        return f"| `{self.name}` | {default} | {self.about}{rule} |"


def setting(name: str, about: str, *, rule: str = "", words: str = "", **more: Any) -> Any:
    """A field of Settings. `more` goes to pydantic; without a `default` the setting must be there.
    `words` describe a default that is no value.
    """
    default = more.get("default")
    shown = "" if default is None else f"{default}"
    return Field(
        **{"validation_alias": name, **more},
        description=about,
        json_schema_extra={"name": name, "rule": rule, "default": shown, "words": words},
    )


READ_ELSEWHERE = [
    Setting(
        name="WEEKLY_REBUILD_SCHEDULE",
        example="0 0 3 * * 0",
        about="When the recipes are rebuilt: six fields, in UTC, such as `0 0 3 * * 0`. The "
        "Functions host reads it and does not start the timer without it.",
    ),
    Setting(
        name="SWEEP_SCHEDULE",
        example="0 */30 * * * *",
        about="When the leftovers of lost builds, the nodes of failed pools and expired pools are "
        "removed, such as `0 */30 * * * *`; read in the same way.",
    ),
    Setting(
        name="PYTHON_THREADPOOL_THREAD_COUNT",
        example="32",
        about="Threads of a Python worker: those of host.json's 16 activities and 4 orchestrators, "
        "and 12 for HTTP, queue and timers. Unset, a worker has its cores + 4, too few for them.",
    ),
    Setting(
        name="FUNCTIONS_WORKER_PROCESS_COUNT",
        default="1",
        about="Python workers of one instance; each has its own threads, caches and rate limiter.",
    ),
    Setting(
        name="AZURE_FUNCTIONS_DURABLE_STRICT_TYPING",
        example="1",
        about="Read by the Durable SDK: `1` keeps it from looking for Python classes in stored "
        "values, which are plain JSON.",
    ),
]
"""What the Functions host, its worker or the Durable SDK reads. They have no default: where one is
missing, nothing takes its place.
"""
