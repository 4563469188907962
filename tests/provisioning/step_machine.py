"""A machine for the step scripts: a root directory, fake commands, and a record of their calls.

The scripts run for real, in bash, as an unprivileged user where the tests have a choice: even a
script that forgets its root cannot touch the machine that runs the tests.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import step_assembler

HERE = Path(__file__).parent
NOBODY = 65534
BOOT_ID = "5d4f0b8e-2f6e-4f0e-9d0f-3a7b1c2d4e5f"
KERNEL = "6.8.0-1067-azure"

# What a minimal system has and no step changes anything with, except below the root of the machine.
REAL_TOOLS = (
    *(
        "awk",
        "base64",
        "bash",
        "cat",
        "chmod",
        "cksum",
        "cmp",
        "comm",
        "cp",
        "cut",
        "date",
        "env",
        "find",
        "flock",
    ),
    *(
        "grep",
        "gzip",
        "head",
        "install",
        "ln",
        "ls",
        "mkdir",
        "mktemp",
        "mv",
        "nproc",
        "readlink",
        "rm",
        "sed",
        "tar",
    ),
    *("sha256sum", "sort", "sync", "tail", "tee", "timeout", "touch", "tr", "truncate", "wc"),
)
# Asked, recorded, and without any effect.
SILENT_TOOLS = (
    *(
        "apt-mark",
        "chown",
        "cloud-init",
        "dkms",
        "dockerd",
        "dpkg",
        "dracut",
        "fstrim",
        "journalctl",
        "modprobe",
    ),
    *("nvidia-smi", "sleep", "update-initramfs", "waagent"),
)
RECORD_CALL = """#!/bin/bash
{{ printf '%s' {name}; printf '\\037%s' "$@"; printf '\\036'; }} >>"$MACHINE/calls"
[[ ! -f $MACHINE/environments ]] || export -p >>"$MACHINE/environments"
"""


@functools.cache
def common_tools() -> Path:
    """The commands of every machine: real ones that do no harm, and the fakes. Made once."""
    folder = Path(tempfile.mkdtemp(prefix="batch-prep-tools-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    for tool in REAL_TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    (folder / "python3").symlink_to("/usr/bin/python3")
    bodies = {file.name: file.read_text() for file in (HERE / "fakes").iterdir()}
    for tool, body in {**dict.fromkeys(SILENT_TOOLS, ""), **bodies}.items():
        (folder / tool).write_text(RECORD_CALL.format(name=tool) + body)
        (folder / tool).chmod(0o755)
    return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one run of a step left: exit code, both streams, its log, its result line as data."""

    exit_code: int
    stdout: str
    stderr: str
    log: str
    result: dict[str, Any]

    @property
    def bill_of_materials(self) -> dict[str, Any]:
        """The document on the line before the result."""
        line = self.stdout.splitlines()[-2]
        document: dict[str, Any] = json.loads(line.removeprefix("batch-prep-bom "))
        return document

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.result["data"]
        return data

    def check(self, check_id: str) -> dict[str, Any]:
        """The verdict of one check."""
        return next(check for check in self.data["checks"] if check["id"] == check_id)


class Machine:
    """A root directory, a PATH of fakes, and the files that tell the fakes what to answer."""

    seconds_max = 60.0
    """A run that takes longer hangs, and raises subprocess.TimeoutExpired."""

    def __init__(self, home: Path, system: str = "ubuntu-24.04") -> None:
        self.home = home
        self.root = home / "root"
        self.bin = home / "bin"
        self.path = f"{self.bin}:{common_tools()}"
        self._sessions: set[int] = set()
        for folder in (
            "active",
            "bin",
            "enabled",
            "images",
            "registry",
            "web",
            "modules",
            "received",
        ):
            (home / folder).mkdir(parents=True)
        for folder in (
            "boot",
            "dev",
            "etc/docker",
            "home",
            "root",
            "run",
            "sys/bus/pci/devices",
            "tmp",
        ):
            (self.root / folder).mkdir(parents=True)
        for folder in (
            "usr/local/sbin",
            "var/log",
            "var/tmp",
            "var/lib/docker",
            "proc/sys/kernel/random",
        ):
            (self.root / folder).mkdir(parents=True)
        for name in ("calls", "packages", "candidates", "depends", "users", "archive"):
            (home / name).touch()
        self.write("root/proc/sys/kernel/random/boot_id", BOOT_ID)
        self.write("root/proc/sys/kernel/random/uuid", "0c6b8f1e-8f0e-4c53-9d2f-6f1a2b3c4d5e")
        self.write("root/proc/meminfo", "MemTotal:       16384000 kB\n")
        self.write("root/etc/os-release", (HERE / "os_release" / system).read_text())
        self.write("docker_version", "29.7.2")
        self.write("free_mib", "50000")
        self.run_kernel(KERNEL)

    # What the machine is told

    def write(self, path: str, text: str) -> Path:
        """A file below the machine's home; the root file system lies in `root/`."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def fake(self, command: str, body: str) -> None:
        """A command that records how it was called and then does `body`, in bash."""
        file = self.write(f"bin/{command}", RECORD_CALL.format(name=command) + body)
        file.chmod(0o755)

    def precede(self, command: str, body: str) -> None:
        """The command does `body` first, then what it did before."""
        header = RECORD_CALL.format(name=command)
        own = self.bin / command
        works = (own if own.exists() else common_tools() / command).read_text()
        self.fake(command, f"{body}\n{works.removeprefix(header)}")

    def lacks(self, *commands: str) -> None:
        """Commands that are not installed."""
        for command in commands:
            (self.bin / command).unlink(missing_ok=True)
        own = {file.name for file in self.bin.iterdir()}
        for tool in common_tools().iterdir():
            if tool.name not in own.union(commands):
                (self.bin / tool.name).symlink_to(tool)
        self.path = str(self.bin)

    def fails_first(self, command: str, times: int, message: str, *, when: str = "") -> None:
        """The first `times` calls whose arguments hold `when` fail; the rest do as before."""
        self.precede(
            command,
            f"count=$(cat $MACHINE/{command}.failures 2>/dev/null || echo 0)\n"
            f"if [[ $* == *'{when}'* ]] && ((count < {times})); then\n"
            f"echo $((count + 1)) >$MACHINE/{command}.failures\n"
            f"echo '{message}' >&2; exit 1; fi",
        )

    def run_kernel(self, version: str) -> None:
        """The kernel that runs, installed and bootable."""
        self.write("running_kernel", version)
        self.write(f"root/boot/vmlinuz-{version}", "")

    def has_packages(self, *packages: str) -> None:
        """Installed packages, each as `name version`."""
        with (self.home / "packages").open("a") as file:
            file.writelines(f"{package}\n" for package in packages)

    def has_docker(self) -> None:
        """Docker answers, starts at every boot, and has been announced by the step install."""
        self.write("active/docker.service", "")
        self.write("enabled/docker.service", "")
        self.write("root/etc/docker/daemon.json", "{}")
        self.write("root/var/lib/batch-prep/docker.ready", "")

    def serves(self, address: str, text: str) -> None:
        """What curl gets from an address (without its query)."""
        self.write(f"web/{address.replace('/', ',')}", text)

    def offers_image(
        self, reference: str, *, here: bool = False, architecture: str = "amd64"
    ) -> None:
        """An image in the registry, or already on the machine."""
        digest = f"{reference}@sha256:{'ab' * 32}"
        file = f"{'images' if here else 'registry'}/{reference.replace('/', ',')}"
        self.write(file, f"sha256:of-{reference}\n{digest}\n4200000\n{architecture}\n")

    def attaches_gpu(
        self, slot: int = 0, *, driver: str = "", device_class: str = "0x030200"
    ) -> None:
        """A PCI device of NVIDIA's."""
        device = f"root/sys/bus/pci/devices/000{slot}:00:00.0"
        self.write(f"{device}/vendor", "0x10de\n")
        self.write(f"{device}/class", f"{device_class}\n")
        if driver:
            (self.home / device / "driver").symlink_to(f"../../drivers/{driver}")

    # What happens on it

    def run_step(self, name: str, *functions: str, **parameters: str) -> Outcome:
        """Runs an assembled step, or some functions of it, as a run command does."""
        return self.run_text(step_assembler.assemble(name, *functions), **parameters)

    def run_text(self, text: str, **parameters: str) -> Outcome:
        script = self.write("script.sh", text)
        script.chmod(0o500)
        return self._outcome(["/bin/bash", "-c", str(script)], parameters)

    def run_detached(self) -> subprocess.CompletedProcess[str]:
        """Runs what a step has handed to systemd-run."""
        return self.run_file(self.home / "detached")

    def run_file(self, file: Path) -> subprocess.CompletedProcess[str]:
        """Runs a script that a step has left."""
        return self._run(["/bin/bash", str(file)], {})

    def _outcome(self, command: list[str], parameters: dict[str, str]) -> Outcome:
        done = self._run(command, {"NONCE": "n-1", "BUILD_ID": "b-1", **parameters})
        step = next((self.root / "var/log/batch-prep").glob("*.log"), None)
        last = done.stdout.splitlines()[-1] if done.stdout else ""
        return Outcome(
            exit_code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            log=step.read_text(errors="replace") if step else "",
            result=json.loads(last.removeprefix("batch-prep-result ")) if last else {},
        )

    def _run(
        self, command: list[str], parameters: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        as_nobody: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._give_to_nobody()
            as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        process = subprocess.Popen(
            command,
            env=self.environment(**parameters),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            **as_nobody,
        )
        self._sessions.add(process.pid)
        try:
            stdout, stderr = process.communicate(timeout=self.seconds_max)
        except subprocess.TimeoutExpired:
            self.end()
            process.communicate()
            raise
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def end(self) -> None:
        """Ends whatever its runs have left: each was a session, which `timeout` does not leave."""
        for file in Path("/proc").glob("[0-9]*/stat"):
            try:
                session = int(file.read_text().rpartition(")")[2].split()[3])
            except OSError:  # it has just ended
                continue
            if session in self._sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(file.parent.name), signal.SIGKILL)

    def environment(self, **parameters: str) -> dict[str, str]:
        """What a step sees. Empty parameters are dropped, as Azure does."""
        given = {name: value for name, value in parameters.items() if value}
        return {
            "PATH": self.path,
            "MACHINE": str(self.home),
            "ROOT": str(self.root),
            "BATCH_PREP_ROOT": str(self.root),
            **given,
        }

    def _give_to_nobody(self) -> None:
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    # What was asked of it

    def calls(self, command: str) -> list[list[str]]:
        """The arguments of every call of a command, in order."""
        records = (self.home / "calls").read_text().split("\036")
        return [
            call[1:] for call in (record.split("\037") for record in records) if call[0] == command
        ]

    def everything_asked(self) -> list[str]:
        """Every call of every command, in order."""
        records = (self.home / "calls").read_text().split("\036")
        return [record.replace("\037", " ") for record in records if record]

    def asked(self, command: str) -> str:
        """The same, one call a line: for looking something up."""
        return "\n".join(" ".join(call) for call in self.calls(command))


def is_gone(process: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def boot_again(machine: Machine) -> None:
    """A restart, as far as a script can see one."""
    machine.write("root/proc/sys/kernel/random/boot_id", BOOT_ID[::-1])
