# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/retry.sh helpers/packages.sh helpers/repositories.sh
# needs: helpers/cuda_repository.sh helpers/module_builds.sh helpers/microsoft_downloads.sh
# Where drivers come from: NVIDIA's package repository, or the file that Microsoft redistributes (GRID).

install_datacenter_driver() { # VERSION
  local packages=()
  mapfile -t packages < <(driver_packages "$1")
  if [[ $OS_FAMILY == el ]]; then
    add_epel
    add_cuda_repository
    attempt "$EXIT_PACKAGE_MANAGER" 'dnf module reset nvidia-driver' 3 5 dnf_run module reset nvidia-driver
    attempt "$EXIT_PACKAGE_MANAGER" "dnf module enable $(driver_stream "$1")" 3 5 dnf_run module enable "$(driver_stream "$1")"
    install_packages --enablerepo=batch-prep-epel "kernel-devel-$(uname -r)" "${packages[@]/%/-$1}"
    hold_packages '*nvidia*' 'cuda-drivers*'
  else
    add_cuda_repository
    install_packages "nvidia-driver-pinning-$1" # from here on every NVIDIA package comes in this version
    install_module_packages "linux-headers-$(kernel_that_boots)" "${packages[@]}"
    hold_packages 'nvidia-*' 'libnvidia-*' 'cuda-drivers*' 'linux-headers-*'
  fi
}

driver_packages() { # VERSION
  case $OS_FAMILY:$DRIVER_KIND in
    debian:datacenter-open) echo nvidia-open ;;
    debian:*) echo cuda-drivers ;;
    el:datacenter-open) printf '%s\n' kmod-nvidia-open-dkms nvidia-open nvidia-driver-cuda ;;
    *) printf '%s\n' kmod-nvidia-latest-dkms cuda-drivers nvidia-driver-cuda ;;
  esac
  [[ ${FABRIC_MANAGER:-false} == false ]] || fabric_manager_package "$1"
}

fabric_manager_package() { # VERSION; renamed at branch 580
  local branch=${1%%.*}
  if ((branch >= 580)); then
    echo nvidia-fabricmanager
  elif [[ $OS_FAMILY == el ]]; then
    echo nvidia-fabric-manager
  else
    echo "nvidia-fabricmanager-$branch"
  fi
}

driver_stream() { # VERSION
  if [[ $DRIVER_KIND == datacenter-open ]]; then echo "nvidia-driver:${1%%.*}-open"; else echo "nvidia-driver:${1%%.*}-dkms"; fi
}

add_epel() { # for DKMS; used where it is asked for only
  add_dnf_repository batch-prep-epel "$EPEL_URL/RPM-GPG-KEY-EPEL-$OS_VERSION" "${EPEL_FINGERPRINTS[OS_VERSION]}" \
    "$EPEL_URL/$OS_VERSION/Everything/x86_64" PACKAGES 0
}

install_grid_driver() {                                                # VERSION
  local directory=$STATE_DIR/grid url sha256 words modules=proprietary # on the disk: /run is memory
  grid_source "$1"
  url=${DRIVER_URL:-$GRID_FILE_URL} sha256=${DRIVER_SHA256:-$GRID_FILE_SHA256}
  [[ -n $url ]] || fail "$EXIT_BAD_PARAMETER" "GRID driver $1 is not in the catalogue: give DRIVER_URL and DRIVER_SHA256"
  [[ -n $sha256 ]] || fail "$EXIT_BAD_PARAMETER" "no checksum of GRID driver $1 is published: give DRIVER_SHA256, of $url"
  if [[ $OS_FAMILY == el ]]; then
    add_epel
    install_packages --enablerepo=batch-prep-epel "kernel-devel-$(uname -r)" gcc make dkms elfutils-libelf-devel
  else
    install_packages "linux-headers-$(uname -r)" gcc make dkms
    hold_packages 'linux-headers-*'
  fi
  rm -rf -- "$directory" && mkdir -- "$directory"
  fetch_pinned_from_microsoft "$url" "$sha256" "$directory/grid.run"
  [[ $DRIVER_KIND != grid-open ]] && ((${1%%.*} < 590)) || modules=open # newer GPUs need them, a partition of an A10 does not know them
  if ! sh "$directory/grid.run" --silent --dkms --kernel-module-type="$modules" --tmpdir="$directory"; then
    words=$(module_error)
    fail "$EXIT_DRIVER_BUILD" "the installer of GRID driver $1 failed: ${words:-see /var/log/nvidia-installer.log}"
  fi
  rm -rf -- "$directory"
  configure_grid
}

configure_grid() { # licensing by Azure: https://learn.microsoft.com/azure/virtual-machines/linux/n-series-driver-setup
  local conf=$ROOT/etc/nvidia/gridd.conf
  {
    grep -vE '^(IgnoreSP|EnableUI|FeatureType)=' "$conf.template"
    printf 'IgnoreSP=FALSE\nEnableUI=FALSE\n'
  } | write_if_changed "$conf"
}
