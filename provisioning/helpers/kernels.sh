# shellcheck shell=bash
# needs: helpers/host.sh helpers/packages.sh
# The kernel that a system is to have: the package that brings it, and that it stays.

kernel_package() { # for the Debian family; el has its one
  if [[ $OS_ID == debian ]]; then echo linux-image-cloud-amd64; else echo "linux-azure-lts-$OS_VERSION"; fi
}

# Where the driver does not compile for the package's kernel, an older one is chosen. A step that is sent again keeps it.
readonly KERNEL_CHOICE=$STATE_DIR/kernel

chosen_kernel() { [[ ! -s $KERNEL_CHOICE ]] || printf '%s' "$(<"$KERNEL_CHOICE")"; } # empty: the package's

keep_kernel() { # KERNEL
  printf '%s\n' "$1" >"$KERNEL_CHOICE"
  hold_kernel
}

hold_kernel() {
  if [[ $OS_FAMILY == el ]]; then
    hold_packages 'kernel*'
  else
    hold_packages 'linux-image-*' 'linux-headers-*' 'linux-modules-*' 'linux-azure*'
  fi
}
