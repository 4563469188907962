"""The network of a machine: a namespace with a card that leads nowhere, and the servers' addresses.

Whatever else a machine tries to reach fails at once: there is no route.
"""

from __future__ import annotations

from local.machines import shell

CARD = "eth0"
ADDRESS = "10.77.0.4/24"
SERVERS = "10.77.0.1"
METADATA = "169.254.169.254"  # https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service


def set_up() -> None:
    """In the namespace of the calling process."""
    for command in (
        "link set lo up",
        f"address add {SERVERS}/32 dev lo",
        f"address add {METADATA}/32 dev lo",
        f"link add {CARD} type veth peer name far0",
        f"address add {ADDRESS} dev {CARD}",
        f"link set {CARD} up",
        "link set far0 up",
    ):
        shell.run("ip", *command.split())
