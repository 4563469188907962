# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/packages.sh helpers/repositories.sh helpers/docker.sh
# needs: helpers/docker_daemon.sh
# Install NVIDIA's container toolkit, pinned and held, and register its runtime with Docker, not as the default.

readonly TOOLKIT_PACKAGES=(nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools
  libnvidia-container1) # all four, or the others come in their newest version

install_container_toolkit_parameters() {
  optional_parameter CONTAINER_TOOLKIT_VERSION '^1\.[0-9]{1,2}\.[0-9]{1,2}$' "a version such as $CATALOGUE_TOOLKIT_VERSION"
}

install_container_toolkit() {
  local version=${CONTAINER_TOOLKIT_VERSION:-$CATALOGUE_TOOLKIT_VERSION}
  [[ ${GPU:-true} == true ]] || return 0
  read_os
  phase toolkit
  has_version "$version" "${TOOLKIT_PACKAGES[@]}" || locked install_toolkit_packages "$version"
  phase runtime
  add_nvidia_runtime
  keep_gpus_in_containers
  add_data toolkitVersion "$(json_string "$version")"
}

install_toolkit_packages() { # VERSION
  if [[ $OS_FAMILY == el ]]; then
    add_dnf_repository nvidia-container-toolkit "$TOOLKIT_URL/gpgkey" "$TOOLKIT_FINGERPRINT" \
      "$TOOLKIT_URL/stable/rpm/x86_64" METADATA 1
    install_packages "${TOOLKIT_PACKAGES[@]/%/-$1-1}"
  else
    add_apt_repository nvidia-container-toolkit "$TOOLKIT_URL/gpgkey" "$TOOLKIT_FINGERPRINT" "$TOOLKIT_URL/stable/deb/amd64 /"
    install_packages "${TOOLKIT_PACKAGES[@]/%/=$1-1}"
  fi
  hold_packages 'nvidia-container-toolkit*' 'libnvidia-container*'
  mark_changed
}

# systemd names devices by /dev/char when it writes a container's limits anew, as it does at each daemon-reload. The driver
# makes no such names, and under cgroup v2 the containers that run lose their GPUs:
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/troubleshooting.html
keep_gpus_in_containers() {
  printf 'ACTION=="add", DEVPATH=="/bus/pci/drivers/nvidia", RUN+="/usr/bin/nvidia-ctk system %s"\n' \
    'create-dev-char-symlinks --create-all' | write_if_changed "$ROOT/etc/udev/rules.d/71-batch-prep-nvidia.rules"
}

add_nvidia_runtime() { # a restart aborts pulls, so only if the configuration really changed
  local before
  before=$(cksum <"$DAEMON_JSON")
  nvidia-ctk runtime configure --runtime=docker --config="$DAEMON_JSON" ||
    fail "$EXIT_TOOLKIT" 'nvidia-ctk cannot add its runtime to the configuration of Docker'
  if [[ $before != "$(cksum <"$DAEMON_JSON")" ]]; then
    mark_changed
    restart_docker
  fi
  [[ " $(docker_runtimes)" == *' nvidia '* ]] || fail "$EXIT_TOOLKIT" 'Docker does not list the nvidia runtime'
}
