"""What a registry answers over HTTP: the token exchange, and manifests by name.

The registry is the one the request's host names (`name.azurecr.io`), or else the one that the
token was made for.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NoReturn
from urllib import parse

from local.azure_simulator import context, model, store, tokens
from local.azure_simulator.container_registry import (
    contents,
    public_registries,
    pulls,
    registries,
)

TYPE = "simulator.registryToken"
REFRESH_SECONDS = 3 * 3600  # documented: about three hours
ACCESS_SECONDS = 75 * 60
_DEPTH_MAX = 4  # parts of a repository's name that are routed


def _render(refusal: model.Refusal, request: model.Request) -> model.JsonObject:  # noqa: ARG001
    return {"errors": [{"code": refusal.code, "message": refusal.message}]}


_REGISTRY = model.Plane(
    name="registry", audiences=frozenset(), api_version_required=False, render=_render
)
_ENTRA = model.Plane(
    name="entra",
    audiences=frozenset({"containerregistry.azure.net"}) | model.ARM_AUDIENCES,
    api_version_required=False,
    render=_render,
)
"""Checks the token that comes in for exchange; no route lies on it."""


def register(azure: context.Azure) -> None:
    azure.route("POST", "/oauth2/exchange", exchange, plane=_REGISTRY)
    azure.route("POST", "/oauth2/token", issue, plane=_REGISTRY)
    azure.route("GET", "/v2", check, plane=_REGISTRY)
    for catalog in ("/v2/_catalog", "/acr/v1/_catalog"):
        azure.route("GET", catalog, list_repositories, plane=_REGISTRY)
    azure.route("GET", "/acr/v1/{repository}/_tags", list_tags, plane=_REGISTRY)
    path = "/v2"
    for depth in range(1, _DEPTH_MAX + 1):
        path += f"/{{part{depth}}}"
        for method in ("GET", "HEAD"):
            azure.route(method, path + "/manifests/{reference}", manifest, plane=_REGISTRY)
        azure.route("GET", path + "/blobs/{digest}", blob, plane=_REGISTRY)
    azure.route("GET", "/token", public_registries.issue, plane=_REGISTRY)
    stored = contents.STORAGE_PATH + "/{digest}"
    azure.route("GET", stored, contents.serve, plane=_REGISTRY)


def exchange(azure: context.Azure, request: model.Request) -> model.Response:
    """An Entra token for a refresh token: `grant_type=access_token&service=…&access_token=…`."""
    form = _form(request)
    registry = _registry(azure, request, form.get("service", ""))
    if form.get("grant_type") != "access_token" or "access_token" not in form:
        model.refuse(400, "INVALID_REQUEST", "grant_type must be access_token.")
    bearer = {"authorization": f"Bearer {form['access_token']}"}
    asked = dataclasses.replace(request, headers=bearer)
    tokens.check(azure, asked, _ENTRA)
    caller = tokens.caller(azure, asked)
    refresh_token = _new_token(azure, registry, "refresh", REFRESH_SECONDS, caller)
    return model.json_response(200, {"refresh_token": refresh_token})


def issue(azure: context.Azure, request: model.Request) -> model.Response:
    """A refresh token for an access token to one repository."""
    form = _form(request)
    registry = _registry(azure, request, form.get("service", ""))
    refresh_token = form.get("refresh_token", "")
    if _grants(azure, refresh_token, "refresh") != registry.id:
        _refuse(request, registry)
    caller = _caller(azure, refresh_token)
    scope = form.get("scope", "")
    access_token = _new_token(azure, registry, "access", ACCESS_SECONDS, caller, scope)
    return model.json_response(200, {"access_token": access_token})


def check(azure: context.Azure, request: model.Request) -> model.Response:
    """`GET /v2/`: 200 with a token, else 401 and where to get one."""
    _authenticated(azure, request)
    return model.json_response(200, {}, {"Docker-Distribution-Api-Version": "registry/2.0"})


def manifest(azure: context.Azure, request: model.Request) -> model.Response:
    """A manifest by tag or digest; 404 MANIFEST_UNKNOWN."""
    repository, reference = _repository(request), request.parameters["reference"]
    if public := public_registries.repository_of(request, repository):
        return public_registries.manifest(azure, request, *public)
    registry = _authenticated(azure, request)
    _check_scope(azure, request, registry, repository)
    for image in registries.images(azure, registry):
        found = image.document
        if found["repository"] == repository and reference in {found["tag"], found["digest"]}:
            known = contents.Image(
                repository=repository,
                tag=found["tag"],
                digest=found["digest"],
                size_bytes=found["sizeBytes"],
            )
            return contents.manifest_response(azure, request, known, reference)
    return contents.manifest_response(azure, request, None, reference)


def blob(azure: context.Azure, request: model.Request) -> model.Response:
    """A configuration by its digest: 307 to where it lies."""
    repository = _repository(request)
    if public_registries.repository_of(request, repository):
        public_registries.check_token(request)
    else:
        _check_scope(azure, request, _authenticated(azure, request), repository)
    return contents.blob_response(azure, request)


def _repository(request: model.Request) -> str:
    parts = [value for name, value in request.parameters.items() if name.startswith("part")]
    return "/".join(parts)


def list_repositories(azure: context.Azure, request: model.Request) -> model.Response:
    registry = _authenticated(azure, request)
    found = {image.document["repository"] for image in registries.images(azure, registry)}
    return model.json_response(200, {"repositories": sorted(found)})


def list_tags(azure: context.Azure, request: model.Request) -> model.Response:
    """Of a repository whose name has one part."""
    registry = _authenticated(azure, request)
    repository = request.parameters["repository"]
    tags = [
        {"name": image.document["tag"], "digest": image.document["digest"]}
        for image in registries.images(azure, registry)
        if image.document["repository"] == repository
    ]
    if not tags:
        raise model.Refusal(404, "NAME_UNKNOWN", f"repository {repository!r} is not found")
    server = registry.properties["loginServer"]
    return model.json_response(200, {"registry": server, "imageName": repository, "tags": tags})


def _authenticated(azure: context.Azure, request: model.Request) -> store.Resource:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    granted = _grants(azure, token, "access") if scheme.lower() == "bearer" else None
    registry = None if granted is None else azure.store.find(granted)
    by_host = registries.find_by_login_server(azure, request.host)
    if registry is None and by_host is not None and _is_open(azure, by_host):
        registry = by_host
    if registry is None or (by_host is not None and by_host.id != registry.id):
        _refuse(request, by_host)
    if granted is not None and not _is_open(azure, registry):
        _check_role(azure, registry, _caller(azure, token))
    return registry


def _check_scope(
    azure: context.Azure, request: model.Request, registry: store.Resource, repository: str
) -> None:
    """401 for a token that was made for another repository, or not for pulls."""
    if _is_open(azure, registry):
        return
    token = request.headers["authorization"].partition(" ")[2]
    known = azure.store.find(_token_id(token))
    assert known is not None
    asked = [scope.rsplit(":", 1) for scope in str(known.document["scope"]).split()]
    for name, actions in (scope for scope in asked if len(scope) == 2):
        if name == f"repository:{repository}" and {"pull", "*"} & set(actions.split(",")):
            return
    _refuse(request, registry)


def _check_role(azure: context.Azure, registry: store.Resource, caller: str) -> None:
    """403 for an identity without a role that works, and with repository roles for anyone.

    Others hold roles on the subscription that are not modelled here.
    """
    needs_role = pulls.has_repository_roles(registry) or pulls.is_identity(azure, caller)
    if needs_role and not pulls.may_pull(azure, registry, caller):
        raise model.Refusal(403, "DENIED", "requested access to the resource is denied")


def _is_open(azure: context.Azure, registry: store.Resource) -> bool:
    try:
        pulls.check_may_pull(azure, registry, ())
    except pulls.NotAuthorizedError:
        return False
    return True


def _registry(azure: context.Azure, request: model.Request, service: str) -> store.Resource:
    registry = registries.find_by_login_server(azure, request.host)
    registry = registry or registries.find_by_login_server(azure, service)
    if registry is None:
        model.refuse(404, "NAME_UNKNOWN", f"There is no registry at '{service or request.host}'.")
    if registry.properties["publicNetworkAccess"] == "Disabled":
        message = (
            "client with IP '203.0.113.1' is not allowed access, refer "
            "https://aka.ms/acr/firewall to grant access"
        )
        raise model.Refusal(403, "DENIED", message)
    return registry


def _form(request: model.Request) -> dict[str, str]:
    return dict(parse.parse_qsl(request.body.decode("utf-8", "replace")))


def _new_token(
    azure: context.Azure,
    registry: store.Resource,
    kind: str,
    seconds: int,
    caller: str,
    scope: str = "",
) -> str:
    token = f"{kind}.{azure.digest('registry token', registry.key).hex()}"
    document = {
        "registry": registry.id,
        "kind": kind,
        "expires": azure.now + seconds,
        "caller": caller,
        "scope": scope,
    }
    azure.store.add(store.Resource(id=_token_id(token), type=TYPE, document=document))
    return token


def _grants(azure: context.Azure, token: str, kind: str) -> str | None:
    """Id of the registry that a live token of this kind opens."""
    known = azure.store.find(_token_id(token))
    if known is None or known.document["kind"] != kind or known.document["expires"] < azure.now:
        return None
    return str(known.document["registry"])


def _caller(azure: context.Azure, token: str) -> str:
    known = azure.store.find(_token_id(token))
    return "" if known is None else str(known.document.get("caller", ""))


def _token_id(token: str) -> str:
    return f"/simulator/registryTokens/{hashlib.sha256(token.encode()).hexdigest()}"


def _refuse(request: model.Request, registry: store.Resource | None) -> NoReturn:
    service = request.host if registry is None else registry.properties["loginServer"]
    challenge = f'Bearer realm="{request.base_url}/oauth2/token",service="{service}"'
    model.refuse(
        401,
        "UNAUTHORIZED",
        "authentication required, visit https://aka.ms/acr/authorization for more information.",
        headers={"WWW-Authenticate": challenge},
    )
