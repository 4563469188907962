"""A machine from outside: made from a kit, switched on and off, given run commands.

A machine is a directory: `root` (its disk), `console.log`, `registry.json`, `metadata.json`,
`requests.log`, perhaps `sites`, and `keeper.pid` while it is on. Another process can take up the
directory.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local.machines import certificates, cgroups, keeper, kit, network, run_command, shell

_REPOSITORY = Path(__file__).resolve().parents[2]
_BOOT_SECONDS_MAX = 90
_POWER_OFF_SECONDS_MAX = 60
_LOOK_SECONDS = 0.05
_TAIL_LINES = 25
_OVF_ENVIRONMENT = """\
<?xml version="1.0" encoding="utf-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" \
xmlns:wa="http://schemas.microsoft.com/windowsazure">
  <wa:ProvisioningSection><wa:Version>1.0</wa:Version>
    <LinuxProvisioningConfigurationSet xmlns="http://schemas.microsoft.com/windowsazure">
      <ConfigurationSetType>LinuxProvisioningConfiguration</ConfigurationSetType>
      <HostName>{}</HostName><UserName>{}</UserName>
    </LinuxProvisioningConfigurationSet>
  </wa:ProvisioningSection>
</Environment>
"""
"""What Azure gives a new machine, as cloud-init keeps it: the user whom `waagent` removes."""
_DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
_PUBLIC_HOSTS = ("deb.debian.org", *(name for name in certificates.NAMES if "*" not in name))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What the machine finds around it. Registry hosts below azurecr.io are private."""

    vm_size: str = "Standard_D2s_v5"
    identities: tuple[str, ...] = ("",)
    """Client ids whose tokens the metadata service gives; "" for a request that names none."""
    images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """`HOST/REPOSITORY:TAG` to a name in `container_images`."""


class Machine:
    """One machine, in the directory `home`; `kits` is the directory that holds its kit."""

    def __init__(self, home: Path, kits: Path) -> None:
        self.home = home
        self.root = home / "root"
        self._kits = kits
        self._process: subprocess.Popen[bytes] | None = None

    def make(self, disk: Path | None = None, sites: Path | None = None) -> None:
        """Put a fresh disk into the directory: the kit's, or another with the sites that it needs.

        Raises MachineError.
        """
        found = kit.find(self._kits)
        if found is None:
            raise shell.MachineError(f"{self._kits} has nothing to make machines from")
        self.root.mkdir(parents=True)
        shell.run("tar", "-xpf", str(disk or found.base_tar), "-C", str(self.root))
        if sites:
            (self.home / "sites").symlink_to(sites)

    def describe(self, host_name: str, *, user: str = "") -> None:
        """What cloud-init will find at the next boot: a new instance, and who may use it."""
        seed = self.root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True, exist_ok=True)
        (seed / "meta-data").write_text(f"instance-id: {host_name}\nlocal-hostname: {host_name}\n")
        sudo = "ALL=(ALL) NOPASSWD:ALL"
        users = [{"name": user, "sudo": sudo, "ssh_authorized_keys": ["ssh-ed25519 AAAA builder"]}]
        configuration = {"locale": False, "users": users if user else []}
        (seed / "user-data").write_text(f"#cloud-config\n{json.dumps(configuration)}\n")
        if user:
            agent_folder = self.root / "var/lib/waagent"
            agent_folder.mkdir(exist_ok=True)
            (agent_folder / "ovf-env.xml").write_text(_OVF_ENVIRONMENT.format(host_name, user))

    def surround(self, surroundings: Surroundings) -> None:
        """Decide what the servers answer; also while the machine is on."""
        hosts = {reference.split("/")[0] for reference in surroundings.images}
        private = sorted(host for host in hosts if host.endswith(".azurecr.io"))
        table = {"images": dict(surroundings.images), "private": private}
        (self.home / "registry.json").write_text(json.dumps(table))
        metadata = {"vmSize": surroundings.vm_size, "identities": list(surroundings.identities)}
        (self.home / "metadata.json").write_text(json.dumps(metadata))
        sites = {site.name for site in (self.home / "sites").glob("*")}
        names = " ".join(sorted({*_PUBLIC_HOSTS, *hosts, *sites}))
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{network.SERVERS} {names}\n")

    # --- power -----------------------------------------------------------------------------

    def switch_on(self, *, dies_with_us: bool = False) -> None:
        """Boot, and wait until the agent takes commands. Raises MachineError."""
        self.commands.forget_agent()
        prefix = _DIES_WITH_PARENT if dies_with_us else ()
        with (self.home / "keeper.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*prefix, *keeper.command(self.home, self._kits)],
                cwd=_REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))
        wait_until(lambda: self.commands.is_agent_ready() or not self.is_on(), _BOOT_SECONDS_MAX)
        if not self.commands.is_agent_ready():
            self.pull_plug()
            raise shell.MachineError(f"{self.home.name} does not boot:\n{self._last_words()}")

    def is_on(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self._keeper() is not None

    def press_power_button(self) -> None:
        """As `az vm stop` does; the machine goes down by itself."""
        unshare = self._keeper()
        for child in _children(unshare) if unshare else ():
            os.kill(child, signal.SIGTERM)

    def switch_off(self) -> None:
        """Press the power button and wait; pull the plug if that takes too long."""
        self.press_power_button()
        if not self.wait_until_off():
            self.pull_plug()

    def wait_until_off(self, seconds: float = _POWER_OFF_SECONDS_MAX) -> bool:
        """Whether it is off by then."""
        if not wait_until(lambda: not self.is_on(), seconds):
            return False
        self._tidy()
        return True

    def pull_plug(self) -> None:
        """End every process of it at once."""
        pid = self._keeper()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not self.is_on(), _POWER_OFF_SECONDS_MAX)
        self._tidy()

    def remove(self) -> None:
        """The machine and its disk."""
        self.remove_disk()
        shell.run("rm", "-rf", str(self.home))

    def remove_disk(self) -> None:
        """What else is known of it stays."""
        self.pull_plug()
        shell.run("rm", "-rf", "--one-file-system", str(self.root))

    def console(self) -> str:
        """Everything that it wrote on its serial console."""
        log = self.home / "console.log"
        return log.read_text(errors="replace").replace("\r", "") if log.exists() else ""

    @property
    def commands(self) -> run_command.Handler:
        """Its agent, who takes run commands."""
        return run_command.Handler(root=self.root)

    # --- inside ----------------------------------------------------------------------------

    @property
    def _pid_file(self) -> Path:
        return self.home / "keeper.pid"

    def _keeper(self) -> int | None:
        """The process that holds the machine, perhaps started by another process than this one."""
        try:
            pid = int(self._pid_file.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return pid if str(self.home) in words else None

    def _tidy(self) -> None:
        """Once it is off."""
        if self._process is not None:
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)
        cgroups.remove(self.home.name)

    def _last_words(self) -> str:
        keeper_log = (self.home / "keeper.log").read_text(errors="replace")
        return "\n".join((keeper_log + self.console()).splitlines()[-_TAIL_LINES:])


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it is so before the time is over."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
