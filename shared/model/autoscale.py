"""Formulas that a request need not write: by the clock, by the tasks, or a fixed number. Pure.

A formula holds nothing of a request but numbers. Its language:
https://learn.microsoft.com/azure/batch/batch-automatic-scaling
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from shared.base.wire import Request

PRESETS = {"offHours", "pendingTasks", "fixed"}  # as tags of the union they show in an error's path

Nodes = Annotated[int, Field(ge=0, le=2500)]


class OffHours(Request):
    """Nodes while people work, none at other times. Hours are those of the clock at this offset
    from UTC; Batch knows no daylight saving time.
    """

    preset: Literal["offHours"] = Field(description="Nodes while people work.")
    nodes: Nodes = Field(default=1, description="Dedicated nodes at these times.")
    low_priority_nodes: Nodes = Field(default=0, description="Spot nodes at these times.")
    from_hour: int = Field(default=8, ge=0, le=23, description="The first hour with nodes.")
    to_hour: int = Field(default=18, ge=1, le=24, description="The hour that they end at.")
    weekdays_only: bool = Field(
        default=True, description="Whether there are none on Saturday and Sunday."
    )
    utc_offset_minutes: int = Field(
        default=0, ge=-720, le=840, description="The clock's offset from UTC."
    )

    @property
    def most(self) -> tuple[int, int]:
        """Dedicated and spot nodes at most."""
        return self.nodes, self.low_priority_nodes

    def formula(self, slots: int) -> str:  # noqa: ARG002  as the other presets
        """The text for Batch."""
        # An interval can be added to a time, not subtracted from it.
        sign = "0 - " if self.utc_offset_minutes < 0 else ""
        offset = f" + TimeInterval_Minute * ({sign}{abs(self.utc_offset_minutes)})"
        begun, going = f"$now.hour >= {self.from_hour}", f"$now.hour < {self.to_hour}"
        if self.weekdays_only:
            begun += " && $now.weekday >= 1 && $now.weekday <= 5"
        if self.from_hour < self.to_hour:
            working = f"{begun} && {going}"
        else:  # a night shift ends the next day: that of Friday on Saturday
            going += " && $now.weekday >= 2 && $now.weekday <= 6" if self.weekdays_only else ""
            working = f"({begun}) || ({going})"
        return _lines(
            f"$now = time(){offset if self.utc_offset_minutes else ''};",
            f"$working = {working};",
            f"$TargetDedicatedNodes = $working ? {self.nodes} : 0;",
            f"$TargetLowPriorityNodes = $working ? {self.low_priority_nodes} : 0;",
        )


class PendingTasks(Request):
    """As many nodes as the tasks that wait or run have room on, of one kind."""

    preset: Literal["pendingTasks"] = Field(description="As many nodes as tasks need.")
    min_nodes: Nodes = Field(default=0, description="At least so many.")
    max_nodes: Annotated[int, Field(ge=1, le=2500)] = Field(description="At most so many.")
    low_priority: bool = Field(default=False, description="Whether they are Spot nodes.")

    @property
    def most(self) -> tuple[int, int]:
        """Dedicated and spot nodes at most."""
        return (0, self.max_nodes) if self.low_priority else (self.max_nodes, 0)

    def formula(self, slots: int) -> str:
        """The text for Batch. A pool that is new has no samples of its tasks yet."""
        kinds = ("LowPriority", "Dedicated") if self.low_priority else ("Dedicated", "LowPriority")
        now = "$PendingTasks.GetSample(1)"
        average = "avg($PendingTasks.GetSample(TimeInterval_Minute * 15))"
        return _lines(
            "$samples = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 15);",
            f"$tasks = $samples < 70 ? max(0, {now}) : max({now}, {average});",
            f"$wanted = ceil($tasks / {slots});",
            f"$Target{kinds[0]}Nodes = max({self.min_nodes}, min($wanted, {self.max_nodes}));",
            f"$Target{kinds[1]}Nodes = 0;",
        )


class Fixed(Request):
    """A number of nodes that a formula keeps: Batch asks again for those that it could not give."""

    preset: Literal["fixed"] = Field(description="A number that is kept.")
    nodes: Nodes = Field(default=1, description="Dedicated nodes.")
    low_priority_nodes: Nodes = Field(default=0, description="Spot nodes.")

    @property
    def most(self) -> tuple[int, int]:
        """Dedicated and spot nodes at most."""
        return self.nodes, self.low_priority_nodes

    def formula(self, slots: int) -> str:  # noqa: ARG002  as the other presets
        """The text for Batch."""
        return _lines(
            f"$TargetDedicatedNodes = {self.nodes};",
            f"$TargetLowPriorityNodes = {self.low_priority_nodes};",
        )


Autoscale = Annotated[OffHours | PendingTasks | Fixed, Discriminator("preset")]


def _lines(*lines: str) -> str:
    """No node goes while a task runs on it."""
    return "\n".join([*lines, "$NodeDeallocationOption = taskcompletion;"])
