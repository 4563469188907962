# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/packages.sh helpers/repositories.sh
# needs: helpers/module_builds.sh helpers/docker_daemon.sh helpers/infiniband.sh helpers/nccl.sh
# NVIDIA's InfiniBand stack for sizes with RDMA, where INFINIBAND is true. A machine without InfiniBand builds it as well.
# It comes before the driver: nvidia_peermem is built against this stack, or does not work.

install_infiniband_parameters() {
  optional_parameter INFINIBAND '^(true|false)$' 'true or false'
}

install_infiniband() {
  local kernels
  [[ ${INFINIBAND:-false} == true ]] || return 0
  read_os
  phase infiniband
  [[ $OS_ID == ubuntu && -n ${DOCA_FILES[$OS_VERSION]:-} ]] ||
    fail "$EXIT_UNSUPPORTED_OS" "InfiniBand is for Ubuntu (${!DOCA_FILES[*]}), not for $OS_ID $OS_VERSION"
  has_infiniband || locked build_infiniband
  kernels=$(kernels_without_infiniband | tr '\n' ' ')
  [[ -z $kernels ]] || fail_infiniband "kernels without the module: $kernels"
  phase infiniband-settings
  systemctl enable openibd.service || fail_infiniband 'it came without openibd.service'
  enable_rdma_in_agent
  unlock_memory
  prepare_nccl
  add_data infinibandVersion "$(json_string "$(doca_version "$OS_VERSION")")"
}

has_infiniband() { # the package that brings the repository stays installed, and its version is the release's
  local version
  version=$(package_version doca-host)
  [[ ${version%%-*} == "$(doca_version "$OS_VERSION")" && -n $(package_version doca-ofed) &&
  -z $(kernels_without_infiniband) ]]
}

build_infiniband() {
  local directory=$STATE_DIR/doca kernel # on the disk: /run is memory
  rm -rf -- "$directory" && mkdir -- "$directory"
  fetch_pinned "$DOCA_URL/${DOCA_FILES[$OS_VERSION]}" "${DOCA_CHECKSUMS[$OS_VERSION]}" "$directory/doca-host.deb"
  attempt "$EXIT_PACKAGE_MANAGER" 'dpkg -i doca-host' 3 5 dpkg -i "$directory/doca-host.deb"
  rm -rf -- "$directory"
  keep_ubuntus_dkms
  refresh_packages
  begin_module_builds
  install_module_packages "linux-headers-$(kernel_that_boots)" doca-ofed
  while read -r kernel; do
    dkms autoinstall -k "$kernel" || log "DKMS fails for kernel $kernel; what counts are the modules"
  done < <(kernels_without_infiniband)
  hold_packages 'doca-*' 'mlnx-*' '*-dkms' 'rdma-core' 'libibverbs*' 'librdmacm*' 'linux-headers-*'
  mark_changed
  require_reboot
}

keep_ubuntus_dkms() { # the repository also has one
  printf 'Package: dkms\nPin: release l=DOCA-HOST*\nPin-Priority: -1\n' |
    write_if_changed "$ROOT/etc/apt/preferences.d/batch-prep-doca"
}

fail_infiniband() { # MESSAGE
  local words
  words=$(module_error)
  fail "$EXIT_INFINIBAND" "InfiniBand: $1${words:+: ${words:0:300}}"
}

enable_rdma_in_agent() { # the agent gives the InfiniBand devices their addresses; it reads this when it starts
  [[ -f $WAAGENT_CONF ]] || fail "$EXIT_INFINIBAND" "the Azure agent has no configuration: $WAAGENT_CONF"
  {
    sed -E '/^[#[:space:]]*OS\.EnableRDMA=/d' "$WAAGENT_CONF"
    printf 'OS.EnableRDMA=y\n'
  } | write_if_changed "$WAAGENT_CONF"
}

# Programs lock the memory that InfiniBand reads and writes. These are the limits of people who sign in (PAM), of services,
# the Batch agent and so its tasks among them (systemd), and of containers; Docker reads its own at the machine's restart.
unlock_memory() {
  printf '%s - memlock unlimited\n' '*' root | write_if_changed "$ROOT/etc/security/limits.d/90-batch-prep-infiniband.conf"
  printf '[Manager]\nDefaultLimitMEMLOCK=infinity\n' |
    write_if_changed "$ROOT/etc/systemd/system.conf.d/90-batch-prep-infiniband.conf"
  merge_daemon_json '{"default-ulimits": {"memlock": {"Name": "memlock", "Hard": -1, "Soft": -1}}}'
}

prepare_nccl() {
  write_topologies
  write_boot_script
  systemctl enable batch-prep-rdma.service
}
