# shellcheck shell=bash
# Checks of a finished system: each gives a verdict, all are asked, the step fails if one of them failed.

readonly FREE_MIB_NEEDED=2048 # below this a node cannot even keep the logs of its tasks
readonly CONTAINER_SECONDS_MAX=60
CHECKS=() FAILED_CODES=() DOCKER_ANSWERS=false VM_SIZE=''

run_check() { # ID FUNCTION; a check that ends without a verdict has failed
  local began=$SECONDS
  verdict fail CHECK_BROKEN 'the check did not come to an end'
  VERDICT_DATA='{}'
  "$2" || true
  log "check $1: $VERDICT $VERDICT_CODE $VERDICT_MESSAGE"
  CHECKS+=("$(printf '{"id":"%s","status":"%s","code":"%s","message":%s,"seconds":%d,"data":%s}' "$1" "$VERDICT" \
    "$VERDICT_CODE" "$(json_string "${VERDICT_MESSAGE:0:240}")" $((SECONDS - began)) "$VERDICT_DATA")")
  [[ $VERDICT != fail ]] || FAILED_CODES+=("$VERDICT_CODE")
}

verdict() { VERDICT=$1 VERDICT_CODE=$2 VERDICT_MESSAGE=$3; } # pass|fail|warn|skip CODE MESSAGE

add_check_data() {
  local IFS=,
  add_data checks "[${CHECKS[*]}]"
}

fail_if_a_check_failed() {
  [[ ${#FAILED_CODES[@]} -eq 0 ]] || fail "$EXIT_CHECK_FAILED" "failed checks: ${FAILED_CODES[*]}"
}

host_json() {
  printf '{"os":%s,"osVersion":%s,"kernel":%s,"vmSize":%s,"cores":%d,"memoryMib":%d}' \
    "$(json_string "$(os_release_value ID)")" "$(json_string "$(os_release_value VERSION_ID)")" \
    "$(json_string "$(uname -r)")" "$(json_string "$VM_SIZE")" "$(nproc)" \
    "$(awk '$1 == "MemTotal:" {print int($2 / 1024)}' "$ROOT/proc/meminfo")"
}

check_system() {
  local free units
  VM_SIZE=$(vm_size)
  free=$(free_mib "$ROOT/")
  units=$(systemctl --failed --no-legend --plain | awk '{print $1}' | tr '\n' ' ')
  VERDICT_DATA=$(printf '{"freeMib":%d}' "$free")
  if ((free < FREE_MIB_NEEDED)); then
    verdict fail DISK_LOW "/ has $free MiB free, $FREE_MIB_NEEDED are needed"
  elif [[ -n $units ]]; then
    verdict warn UNIT_FAILED "failed units: $units"
  elif [[ -z $VM_SIZE ]]; then
    verdict warn SIZE_UNKNOWN 'the metadata service does not answer'
  else
    verdict pass '' ''
  fi
}

check_kernel() {
  if ! kernel_is_final; then
    verdict fail KERNEL_PENDING "kernel $(newest_kernel) will boot, $(uname -r) runs"
  elif [[ -e $ROOT/var/run/reboot-required ]]; then
    verdict warn KERNEL_PENDING 'a package asks for a restart'
  elif [[ $(os_release_value ID) =~ ^(ubuntu|debian)$ ]] && ! grep -q '^linux-' <<<"$(apt-mark showhold)"; then
    verdict warn KERNEL_NOT_HELD 'an upgrade may replace the kernel'
  else
    verdict pass '' ''
  fi
}

check_docker() {
  local version
  if ! version=$(docker_version 2>/dev/null); then
    verdict fail DOCKER_DOWN "Docker does not answer; its unit is $(systemctl is-active docker.service || true)"
    return
  fi
  DOCKER_ANSWERS=true
  VERDICT_DATA=$(printf '{"version":%s,"root":%s}' "$(json_string "$version")" "$(json_string "$(docker_root)")")
  if [[ $(systemctl is-enabled docker.service || true) != enabled ]]; then
    verdict fail DOCKER_NOT_ENABLED 'Docker does not start at boot'
  elif [[ ${EXPECT_GPU:-none} =~ ^(driver-only|[1-9][0-9]?)$ && " $(docker_runtimes)" != *' nvidia '* ]]; then
    verdict fail NVIDIA_RUNTIME_MISSING 'Docker does not list the nvidia runtime'
  else
    verdict pass '' ''
  fi
}

check_images() {
  local image missing=() foreign=()
  if [[ ${#IMAGE_LIST[@]} -eq 0 ]]; then
    verdict skip '' 'no image expected'
    return
  elif [[ $DOCKER_ANSWERS == false ]]; then
    verdict skip '' 'Docker does not answer'
    return
  fi
  for image in "${IMAGE_LIST[@]}"; do
    case $(image_field "$image" '{{.Architecture}}' || true) in
      amd64) ;;
      '') missing+=("$image") ;;
      *) foreign+=("$image") ;;
    esac
  done
  if [[ ${#missing[@]} -ne 0 ]]; then
    verdict fail IMAGE_MISSING "not here: ${missing[*]}"
  elif [[ ${#foreign[@]} -ne 0 ]]; then
    verdict fail IMAGE_ARCHITECTURE "not for amd64: ${foreign[*]}"
  else
    verdict pass '' "${#IMAGE_LIST[@]} images"
  fi
}

check_container() { # what runs with --pull never and without a network was preloaded
  local nonce answer gpus
  if [[ -z ${VERIFY_IMAGE:-} || $DOCKER_ANSWERS == false ]]; then
    verdict skip '' 'no image to run, or Docker does not answer'
    return
  fi
  nonce=$(<"$ROOT/proc/sys/kernel/random/uuid")
  answer=$(run_container --entrypoint /bin/echo "$VERIFY_IMAGE" "$nonce") || true
  if ! grep -qxF "$nonce" <<<"$answer"; then
    verdict fail CONTAINER_RUN "a container of $VERIFY_IMAGE does not run"
  elif [[ $GPU_COUNT -eq 0 ]]; then
    verdict pass '' ''
  else
    gpus=$(count_container_gpus)
    if [[ $gpus -eq $GPU_COUNT ]]; then
      verdict pass '' "$gpus GPUs"
    else
      verdict fail GPU_CONTAINER "the machine has $GPU_COUNT GPUs, a container sees $gpus"
    fi
  fi
}

count_container_gpus() { # an image without glibc cannot run nvidia-smi: then its device files count
  local answer rc=0
  answer=$(run_container --gpus all --entrypoint nvidia-smi "$VERIFY_IMAGE" -L) || rc=$?
  if [[ $rc -eq 126 || $rc -eq 127 ]]; then
    answer=$(run_container --gpus all --entrypoint /bin/ls "$VERIFY_IMAGE" -1 /dev) || true
  fi
  grep -cE '^(GPU |nvidia)[0-9]+' <<<"$answer"
}

run_container() { timeout "$CONTAINER_SECONDS_MAX" docker run --rm --pull never --network none "$@"; }
