"""Simulated seconds as the texts that Azure writes."""

from __future__ import annotations

import datetime as dt
import email.utils


def moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def text(seconds: float) -> str:
    """`2026-11-23T10:00:00.1234567+00:00`, as compute and operation documents write it."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")


def zulu(seconds: float) -> str:
    """`2026-11-23T10:00:00.123456Z`, as Batch and Resource Manager write it."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(seconds: float) -> str:
    """`Mon, 23 Nov 2026 10:00:00 GMT`, as headers carry it."""
    return email.utils.formatdate(seconds, usegmt=True)


def seconds(text: str) -> float:
    """The reverse of both."""
    return dt.datetime.fromisoformat(text).timestamp()
