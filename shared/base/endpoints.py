"""Addresses of Azure's services: which ones a setting may name, and what tokens they take.

The app works in the clouds that are listed here, each known by the host of its Resource Manager. A
token is for one service of one cloud: Resource Manager's is for its own address, Batch's for an
address that no rule yields. Container registries take the same audience in every cloud
(provisioning/helpers/registry_login.sh).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

PUBLIC = "management.azure.com"

# `az cloud list`: endpoints.batchResourceId of AzureCloud, AzureUSGovernment and AzureChinaCloud.
_BATCH_AUDIENCES = {
    PUBLIC: "https://batch.core.windows.net/",
    "management.usgovcloudapi.net": "https://batch.core.usgovcloudapi.net/",
    "management.chinacloudapi.cn": "https://batch.chinacloudapi.cn/",
}


# Of tokens that a container registry exchanges for its own.
REGISTRY_SCOPE = "https://containerregistry.azure.net/.default"


def checked(url: str) -> str:
    """The URL without a trailing slash. Raises ValueError for plain http to another machine."""
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise ValueError("only https leaves this machine")
    return url.rstrip("/")


def checked_resource_manager(url: str) -> str:
    """The same for a Resource Manager, which must be that of a cloud or on this machine."""
    if not _is_cloud(url) and not is_loopback(url):
        raise ValueError("not the Resource Manager of a known cloud")
    return checked(url)


def is_loopback(url: str) -> bool:
    """Whether `url` (with or without scheme) names this very machine: the one place where http is
    accepted.
    """
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, be it 127.0.0.1.example.org
        return host == "localhost"


def resource_manager_scope(endpoint: str) -> str:
    """The scope of tokens for a Resource Manager. The one on this machine takes those of the public
    cloud.
    """
    return f"https://{_cloud(endpoint)}/.default"


def batch_scope(endpoint: str) -> str:
    """The scope of tokens for the data plane of Batch in the cloud of this Resource Manager. Its
    double slash is intended (azure-batch, constants of the client).
    """
    return f"{_BATCH_AUDIENCES[_cloud(endpoint)]}/.default"


def _is_cloud(endpoint: str) -> bool:
    return urlsplit(endpoint).hostname in _BATCH_AUDIENCES


def _cloud(endpoint: str) -> str:
    return str(urlsplit(endpoint).hostname) if _is_cloud(endpoint) else PUBLIC
