# shellcheck shell=bash
# What a step says about itself, and the memory of what it said: the fields of the result line.

log() { TZ=UTC printf '%(%FT%TZ)T %s\n' -1 "$*" >&2; }

field() { # NAME DEFAULT
  if [[ -n $WORK && -f $WORK/result/$1 ]]; then printf '%s' "$(<"$WORK/result/$1")"; else printf '%s' "$2"; fi
}

set_field() { printf '%s' "$2" >"$WORK/result/$1"; } # NAME VALUE

phase() {
  set_field phase "$1"
  log "== $1"
}

mark_changed() { set_field changed true; }

require_reboot() { set_field reboot_required true; }

fail() { # EXIT_CODE MESSAGE; ends the step, also from a subshell
  set_field exit_code "$1"
  set_field message "${2:0:600}"
  log "FAILED ($1): $2"
  exit "$1"
}

forget_failure() { rm -f -- "$WORK/result/exit_code" "$WORK/result/message"; } # of a subshell, where the step goes on

note_failure() { # LINE COMMAND; of a command that failed unexpectedly
  [[ ! -f $WORK/result/message ]] || return 0
  set_field message "line $1: $2"
  log "FAILED: line $1: $2"
}

add_data() { printf '%s:%s\n' "$(json_string "$1")" "$2" >>"$WORK/result/data"; } # KEY JSON

replace_data() { # KEY JSON
  local data=$WORK/result/data
  [[ ! -f $data ]] || sed -i "/^\"$1\":/d" "$data"
  add_data "$@"
}

join_data() {
  local entries=()
  [[ -z $WORK || ! -f $WORK/result/data ]] || mapfile -t entries <"$WORK/result/data"
  local IFS=,
  printf '%s' "${entries[*]}"
}

json_string() { # TEXT; printable ASCII and line ends only, so that no log line can spoil the result
  local text=$1
  text=${text//[^[:print:]$'\t\n']/?}
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  printf '"%s"' "${text//$'\t'/ }"
}

json_list() { # BYTES_MAX JSON...; as many items as fit; the rest is only counted, in LEFT_OUT
  local limit=$1 text='' item
  shift
  LEFT_OUT=0
  for item in "$@"; do
    if ((${#text} + ${#item} + 1 > limit)); then
      LEFT_OUT=$((LEFT_OUT + 1))
    else
      text+=${text:+,}$item
    fi
  done
  JSON_LIST="[$text]"
}

require_parameter() { # NAME PATTERN WHAT
  local value=${!1:-}
  [[ $value =~ $2 ]] || fail "$EXIT_BAD_PARAMETER" "parameter $1 must be $3, and is '${value:0:80}'"
}

optional_parameter() { # NAME PATTERN WHAT; Azure drops empty parameters, so empty means absent
  [[ -z ${!1:-} ]] || require_parameter "$@"
}

# Activities run at least once: a step that already worked here, with the same text and parameters and since
# the same start of the machine, answers from memory. A restart makes it look again.
result_key() { # FUNCTION...
  local name
  {
    [[ ! -f $0 ]] || cat -- "$0"
    cat -- "$ROOT/proc/sys/kernel/random/boot_id" || true
    printf '%s\0' "$@"
    for name in "${STEP_PARAMETERS[@]}"; do printf '%s=%s\0' "$name" "${!name:-}"; done
  } | sha256sum | cut -c 1-64
}

restore_result() {                              # FUNCTION...; false if the step must run
  case $STEP in verify | seal) return 1 ;; esac # these look at the machine each time
  STORED=$STATE_DIR/results/$STEP-$(result_key "$@")
  [[ -d $STORED ]] || return 1
  log "this step has already succeeded: its stored result is repeated"
  cp -r -- "$STORED/." "$WORK/result/"
  SECONDS=$(field seconds 0)
}

store_result() {
  [[ -n $STORED && ! -d $STORED ]] || return 0
  set_field seconds "$SECONDS"
  mv -T -- "$WORK/result" "$STORED.new" && mv -T -- "$STORED.new" "$STORED"
  cp -r -- "$STORED" "$WORK/result" # print_result still reads it
}
