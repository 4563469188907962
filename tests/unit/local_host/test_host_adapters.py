"""What the host changes about the SDK, and what it must not change."""

import importlib

import pytest
from dateutil.parser import parse

from local.functions_host import adapters


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T23:59:58.123456Z",
        "2026-01-31T23:59:58Z",
        "2026-01-31T23:59:58.1234567Z",
        "2026-01-31T23:59:58+01:00",
    ],
)
def test_timestamps_mean_what_the_sdk_made_of_them(text):
    """The shortcut through the SDK's slowest part gives the same value of the same type."""
    adapters.prepare_sdk()
    module = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")

    assert repr(module.dt_parse(text)) == repr(parse(text))


def test_an_activity_meets_the_conversions_of_the_worker():
    """Inputs come as values, results leave as JSON."""
    activities = adapters.activities({"double": lambda value: {"twice": value["n"] * 2}})

    assert activities["double"]('{"n": 21}') == '{"twice": 42}'


def test_a_result_that_is_no_json_is_refused():
    """As the worker refuses it, and not first on Azure."""
    activities = adapters.activities({"odd": lambda _: {1, 2}})

    with pytest.raises(ValueError, match="json serializable"):
        activities["odd"]("null")
