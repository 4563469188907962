"""What the template would create is what the app needs: settings, identities, roles, storage.

These tests need no compiler: they read the committed snapshots.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.stack import layout
from shared.base import names, settings
from tests.infra import template

BOTH = pytest.mark.parametrize(
    "snapshot", [template.DEFAULT, template.EVERYTHING], ids=lambda p: p.stem
)
ELSEWHERE = {
    "AzureWebJobsStorage": "keys are switched off",
    "AzureWebJobsStorage__accountName": "the addresses of its services are set, as in every cloud",
    "BATCH_PREP_TIME_SCALE": "only for a simulated Azure",
    "FUNCTIONS_WORKER_PROCESS_COUNT": "Flex Consumption refuses it, and its default is right",
    "WEBSITE_AUTH_ENABLED": "Azure sets it",
    "WEBSITE_HOSTNAME": "Azure sets it",
}
# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations
REFUSED_BY_FLEX = re.compile(
    "FUNCTIONS_WORKER_RUNTIME.*|FUNCTIONS_EXTENSION_VERSION|FUNCTIONS_WORKER_PROCESS_COUNT|"
    "WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT.*|WEBSITE_VNET_ROUTE_ALL|ENABLE_ORYX_BUILD|"
    "SCM_DO_BUILD_DURING_DEPLOYMENT|WEBSITE_TIME_ZONE|TZ|AzureWebJobsStorage"
)
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
QUEUE_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
TASK_CONTRIBUTOR = "0ad04412-c4d5-4796-b79c-f76d14c8d402"
APP, LOGS = "<identities.appPrincipalId>", "<identities.logsPrincipalId>"


def resources(snapshot: Path, kind: str = "") -> list[template.Resource]:
    """Those of a type."""
    found = template.resources(snapshot, {})
    return [each for each in found if each.type.lower().endswith(kind.lower())]


def one(snapshot: Path, kind: str) -> dict[str, Any]:
    """The body of the only resource of a type."""
    (found,) = resources(snapshot, kind)
    return found.body


def app_settings(snapshot: Path) -> dict[str, str]:
    """The application settings of the function app."""
    return template.settings(resources(snapshot))


def choices() -> set[str]:
    """The settings that the parameter `appSettings` takes."""
    compiled = json.loads((template.INFRA / "main.json").read_text())
    (found,) = [v for k, v in compiled["definitions"].items() if k.rpartition(".")[2] == "settings"]
    assert found["additionalProperties"] is False
    return set(found["properties"])


@BOTH
def test_every_setting_of_the_app_is_set_or_can_be(snapshot: Path) -> None:
    """A new setting belongs into modules/settings.bicep, or app.bicep derives it."""
    known = set(settings.known())
    assert known - set(app_settings(snapshot)) - choices() == set(ELSEWHERE)
    assert choices() <= known


@BOTH
def test_nothing_is_set_that_flex_consumption_refuses(snapshot: Path) -> None:
    """The deployment would fail, or the app would not start."""
    assert [name for name in app_settings(snapshot) if REFUSED_BY_FLEX.fullmatch(name)] == []
    assert "" not in app_settings(snapshot).values()


@BOTH
def test_the_app_accepts_its_settings(snapshot: Path) -> None:
    """It would answer every request with SettingsInvalid otherwise."""
    found = app_settings(snapshot)
    component = "APPLICATIONINSIGHTS_CONNECTION_STRING"
    assert found[component] == "<monitoring.connectionString>"
    key = "00000000-0000-0000-0000-000000000001"
    config = settings.load({**found, component: f"InstrumentationKey={key}"})
    assert config.insights_client_id == "<identities.appClientId>"
    opened = config.storage
    account = resources(snapshot, "Microsoft.Storage/storageAccounts")[0].name
    assert opened.connection_string is None
    assert opened.table_uri == f"https://{account}.table.core.windows.net"
    assert opened.client_id == config.client_id == "<identities.appClientId>"


def test_settings_that_an_operator_chooses_replace_defaults() -> None:
    """And those of the deployment stay."""
    found = app_settings(template.EVERYTHING)
    assert (found["KEEP_HOURS"], found["PYTHON_THREADPOOL_THREAD_COUNT"]) == ("8", "48")
    assert found["SWEEP_SCHEDULE"] == app_settings(template.DEFAULT)["SWEEP_SCHEDULE"]


def test_a_worker_has_threads_for_what_host_json_lets_run_at_once() -> None:
    """Plain functions share them: activities, orchestrators, and 12 for the rest."""
    durable = json.loads((layout.ROOT / "host.json").read_text())["extensions"]["durableTask"]
    wanted = sum(durable[f"maxConcurrent{kind}Functions"] for kind in ("Activity", "Orchestrator"))
    assert int(app_settings(template.DEFAULT)["PYTHON_THREADPOOL_THREAD_COUNT"]) == wanted + 12


@BOTH
def test_the_storage_has_what_the_app_uses(snapshot: Path) -> None:
    """A queue trigger makes no queue, and a deployment from outside makes no container."""
    found = {
        kind: {each.name for each in resources(snapshot, f"storageAccounts/{kind}")}
        for kind in ("queueServices/queues", "tableServices/tables", "blobServices/containers")
    }
    assert found["queueServices/queues"] == {names.POOL_REQUESTS_QUEUE, names.POISON_QUEUE}
    assert found["tableServices/tables"] == set(layout.TABLES)
    own = {names.CONTEXTS_CONTAINER, names.DOCUMENTS_CONTAINER}
    logs = app_settings(snapshot)["STEP_LOG_CONTAINER_URL"].rpartition("/")[2]
    assert found["blobServices/containers"] == {*own, logs, "app-package"}


@BOTH
def test_no_key_opens_the_storage(snapshot: Path) -> None:
    """Nor an anonymous request."""
    properties = one(snapshot, "Microsoft.Storage/storageAccounts")["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"


def granted(snapshot: Path) -> set[tuple[str, str, str]]:
    """Of each assignment: the type of its scope, or the group's name; the role; the principal."""
    found = set()
    roles = {
        each.name: each.body["properties"]["roleName"].split()[1]
        for each in resources(snapshot, "/roleDefinitions")
    }
    for each in resources(snapshot, "/roleAssignments"):
        scope = each.id.partition("/providers/Microsoft.Authorization/")[0]
        properties = each.body["properties"]
        assert properties["principalType"] == "ServicePrincipal"
        role = properties["roleDefinitionId"].rpartition("/")[2]
        place = re.sub(
            r".*/providers/Microsoft\.\w+/(\w+).*?(/containers/[\w-]+)?$", r"\1\2", scope
        )
        place = place.rpartition("/resourceGroups/")[2] if "resourceGroups" in place else place
        place = "subscription" if place.startswith("/subscriptions/") else place
        found.add((place, roles.get(role, role), properties["principalId"]))
    return found


OF_STORAGE = {
    ("storageAccounts", BLOB_OWNER, APP),
    ("storageAccounts", QUEUE_CONTRIBUTOR, APP),
    ("storageAccounts", TABLE_CONTRIBUTOR, APP),
    ("storageAccounts/containers/step-logs", BLOB_CONTRIBUTOR, LOGS),
    ("userAssignedIdentities", "logIdentity", APP),
    ("components", METRICS_PUBLISHER, APP),
}


def test_the_app_may_build_in_the_groups_that_are_named() -> None:
    """In no other one, so that it cannot act as the identities that lie there."""
    assert granted(template.DEFAULT) == OF_STORAGE | {
        ("subscription", "subscription", APP),
        ("batch-images-rg", "builds", APP),
        ("batch-images-rg", "grants", APP),
    }


def test_the_app_may_build_everywhere_only_where_that_is_wanted() -> None:
    """It then makes groups itself."""
    roles = ("subscription", "builds", "grants", "resourceGroups")
    assert granted(template.EVERYTHING) == OF_STORAGE | {
        *(("subscription", role, APP) for role in roles),
        ("team-network-rg", "networks", APP),
        ("schedulers", TASK_CONTRIBUTOR, APP),
    }


@BOTH
def test_roles_are_assigned_under_a_condition(snapshot: Path) -> None:
    """Writing and deleting are judged on different attributes."""
    limited = [
        each.body["properties"]
        for each in resources(snapshot, "/roleAssignments")
        if "condition" in each.body["properties"]
    ]
    assert [each["conditionVersion"] for each in limited] == ["2.0"]
    condition = limited[0]["condition"]
    assert "roleAssignments/write'" in condition
    assert "roleAssignments/delete'" in condition
    assert condition.count("(") == condition.count(")")


@BOTH
def test_the_app_runs_on_flex_consumption_as_its_identity(snapshot: Path) -> None:
    """The compiler checks none of these values."""
    plan, site = one(snapshot, "serverfarms"), one(snapshot, "Microsoft.Web/sites")
    properties = site["properties"]
    assert plan["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan["properties"] == {"reserved": True}
    assert site["kind"] == "functionapp,linux"
    assert site["tags"]["azd-service-name"] == "app"
    (identity,) = site["identity"]["userAssignedIdentities"]
    config = properties["functionAppConfig"]
    package = config["deployment"]["storage"]
    assert config["runtime"] == {"name": "python", "version": "3.13"}
    assert package["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity,
    }
    assert package["value"].endswith(".blob.core.windows.net/app-package")
    assert set(properties["siteConfig"]) == {"appSettings", "minTlsVersion"}
    always = config["scaleAndConcurrency"]["alwaysReady"]
    assert {each["name"] for each in always} <= {"durable"}


def test_the_private_app_is_inside_its_network() -> None:
    """Its package is uploaded by the app itself, which must resolve the private addresses."""
    found = {each.type: each for each in resources(template.EVERYTHING)}
    storage = one(template.EVERYTHING, "Microsoft.Storage/storageAccounts")["properties"]
    assert storage["publicNetworkAccess"] == "Disabled"
    subnets = {
        each["name"]: each["properties"]
        for each in found["Microsoft.Network/virtualNetworks"].body["properties"]["subnets"]
    }
    (delegation,) = subnets["app"]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    site = found["Microsoft.Web/sites"].body["properties"]
    assert site["virtualNetworkSubnetId"].endswith("/subnets/app")
    zones = {each.name for each in resources(template.EVERYTHING, "privateDnsZones")}
    wanted = {f"privatelink.{kind}.core.windows.net" for kind in ("blob", "queue", "table")}
    assert zones == wanted
    assert len(resources(template.EVERYTHING, "virtualNetworkLinks")) == len(wanted)
    assert len(resources(template.EVERYTHING, "privateDnsZoneGroups")) == len(wanted)


def test_sign_in_guards_every_route_but_health() -> None:
    """Without a list of applications, any application of the tenant would get in."""
    properties = one(template.EVERYTHING, "sites/config")["properties"]
    assert properties["globalValidation"] == {
        "requireAuthentication": True,
        "unauthenticatedClientAction": "Return401",
        "excludedPaths": ["/api/health"],
    }
    entra = properties["identityProviders"]["azureActiveDirectory"]
    applications = entra["validation"]["defaultAuthorizationPolicy"]["allowedApplications"]
    assert applications == ["00000000-0000-0000-0000-0000000000c2"]
    assert resources(template.DEFAULT, "sites/config") == []


def test_durable_uses_the_scheduler_only_where_that_is_wanted() -> None:
    """Its hub has the name that host.json gives to Durable's."""
    hub = json.loads((layout.ROOT / "host.json").read_text())["extensions"]["durableTask"][
        "hubName"
    ]
    assert [each.name for each in resources(template.EVERYTHING, "/taskHubs")] == [hub]
    provider = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__type"
    assert app_settings(template.EVERYTHING)[provider] == "azureManaged"
    assert provider not in app_settings(template.DEFAULT)


@BOTH
def test_telemetry_needs_a_token_and_alerts_need_no_table(snapshot: Path) -> None:
    """Tables come into being with the first telemetry."""
    assert one(snapshot, "Insights/components")["properties"]["DisableLocalAuth"] is True
    rules = {
        each.body["properties"]["displayName"]: each.body["properties"]
        for each in resources(snapshot, "scheduledQueryRules")
    }
    assert set(rules) == {
        f"batch-prep: {what}" for what in ("failed builds", "missing sweeps", "leftovers")
    }
    assert all(rule["skipQueryValidation"] for rule in rules.values())
    called = {len(rule["actions"]["actionGroups"]) for rule in rules.values()}
    assert called == {len(resources(snapshot, "actionGroups"))}


def test_the_workbook_is_valid_json() -> None:
    """Azure stores any text, and the portal then shows nothing."""
    book = json.loads(one(template.DEFAULT, "workbooks")["properties"]["serializedData"])
    charts = json.loads((template.INFRA / "queries.json").read_text())["charts"]
    assert [item["name"] for item in book["items"]] == [chart["title"] for chart in charts]


def test_queries_read_metrics_that_the_app_reports() -> None:
    """A misspelt name finds nothing, and an alert that finds nothing is silent."""
    asked = re.findall(r"'(batch_prep[\w.]+)'", (template.INFRA / "queries.json").read_text())
    page = (layout.ROOT / "docs" / "telemetry.md").read_text()
    assert len(set(asked)) > 4
    assert [name for name in asked if f"`{name}`" not in page] == []


@BOTH
def test_only_the_group_of_the_app_is_declared(snapshot: Path) -> None:
    """`azd down` deletes every group that a template declares: never those of images."""
    (group,) = resources(snapshot, "resourceGroups")
    assert group.name.startswith("rg-batch-prep-")
    assert "azd-env-name" in group.body["tags"]


def test_the_documentation_names_every_parameter_and_role() -> None:
    """docs/deploy.md is what an operator reads."""
    text = (layout.ROOT / "docs" / "deploy.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
    parameters = json.loads((template.INFRA / "main.json").read_text())["parameters"]
    roles = json.loads((template.INFRA / "role.json").read_text())
    assert rows - {"KeyBasedAuthenticationNotPermitted"} >= {*parameters, *roles}
    assert {*parameters, *roles} >= {row for row in rows if row[0].islower()}
    alerts = json.loads((template.INFRA / "queries.json").read_text())["alerts"]
    assert all(f"| {name} |" in text for name in alerts)
