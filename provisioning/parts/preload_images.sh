# shellcheck shell=bash
# needs: helpers/host.sh helpers/retry.sh helpers/docker.sh helpers/docker_ready.sh helpers/images.sh
# needs: helpers/registry_login.sh
# Pulls the container images that the image is to carry, a few at a time. It may be sent while Docker is still being
# installed.

readonly PULLS_AT_ONCE=4
readonly PULL_TRIES=5
readonly REGISTRY_LINE='^[a-zA-Z0-9][a-zA-Z0-9.-]{1,250}(:[0-9]{1,5})? (identity /subscriptions/[^ ?&#]+|vault [!-~]+ https://[^ ]+)$'
readonly FREE_MIB_MIN=4096 # the smallest room worth beginning with; a pull that fills the disk ends the step, too

preload_images() {
  phase wait
  wait_for_install
  wait_for_docker
  phase space
  check_space
  if [[ -n ${REGISTRY_LOGIN_SERVER:-}${REGISTRIES:-} ]]; then
    phase login
    login_to_registries
  fi
  phase pull
  pull_all
  phase record
  add_image_data 2000 "${IMAGE_LIST[@]}"
}

preload_images_parameters() {
  local line guid='^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
  read_image_list IMAGES
  [[ ${#IMAGE_LIST[@]} -ne 0 ]] || fail "$EXIT_BAD_PARAMETER" 'parameter IMAGES names no image'
  optional_parameter REGISTRY_LOGIN_SERVER '^[a-zA-Z0-9]([a-zA-Z0-9.-]{1,250})(:[0-9]{1,5})?$' 'a host name'
  optional_parameter IDENTITY_CLIENT_ID "$guid" 'a GUID'
  optional_parameter TENANT_ID "$guid" 'a GUID'
  optional_parameter VAULT_CLIENT_ID "$guid" 'a GUID'
  while read -r line; do
    [[ -z $line || $line =~ $REGISTRY_LINE ]] ||
      fail "$EXIT_BAD_PARAMETER" "parameter REGISTRIES: '${line:0:80}' is no registry with an identity or a user"
  done <<<"${REGISTRIES:-}"
}

wait_for_install() { # until Docker is complete; this step's deadline ends it where nothing else does
  while [[ ! -e $DOCKER_READY ]]; do
    [[ ! -e $RUN_DIR/install.failed ]] ||
      fail "$EXIT_RETRY_LATER" 'the step install failed, so there is no Docker to pull with'
    sleep 1
  done
}

check_space() {
  local root free
  root=$(docker_root)
  free=$(free_mib "$root")
  ((free >= FREE_MIB_MIN)) || fail "$EXIT_NO_SPACE" "$root has $free MiB free, $FREE_MIB_MIN are needed at least"
}

pull_all() { # lets every pull end, then reports the first that failed
  local image running=0 failed=0
  for image in "${IMAGE_LIST[@]}"; do
    if ((running >= PULLS_AT_ONCE)); then
      wait -n || failed=$((failed + 1))
      running=$((running - 1))
    fi
    pull_image "$image" &
    running=$((running + 1))
  done
  for (( ; running > 0; running--)); do wait -n || failed=$((failed + 1)); done
  ((failed == 0)) || fail "$(field exit_code "$EXIT_IMAGE_PULL")" "$failed of ${#IMAGE_LIST[@]} images: $(field message 'no reason')"
}

pull_image() { # REFERENCE
  local before architecture tries=$PULL_TRIES
  before=$(image_id "$1")
  # The registry that we have just signed in to may not know of the role yet; elsewhere a refusal is final.
  [[ $1 != "${REGISTRY_LOGIN_SERVER:-/}"/* ]] || tries=$ROLE_TRIES RETRY_ALSO=$NOT_YET_ALLOWED
  attempt "$EXIT_IMAGE_PULL" "pull of $1" "$tries" 5 docker pull --quiet "$1"
  architecture=$(image_field "$1" '{{.Architecture}}')
  [[ $architecture == amd64 ]] || fail "$EXIT_IMAGE_PULL" "image $1 is built for $architecture, the nodes are amd64"
  [[ $before == "$(image_id "$1")" ]] || mark_changed
}
