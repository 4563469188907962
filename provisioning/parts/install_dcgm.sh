# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/packages.sh helpers/cuda_repository.sh
# DCGM: NVIDIA's tools that examine GPUs, pinned and held. Their daemon does not start at boot: the check of a node starts it.

install_dcgm_parameters() {
  optional_parameter DCGM '^(true|false)$' 'true or false'
}

install_dcgm() {
  local version=$CATALOGUE_DCGM_VERSION packages=()
  [[ ${DCGM:-false} == true ]] || return 0
  read_os
  phase dcgm
  mapfile -t packages < <(dcgm_packages "${DRIVER_VERSION:-$CATALOGUE_DRIVER_VERSION}")
  has_version "$version" "${packages[@]}" || locked install_dcgm_packages "$version" "${packages[@]}"
  command -v dcgmi >/dev/null || fail "$EXIT_PACKAGE_MANAGER" 'DCGM came without dcgmi'
  add_data dcgmVersion "$(json_string "$version")"
}

# Its plug-ins are built for a major version of CUDA, which the driver must know. CUDA 13 does not know Volta, and DCGM
# wants the plug-ins of both there (https://github.com/NVIDIA/DCGM/issues/254).
dcgm_packages() { # DRIVER_VERSION
  local cuda majors=(13)
  ((${1%%.*} >= 580)) || majors=(12)
  [[ ${DRIVER_KIND:-} != datacenter-proprietary || ${majors[*]} == 12 ]] || majors=(12 13)
  printf '%s\n' datacenter-gpu-manager-4-core datacenter-gpu-manager-4-proprietary
  for cuda in "${majors[@]}"; do
    printf '%s\n' "datacenter-gpu-manager-4-cuda$cuda" "datacenter-gpu-manager-4-proprietary-cuda$cuda"
  done
}

install_dcgm_packages() { # VERSION NAME...
  local version=$1
  shift
  add_cuda_repository
  if [[ $OS_FAMILY == el ]]; then
    install_packages "${@/%/-$version-1}"
  else
    install_packages "${@/%/=1:$version-1}"
  fi
  hold_packages 'datacenter-gpu-manager*'
  mark_changed
}
