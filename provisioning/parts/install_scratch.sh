# shellcheck shell=bash
# needs: helpers/host.sh helpers/packages.sh helpers/repositories.sh helpers/scratch.sh
# SCRATCH: at each boot the image makes one file system of the local NVMe disks, where there are some. It is there before
# Docker, and before the Azure agent, which brings the Batch node agent.

readonly SCRATCH_SCRIPT=/usr/local/sbin/batch-prep-scratch
readonly SCRATCH_UNIT=batch-prep-scratch.service

install_scratch_parameters() {
  optional_parameter SCRATCH '^(true|false)$' 'true or false'
}

install_scratch() {
  [[ ${SCRATCH:-false} == true ]] || return 0
  read_os
  phase scratch
  locked install_missing lvm2 xfsprogs
  write_scratch_script
  write_scratch_unit
  add_data scratch '"/scratch"'
  systemctl enable "$SCRATCH_UNIT" # not started: an owner's step may still use the builder's disks
}

write_scratch_script() {
  local functions=()
  mapfile -t functions < <(compgen -A function scratch_)
  {
    printf '#!/bin/bash\nexport LC_ALL=C PATH=%q\n' "$PATH"
    printf '%s=%q\n' ROOT "$ROOT" SCRATCH_PLACE "$ROOT/scratch" SCRATCH_GROUP batch_prep_scratch
    declare -f "${functions[@]}"
    printf 'scratch_main\n'
  } | write_if_changed "$ROOT$SCRATCH_SCRIPT"
  chmod 0755 -- "$ROOT$SCRATCH_SCRIPT"
}

write_scratch_unit() {
  write_if_changed "$ROOT/etc/systemd/system/$SCRATCH_UNIT" <<UNIT
[Unit]
Description=One file system at /scratch of the local NVMe disks
After=local-fs.target systemd-udevd.service
Before=containerd.service docker.service waagent.service walinuxagent.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=$SCRATCH_SCRIPT
TimeoutStartSec=300

[Install]
WantedBy=multi-user.target
UNIT
}
