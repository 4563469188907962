# shellcheck shell=bash
# needs: helpers/docker_ready.sh
# Docker is complete: a step that waits for it may pull from now on, whatever this one still does.

announce_docker() {
  phase announce
  : >"$DOCKER_READY"
}
