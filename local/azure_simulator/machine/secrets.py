"""Secrets of Key Vault that a script on a machine reads, and what it prints where it may not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from local.azure_simulator.machine import interface

Named = Iterable[tuple[str, str]]
"""Addresses of secrets, each with the name that the script gives it."""


def of_own_step(environment: Mapping[str, str]) -> Named:
    for line in environment.get("OWN_SECRETS", "").splitlines():
        name, address = line.split()
        yield name, address


def of_registries(environment: Mapping[str, str]) -> Named:
    """The passwords of users."""
    for line in environment.get("REGISTRIES", "").splitlines():
        if line.split()[1] == "vault":
            yield "password", line.split()[3]


def refusal(run: interface.ScriptRun, wanted: Named) -> str:
    """Why the first that cannot be read, or be a variable of an own step; "" where all can."""
    for name, address in wanted:
        try:
            if "\0" in run.read_secret(address) and (step := run.environment.get("OWN_NAME")):
                return f"a secret of step {step} cannot be the value of a variable"
        except interface.SecretRefused as refused:
            host = address.split("/")[2]
            why = f"curl: (22) The requested URL returned error: {refused.status}"
            if not refused.status:
                why = f"curl: (6) Could not resolve host: {host}"
            return f"secret for {name} from {host}: {why}"
    return ""
