"""The subscription, its regions, and which resource providers it has registered."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, store
from local.azure_simulator.data import locations

TYPE = "simulator.provider"
NAMESPACES = (
    "Microsoft.Authorization",
    "Microsoft.Batch",
    "Microsoft.Compute",
    "Microsoft.ContainerRegistry",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.Resources",
    "Microsoft.Storage",
)
_PATH = "/subscriptions/{subscription}/providers/{namespace}"


def register(azure: context.Azure) -> None:
    azure.route("GET", "/tenants", list_tenants)
    azure.route("GET", "/subscriptions", list_subscriptions)
    azure.route("GET", "/subscriptions/{subscription}", get_subscription)
    azure.route("GET", "/subscriptions/{subscription}/locations", list_locations)
    azure.route("GET", "/subscriptions/{subscription}/providers", list_providers)
    azure.route("GET", _PATH, get_provider)
    azure.route("POST", _PATH + "/register", register_provider, operation="providers.register")
    azure.route("POST", _PATH + "/unregister", unregister_provider)
    azure.on(TYPE, "registered", _finish_registration)
    azure.durations.add({"providers.register": durations.Duration(typical=45, source="estimate")})
    for namespace in NAMESPACES:
        if azure.store.find(_provider_id(azure, namespace)) is None:
            _add_provider(azure, namespace)


def list_tenants(azure: context.Azure, request: model.Request) -> model.Response:
    tenant = {
        "id": f"/tenants/{azure.tenant}",
        "tenantId": azure.tenant,
        "displayName": "Simulated tenant",
        "tenantCategory": "Home",
    }
    return model.json_response(200, {"value": [tenant]})


def list_subscriptions(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, {"value": [_subscription(azure)]})


def get_subscription(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, _subscription(azure))


def _subscription(azure: context.Azure) -> model.JsonObject:
    return {
        "id": f"/subscriptions/{azure.subscription}",
        "subscriptionId": azure.subscription,
        "tenantId": azure.tenant,
        "displayName": "Simulated subscription",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    }


def list_locations(azure: context.Azure, request: model.Request) -> model.Response:
    value = [
        {
            "id": f"/subscriptions/{azure.subscription}/locations/{name}",
            "name": name,
            "displayName": display_name,
        }
        for name, display_name in locations.NAMES.items()
    ]
    return model.json_response(200, {"value": value})


def list_providers(azure: context.Azure, request: model.Request) -> model.Response:
    return arm.page(azure, request, azure.store.of_type(TYPE), lambda item: _shown(azure, item))


def _shown(azure: context.Azure, provider: store.Resource) -> model.JsonObject:
    """With the types that can be read here, each in every region and in one API version."""
    namespace = provider.name.lower()
    kinds = [name.partition("/") for name in azure.types]
    return {
        **provider.document,
        "resourceTypes": [
            {
                "resourceType": kind,
                "locations": list(locations.DISPLAY_NAMES),
                "apiVersions": ["2025-04-01"],
                "capabilities": "SupportsTags, SupportsLocation",
            }
            for owner, _, kind in kinds
            if owner.lower() == namespace
        ],
    }


def get_provider(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, _shown(azure, _require(azure, request)))


def register_provider(azure: context.Azure, request: model.Request) -> model.Response:
    """200 at once with `Registering`; `Registered` some time later."""
    provider = _require(azure, request)
    if provider.document["registrationState"] != "Registered":
        provider.document["registrationState"] = "Registering"
        provider.cancel()
        azure.schedule(provider, "registered", azure.duration("providers.register", provider))
    return model.json_response(200, _shown(azure, provider))


def unregister_provider(azure: context.Azure, request: model.Request) -> model.Response:
    provider = _require(azure, request)
    provider.cancel()
    provider.document["registrationState"] = "NotRegistered"
    return model.json_response(200, _shown(azure, provider))


def _finish_registration(
    azure: context.Azure,
    provider: store.Resource,
    data: model.JsonObject,
) -> None:
    provider.document["registrationState"] = "Registered"


def _require(azure: context.Azure, request: model.Request) -> store.Resource:
    namespace = request.parameters["namespace"]
    provider = azure.store.find(_provider_id(azure, namespace))
    if provider is None:
        message = f"The resource namespace '{namespace}' is invalid."
        model.refuse(404, "InvalidResourceNamespace", message)
    return provider


def _provider_id(azure: context.Azure, namespace: str) -> str:
    return f"/subscriptions/{azure.subscription}/providers/{namespace}"


def _add_provider(azure: context.Azure, namespace: str) -> None:
    provider_id = _provider_id(azure, namespace)
    document = {
        "id": provider_id,
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
    }
    azure.store.add(store.Resource(id=provider_id, type=TYPE, document=document))
