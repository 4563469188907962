# shellcheck shell=bash
# needs: helpers/host.sh helpers/retry.sh helpers/packages.sh helpers/kernels.sh
# From here on the kernel that will boot is the final one, and it is known whether that takes a restart.
#
# Ubuntu's images come with the rolling kernel, which is newer than the long-term one and would be booted instead of
# it. Purging it takes away the modules of the kernel that runs. Docker's daemon loads some at its start, so this comes
# after Docker is up; and nothing restarts Docker from then on.

leave_rolling_kernel() {
  read_os
  phase rolling-kernel
  [[ $OS_ID != ubuntu ]] || locked purge_rolling_kernel
  add_data kernel "$(json_string "$(kernel_that_boots)")"
  kernel_is_final || require_reboot
}

# debconf does not ask about the running kernel where it cannot ask.
purge_rolling_kernel() {
  local keep name purge=()
  keep=$(chosen_kernel)
  keep=${keep:-$(long_term_kernel "$(kernel_package)")}
  while read -r name; do
    case $name in
      linux-image-[0-9]* | linux-image-unsigned-[0-9]* | linux-modules-[0-9]* | linux-modules-extra-[0-9]* | linux-headers-[0-9]*)
        [[ $name == *"-$keep" || ${name#linux-headers-} == "${keep%%-*}-"*-common ]] || purge+=("$name")
        ;;
      linux-azure | linux-image-azure | linux-azure-[0-9]* | linux-image-azure-[0-9]*) purge+=("$name") ;;
      *) ;;
    esac
  done < <(installed_packages 'linux-*')
  [[ ${#purge[@]} -ne 0 ]] || return 0
  attempt "$EXIT_PACKAGE_MANAGER" 'apt-get purge of the rolling kernel' 3 5 \
    apt_get --allow-change-held-packages purge "${purge[@]}"
  mark_changed
  hold_kernel # also what apt has put in the place of something
}

long_term_kernel() { # META -> its version, as in linux-image-VERSION
  local image
  image=$(dpkg-query -W -f '${Depends}\n' -- "${1/linux-azure/linux-image-azure}" |
    grep -oE 'linux-image-[0-9][^ ,]*' | head -n 1) || true
  [[ -n $image ]] || fail "$EXIT_PACKAGE_MANAGER" "package $1 names no kernel image"
  printf '%s' "${image#linux-image-}"
}
