# shellcheck shell=bash
# needs: helpers/host.sh
# Checks of a finished system: each gives a verdict, all are asked, the step fails if one of them failed.

readonly SCRATCH_UNIT_NAME=batch-prep-scratch.service # parts/install_scratch.sh
readonly FREE_MIB_NEEDED=2048                         # below this a node cannot even keep the logs of its tasks
CHECKS=() FAILED_CODES=() VM_SIZE=''

run_check() { # ID FUNCTION; a check that ends without a verdict has failed
  local began=$SECONDS moment
  TZ=UTC printf -v moment '%(%FT%TZ)T' -1
  verdict fail CHECK_BROKEN 'the check did not come to an end'
  VERDICT_DATA='{}'
  "$2" || true
  log "check $1: $VERDICT $VERDICT_CODE $VERDICT_MESSAGE"
  CHECKS+=("$(printf '{"id":"%s","status":"%s","code":"%s","message":%s,"at":"%s","seconds":%d,"data":%s}' "$1" \
    "$VERDICT" "$VERDICT_CODE" "$(json_string "${VERDICT_MESSAGE:0:240}")" "$moment" $((SECONDS - began)) \
    "$VERDICT_DATA")")
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
  ! mountpoint -q "$ROOT/scratch" || VERDICT_DATA=$(printf '{"freeMib":%d,"scratchMib":%d}' "$free" "$(free_mib "$ROOT/scratch")")
  if ((free < FREE_MIB_NEEDED)); then
    verdict fail DISK_LOW "/ has $free MiB free, $FREE_MIB_NEEDED are needed"
  elif [[ " $units" == *" $SCRATCH_UNIT_NAME "* ]]; then
    verdict fail SCRATCH_FAILED "the local NVMe disks are not at /scratch: journalctl -u $SCRATCH_UNIT_NAME says why"
  elif [[ -n $units ]]; then
    verdict warn UNIT_FAILED "failed units: $units"
  elif [[ -z $VM_SIZE ]]; then
    verdict warn SIZE_UNKNOWN 'the metadata service does not answer'
  else
    verdict pass '' ''
  fi
}

check_kernel() {
  VERDICT_DATA=$(printf '{"running":%s}' "$(json_string "$(uname -r)")")
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
