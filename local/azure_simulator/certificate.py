"""A certificate of its own for the simulator: clients that insist on https are set to trust it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import oid

CERTIFICATE = "certificate.pem"
_DAYS = 3650


def server_context(folder: pathlib.Path) -> ssl.SSLContext:
    """TLS with the certificate in this folder, which is made if it is not there."""
    if not (folder / CERTIFICATE).exists():
        _make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / "key.pem")
    return context


def _make(folder: pathlib.Path) -> None:
    """Write `key.pem`, which its owner alone reads, and `certificate.pem`. It is for this machine
    and for registries, which a client may reach through the simulator's proxy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, "Azure simulator")])
    names = [x509.DNSName(host) for host in ("localhost", "*.azurecr.io")]
    hosts = [*names, x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / CERTIFICATE).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
