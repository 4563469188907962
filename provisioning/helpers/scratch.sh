# shellcheck shell=bash
# The local NVMe disks of a machine, as one file system. These functions, and nothing else of the step, are written into a
# script of the image, which runs at each boot: https://learn.microsoft.com/azure/virtual-machines/enable-nvme-temp-faqs
#
# Azure hands such disks over raw. What they hold survives a restart, and is gone when the node moves to another host. An
# ephemeral system disk may lie on the same kind of disk: only a disk that is empty, or of an earlier boot, is used.
# Logical volumes, because RHEL's images have LVM already, and grow_volumes uses the same tools; no daemon watches them.

scratch_main() {
  set -Eeuo pipefail
  shopt -s nullglob
  udevadm settle --timeout=60 || true # the disks come late: Hyper-V hands them over one by one
  if mountpoint -q -- "$SCRATCH_PLACE"; then
    echo "$SCRATCH_PLACE is mounted already"
  elif ! scratch_reuse; then
    scratch_make
  fi
}

scratch_local_disks() { # their names; disks of the system and of data have other models, or are no NVMe disks
  local device model
  for device in "$ROOT"/sys/class/block/nvme*; do
    [[ -r $device/device/model && ! -e $device/partition ]] || continue
    read -r model <"$device/device/model" || true
    case $model in 'Microsoft NVMe Direct Disk' | 'Microsoft NVMe Direct Disk v2') printf '%s\n' "${device##*/}" ;; *) ;; esac
  done
}

scratch_free_disks() { # those that hold nothing, as paths
  local name path parts found
  while read -r name; do
    path=$(readlink -f -- "$ROOT/dev/$name")
    parts=("$ROOT/sys/class/block/$name/$name"p* "$ROOT/sys/class/block/$name/holders"/*)
    if [[ ${#parts[@]} -gt 0 ]] || ! found=$(wipefs --noheadings --output TYPE -- "$path") || [[ -n $found ]]; then
      echo "disk $name is in use, and stays as it is" >&2
    else
      printf '%s\n' "$path"
    fi
  done < <(scratch_local_disks)
}

scratch_reuse() { # what an earlier boot of this node has made, if all of it is here
  vgs "$SCRATCH_GROUP" >/dev/null 2>&1 || return 1
  if vgchange --activate y "$SCRATCH_GROUP" && scratch_mount; then return 0; fi
  echo "what an earlier boot has made does not work any more, and is made again" >&2
  scratch_forget
  return 1
}

scratch_forget() {
  local disks=()
  mapfile -t disks < <(pvs --noheadings -o pv_name --select "vg_name=$SCRATCH_GROUP" | tr -d ' ' | grep '^/' || true)
  vgreduce --removemissing --force "$SCRATCH_GROUP" || true
  vgremove --force --force --yes "$SCRATCH_GROUP" || true
  [[ ${#disks[@]} -eq 0 ]] || pvremove --force --force --yes "${disks[@]}"
}

scratch_make() {
  local disks=()
  mapfile -t disks < <(scratch_free_disks)
  if [[ ${#disks[@]} -eq 0 ]]; then
    echo 'no free local NVMe disk is here'
    return
  fi
  pvcreate --yes "${disks[@]}"
  vgcreate "$SCRATCH_GROUP" "${disks[@]}"
  lvcreate --yes --wipesignatures y --stripes "${#disks[@]}" --extents 100%FREE --name scratch "$SCRATCH_GROUP"
  mkfs.xfs -q -f -K "/dev/$SCRATCH_GROUP/scratch" # a discard of some terabytes takes long, and new disks need none
  scratch_mount
}

scratch_mount() {
  mkdir -p -- "$SCRATCH_PLACE"
  mount -t xfs -o noatime "/dev/$SCRATCH_GROUP/scratch" "$SCRATCH_PLACE" || return 1
  chmod 1777 "$SCRATCH_PLACE" # tasks run as several users
}
