"""One certificate for every name that a machine reaches by https; the machine trusts it."""

from __future__ import annotations

from pathlib import Path

from local.machines import shell

NAMES = (
    "download.docker.com",
    "*.azurecr.io",
    "registry-1.docker.io",
    "auth.docker.io",
    "mcr.microsoft.com",
    "ghcr.io",
    "nvcr.io",
    "quay.io",
    "repo.almalinux.org",
    "developer.download.nvidia.com",
    "nvidia.github.io",
    "dl.fedoraproject.org",
    "download.microsoft.com",
    "*.blob.core.windows.net",
    "*.vault.azure.net",
    "*.example.org",
)
_DAYS = 3650


def make(folder: Path) -> None:
    """Write `certificate.pem` and `key.pem`."""
    folder.mkdir()
    names = ",".join(f"DNS:{name}" for name in NAMES)
    shell.run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-subj", "/CN=batch-prep machines", "-days", str(_DAYS)),
        *("-addext", f"subjectAltName={names}"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
    )
