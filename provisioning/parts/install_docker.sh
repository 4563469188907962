# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/retry.sh helpers/packages.sh helpers/repositories.sh helpers/docker.sh
# needs: helpers/docker_ready.sh helpers/docker_daemon.sh
# Docker CE from Docker's own signed repository, pinned and held, started at every boot.

# A new installation of 29 keeps images in containerd's store, below another directory. The older store stays: preloaded
# images and the room for them are where Batch and this step's callers look for them.
readonly DAEMON_SETTINGS='{"log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "3"},
  "features": {"containerd-snapshotter": false}}'

install_docker_parameters() {
  optional_parameter GPU '^(true|false)$' 'true or false'
  check_docker_version "${DOCKER_VERSION:-$CATALOGUE_DOCKER_VERSION}"
}

install_docker() {
  local version=${DOCKER_VERSION:-$CATALOGUE_DOCKER_VERSION} before
  read_os
  phase docker
  has_version "$version" docker-ce docker-ce-cli || locked install_docker_packages "$version"
  phase configure
  before=$(cksum "$DAEMON_JSON" 2>/dev/null || true)
  merge_daemon_json "$DAEMON_SETTINGS"
  phase start
  systemctl enable containerd.service docker.service
  if [[ $before != "$(cksum "$DAEMON_JSON")" ]]; then restart_docker; else systemctl start docker.service; fi
  wait_for_docker
  [[ $(docker_version) == "$version" ]] || fail "$EXIT_PACKAGE_MANAGER" "Docker is $(docker_version), wanted is $version"
  add_data dockerVersion "$(json_string "$version")"
}

check_docker_version() { # VERSION
  [[ $1 =~ ^[0-9]{2}\.[0-9]{1,2}\.[0-9]{1,2}$ ]] ||
    fail "$EXIT_BAD_PARAMETER" "parameter DOCKER_VERSION must look like $CATALOGUE_DOCKER_VERSION, and is '${1:0:40}'"
  [[ ${1%%.*} -ge 23 ]] || fail "$EXIT_BAD_PARAMETER" "Docker $1 is too old: it cannot check its own configuration"
  [[ ! $1 =~ ^29\.[0-2]\. ]] ||
    fail "$EXIT_BAD_PARAMETER" "Docker $1 refuses older clients, the Batch node agent may be one: use 29.3 or later"
}

install_docker_packages() { # VERSION
  if [[ $OS_FAMILY == el ]]; then install_docker_el "$1"; else install_docker_debian "$1"; fi
  hold_packages 'docker-ce*' containerd.io
  mark_changed
}

install_docker_debian() { # VERSION; apparmor is only recommended, yet without it no container starts
  local suffix="~$OS_ID.$OS_VERSION~$OS_CODENAME"
  add_apt_repository docker "$DOCKER_URL/$OS_ID/gpg" "$DOCKER_APT_FINGERPRINT" "$DOCKER_URL/$OS_ID $OS_CODENAME stable"
  install_packages "docker-ce=5:$1-1$suffix" "docker-ce-cli=5:$1-1$suffix" \
    "containerd.io=$CATALOGUE_CONTAINERD_VERSION-1$suffix" apparmor iptables
}

install_docker_el() { # VERSION; the distribution's own container tools conflict with it
  add_dnf_repository docker "$DOCKER_URL/rhel/gpg" "$DOCKER_RPM_FINGERPRINT" \
    "$DOCKER_URL/rhel/$OS_VERSION/x86_64/stable" PACKAGES 1
  attempt "$EXIT_PACKAGE_MANAGER" 'dnf remove of podman, buildah, runc' 3 5 dnf_run remove podman buildah runc
  install_packages --allowerasing "docker-ce-$1" "docker-ce-cli-$1" "containerd.io-$CATALOGUE_CONTAINERD_VERSION" \
    container-selinux
}
