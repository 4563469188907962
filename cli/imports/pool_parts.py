"""Parts of a pool that are taken as a whole or not at all, or that mean something else here."""

from __future__ import annotations

from typing import Any

from cli import request_schema
from cli.imports.draft import (
    NO_FIELD,
    NO_SECRETS,
    Draft,
    Path,
    Unresolved,
    holds_secret,
    leaves,
    looks_secret,
)
from cli.imports.tables import Source

_USUAL = {
    ("dynamicVnetAssignmentScope",): "none",
    ("targetNodeCommunicationMode",): "simplified",
}


def identity(draft: Draft, source: Source, below: Path) -> None:
    """User-assigned identities: Azure writes an object by id, the Batch service a list."""
    named = source.peek("identity")
    if not isinstance(named, dict):
        return
    source.take("identity", "type")
    ids = named.get("userAssignedIdentities") or {}
    is_list = isinstance(ids, list)
    ids = [each.get("resourceId") for each in ids] if is_list else list(ids)
    for index, id_ in enumerate(ids):
        here: Path = ("identity", "userAssignedIdentities", index if is_list else str(id_))
        for name in ("principalId", "clientId", "resourceId"):
            source.take(*here, name)
        place = source.place(*here, "resourceId") if is_list else source.place(*here)
        if isinstance(id_, Unresolved) or str(id_).startswith("["):
            draft.leave(place, "the file does not have the whole id: give identity")
        else:
            draft.put((*below, "identity", "userAssignedIdentities", str(id_)), {}, place)
    if not ids and str(named.get("type", "none")).lower() != "none":
        draft.leave(source.place("identity", "type"), "pools have user-assigned identities only")


def true_of_all(draft: Draft, source: Source) -> None:
    """What Azure's exports say of every pool, and what the image decides here."""
    for path, usual in _USUAL.items():
        if str(source.peek(*path)).lower() == usual:
            source.take(*path)
    profile = source.peek("securityProfile")
    kind = str(profile.get("securityType") if isinstance(profile, dict) else "").lower()
    if kind == "trustedlaunch" and draft.request["mode"] == "full":
        place = source.place("securityProfile", "securityType")
        draft.put(("image", "securityType"), "TrustedLaunch", place)
        source.take("securityProfile", "securityType")
        source.take("securityProfile", "uefiSettings", "secureBootEnabled")
        source.take("securityProfile", "uefiSettings", "vTpmEnabled")


def start_task(draft: Draft, source: Source, below: Path) -> None:
    """The start task, which has batch-prep's checks of the node in it."""
    if not isinstance(source.peek("startTask"), dict):
        return
    user = source.peek("startTask", "userIdentity", "autoUser")
    if isinstance(user, dict) and str(user.get("elevationLevel", "")).lower() != "admin":
        source.take("startTask", "userIdentity", "autoUser")
        why = (
            "batch-prep's checks of the node are part of the start task and need an administrator: "
            "give userName, one of userAccounts, to run the command as another user"
        )
        draft.leave(source.place("startTask", "userIdentity", "autoUser"), why)
    if str(source.peek("startTask", "waitForSuccess")).lower() == "false":
        source.take("startTask", "waitForSuccess")
        why = "Batch must wait for batch-prep's checks of the node. Let the command end in || true"
        draft.leave(source.place("startTask", "waitForSuccess"), why)
    command = source.peek("startTask", "commandLine")
    if isinstance(command, str) and holds_secret(command):
        source.take("startTask", "commandLine")
        draft.leave(source.place("startTask", "commandLine"), NO_SECRETS)
    _items(draft, source, below, ("startTask", "environmentSettings"), _why_no_variable)
    _items(draft, source, below, ("startTask", "resourceFiles"), _why_no_file)


def registries(draft: Draft, source: Source, below: Path) -> None:
    """With a registry go its images, which nodes could not pull; those of Docker Hub are public."""
    path = ("containerConfiguration", "containerRegistries")
    registries = source.peek(*path)
    servers = {
        str(registry.get("registryServer"))
        for registry in (registries if isinstance(registries, list) else [])
        if isinstance(registry, dict) and _why_no_registry(registry)
    }
    _items(draft, source, below, path, _why_no_registry)
    images = source.peek("containerConfiguration", "containerImageNames")
    for index, image in enumerate(images if isinstance(images, list) else []):
        if str(image).partition("/")[0] in servers - {"docker.io"}:
            here = ("containerConfiguration", "containerImageNames", index)
            source.take(*here)
            why = "its registry was left out: give identityReference there, or image.registry"
            draft.leave(source.place(*here), why)


def metadata(draft: Draft, source: Source, below: Path) -> None:
    """Names and values, without those that look like secrets."""
    _items(draft, source, below, ("metadata",), _why_no_variable)


def _items(draft: Draft, source: Source, below: Path, path: tuple[str, ...], why_not: Any) -> None:
    """Map a list of objects, each as a whole or not at all."""
    kept = 0
    items = source.take(*path)
    for index, item in enumerate(items if isinstance(items, list) else []):
        place = source.place(*path, index)
        if why := why_not(item) if isinstance(item, dict) else NO_FIELD:
            for leaf, _ in leaves(item):
                draft.leave((*place, *leaf), _refusal(path, leaf) or why)
            continue
        for leaf, value in leaves(item):
            draft.put((*below, *path, kept, *leaf), value, (*place, *leaf))
        kept += 1


def _refusal(path: Path, leaf: Path) -> str | None:
    return request_schema.at(("pools", 0, *path, 0, *leaf)).why_refused


def _why_no_variable(item: Any) -> str | None:
    return NO_SECRETS if looks_secret(str(item.get("name")), item.get("value")) else None


def _why_no_file(item: Any) -> str | None:
    urls = [str(item.get(name) or "") for name in ("httpUrl", "storageContainerUrl")]
    if any("?" in url for url in urls):
        return "a signature (SAS) is a secret: name an identity as identityReference"
    if not any(urls):
        return "it has no URL: give storageContainerUrl and identityReference"
    return None


def _why_no_registry(item: Any) -> str | None:
    if item.get("identityReference"):
        return None
    return "passwords would be stored: give identityReference, or mirror the registry to Azure's"
