"""Logical volumes that really grow, on a disk laid out as that of the image RHEL:9-lvm-gen2."""

from __future__ import annotations

import json
from collections.abc import Callable

import builder as builders
import pytest
import step_assembler
import tracer

pytestmark = pytest.mark.root

DISK_GIB = 64
# https://learn.microsoft.com/azure/virtual-machines/workloads/redhat/redhat-images: sizes of the
# volumes in GiB; the rest of the disk belongs to the fourth partition, and to no volume.
VOLUMES = {"/": ("rootlv", 2), "/usr": ("usrlv", 10), "/var": ("varlv", 8)}
IMAGE_GIB = 62  # the partition was made on a smaller disk
LAY_OUT = f"""
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs tmpfs /mnt; mount -t tmpfs tmpfs /tmp
modprobe -a dm-mod xfs
printf 'label: gpt\\nsize=500M\\nsize=500M\\nsize=2M\\nsize={IMAGE_GIB}G\\n' | sfdisk -q /dev/vdb
udevadm settle
pvcreate -q /dev/vdb4 && vgcreate -q rootvg /dev/vdb4
"""
REPORT = """
echo "code $?"
for place in / /usr /var; do
  echo "room $place $(df -m --output=avail "/mnt/root$place" | tail -n 1)"
done
echo "free $(vgs --noheadings -o vg_free_count rootvg)"
cat /mnt/root/var/tmp/batch-prep-functions | sed 's/^/function /'
"""


def script() -> str:
    """What the machine does: lay out the disk, run the step twice, report."""
    files = step_assembler.steps()["install"]["files"]
    step = tracer.traced(step_assembler.assemble_files("install", files, ["grow_volumes"]))
    step = step.replace(tracer.NOTES, f"/mnt/root{tracer.NOTES}")
    lines = [LAY_OUT]
    for place, (name, gib) in VOLUMES.items():
        lines += [
            f"lvcreate -y -L {gib}G -n {name} rootvg && mkfs.xfs -q /dev/rootvg/{name}",
            f"mkdir -p /mnt/root{place}; mount /dev/rootvg/{name} /mnt/root{place}",
        ]
    lines += [
        "mkdir -p /mnt/root/{etc,run,proc/sys/kernel/random} /mnt/root/var/{tmp,lib,log}",
        "echo before $(df -m --output=avail /mnt/root | tail -n 1)",
        f"cat >/mnt/step.sh <<'END_OF_STEP'\n{step}\nEND_OF_STEP",
        "export BATCH_PREP_ROOT=/mnt/root",
        *("BUILD_ID=one bash /mnt/step.sh", REPORT),
        *("BUILD_ID=two bash /mnt/step.sh", REPORT, "sync; echo o >/proc/sysrq-trigger; sleep 60"),
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def printed(boot_with_volumes: Callable[..., list[str]]) -> list[str]:
    """The lines on the machine's serial console."""
    return boot_with_volumes(script(), second_disk_gib=DISK_GIB)


def numbers(printed: list[str], words: str) -> list[int]:
    """What follows the words, each time."""
    return [int(line.removeprefix(words)) for line in printed if line.startswith(words)]


def test_the_images_own_layout_is_too_small(printed: list[str]) -> None:
    """It would fail the check of the finished system: 2,048 MiB are wanted."""
    [before] = numbers(printed, "before ")
    assert before < 2048, "\n".join(printed)


def test_every_volume_grows_and_nothing_is_left(printed: list[str]) -> None:
    """Also what the disk has more than the image; the file systems grow with their volumes."""
    assert numbers(printed, "code ")[0] == 0, "\n".join(printed)
    assert numbers(printed, "free ")[0] == 0
    room = {place: numbers(printed, f"room {place} ")[0] for place in VOLUMES}
    assert room["/"] > 8 * 1024
    assert room["/usr"] > 14 * 1024
    assert room["/var"] > 28 * 1024


def test_a_second_run_changes_nothing(printed: list[str]) -> None:
    """Sent again, it finds no free extents."""
    results = [line for line in printed if line.startswith(builders.MARKER)]
    documents = [json.loads(line.removeprefix(builders.MARKER)) for line in results]
    assert [document["changed"] for document in documents] == [True, False]
