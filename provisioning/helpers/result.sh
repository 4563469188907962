# shellcheck shell=bash
# What a step prints at its end: its whole log on stderr, and on stdout a document, if it made one, and last of all the
# result line. A run command shows the last 4096 bytes of each stream; the blobs beside it, and a node's files, hold all.

readonly RESULT_BYTES_MAX=3000
readonly NODE_RESULT_BYTES_MAX=30000 # verify: its stdout is a file on the node
readonly LOG_BYTES_MAX=3000000       # of one step; an append blob takes 4 MiB at once
readonly LOG_TAIL_BYTES_MAX=1200
readonly BILL_OF_MATERIALS_MARK=batch-prep-bom # the app knows the line by it

print_log() { # where the node's owner writes to stderr, nothing of ours belongs
  [[ $STEP == verify || -z $LOG ]] || tail -c "$LOG_BYTES_MAX" -- "$LOG" | tr -d '\000'
}

print_bill_of_materials() {
  [[ -z $WORK || ! -s $WORK/bom.json ]] || printf '%s %s\n' "$BILL_OF_MATERIALS_MARK" "$(<"$WORK/bom.json")"
}

log_tail() { # without the progress that dpkg draws: it would be all that a reader sees
  tail -c 20000 -- "$LOG" | tr -d '\000' | tr '\r' '\n' | grep -avE '^\(Reading database' |
    tail -c "$LOG_TAIL_BYTES_MAX"
}

print_result() { # EXIT_CODE
  local code=$1 ok=true phase='' message='' tail_text='' data line limit=$RESULT_BYTES_MAX
  [[ $STEP != verify ]] || limit=$NODE_RESULT_BYTES_MAX
  data="{$(join_data)}"
  if [[ $code -ne 0 ]]; then
    ok=false
    phase=$(field phase '')
    message=$(field message "${SUPERVISOR_ERROR:-a command failed without a message}")
    [[ $code -ne $EXIT_DEADLINE ]] || message="did not end within ${DEADLINE_SECONDS:-$DEADLINE_SECONDS_DEFAULT} seconds"
    [[ -z $LOG ]] || tail_text=$(log_tail)
  fi
  line=$(result_line)
  if ((${#line} > limit)); then # quoting can double the tail
    tail_text=${tail_text: -300} message=${message:0:300}
    line=$(result_line)
  fi
  if ((${#line} > limit)); then
    data='{"truncated":true}'
    line=$(result_line)
  fi
  printf 'batch-prep-result %s\n' "$line"
}

result_line() { # reads the variables of print_result
  printf '{"v":1,"step":%s,"nonce":%s,"ok":%s,"exitCode":%d,"changed":%s,"rebootRequired":%s,"seconds":%d' \
    "$(json_string "$STEP")" "$(json_string "${NONCE:0:80}")" "$ok" "$code" \
    "$(field changed false)" "$(field reboot_required false)" "$SECONDS"
  printf ',"phase":%s,"message":%s,"logTail":%s,"log":%s,"data":%s}' "$(json_string "$phase")" \
    "$(json_string "$message")" "$(json_string "$tail_text")" "$(json_string "$LOG")" "$data"
}
