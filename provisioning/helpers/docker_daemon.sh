# shellcheck shell=bash
# Docker's daemon: its configuration, and waiting until it answers.

readonly DAEMON_JSON=$ROOT/etc/docker/daemon.json
readonly DAEMON_TRIES=30 # seconds between a restart and an answer

# Containers fill the disk of a node with logs unless they are limited. The data root stays where it is: on the
# temporary disk, preloaded images would be lost when the image is captured.
merge_daemon_json() { # JSON_OBJECT; keeps what is there already, also where it disagrees
  local old=/dev/null
  [[ ! -s $DAEMON_JSON ]] || old=$DAEMON_JSON
  python -c '
import json, sys
text = open(sys.argv[1]).read()
old = json.loads(text) if text.strip() else {}
new = dict(json.loads(sys.argv[2]), **old)
print(text if new == old else json.dumps(new, indent=2, sort_keys=True), end="")' "$old" "$1" >"$WORK/daemon.json"
  dockerd --validate --config-file "$WORK/daemon.json"
  write_if_changed "$DAEMON_JSON" <"$WORK/daemon.json"
}

restart_docker() {
  systemctl restart docker.service
  wait_for_docker
}

wait_for_docker() { # ready is what answers, not a unit that is active
  local try
  for ((try = 0; try < DAEMON_TRIES; try++)); do
    ! docker info --format '{{.ServerVersion}}' >/dev/null || return 0
    sleep 1
  done
  fail "$EXIT_INTERNAL" "Docker does not answer $DAEMON_TRIES seconds after its start"
}
