# shellcheck shell=bash
# needs: helpers/host.sh helpers/repositories.sh helpers/docker_ready.sh
# Docker's daemon: its configuration, and its restart.

readonly DAEMON_JSON=$ROOT/etc/docker/daemon.json

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

restart_docker() { # aborts pulls, so Docker is announced as ready only afterwards
  rm -f -- "$DOCKER_READY"
  systemctl restart docker.service
  wait_for_docker
}
