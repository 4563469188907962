"""Local NVMe disks that really become one file system, in a machine with a device mapper."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import step_assembler
import tracer

pytestmark = pytest.mark.root

SCRIPT = "/mnt/root/usr/local/sbin/batch-prep-scratch"
NOTES = f"/mnt/root{tracer.NOTES}"
LAY_OUT = """
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /mnt; mount -t tmpfs tmpfs /tmp
modprobe -a dm-mod xfs loop
mkdir -p /mnt/root/{etc,run,dev,proc/sys/kernel/random,usr/local/sbin} /mnt/root/var/{tmp,lib,log}
cp /etc/os-release /mnt/root/etc/
printf '#!/bin/sh\\necho "systemctl $*" >&2\\n' >/usr/local/bin/systemctl
chmod +x /usr/local/bin/systemctl
disk() { # NUMBER MODEL
  local loop
  truncate -s 400M "/tmp/disk$1" && loop=$(losetup --find --show "/tmp/disk$1")
  mkdir -p "/mnt/root/sys/class/block/nvme$1n1/device"
  printf '%-40s\\n' "$2" >"/mnt/root/sys/class/block/nvme$1n1/device/model"
  ln -sfn "$loop" "/mnt/root/dev/nvme$1n1"
}
disk 0 'MSFT NVMe Accelerator v1.0'
disk 1 'Microsoft NVMe Direct Disk v2'
disk 2 'Microsoft NVMe Direct Disk v2'
disk 3 'Microsoft NVMe Direct Disk v2'
printf 'label: gpt\\nsize=100M\\n' | sfdisk -q "$(readlink /mnt/root/dev/nvme3n1)"
boot() {
  bash SCRIPT; echo "$1 code $?"
  echo "$1 room $(df -m --output=size /mnt/root/scratch | tail -n 1)"
  echo "$1 stripes $(lvs --noheadings -o stripes batch_prep_scratch)"
  echo "$1 file $(cat /mnt/root/scratch/file 2>/dev/null)"
}
away() { umount /mnt/root/scratch; vgchange -q --activate n batch_prep_scratch; }
""".replace("SCRIPT", SCRIPT)


def script() -> str:
    """What the machine does: the step, then one boot after another."""
    step = tracer.traced(step_assembler.assemble("features")).replace(tracer.NOTES, NOTES)
    trap = tracer.traced("").replace(tracer.NOTES, NOTES)
    return "\n".join(
        [
            LAY_OUT,
            f"cat >/mnt/step.sh <<'END_OF_STEP'\n{step}\nEND_OF_STEP",
            f"cat >/mnt/trap <<'END_OF_TRAP'\n{trap}\nEND_OF_TRAP",
            "BATCH_PREP_ROOT=/mnt/root SCRATCH=true bash /mnt/step.sh; echo step code $?",
            f"sed -i '1r /mnt/trap' {SCRIPT}",
            *("boot first", "echo kept >/mnt/root/scratch/file", "boot again"),
            *("away", "boot restarted"),
            *("away", "losetup -d $(readlink /mnt/root/dev/nvme2n1); rm /tmp/disk2"),
            *("disk 2 'Microsoft NVMe Direct Disk v2'", "boot moved"),
            "echo partitions $(sfdisk -l $(readlink /mnt/root/dev/nvme3n1) | grep -c 100M)",
            f"sed 's/^/function /' {NOTES}",
            "sync; echo o >/proc/sysrq-trigger; sleep 60",
        ]
    )


@pytest.fixture(scope="module")
def printed(boot_with_volumes: Callable[..., list[str]]) -> list[str]:
    """The lines on the machine's serial console."""
    return boot_with_volumes(script(), second_disk_gib=1)


def answers(printed: list[str], word: str) -> dict[str, str]:
    """By boot, what followed the word."""
    found = [line.split(maxsplit=2) for line in printed if f" {word}" in line]
    return {words[0]: words[2] if len(words) > 2 else "" for words in found if words[1] == word}


def test_every_boot_leaves_one_file_system_of_both_disks(printed: list[str]) -> None:
    """The remote disk and the one with a partition are left out, at the first boot and later."""
    boots = ("first", "again", "restarted", "moved")
    text = "\n".join(printed)

    assert answers(printed, "code") == dict.fromkeys(("step", *boots), "0"), text
    assert answers(printed, "stripes") == dict.fromkeys(boots, "2"), text
    assert all(600 < int(room) < 800 for room in answers(printed, "room").values()), text
    assert "partitions 1" in printed


def test_files_stay_through_a_restart_and_not_through_a_move(printed: list[str]) -> None:
    """A stripe that has lost a disk is made again."""
    files = answers(printed, "file")
    assert files == {"first": "", "again": "kept", "restarted": "kept", "moved": ""}
