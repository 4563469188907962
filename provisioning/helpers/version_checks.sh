# shellcheck shell=bash
# needs: helpers/checks.sh helpers/container_checks.sh helpers/gpu_checks.sh
# Whether the machine still runs what the steps before have installed, after its restart.

check_versions() { # EXPECT_DOCKER and, where a GPU is expected, EXPECT_TOOLKIT, EXPECT_DRIVER; if they are given
  local toolkit='' wrong=()
  [[ ! ${EXPECT_GPU:-none} =~ ^(none|0)$ ]] || local EXPECT_TOOLKIT='' EXPECT_DRIVER=''
  [[ -z ${EXPECT_TOOLKIT:-} ]] || toolkit=$(toolkit_version)
  [[ -z ${EXPECT_DOCKER:-} || $EXPECT_DOCKER == "$DOCKER_FOUND" ]] || wrong+=("Docker is ${DOCKER_FOUND:-absent}, not $EXPECT_DOCKER;")
  [[ -z ${EXPECT_TOOLKIT:-} || $EXPECT_TOOLKIT == "$toolkit" ]] || wrong+=("the toolkit is ${toolkit:-absent}, not $EXPECT_TOOLKIT;")
  [[ -z ${EXPECT_DRIVER:-} || $EXPECT_DRIVER == "$DRIVER_FOUND" ]] || wrong+=("the driver is ${DRIVER_FOUND:-absent}, not $EXPECT_DRIVER;")
  VERDICT_DATA=$(printf '{"docker":%s,"toolkit":%s,"driver":%s}' "$(json_string "$DOCKER_FOUND")" \
    "$(json_string "$toolkit")" "$(json_string "$DRIVER_FOUND")")
  if [[ ${#wrong[@]} -eq 0 ]]; then
    verdict pass '' ''
  else
    verdict fail VERSION_MISMATCH "${wrong[*]}"
  fi
}

toolkit_version() { # empty if it is not installed
  local answer
  answer=$(nvidia-ctk --version 2>/dev/null) || return 0
  [[ ! $answer =~ [0-9]+\.[0-9]+\.[0-9]+ ]] || printf '%s' "${BASH_REMATCH[0]}"
}
