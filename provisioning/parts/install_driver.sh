# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/packages.sh helpers/repositories.sh helpers/driver_sources.sh
# needs: helpers/module_builds.sh helpers/persistence.sh helpers/canonical_driver.sh
# The NVIDIA driver, with a kernel module for every kernel that can boot, pinned and held.
# A machine without a GPU builds it as well; whether it drives a GPU is seen after the restart.

install_driver() {
  local version
  read_os
  ! is_canonical || [[ $OS_ID == ubuntu ]] || fail "$EXIT_UNSUPPORTED_OS" "Canonical's modules are for Ubuntu, not for $OS_ID"
  [[ $OS_ID != debian ]] || fail "$EXIT_UNSUPPORTED_OS" 'GPU images are built on Ubuntu and el, not on Debian'
  version=${DRIVER_VERSION:-$(default_driver_version)}
  phase kernel
  builds_ahead || kernel_is_final || fail "$EXIT_DRIVER_BUILD" "kernel $(newest_kernel) will boot, $(uname -r) runs: restart before building a driver"
  phase driver
  driver_is_complete "$version" || locked build_driver "$version"
  ! is_canonical || version=$(canonical_version "$version")
  phase services
  enable_driver_services
  phase modules
  check_modules "$version"
  add_data driverVersion "$(json_string "$version")"
  add_data driverKind "$(json_string "$DRIVER_KIND")"
}

install_driver_parameters() {
  require_parameter DRIVER_KIND '^(datacenter-open|datacenter-proprietary|grid|grid-open)$' 'datacenter-open, datacenter-proprietary, grid or grid-open'
  optional_parameter DRIVER_SOURCE '^(nvidia|canonical)$' 'nvidia or canonical'
  [[ ${DRIVER_SOURCE:-} != canonical || $DRIVER_KIND != grid* ]] ||
    fail "$EXIT_BAD_PARAMETER" 'DRIVER_SOURCE is for data-centre drivers: Canonical has no GRID driver'
  optional_parameter DRIVER_VERSION '^[0-9]{3}\.[0-9]{1,3}(\.[0-9]{1,3})?$' "a driver version such as $CATALOGUE_DRIVER_VERSION"
  optional_parameter DRIVER_URL '^https://download\.microsoft\.com/[A-Za-z0-9._/-]+\.run$' 'a .run file at https://download.microsoft.com'
  optional_parameter DRIVER_SHA256 '^[0-9a-f]{64}$' '64 hexadecimal digits'
  optional_parameter LAST_GOOD_KERNEL '^[0-9][A-Za-z0-9.+~-]{2,79}$' 'the name of a kernel, as uname -r prints it'
  optional_parameter FABRIC_MANAGER '^(true|false)$' 'true or false'
  [[ $DRIVER_KIND != datacenter-proprietary || ${DRIVER_VERSION:-0} < $DRIVER_BRANCH_WITHOUT_PROPRIETARY ]] ||
    fail "$EXIT_BAD_PARAMETER" "driver $DRIVER_VERSION has no proprietary modules: branch $DRIVER_BRANCH_WITHOUT_PROPRIETARY dropped them"
  [[ $DRIVER_KIND != grid* || ${FABRIC_MANAGER:-false} == false ]] ||
    fail "$EXIT_BAD_PARAMETER" 'FABRIC_MANAGER is for data-centre drivers: a GRID size has no NVSwitch'
}

default_driver_version() {
  case $DRIVER_KIND in
    grid) echo "$CATALOGUE_GRID_VERSION" ;;
    grid-open) echo "$CATALOGUE_GRID_OPEN_VERSION" ;;
    *) echo "$CATALOGUE_DRIVER_VERSION" ;;
  esac
}

is_canonical() { [[ ${DRIVER_SOURCE:-nvidia} == canonical ]]; }

# Whether the driver can be built for a kernel that does not run yet: DKMS builds for every kernel with headers.
# GRID's installer knows the running kernel only; on el the kernel that runs cannot be removed, and would boot, too.
builds_ahead() { [[ $OS_FAMILY == debian && $DRIVER_KIND != grid* ]]; }

build_driver() { # VERSION
  shut_out_nouveau
  remove_old_kernels
  begin_module_builds
  if is_canonical; then
    install_canonical_driver "$1"
  elif [[ $DRIVER_KIND == grid* ]]; then
    install_grid_driver "$1"
  else
    install_datacenter_driver "$1"
  fi
  if builds_ahead && ! is_canonical; then
    build_modules "$1"
    modules_have "$1" || build_for_older_kernel "$1"
  fi
  mark_changed
  require_reboot
}

shut_out_nouveau() { # it would hold the GPU before the driver comes, from the initial RAM disk on
  printf 'blacklist nouveau\noptions nouveau modeset=0\n' | write_if_changed "$ROOT/etc/modprobe.d/batch-prep-nouveau.conf"
  modprobe -r nouveau || true
  if [[ $OS_FAMILY == el ]]; then dracut --force --regenerate-all; else update-initramfs -u -k all; fi
}

remove_old_kernels() { # el keeps three; DKMS builds for those whose headers are here
  [[ $OS_FAMILY == el ]] || return 0
  dnf_run remove --oldinstallonly || log 'no old kernel to remove'
}

driver_is_complete() { # VERSION
  if is_canonical; then
    canonical_is_complete "$1"
    return
  fi
  modules_have "$1" && command -v nvidia-smi >/dev/null || return 1
  [[ ${FABRIC_MANAGER:-false} == false ]] || has_version "$1" "$(fabric_manager_package "$1")"
}

# Enabled, not started: without a GPU they fail, and the builder may have none.
enable_driver_services() {
  write_persistence_unit
  systemctl enable nvidia-persistenced.service || log 'nvidia-persistenced cannot be enabled'
  [[ ${FABRIC_MANAGER:-false} == false ]] || systemctl enable nvidia-fabricmanager.service
}

check_modules() { # VERSION
  local words
  if ! modules_have "$1"; then
    words=$(module_error)
    fail "$EXIT_DRIVER_BUILD" "a kernel has no nvidia module $1${words:+: ${words:0:300}}; kernels: $(bootable_kernels | tr '\n' ' ')"
  fi
  command -v nvidia-smi >/dev/null || fail "$EXIT_DRIVER_BUILD" 'the driver came without nvidia-smi'
}
