# shellcheck shell=bash
# Trying again only where time can cure it: blind retries turn a plain mistake into minutes.

readonly FINAL_FAULT='unable to locate package|has no installation candidate|version .* was not found|no match for argument|unable to find a match|no basic auth|unauthorized|authentication required|denied|manifest unknown|no matching manifest|invalid reference|does not exist|no_pubkey|404 +not found|status code: 404|bad gpg signature'
readonly PASSING_FAULT='429|too ?many ?requests|connection (reset|refused|timed out)|timed? ?out|handshake|unexpected (http )?status|50[0234]([^0-9]|$)|bad gateway|service unavailable|temporar|(could not|unable to|cannot) (get|acquire|lock|open).*lock|is locked|waiting for .*lock|hash sum mismatch|mirror sync|unexpected size|unexpected eof|transfer closed|recv failure|stream .* not closed|could not resolve|failed to connect|couldn.t connect|no such host|failed to (fetch|download)|curl error'
readonly PULL_LIMIT='too ?many ?requests|pull rate limit'
readonly FULL_DISK='no space left on device|enough free (disk )?space|disk requirements'
readonly RETRY_DELAY_SECONDS_MAX=60
RETRY_ALSO='' # a pattern that one caller adds to the passing faults

# attempt EXIT_CODE WHAT TRIES DELAY_SECONDS COMMAND...
# Runs COMMAND until it works. Ends the step: with EXIT_NO_SPACE if the disk is full, EXIT_RETRY_LATER if a
# passing fault outlasts the tries, else EXIT_CODE. The command's output goes to the log.
attempt() {
  local code=$1 what=$2 tries=$3 delay=$4 try rc output
  shift 4
  output=$WORK/attempt.$BASHPID # pulls run side by side
  for ((try = 1; ; try++)); do
    rc=0
    "$@" >"$output" 2>&1 || rc=$?
    cat -- "$output"
    [[ $rc -ne 0 ]] || break
    log "try $try of $tries failed with $rc: $what"
    grep -qiE "$FULL_DISK" "$output" && fail "$EXIT_NO_SPACE" "$what: $(last_words "$output")"
    passes "$rc" "$output" || fail "$code" "$what: $(last_words "$output")"
    ((try < tries)) || fail "$(code_after_tries "$code" "$output")" "$what: still failing after $tries tries: $(last_words "$output")"
    sleep "$delay"
    delay=$((delay * 2 > RETRY_DELAY_SECONDS_MAX ? RETRY_DELAY_SECONDS_MAX : delay * 2))
  done
}

passes() { # RC OUTPUT_FILE; whether waiting may help; an unknown error counts as final
  [[ $1 -ne 126 && $1 -ne 127 ]] || return 1
  [[ -z $RETRY_ALSO ]] || ! grep -qiE "$RETRY_ALSO" "$2" || return 0
  ! grep -qiE "$FINAL_FAULT" "$2" && grep -qiE "$PASSING_FAULT" "$2"
}

code_after_tries() { # EXIT_CODE OUTPUT_FILE; what only this caller calls passing, and does not pass, is its own fault
  if [[ $1 -eq $EXIT_IMAGE_PULL ]] && grep -qiE "$PULL_LIMIT" "$2"; then
    printf '%s' "$EXIT_RATE_LIMITED"
  elif grep -qiE "$PASSING_FAULT" "$2"; then printf '%s' "$EXIT_RETRY_LATER"; else printf '%s' "$1"; fi
}

last_words() { # FILE
  local words
  words=$(grep -v '^[[:space:]]*$' "$1" | tail -n 2 | tr '\n' ' ') || true
  words=${words:-no message}
  printf '%s' "${words% }"
}
