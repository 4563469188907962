# shellcheck shell=bash
# needs: helpers/host.sh helpers/packages.sh helpers/kernels.sh helpers/module_builds.sh
# The driver from Ubuntu's archive: Canonical compiles its modules for each kernel and signs them, so Secure Boot may stay on and no
# compiler is needed. The archive has one version of each branch, the newest: the one that is asked for is the oldest to be taken.
# https://packages.ubuntu.com/linux-modules-nvidia-580-server-open-azure

canonical_kind() { if [[ $DRIVER_KIND == datacenter-open ]]; then echo server-open; else echo server; fi; }

canonical_modules() { echo "linux-modules-nvidia-${1%%.*}-$(canonical_kind)-$2"; } # VERSION KERNEL

canonical_version() { # VERSION; what is installed of its branch, empty if nothing is
  local found
  found=$(package_version "nvidia-utils-${1%%.*}-server")
  printf '%s' "${found%%-*}"
}

canonical_is_complete() { # VERSION
  local found
  found=$(canonical_version "$1")
  [[ -n $found ]] && is_at_least "$found" "$1" && modules_have "$found" &&
    [[ -n $(package_version "$(canonical_modules "$1" "$(kernel_that_boots)")") ]]
}

is_at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]; } # VERSION OLDEST

install_canonical_driver() { # VERSION
  local branch=${1%%.*} packages=() found
  refresh_packages
  take_kernel_with_modules "$1"
  packages=("$(canonical_modules "$1" "$(kernel_that_boots)")" "nvidia-compute-utils-$branch-server"
  "nvidia-utils-$branch-server" "libnvidia-encode-$branch-server" "libnvidia-decode-$branch-server")
  [[ ${FABRIC_MANAGER:-false} == false ]] || packages+=("nvidia-fabricmanager-$branch" "libnvidia-nscq-$branch")
  install_packages "${packages[@]}"
  hold_packages 'nvidia-*' 'libnvidia-*' 'linux-modules-nvidia-*' 'linux-objects-nvidia-*' 'linux-signatures-nvidia-*'
  found=$(canonical_version "$1")
  is_at_least "$found" "$1" ||
    fail "$EXIT_DRIVER_BUILD" "Ubuntu's archive has driver ${found:-none}, wanted is $1 or a newer one of branch $branch"
}

# A kernel comes some days before its modules. Until then the newest older one of the series that has some is the image's.
take_kernel_with_modules() { # VERSION
  local newest older
  newest=$(kernel_that_boots)
  ! offers_package "$(canonical_modules "$1" "$newest")" || return 0
  while read -r older; do
    offers_package "$(canonical_modules "$1" "$older")" || continue
    log "kernel $newest has no signed module of branch ${1%%.*} yet: $older has"
    replace_kernel "$newest" "$older"
    [[ $(kernel_that_boots) == "$older" ]] || fail "$EXIT_PACKAGE_MANAGER" "kernel $older does not take the place of $newest"
    keep_kernel "$older"
    replace_data kernel "$(json_string "$older")"
    replace_data kernelInsteadOf "$(json_string "$newest")"
    return
  done < <(kernels_to_try "$newest")
  fail "$EXIT_DRIVER_BUILD" "Ubuntu's archive has no package $(canonical_modules "$1" "$newest"), and none for an older kernel of the series"
}

offers_package() { apt-cache pkgnames "$1" | grep -xF -- "$1" >/dev/null; } # NAME
