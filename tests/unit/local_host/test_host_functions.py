"""Loading an app: what is found, and what is refused before it could surprise."""

import pytest

from local.functions_host import functions, settings, versions
from local.functions_host.functions import AppRefused, Trigger

HEAD = """
import azure.functions as func
import azure.durable_functions as df
app = df.DFApp()
"""

BLOB = "arg_name='b', path='x', connection='C'"

REFUSED = {
    "no app": ("app = None", "exactly one app at its top level, not 0"),
    "two apps": ("other = func.FunctionApp()", "exactly one app at its top level, not 2"),
    "an entity": (
        "@app.entity_trigger(context_name='context')\ndef counter(context): ...",
        "counter: this host has no entityTrigger",
    ),
    "another trigger": (
        "@app.blob_trigger(arg_name='b', path='x', connection='C')\ndef on_blob(b): ...",
        "on_blob: this host has no blobTrigger",
    ),
    "another output": (
        f"@app.route(route='x')\n@app.blob_output({BLOB})\ndef put(req, b): ...",
        "put: this host has no output binding blob",
    ),
    "another input": (
        f"@app.route(route='x')\n@app.blob_input({BLOB})\ndef get(req, b): ...",
        "get: this host has no input binding blob",
    ),
    "a parameter without a binding": (
        "@app.activity_trigger(input_name='a')\ndef act(a, b): ...",
        r"act has no binding for its parameter \['b'\]",
    ),
    "a binding without a parameter": (
        "@app.activity_trigger(input_name='a')\ndef act(b): ...",
        r"act has no parameter for its binding \['a'\]",
    ),
    "an orchestrator whose parameter is not called context": (
        "@app.orchestration_trigger(context_name='ctx')\ndef story(ctx): ...",
        r"story has no parameter for its binding \['ctx'\]",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_run_is_refused(tmp_path, case):
    """By name, and at the start, as the official worker does."""
    code, message = case
    (tmp_path / "function_app.py").write_text(f"{HEAD}\n{code}\n")

    with pytest.raises(AppRefused, match=message):
        functions.load(tmp_path)


def test_a_folder_without_an_app_is_refused(tmp_path):
    """With the path that was looked for."""
    with pytest.raises(AppRefused, match=r"There is no .*function_app\.py"):
        functions.load(tmp_path)


def test_functions_are_described(tmp_path):
    """With their triggers, and the names by which orchestrators call them."""
    (tmp_path / "function_app.py").write_text(
        f"{HEAD}\n@app.activity_trigger(input_name='a', activity='start_vm')\ndef act(a): ...\n"
        "@app.orchestration_trigger(context_name='context')\ndef story(context): yield\n",
    )

    found = functions.load(tmp_path)

    assert {name: each.kind for name, each in found.items()} == {
        "act": Trigger.ACTIVITY,
        "story": Trigger.ORCHESTRATION,
    }
    assert found["act"].durable_name == "start_vm"
    assert found["story"].durable_name == "story"


def test_an_app_without_host_json_gets_the_defaults(tmp_path):
    """Those of Azure Functions."""
    options = settings.read(tmp_path)

    assert options.route_prefix == "api"
    assert options.queues == settings.Queues()
    assert options.queues.encodes_base64
    assert options.policy == versions.Policy()


def test_host_json_is_read(tmp_path):
    """As far as this host knows it."""
    (tmp_path / "host.json").write_text(
        """{"extensions": {
        "http": {"routePrefix": ""},
        "durableTask": {"hubName": "Hub", "maxConcurrentActivityFunctions": 3,
                        "defaultVersion": "2", "versionMatchStrategy": "Strict",
                        "versionFailureStrategy": "Fail", "storageProvider": {
                        "controlQueueVisibilityTimeout": "00:01:00"}},
        "queues": {"batchSize": 4, "visibilityTimeout": "00:01:30", "messageEncoding": "none",
                   "maxPollingInterval": "1.00:00:00.5"}}}""",
    )

    options = settings.read(tmp_path)

    assert (options.route_prefix, options.hub_name, options.activities_max) == ("", "Hub", 3)
    assert options.policy == versions.Policy(default="2", match="Strict", on_mismatch="Fail")
    assert (options.visibility.messages, options.visibility.activities) == (60, 300)
    assert options.queues == settings.Queues(
        encodes_base64=False,
        batch_size=4,
        new_batch_threshold=2,
        visibility_timeout=90,
        polling_interval_max=86_400.5,
    )


def _hidden_for(time_span):
    provider = f'{{"controlQueueVisibilityTimeout": "{time_span}"}}'
    return f'"durableTask": {{"storageProvider": {provider}}}'


@pytest.mark.parametrize(
    "extensions",
    [
        '"queues": {"batchSize": 33}',
        '"queues": {"messageEncoding": "utf8"}',
        '"queues": {"visibilityTimeout": "90"}',
        _hidden_for("00:00:59"),
        _hidden_for("01:00:01"),
    ],
)
def test_a_host_json_that_makes_no_sense_is_refused(tmp_path, extensions):
    """Not corrected in silence."""
    (tmp_path / "host.json").write_text(f'{{"extensions": {{{extensions}}}}}')

    with pytest.raises(AppRefused, match=r"host\.json"):
        settings.read(tmp_path)


def test_a_setting_in_percent_signs_is_resolved(monkeypatch):
    """And must exist."""
    monkeypatch.setenv("NIGHTLY", "0 0 3 * * *")

    assert settings.resolved("%NIGHTLY%") == "0 0 3 * * *"
    with pytest.raises(AppRefused, match="no app setting MISSING"):
        settings.resolved("%MISSING%")


ACCEPTED = [
    ("1.9", "1.9", True),
    ("1.9", "1.10", False),
    ("1.10", "1.9", True),
    ("2", "1.99", True),
    ("2", None, True),
    (None, "7", True),
    ("2", "next", False),
    ("next", "2", True),
]


@pytest.mark.parametrize(("own", "version", "accepted"), ACCEPTED)
def test_current_or_older_versions_are_run(own, version, accepted):
    """Numbers compare as numbers."""
    assert versions.Policy(default=own).accepts(version) is accepted
