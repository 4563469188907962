# shellcheck shell=bash
# The frame of every step: one log file, one EXIT trap, one deadline; helpers/result.sh prints how it ended.
#
# A step runs in a process group of its own, the body; this shell only supervises it. So the result line is
# written whatever happens to the body, and what the body leaves running is stopped with it.
set -Eeuo pipefail
shopt -s inherit_errexit nullglob
umask 022
export LC_ALL=C # messages of tools are matched and cut by bytes

readonly ROOT=${BATCH_PREP_ROOT:-} # every path is below it; empty except in tests
readonly STATE_DIR=$ROOT/var/lib/batch-prep
readonly LOG_DIR=$ROOT/var/log/batch-prep
readonly RUN_DIR=$ROOT/run/batch-prep
readonly DEADLINE_SECONDS_DEFAULT=3300
readonly KILL_AFTER_SECONDS=30 # between the polite and the final signal at the deadline
# What decides a step's outcome, besides its text: the key of a stored result.
readonly STEP_PARAMETERS=(BUILD_ID BUILDER_USER GPU DOCKER_VERSION CONTAINER_TOOLKIT_VERSION DRIVER_KIND
  DRIVER_VERSION DRIVER_URL DRIVER_SHA256 FABRIC_MANAGER LAST_GOOD_KERNEL IMAGES REGISTRY_LOGIN_SERVER IDENTITY_CLIENT_ID
  TENANT_ID REGISTRIES VAULT_CLIENT_ID OWN_NAME OWN_SHA256 OWN_RUN OWN_DESTINATION OWN_ENVIRONMENT OWN_SECRETS OWN_EXIT_CODES OWN_USER
  SCRATCH DCGM DRIVER_SOURCE INFINIBAND)

STEP='' LOG='' WORK='' BODY='' WATCHDOG='' STORED='' SUPERVISOR='' SUPERVISOR_ERROR=''
# The agent and the Batch node give their children little of an environment.
[[ -n $ROOT ]] || export HOME="${HOME:-/root}" PATH="${PATH:-/usr/bin}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

run_step() { # STEP FUNCTION...; does not return
  STEP=$1 SUPERVISOR=$BASHPID
  shift
  [[ ! ${OWN_NAME:-} =~ ^[a-z][a-z0-9-]{0,39}$ ]] || STEP+=-$OWN_NAME # the owner's steps have a log each
  trap report EXIT
  trap 'SUPERVISOR_ERROR="stopped by a signal"; exit 143' TERM INT HUP
  exec 3>&1 4>&2 </dev/null # 3 carries the result line and nothing else
  open_log
  check_frame_parameters
  if restore_result "$@"; then exit; fi
  supervise "$@"
  exit
}

open_log() {
  SUPERVISOR_ERROR="cannot write to $LOG_DIR, $STATE_DIR and $RUN_DIR"
  mkdir -p -- "$LOG_DIR" "$STATE_DIR/results" "$RUN_DIR"
  LOG=$LOG_DIR/$STEP.log
  exec >>"$LOG" 2>&1
  WORK=$(umask 077 && mktemp -d "$RUN_DIR/$STEP.XXXXXX")
  mkdir -- "$WORK/result"
  SUPERVISOR_ERROR=''
  rm -f -- "$RUN_DIR/$STEP.failed"
  log "== step $STEP begins, nonce ${NONCE:-}"
}

check_frame_parameters() {
  optional_parameter NONCE '^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$' 'letters, digits, dots, dashes'
  optional_parameter BUILD_ID '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' 'letters, digits, dots, dashes'
  optional_parameter DEADLINE_SECONDS '^[1-9][0-9]{0,4}$' 'a number of seconds'
}

supervise() { # FUNCTION...
  local rc=0
  set -m # a process group each
  run_body "$@" &
  BODY=$!
  watch_deadline "${DEADLINE_SECONDS:-$DEADLINE_SECONDS_DEFAULT}" "$BODY" &
  WATCHDOG=$!
  set +m
  wait "$BODY" || rc=$?
  [[ ! -e $WORK/deadline ]] || rc=$EXIT_DEADLINE
  return "$rc"
}

run_body() { # FUNCTION...
  trap - TERM INT HUP
  trap 'note_failure "$LINENO" "$BASH_COMMAND"' ERR
  exec 3>&-
  [[ $STEP == verify ]] || exec 4>&- # the caller's stderr, for the pool owner's start task
  local entry
  for entry in "$@"; do # nothing has happened yet when a parameter is refused, whichever function reads it
    if declare -F "${entry}_parameters" >/dev/null; then "${entry}_parameters"; fi
  done
  for entry in "$@"; do "$entry"; done
}

watch_deadline() { # SECONDS PROCESS_GROUP
  local never
  trap - TERM INT HUP EXIT ERR
  exec {never}<> <(:) 3>&- 4>&- # a read without a writer: a sleep that leaves no process behind
  read -r -t "$1" -u "$never" || true
  : >"$WORK/deadline"
  kill -TERM -- "-$2" || true
  read -r -t "$KILL_AFTER_SECONDS" -u "$never" || true
  kill -KILL -- "-$2" || true
}

report() {
  local rc=$?
  [[ $BASHPID == "$SUPERVISOR" ]] || exit "$EXIT_INTERNAL" # a child that is killed in its first moment has our traps
  trap - EXIT ERR
  trap '' TERM INT HUP PIPE
  set +eu
  stop_children
  rc=$(final_code "$rc")
  if [[ $rc -eq 0 ]]; then store_result; else leave_note_of_failure; fi
  print_log >&4
  print_bill_of_materials >&3
  print_result "$rc" >&3
  [[ -z $WORK ]] || rm -rf -- "$WORK"
  exit "$rc"
}

leave_note_of_failure() { # for a step that waits for what this one was to leave
  { : >"$RUN_DIR/$STEP.failed"; } 2>/dev/null
}

# The watchdog first: later on, its number for the body may be that of a stranger. Its death is not
# worth a line in the log's tail.
stop_children() {
  if [[ -n $WATCHDOG ]]; then
    kill -KILL -- "-$WATCHDOG" 2>/dev/null
    { wait "$WATCHDOG"; } 2>/dev/null
  fi
  [[ -z $BODY ]] || kill -TERM -- "-$BODY" 2>/dev/null
}

final_code() { # RAW_CODE: only a code that a step gave on purpose is passed on
  case $1 in
    "$EXIT_OK" | "$EXIT_DEADLINE") printf '%s' "$1" ;;
    *) field exit_code "$EXIT_INTERNAL" ;;
  esac
}
