"""A request that says something else than the default in every field of an image."""

from __future__ import annotations

from typing import Any

from tests.world import SETTINGS

IDENTITIES = (
    f"/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}/resourceGroups/team/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities"
)
TEAM, READER = f"{IDENTITIES}/team", f"{IDENTITIES}/reader"
ASKED: dict[str, Any] = {
    "mode": "image-only",
    "requestId": "asked",
    "image": {
        "identity": READER,
        "registries": [
            {"loginServer": "team2.azurecr.io", "identity": TEAM + "2"},
            {
                "loginServer": "nvcr.io",
                "credentials": {
                    "username": "$oauthtoken",
                    "password": "https://keys.vault.azure.net/secrets/nvcr",
                },
            },
        ],
        "securityType": "TrustedLaunch",
        "secureBoot": False,
        "vTpm": False,
        "osDiskSizeGiB": 128,
        "osDiskStorageAccountType": "StandardSSD_LRS",
        "dataDisks": [
            {"lun": 0, "diskSizeGB": 64},
            {
                "lun": 2,
                "diskSizeGB": 512,
                "caching": "readonly",
                "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
            },
        ],
        "endOfLifeDate": "2027-01-31",
        "excludeFromLatest": True,
        "tags": {"cost centre": "42"},
        "registry": {
            "name": "imagesregistry1",
            "resourceGroup": "team",
            "identity": TEAM,
            "build": {
                "source": "https://example.org/app.git#main",
                "image": "app:v1",
                "dockerfile": "docker/Dockerfile.gpu",
                "arguments": {"BASE": "ubuntu:24.04"},
            },
        },
    },
}
