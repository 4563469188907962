# shellcheck shell=bash
# What machine this is: its system, its kernels, its size.

IMDS_URL=${IMDS_URL:-http://169.254.169.254} # Azure's instance metadata service
OS_ID='' OS_VERSION='' OS_CODENAME='' OS_FAMILY=''

read_os() { # fills OS_*: ID, VERSION_ID (major only for el), VERSION_CODENAME, and debian or el
  OS_ID=$(os_release_value ID)
  OS_VERSION=$(os_release_value VERSION_ID)
  OS_CODENAME=$(os_release_value VERSION_CODENAME)
  case $OS_ID:$OS_VERSION in
    ubuntu:22.04 | ubuntu:24.04 | debian:12) OS_FAMILY=debian ;;
    almalinux:[89] | almalinux:[89].* | rocky:[89] | rocky:[89].* | rhel:[89] | rhel:[89].*)
      OS_FAMILY=el
      OS_VERSION=${OS_VERSION%%.*}
      ;;
    *) fail "$EXIT_UNSUPPORTED_OS" "system '$OS_ID $OS_VERSION' is not supported (ubuntu 22.04, 24.04; debian 12; almalinux, rocky, rhel 8, 9)" ;;
  esac
  [[ $(uname -m) == x86_64 ]] || fail "$EXIT_UNSUPPORTED_OS" "architecture $(uname -m) is not supported (x86_64 is)"
}

os_release_value() { # KEY; read as data: the file is shell text, and would be run if it were sourced
  local line
  line=$(grep -m 1 "^$1=" "$ROOT/etc/os-release") || return 0
  line=${line#*=}
  line=${line#[\"\']}
  printf '%s' "${line%[\"\']}"
}

bootable_kernels() { # oldest first; a rescue kernel never boots by itself
  local image
  for image in "$ROOT"/boot/vmlinuz-*; do
    [[ $image == *rescue* ]] || printf '%s\n' "${image##*/vmlinuz-}"
  done | sort -V
}

newest_kernel() { bootable_kernels | tail -n 1; }

kernel_that_boots() { # the boot loader starts the newest one; a machine without kernels of its own boots none
  local newest
  newest=$(newest_kernel)
  printf '%s' "${newest:-$(uname -r)}"
}

kernel_is_final() { [[ $(kernel_that_boots) == "$(uname -r)" ]]; }

vm_size() { # e.g. Standard_NC4as_T4_v3; empty where the metadata service does not answer
  curl -fsS --noproxy '*' --max-time 3 -H 'Metadata: true' \
    "$IMDS_URL/metadata/instance/compute/vmSize?api-version=2021-02-01&format=text" || true
}

python() { # el8 has only the platform's own
  local program
  program=$(command -v python3 || printf '%s' /usr/libexec/platform-python)
  "$program" "$@"
}

free_mib() { df -Pm -- "$1" | awk 'NR == 2 {print $4}'; } # PATH
