# shellcheck shell=bash
# Logical volumes. RHEL's images have small ones, 2 GiB for / and 8 GiB for /var, and leave the rest of the disk free:
# https://learn.microsoft.com/azure/virtual-machines/linux/how-to-resize-encrypted-lvm and
# https://access.redhat.com/articles/3805571. Docker keeps its images below /var.

# A mount point, and how much of what is free by then its volume gets.
readonly VOLUME_SHARES=('/ 20' '/usr 25' '/var 100')

grow_volumes() { # a root that is no logical volume has nothing to grow
  local group partition
  group=$(volume_group_of /)
  [[ -n $group ]] || return 0
  for partition in $(pvs --noheadings -o pv_name --select "vg_name=$group"); do grow_partition "$partition"; done
  share_free_extents "$group"
}

volume_group_of() { # MOUNT_POINT; empty if it is no logical volume
  local device
  command -v lvs >/dev/null || return 0
  device=$(findmnt --noheadings --output SOURCE --mountpoint "$ROOT$1") || return 0
  { lvs --noheadings -o vg_name "$device" 2>/dev/null || true; } | tr -d ' '
}

grow_partition() { # PHYSICAL_VOLUME; growpart ends with 1 where there is nothing to grow
  local disk number
  number=$(grep -oE '[0-9]+$' <<<"$1") || number=''
  disk=${1%"$number"}
  [[ $disk != *[0-9]p ]] || disk=${disk%p} # nvme0n1p4
  [[ -z $number ]] || growpart "$disk" "$number" || log "partition $1 is not grown"
  pvresize "$1" || fail "$EXIT_NO_SPACE" "physical volume $1 cannot be grown"
}

share_free_extents() { # GROUP; what is left of it goes to the last mount point that is a volume of its own
  local entry place share last='/' device
  for entry in "${VOLUME_SHARES[@]}"; do
    [[ $(volume_group_of "${entry% *}") != "$1" ]] || last=${entry% *}
  done
  for entry in "${VOLUME_SHARES[@]}"; do
    read -r place share <<<"$entry"
    [[ $(volume_group_of "$place") == "$1" && $(free_extents "$1") -gt 0 ]] || continue
    [[ $place != "$last" ]] || share=100
    device=$(findmnt --noheadings --output SOURCE --mountpoint "$ROOT$place")
    lvextend --resizefs --extents "+$share%FREE" "$device" || fail "$EXIT_NO_SPACE" "the volume of $place cannot be grown"
    mark_changed
  done
}

free_extents() { vgs --noheadings -o vg_free_count "$1" | tr -d ' '; } # GROUP
