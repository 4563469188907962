# shellcheck shell=bash
# needs: helpers/host.sh helpers/retry.sh helpers/packages.sh helpers/kernels.sh
# needs: helpers/volumes.sh
# Brings a fresh machine to rest: first boot over, nothing upgrades by itself, the kernel that is to stay installed.

readonly FIRST_BOOT_SECONDS_MAX=900
readonly TIMER_SECONDS_MAX=600 # an unattended upgrade that has begun is waited for, never killed

prepare_parameters() {
  require_parameter BUILDER_USER '^[a-z_][a-z0-9_-]{0,31}$' 'the name of the throw-away user'
}

prepare() {
  read_os
  phase first-boot
  wait_for_first_boot
  phase quiet
  stop_automatic_upgrades
  phase disk
  grow_volumes
  phase packages
  locked settle_packages
  add_data os "$(json_string "$OS_ID")"
  add_data osVersion "$(json_string "$OS_VERSION")"
}

wait_for_first_boot() { # its exit code also counts harmless failures of single modules
  command -v cloud-init >/dev/null || return 0
  timeout "$FIRST_BOOT_SECONDS_MAX" cloud-init status --wait || log "cloud-init status: $?; noted, not fatal"
}

stop_automatic_upgrades() { # stopped, then waited for, then masked
  local unit timers=() services=()
  if [[ $OS_FAMILY == el ]]; then
    timers=(dnf-automatic.timer dnf-automatic-install.timer dnf-makecache.timer)
    services=(dnf-automatic.service dnf-automatic-install.service dnf-makecache.service)
  else
    timers=(apt-daily.timer apt-daily-upgrade.timer)
    services=(apt-daily.service apt-daily-upgrade.service)
  fi
  for unit in "${timers[@]}"; do systemctl stop "$unit" || true; done
  for unit in "${services[@]}"; do wait_until_inactive "$unit"; done
  systemctl mask "${timers[@]}" "${services[@]}" || log 'some units cannot be masked'
  [[ $OS_FAMILY == el ]] || systemctl disable --now unattended-upgrades.service || true
}

wait_until_inactive() { # UNIT
  local seconds
  for ((seconds = 0; seconds < TIMER_SECONDS_MAX; seconds += 10)); do
    case $(systemctl is-active "$1" || true) in active | activating) sleep 10 ;; *) return 0 ;; esac
  done
  fail "$EXIT_RETRY_LATER" "$1 did not end within $TIMER_SECONDS_MAX seconds"
}

settle_packages() {
  if [[ $OS_FAMILY == el ]]; then
    install_missing ca-certificates curl python3
    settle_kernel_el
  else
    hold_packages walinuxagent waagent # an upgrade restarts the agent, and kills this step
    refresh_packages
    install_missing ca-certificates curl gnupg python3
    settle_kernel_debian
  fi
}

settle_kernel_el() { # the headers of an older point release leave the mirrors: only the newest kernel can build
  local before
  before=$(newest_kernel)
  attempt "$EXIT_PACKAGE_MANAGER" 'dnf update of the kernel' 6 5 dnf_run update 'kernel*'
  [[ $(newest_kernel) == "$before" ]] || mark_changed
  hold_kernel
}

settle_kernel_debian() {
  local before
  before=$(bootable_kernels)
  [[ -n $(chosen_kernel) ]] || install_packages "$(kernel_package)"
  [[ $(bootable_kernels) == "$before" ]] || mark_changed
  hold_kernel
}
