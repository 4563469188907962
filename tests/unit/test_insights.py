"""What is sent to Application Insights, and that nothing waits for it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from local.azure_simulator import model
from local.azure_simulator.transport import SimulatorTransport
from shared.azure import insights, insights_items
from shared.base import settings
from shared.engine import services
from shared.engine.telemetry import Telemetry
from shared.model import traces
from tests.traced import Traced
from tests.world import SETTINGS, World, image_only

Json = dict[str, Any]
KEY = "11111111-2222-3333-4444-555555555555"
CONNECTION = f"InstrumentationKey={KEY};IngestionEndpoint=https://north.in.example.org/"
NAMES = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING")


def config(connection: str = CONNECTION, authentication: str = "") -> settings.Settings:
    return settings.load(
        {**SETTINGS, **dict(zip(NAMES, (connection, authentication), strict=True))}
    )


class Component:
    """Stands in for Application Insights."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.requests: list[model.Request] = []

    def handle(self, request: model.Request) -> model.Response:
        """Take the items."""
        self.requests.append(request)
        return model.Response(status=self.status, body=b"{}")

    @property
    def items(self) -> list[Json]:
        """All that were sent."""
        return [item for request in self.requests for item in json.loads(request.body)]


def transport(component: Component) -> SimulatorTransport:
    return SimulatorTransport(component)  # type: ignore[arg-type]  # it needs `handle` only


def test_a_build_arrives_as_dependencies_traces_and_metrics(world: World) -> None:
    """With the ids of OpenTelemetry, so that a query by operation finds the whole build."""
    component = Component()
    made, meter = insights.start(config(), world.services.now, transport(component))
    object.__setattr__(world.services, "telemetry", Telemetry(made, meter))
    build = world.build(image_only())["buildId"]
    made._provider.shutdown()

    (url,) = {(request.host, request.path) for request in component.requests}
    assert url == ("north.in.example.org", "/v2.1/track")
    assert {item["iKey"] for item in component.items} == {KEY}
    operation = f"{traces.trace_id(build):032x}"
    assert {item["tags"]["ai.operation.id"] for item in component.items} == {operation}
    found = [item["data"]["baseData"] for item in component.items]
    (whole,) = [data for data in found if data.get("name") == "build"]
    assert (whole["type"], whole["success"], whole["resultCode"]) == ("InProc", True, "0")
    assert whole["duration"].startswith("0.00:")
    (put,) = [d for d in found if d.get("name") == "PUT Microsoft.Compute/virtualMachines"]
    assert (put["type"], put["target"], put["resultCode"]) == (
        "HTTP", "management.azure.com", "201",
    )  # fmt: skip
    assert put["data"].startswith("PUT https://management.azure.com/subscriptions/")
    assert whole["data"] == "build"
    kinds = {
        (item["data"]["baseType"], item["name"].rpartition(".")[2]) for item in component.items
    }
    assert kinds >= {("RemoteDependencyData", "RemoteDependency"), ("MessageData", "Message")}
    lines = [item for item in component.items if item["data"]["baseType"] == "MessageData"]
    assert {line["data"]["baseData"]["properties"]["batch_prep.build"] for line in lines} == {build}


def test_metrics_are_aggregations(world: World) -> None:
    """As the workbook reads them: sum, count, smallest and largest."""
    traced = Traced(world)
    world.build(image_only())
    data = traced.metrics_data()
    assert data is not None
    found = [item["data"]["baseData"] for item in insights_items.of_metrics(KEY, data)]
    (builds,) = [d for d in found if d["metrics"][0]["name"] == "batch_prep.builds"]
    assert builds["metrics"] == [{"name": "batch_prep.builds", "kind": 1, "value": 1, "count": 1}]
    assert builds["properties"] == {"state": "succeeded", "mode": "image-only"}
    (sealed,) = [d for d in found if d["properties"].get("step") == "seal"]
    measured = sealed["metrics"][0]
    assert measured["count"] == 1
    assert measured["value"] == measured["min"] == measured["max"] > 0


@pytest.mark.parametrize("status", [400, 403, 429, 503])
def test_what_is_refused_is_dropped_and_said_once(
    caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """A build goes on; the log is not flooded, and has no key in it."""
    component = Component(status)
    sender = insights.Sender(config(), transport(component))
    caplog.set_level(logging.INFO)

    assert [sender.send([{"a": 1}]) for _ in range(3)] == [False] * 3
    assert len(component.requests) == 3
    (line,) = caplog.records
    assert str(status) in line.getMessage()
    assert KEY not in caplog.text
    component.status = 200
    assert sender.send([{"a": 1}])


def test_the_connection_string_says_where_and_for_whom() -> None:
    """Other clouds name another audience; a component of old has one endpoint for all."""
    china = config(
        f"{CONNECTION};AADAudience=https://monitor.azure.cn/", "ClientId=c;Authorization=AAD"
    )
    assert china.insights_scope == "https://monitor.azure.cn//.default"
    assert china.insights_client_id == "c"
    assert config().insights_scope == "https://monitor.azure.com//.default"
    assert config(f"InstrumentationKey={KEY}").insights_endpoint == (
        "https://dc.services.visualstudio.com"
    )


def test_only_a_destination_is_reported_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one nothing is imported for it, and each report is an empty call."""
    services.from_environment.cache_clear()
    for is_on in (False, True):
        given = {
            "AZURE_SUBSCRIPTION_ID": SETTINGS["AZURE_SUBSCRIPTION_ID"],
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            NAMES[0]: CONNECTION if is_on else "",
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert services.from_environment().telemetry.is_on is is_on
        services.from_environment.cache_clear()


@pytest.mark.parametrize(
    "given",
    [
        (f"InstrumentationKey={KEY[:-1]}", ""),
        (f"InstrumentationKey={KEY};IngestionEndpoint=http://x.example.org", ""),
        (CONNECTION, "ClientId=c"),
    ],
)
def test_a_wrong_setting_is_named_and_its_key_is_not_shown(given: tuple[str, str]) -> None:
    """Anybody who may call the app sees the message."""
    with pytest.raises(settings.SettingsInvalid) as refused:
        config(*given)
    assert str(refused.value).startswith(NAMES[bool(given[1])])
    assert KEY[:-1] not in str(refused.value)
