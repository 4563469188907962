"""Exit codes of the scripts under `provisioning/`, and what a person can do about each."""

from __future__ import annotations

from enum import IntEnum

from shared.base.errors import Failure, Kind


class ScriptExit(IntEnum):
    """Exit codes of the scripts; `provisioning/exit_codes.sh` names the same ones (a test
    compares).
    """

    OK = 0
    UNSUPPORTED_OS = 10
    BAD_PARAMETER = 11
    NO_SPACE = 20
    IMAGE_PULL = 21
    REGISTRY_LOGIN = 22
    PACKAGE_MANAGER = 23
    DOWNLOAD = 24
    RATE_LIMITED = 26
    CHECK_FAILED = 30
    DRIVER_BUILD = 40
    TOOLKIT = 41
    INFINIBAND = 42
    SEAL = 50
    OWN_STEP = 60
    OWN_STEP_TIME = 61
    SECRET = 62
    INTERNAL = 70
    RETRY_LATER = 75
    DEADLINE = 124


_ADVICE: dict[ScriptExit, tuple[str, str]] = {
    ScriptExit.UNSUPPORTED_OS: (
        "the operating system is not supported",
        "Choose ubuntu 24.04 or 22.04, debian 12 (no GPU), or almalinux, rocky or rhel 9 or 8.",
    ),
    ScriptExit.BAD_PARAMETER: (
        "a parameter is missing or malformed",
        "Correct the request; a value that the app made itself is a bug worth reporting.",
    ),
    ScriptExit.NO_SPACE: (
        "the disk is too small",
        "Give image.osDiskSizeGiB: 2.5 times the images' sizes and 10, or preload fewer images.",
    ),
    ScriptExit.IMAGE_PULL: (
        "a container image could not be pulled",
        "Check the image's name and tag, and that its registry may be read from the builder.",
    ),
    ScriptExit.REGISTRY_LOGIN: (
        "the registry refused the managed identity",
        (
            "Give the pull identity AcrPull on the registry, or Container Registry Repository "
            "Reader if it has repository permissions; a new role takes up to ten minutes."
        ),
    ),
    ScriptExit.PACKAGE_MANAGER: (
        "the package manager failed",
        "Look at the log's last lines; try again if a mirror was down.",
    ),
    ScriptExit.DOWNLOAD: (
        "a download failed or its checksum is wrong",
        "Try again; if the checksum stays wrong, the vendor changed the file: pin the new version.",
    ),
    ScriptExit.RATE_LIMITED: (
        "a registry allows no more pulls for now",
        (
            "Limits such as Docker Hub's hold for hours, and for all callers behind one address: "
            "wait as long, or copy the image into an Azure container registry (az acr import "
            "--name REGISTRY --source IMAGE) and start a build that names the copy."
        ),
    ),
    ScriptExit.CHECK_FAILED: (
        "the finished system did not pass its checks",
        "Read which checks failed; after DISK_LOW, give a larger image.osDiskSizeGiB.",
    ),
    ScriptExit.DRIVER_BUILD: (
        "the NVIDIA driver could not be installed",
        (
            "Where the message quotes a compiler, name another driver version in "
            "image.driverVersion. Otherwise remove the cause that it names, and start the build "
            "again."
        ),
    ),
    ScriptExit.TOOLKIT: (
        "the NVIDIA container toolkit could not be installed",
        "Look at the log's last lines; try again if a repository was down.",
    ),
    ScriptExit.INFINIBAND: (
        "the InfiniBand stack could not be installed",
        (
            "Where the message quotes a compiler, leave image.infiniband out until a release of "
            "batch-prep has a newer stack. Otherwise remove the cause that it names, and start "
            "the build again."
        ),
    ),
    ScriptExit.SEAL: (
        "the system could not be sealed",
        "Read the serial console of the builder; nothing was published.",
    ),
    ScriptExit.OWN_STEP: (
        "a step of the request's owner failed",
        "Correct the step in image.steps; exitCodes names the exit codes that mean success.",
    ),
    ScriptExit.OWN_STEP_TIME: (
        "a step of the request's owner took too long",
        "Look at the log's last lines for what hung, or raise the step's timeoutMinutes.",
    ),
    ScriptExit.SECRET: (
        "a secret could not be read from Key Vault",
        (
            "Check the secret's address, give image.identity the role Key Vault Secrets User on "
            "the vault (403), and let the vault's firewall take the builder."
        ),
    ),
    ScriptExit.INTERNAL: (
        "the script itself broke",
        "Report the log's last lines: this is a bug.",
    ),
    ScriptExit.RETRY_LATER: (
        "something outside the machine was not ready",
        "Start the build again.",
    ),
    ScriptExit.DEADLINE: (
        "the script reached its own deadline",
        "Look at the log's last lines for what hung.",
    ),
}


def named(exit_code: int) -> str:
    """`30 (CHECK_FAILED: the finished system did not pass its checks)`; the number alone where it
    is none of these codes.
    """
    if exit_code not in _ADVICE:
        return str(exit_code)
    known = ScriptExit(exit_code)
    return f"{exit_code} ({known.name}: {_ADVICE[known][0]})"


def is_pull_limit(failed: Failure) -> bool:
    """Whether a script failed only because a registry allows no more pulls for now."""
    is_script = failed.code == "ScriptFailed"
    return is_script and failed.azure_code == ScriptExit.RATE_LIMITED.name


def failure(*, step: str, resource: str, exit_code: int, message: str, log: str) -> Failure:
    """The failure of a script: the meaning of its exit code, its message, its last lines."""
    known = exit_code in ScriptExit.__members__.values()
    meaning, advice = (
        _ADVICE[ScriptExit(exit_code)]
        if known and exit_code
        else ("it ended in an unknown way", "Look at the log's last lines.")
    )
    said = f": {message}" if message else ""
    tail = f"\nLast lines of its log:\n{log}" if log else ""
    return Failure(
        code="ScriptFailed",
        kind=Kind.SCRIPT,
        message=f"The script '{step}' exited with {exit_code} ({meaning}){said}.{tail}",
        resource=resource,
        azure_code=ScriptExit(exit_code).name if known else None,
        next_action=advice,
    )
