# shellcheck shell=bash
# When Docker can be used: for the step that installs it, and for one that pulls images meanwhile.

readonly DOCKER_READY=$STATE_DIR/docker.ready # nothing restarts Docker from then on; on the disk, so after a restart, too
readonly DAEMON_TRIES=30                      # seconds between a restart and an answer

wait_for_docker() { # ready is what answers, not a unit that is active
  local try
  for ((try = 0; try < DAEMON_TRIES; try++)); do
    ! docker info --format '{{.ServerVersion}}' >/dev/null || return 0
    sleep 1
  done
  fail "$EXIT_INTERNAL" "Docker does not answer $DAEMON_TRIES seconds after its start"
}
