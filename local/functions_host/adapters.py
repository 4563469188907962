"""The app's own functions as the engine wants them, with the SDK's replay engine in between.

engine = InlineEngine(
    adapters.orchestrators({"build": build}),               # generator functions
    adapters.activities({"start_vm": start_vm}),            # plain functions of one argument
)
"""

import functools
import importlib
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import azure.durable_functions as df
from azure.functions import meta

from local.functions_host import protocols

_TIMESTAMPS_KEPT = 16_384  # distinct texts; an instance of 100 steps has about 500


def orchestrators(generators: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[[str], str]]:
    """What the SDK makes of generator functions: text of its protocol in, text out."""
    prepare_sdk()
    return {name: df.Orchestrator.create(each) for name, each in generators.items()}


def activities(functions: Mapping[str, Callable[[Any], Any]]) -> dict[str, Callable[[str], str]]:
    """Functions of one argument, with the conversions of the worker around them."""
    prepare_sdk()
    return {name: functools.partial(_call, each) for name, each in functions.items()}


@functools.cache
def prepare_sdk() -> None:
    """Make the SDK fast and quiet, once per process.

    With every episode, version 1 parses the timestamp of every event again, with a parser that
    guesses the format; that takes four fifths of the time of a replay. Here each text is parsed
    once, by its known format, to the same value. Each episode makes a class anew, always the same
    one. And the variable that chooses strict types is read for each value.

    The first payload without a declared type brings a DeprecationWarning, which would fail the
    first activity of a test run that turns warnings into errors.
    """
    if not protocols.IS_PROTOBUF:
        _make_fast()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        _call(lambda value: value, "null")


def _make_fast() -> None:
    module: Any = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")
    module.dt_parse = functools.lru_cache(_TIMESTAMPS_KEPT)(_parser(module.dt_parse))
    executor: Any = importlib.import_module(
        "azure.durable_functions.models.TaskOrchestrationExecutor"
    )
    executor.namedtuple = functools.cache(executor.namedtuple)
    codec: Any = importlib.import_module("azure.functions._durable_functions")
    codec._is_strict_mode = functools.cache(codec._is_strict_mode)


def _parser(guess: Callable[[str], datetime]) -> Callable[[str], datetime]:
    utc = guess("2000-01-01T00:00:00Z").tzinfo

    def parse(text: str) -> datetime:
        if not text.endswith("Z"):
            return guess(text)
        return datetime.fromisoformat(text).replace(tzinfo=utc)

    return parse


def _call(function: Callable[[Any], Any], text: str) -> str:
    converter = meta.get_binding_registry().get("activityTrigger")  # type: ignore[no-untyped-call]
    value = converter.decode(meta.Datum(text, "json"), trigger_metadata=None)
    encoded: str = converter.encode(function(value), expected_type=None).value
    return encoded
