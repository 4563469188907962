# shellcheck shell=bash
# Brings a fresh machine to rest: first boot over, nothing upgrades by itself, the kernel at its final version.

readonly FIRST_BOOT_SECONDS_MAX=900
readonly TIMER_SECONDS_MAX=600 # an unattended upgrade that has begun is waited for, never killed

prepare() {
  require_parameter BUILDER_USER '^[a-z_][a-z0-9_-]{0,31}$' 'the name of the throw-away user'
  read_os
  phase first-boot
  wait_for_first_boot
  phase quiet
  stop_automatic_upgrades
  phase packages
  locked settle_packages
  add_data os "$(json_string "$OS_ID")"
  add_data osVersion "$(json_string "$OS_VERSION")"
  add_data kernel "$(json_string "$(newest_kernel)")"
  kernel_is_final || require_reboot
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
  hold_packages 'kernel*'
}

settle_kernel_debian() {
  local meta=linux-image-cloud-amd64 before
  before=$(newest_kernel)
  [[ $OS_ID == debian ]] || meta=linux-azure-lts-$OS_VERSION
  install_packages "$meta"
  [[ $OS_ID == debian ]] || leave_rolling_kernel "$meta"
  [[ $(newest_kernel) == "$before" ]] || mark_changed
  hold_packages 'linux-image-*' 'linux-headers-*' 'linux-modules-*' 'linux-azure*'
}

# Ubuntu's images come with the rolling kernel, which is newer than the long-term one and would be booted
# instead of it. debconf does not ask about the running kernel where it cannot ask.
leave_rolling_kernel() { # META
  local keep name purge=()
  keep=$(long_term_kernel "$1")
  while read -r name; do
    case $name in
      linux-image-[0-9]* | linux-image-unsigned-[0-9]* | linux-modules-[0-9]* | linux-modules-extra-[0-9]* | linux-headers-[0-9]*)
        [[ $name == *"-$keep" ]] || purge+=("$name")
        ;;
      linux-azure | linux-image-azure | linux-azure-[0-9]* | linux-image-azure-[0-9]*) purge+=("$name") ;;
      *) ;;
    esac
  done < <(installed_packages 'linux-*')
  [[ ${#purge[@]} -ne 0 ]] || return 0
  attempt "$EXIT_PACKAGE_MANAGER" 'apt-get purge of the rolling kernel' 3 5 \
    apt_get --allow-change-held-packages purge "${purge[@]}"
  mark_changed
}

long_term_kernel() { # META -> its version, as in linux-image-VERSION
  local image
  image=$(dpkg-query -W -f '${Depends}\n' -- "${1/linux-azure/linux-image-azure}" |
    grep -oE 'linux-image-[0-9][^ ,]*' | head -n 1) || true
  [[ -n $image ]] || fail "$EXIT_PACKAGE_MANAGER" "package $1 names no kernel image"
  printf '%s' "${image#linux-image-}"
}
