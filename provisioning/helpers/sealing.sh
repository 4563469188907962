# shellcheck shell=bash
# Sealing itself. These functions, and nothing else of the step, are written into a script that runs detached from
# the agent: deprovisioning stops the agent, and whatever the agent has started dies with it.
#
# The order is: stop, forget, assert, mark, power off. The app takes the power-off for "sealed", so it is
# the last thing and happens only if everything before it worked.

sealing_main() {
  set -Eeuo pipefail
  shopt -s nullglob
  SEALING_STAGE=delay
  trap sealing_ended EXIT
  sleep "$SEAL_DELAY_SECONDS" # so that the step's result line is fetched first
  local stage
  for stage in stop_containers forget_first_boot deprovision remove_user forget_identity erase_traces assert power_off; do
    SEALING_STAGE=$stage
    "sealing_$stage"
  done
}

sealing_ended() {
  local rc=$?
  trap - EXIT
  [[ $rc -eq 0 ]] || sealing_mark "batch-prep seal-failed $BUILD_ID $NONCE $SEALING_STAGE${SEALING_REASON:+: $SEALING_REASON}"
  exit "$rc"
}

sealing_mark() { # LINE, on the serial console, where boot diagnostics show it
  printf '\n%s\n' "$1" >>"$ROOT/dev/console"
  sync
}

sealing_stop_containers() {
  local unit
  for unit in docker.service docker.socket containerd.service; do systemctl stop "$unit" || true; done
  rm -rf -- "$ROOT/run/batch-prep" "$ROOT"/root/.docker "$ROOT"/home/*/.docker "$ROOT/var/lib/docker/engine-id" \
    "$ROOT/etc/cdi/nvidia.yaml" # describes the builder's GPU
  if command -v apt-get >/dev/null; then
    apt-mark unhold walinuxagent waagent || true # held for the build only
    apt-get clean
    rm -rf -- "$ROOT"/var/lib/apt/lists/*
  else
    dnf clean all
  fi
}

sealing_forget_first_boot() {
  if command -v cloud-init >/dev/null; then cloud-init clean --logs; fi
  rm -rf -- "$ROOT/var/lib/cloud/instance" "$ROOT"/var/lib/cloud/instances/* "$ROOT"/var/lib/cloud/data/* \
    "$ROOT"/var/lib/cloud/sem/*
}

sealing_deprovision() { # the agent forgets its extensions and leaves their files; Batch wants none in an image
  timeout 300 waagent -force -deprovision+user
  rm -rf -- "$ROOT"/var/lib/waagent/Microsoft.CPlat.Core.RunCommand* "$ROOT/var/lib/waagent/run-command-handler" \
    "$ROOT"/var/log/azure/Microsoft.CPlat.Core.RunCommand* "$ROOT/var/log/azure/run-command-handler"
}

sealing_remove_user() { # the agent only knows the user while its own notes about the first boot exist
  if id -u "$BUILDER_USER" >/dev/null 2>&1; then userdel --force --remove "$BUILDER_USER"; fi
  rm -f -- "$ROOT"/etc/{passwd,shadow,group,gshadow,subuid,subgid}- # as they were with the user in them
  rm -f -- "$ROOT/etc/sudoers.d/90-cloud-init-users" "$ROOT/etc/sudoers.d/waagent"
  rm -rf -- "$ROOT/home/${BUILDER_USER:?}" "$ROOT"/root/.ssh/authorized_keys "$ROOT"/home/*/.ssh/authorized_keys
}

sealing_forget_identity() {
  : >"$ROOT/etc/machine-id" # empty, not absent: absent means a first boot that asks questions
  rm -f -- "$ROOT/var/lib/dbus/machine-id" "$ROOT"/etc/ssh/ssh_host_* "$ROOT/var/lib/systemd/random-seed"
  if [[ -d $ROOT/run/systemd/resolve && ! -e $ROOT/etc/resolv.conf ]]; then # the agent's handler deletes it
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$ROOT/etc/resolv.conf"
  fi
}

sealing_erase_traces() {
  rm -rf -- "$ROOT/var/lib/batch-prep" "$ROOT/var/log/batch-prep" "$ROOT/usr/local/sbin/batch-prep-seal"
  journalctl --rotate --vacuum-time=1s || true
  rm -rf -- "$ROOT"/var/log/journal/*
  find "$ROOT/var/log" -xdev -type f -exec truncate --size=0 -- {} + || true # a file may vanish meanwhile
  find "$ROOT/tmp" "$ROOT/var/tmp" -xdev -mindepth 1 -delete || true
  rm -f -- "$ROOT"/root/.bash_history "$ROOT"/home/*/.bash_history
}

sealing_assert() {
  sealing_refuse_if "host keys are left" "$ROOT"/etc/ssh/ssh_host_*
  sealing_refuse_if "credentials are left" "$ROOT"/root/.docker/config.json "$ROOT"/home/*/.docker/config.json \
    "$ROOT"/root/.ssh/authorized_keys "$ROOT"/home/*/.ssh/authorized_keys "$ROOT"/run/batch-prep/*
  sealing_refuse_if "the agent's state is left" "$ROOT"/var/lib/waagent/ovf-env.xml
  sealing_refuse_if "an extension is left" "$ROOT"/var/lib/waagent/Microsoft.CPlat.Core.RunCommand*
  sealing_refuse_if "the build user's home is left" "$ROOT/home/$BUILDER_USER"
  sealing_refuse_if "backups of the accounts are left" "$ROOT"/etc/{passwd,shadow,group,gshadow,subuid,subgid}-
  if id -u "$BUILDER_USER" >/dev/null 2>&1; then
    SEALING_REASON="user $BUILDER_USER is left"
    return 1
  fi
  if [[ ! -f $ROOT/etc/machine-id || -s $ROOT/etc/machine-id ]]; then
    SEALING_REASON='machine-id is not empty'
    return 1
  fi
}

sealing_refuse_if() { # REASON FILE...
  local file reason=$1
  shift
  for file in "$@"; do
    [[ -e $file || -L $file ]] || continue
    SEALING_REASON=$reason
    return 1
  done
}

sealing_power_off() {
  fstrim -a || true # saves space in the image, decides nothing
  sealing_mark "batch-prep sealed $BUILD_ID $NONCE"
  systemctl poweroff
}
