"""The two protocols between the host and the Durable SDK, of which the SDK's version decides.

Both are text that an orchestrator function takes and returns. With version 1 it is JSON and the
host plays the actions; since version 2 it is Base64 of Protocol Buffers, and the SDK itself
compares its actions with the history.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import azure.durable_functions as df

from local.functions_host import json_protocol
from local.functions_host.episodes import Answer
from local.functions_host.history import Event
from local.functions_host.store import Instance

IS_PROTOBUF = hasattr(df, "DurableFunctionsClient")
"""Whether the SDK that is installed is version 2 or newer."""


class SdkProtocol(Protocol):
    """What is said in the one or the other; a module each."""

    def event(self, event: Event, text: str) -> Any:
        """An event of an earlier episode, of which `text` is stored."""

    def request(self, instance: Instance, past: Sequence[Any], fresh: Sequence[Event]) -> str:
        """What an orchestrator function gets for its next episode; `past` is of `event`."""

    def answer(self, text: str) -> Answer:
        """What an orchestrator function returned."""

    def raised(self, error: Exception) -> Answer:
        """What it raised."""

    def input_text(self, value: str | None) -> str | None:
        """The input of an instance, as it is stored where the SDK sent the JSON text `value`."""


def installed() -> SdkProtocol:
    """The protocol of the SDK that is installed."""
    if IS_PROTOBUF:
        from local.functions_host import protobuf_protocol

        return protobuf_protocol
    return json_protocol
