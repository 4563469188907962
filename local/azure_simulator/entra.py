"""What a client asks before it asks for resources: where the cloud's services are, and a token.

The endpoints of the cloud, the OpenID description of the one tenant, and its token endpoint for
service principals. There is no directory: every client id exists, and every secret is its own.
"""

from __future__ import annotations

from urllib import parse

from local.azure_simulator import context, model, tokens

_SERVICE_PRINCIPAL_SECONDS = 3600
_CLOUD = "Simulated"


def _render(refusal: model.Refusal, request: model.Request) -> model.JsonObject:  # noqa: ARG001
    return {"error": refusal.code, "error_description": refusal.message}


_ENTRA = model.Plane(
    name="login", audiences=frozenset(), api_version_required=False, render=_render
)


def register(azure: context.Azure) -> None:
    azure.route("GET", "/metadata/endpoints", describe_cloud, plane=model.OPEN)
    configuration = ".well-known/openid-configuration"
    azure.route("GET", f"/{{tenant}}/v2.0/{configuration}", describe_tenant, plane=_ENTRA)
    azure.route("GET", f"/{{tenant}}/{configuration}", describe_tenant, plane=_ENTRA)
    azure.route("GET", "/{tenant}/discovery/v2.0/keys", list_keys, plane=_ENTRA)
    azure.route("POST", "/{tenant}/oauth2/v2.0/token", issue, plane=_ENTRA)
    azure.route("POST", "/{tenant}/oauth2/token", issue, plane=_ENTRA)


def describe_cloud(azure: context.Azure, request: model.Request) -> model.Response:
    """One cloud; in a list for API versions before 2022-09-01."""
    base = request.base_url
    cloud = {
        "name": _CLOUD,
        "portal": base,
        "resourceManager": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": azure.tenant,
            "identityProvider": "AAD",
        },
        "graphAudience": base,
        "microsoftGraphResourceId": base,
        "batch": "https://batch.core.windows.net/",
        "gallery": base,
        "media": "https://rest.media.azure.net",
        "sqlManagement": base,
        "vmImageAliasDoc": f"{base}/_simulator/aliases.json",
        "suffixes": {
            "acrLoginServer": "azurecr.io",
            "keyVaultDns": "vault.azure.net",
            "storage": "core.windows.net",
            "sqlServerHostname": "database.windows.net",
        },
    }
    is_one = request.query.get("api-version", "") >= "2022-09-01"
    return model.json_response(200, cloud if is_one else [cloud])


def describe_tenant(azure: context.Azure, request: model.Request) -> model.Response:
    """The OpenID metadata, as far as clients read it."""
    _check_tenant(azure, request)
    base = f"{request.base_url}/{request.parameters['tenant']}"
    return model.json_response(
        200,
        {
            "issuer": f"{request.base_url}/{azure.tenant}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
        },
    )


def list_keys(azure: context.Azure, request: model.Request) -> model.Response:
    """None: signatures are made up."""
    _check_tenant(azure, request)
    return model.json_response(200, {"keys": []})


def issue(azure: context.Azure, request: model.Request) -> model.Response:
    """A token for a service principal, by `scope` (second version) or `resource` (first)."""
    _check_tenant(azure, request)
    form = dict(parse.parse_qsl(request.body.decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        message = "AADSTS70003: The app requested an unsupported grant type."
        model.refuse(400, "unsupported_grant_type", message)
    for name in ("client_id", "client_secret"):
        if not form.get(name):
            message = f"AADSTS900144: The request body must contain the parameter: '{name}'."
            model.refuse(400, "invalid_request", message)
    audience = form.get("resource") or form.get("scope", "").removesuffix("/.default")
    if not audience:
        message = "AADSTS90014: The required field 'scope' is missing from the request."
        model.refuse(400, "invalid_request", message)
    token, _ = tokens.new_token(
        azure, audience, form["client_id"], lifetime=_SERVICE_PRINCIPAL_SECONDS
    )
    return model.json_response(
        200,
        {
            "token_type": "Bearer",
            "expires_in": _SERVICE_PRINCIPAL_SECONDS,
            "ext_expires_in": _SERVICE_PRINCIPAL_SECONDS,
            "access_token": token,
        },
    )


def _check_tenant(azure: context.Azure, request: model.Request) -> None:
    tenant = request.parameters["tenant"]
    if tenant.lower() not in {azure.tenant.lower(), "common", "organizations"}:
        message = f"AADSTS90002: Tenant '{tenant}' not found."
        model.refuse(400, "invalid_tenant", message)
