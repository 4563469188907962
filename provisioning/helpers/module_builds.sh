# shellcheck shell=bash
# needs: helpers/host.sh helpers/retry.sh helpers/packages.sh helpers/kernels.sh
# What DKMS says where a module does not compile, and the way back to an older kernel. Stable kernels change functions that
# a driver calls: a driver that compiled for the last one may not compile for the next.

readonly OLDER_KERNELS_MAX=3 # each costs minutes

begin_module_builds() { : >"$WORK/module_builds"; } # what was logged before is no error of now

module_error() { # the compiler's first words; empty if every build since begin_module_builds went well
  local log
  for log in "$ROOT"/var/lib/dkms/*/*/build/make.log; do
    [[ ! $log -ot $WORK/module_builds ]] || continue
    grep -m 1 -hE '(^|[^a-z])error: |^ERROR: |Error [0-9]+$' "$log" || true
  done | head -n 1 | tr -d '\r'
}

# Debian's packages ask DKMS when they are installed, and fail where it fails: no mirror is to blame, and another kernel
# may help.
install_module_packages() { # NAME...
  local rc=0
  (install_packages "$@") || rc=$?
  [[ $rc -ne 0 ]] || return 0
  [[ $rc -eq $EXIT_PACKAGE_MANAGER && -n $(module_error) ]] || exit "$rc"
  log 'the packages are here, and their module does not compile'
  forget_failure
}

build_modules() { # VERSION; the packages ask DKMS for the running kernel and perhaps one more
  local kernel source kernels=()
  for source in "$ROOT"/usr/src/nvidia*/dkms.conf; do # a package that was configured without DKMS is unknown to it
    dkms add "${source%/*}" || true
  done
  mapfile -t kernels < <(bootable_kernels)
  for kernel in "${kernels[@]}"; do
    has_module "$kernel" "$1" || dkms autoinstall -k "$kernel" || log "DKMS fails for kernel $kernel; what counts are the modules"
  done
}

modules_have() { # VERSION; in every kernel that can boot, not only in the one that runs
  local kernel kernels=()
  mapfile -t kernels < <(bootable_kernels)
  for kernel in "${kernels[@]}"; do
    has_module "$kernel" "$1" || return 1
  done
  [[ ${#kernels[@]} -ne 0 ]]
}

has_module() { # KERNEL VERSION
  [[ $(modinfo -k "$1" -F version nvidia 2>/dev/null) == "$2" ]]
}

build_for_older_kernel() { # VERSION; the newest kernel of the same series for which the module compiles replaces this one
  local newest older words kernels=()
  newest=$(kernel_that_boots) words=$(module_error)
  mapfile -t -n "$OLDER_KERNELS_MAX" kernels < <(kernels_to_try "$newest")
  for older in "${kernels[@]}"; do
    log "driver $1 does not compile for kernel $newest: trying $older"
    replace_kernel "$(kernel_that_boots)" "$older"
    build_modules "$1"
    modules_have "$1" || continue
    attempt "$EXIT_DRIVER_BUILD" 'dpkg --configure -a' 1 0 dpkg --configure -a
    keep_kernel "$older"
    replace_data kernel "$(json_string "$older")"
    replace_data kernelInsteadOf "$(json_string "$newest")"
    replace_data moduleError "$(json_string "${words:0:300}")"
    return
  done
  fail "$EXIT_DRIVER_BUILD" "driver $1 does not compile for kernel $newest${words:+: ${words:0:300}}; older kernels tried: ${kernels[*]:-none}"
}

kernels_to_try() { # KERNEL; that of the last image, if it is another and still to be had, then older ones of the series
  local last=${LAST_GOOD_KERNEL:-}
  [[ -z $last || $last == "$1" ]] || ! offers_kernel "$last" || printf '%s\n' "$last"
  older_kernels "$1" | { grep -vxF -- "${last:-none}" || true; }
}

offers_kernel() { # KERNEL; with headers
  local kind
  for kind in image headers; do
    apt-cache pkgnames "linux-$kind-$1" | grep -xF "linux-$kind-$1" >/dev/null || return 1
  done
}

older_kernels() { # KERNEL; of its series and flavour, with headers; the newest first
  local name="${1%%-*}-[0-9]+-${1#*-*-}"
  [[ $1 == *-*-* ]] || return 0
  {
    printf '%s\n' "$1"
    comm -12 <(apt-cache pkgnames linux-image- | sed -nE "s/^linux-image-($name)$/\1/p" | sort) \
      <(apt-cache pkgnames linux-headers- | sed -nE "s/^linux-headers-($name)$/\1/p" | sort)
  } | sort -Vru | sed "0,/^${1//./\\.}$/d"
}

# The meta packages go, too: they would bring the old kernel back. apt takes none of them away that is held, whatever it is
# allowed to change. DKMS may fail again, and is asked later.
replace_kernel() { # OLD NEW
  local packages=("linux-image-$2" "linux-headers-$2" "linux-image-$1-") held=()
  mapfile -t held < <(installed_packages 'linux-*')
  [[ ${#held[@]} -eq 0 ]] || apt-mark unhold "${held[@]}"
  [[ -z $(package_version "linux-headers-$1") ]] || packages+=("linux-headers-$1-")
  apt_get --allow-change-held-packages --allow-downgrades install --no-install-recommends "${packages[@]}" ||
    log "apt-get does not finish the change from kernel $1 to $2"
}
