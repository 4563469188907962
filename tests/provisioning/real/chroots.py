"""Debian 12 in Ubuntu's clothes (local/machines/driver_root.py), entered with chroot and without a
network, and the steps that run in it.

A step's text is changed in two places: `add_apt_repository` adds nothing, because the root's own
repositories stand for the vendors', and `fetch` copies a file of /srv/downloads.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import builder as builders
import step_assembler
import tracer

from local.machines import shell

REPLACED = """\
add_apt_repository() { install_missing ca-certificates curl gnupg; refresh_packages; }
fetch() { cp -- "/srv/downloads/${1##*/}" "$2"; }
"""
SMI = """#!/bin/bash
# Stands in for nvidia-smi of a machine with a GPU.
case $* in
  *persistence_mode*) cat /srv/persistence ;;
  *--query-gpu=index*) echo "0, Tesla T4, GPU-0, VERSION, 15360, Disabled, [N/A]" ;;
  *) exit 1 ;;
esac
"""
_SET_UP = """
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t tmpfs tmpfs "$0/proc/driver"
mkdir -p "$0/proc/driver/nvidia"
[ ! -e "$0/srv/module" ] || cp "$0/srv/module" "$0/proc/driver/nvidia/version"
exec chroot "$0" /bin/bash /srv/command
"""
_NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A root file system of its own."""

    home: Path

    def step(self, name: str, *functions: str, **parameters: str) -> builders.Outcome:
        """Run functions of a step."""
        files = step_assembler.steps()[name]["files"]
        text = step_assembler.assemble_files(name, files, list(functions), REPLACED)
        return self.run_text(name, text, **parameters)

    def run_text(self, name: str, text: str, **parameters: str) -> builders.Outcome:
        """Run the text of a step."""
        (self.home / "srv/step.sh").write_text(tracer.traced(text))
        given = {"NONCE": "n", "BUILD_ID": builders.BUILD_ID, **parameters}
        lines = [f"export {name}='{value}'" for name, value in given.items()]
        lines += ["bash /srv/step.sh >/srv/stdout 2>/srv/stderr", "echo $? >/srv/code"]
        self.run("\n".join(lines))
        tracer.collect(self.home)
        last = (self.home / "srv/stdout").read_text().splitlines()[-1]
        result: dict[str, Any] = json.loads(last.removeprefix(builders.MARKER))
        builders.durations.append((name, result["seconds"]))
        return builders.Outcome(
            exit_code=int((self.home / "srv/code").read_text()),
            result=result,
            stderr=(self.home / "srv/stderr").read_text(errors="replace"),
        )

    def run(self, script: str) -> str:
        """What a script prints inside."""
        (self.home / "srv/command").write_text(f"cd /; export HOME=/root\n{script}\n")
        return shell.run(*_NAMESPACES, "sh", "-ec", _SET_UP, str(self.home), timeout=3600)

    def kernels(self) -> list[str]:
        return sorted(
            file.name.removeprefix("vmlinuz-") for file in self.home.glob("boot/vmlinuz-*")
        )

    def write(self, path: str, text: str) -> None:
        """A file, with the folders above it."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def show_gpu(self) -> None:
        """A PCI device of NVIDIA's in a stand-in for /sys."""
        self.write("sys/bus/pci/devices/0000:00:01.0/vendor", "0x10de\n")
        self.write("sys/bus/pci/devices/0000:00:01.0/class", "0x030200\n")
