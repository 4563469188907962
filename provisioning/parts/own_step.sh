# shellcheck shell=bash
# needs: helpers/retry.sh helpers/key_vault.sh helpers/own_script.sh
# A step of the image's owner: a script or files, which arrive as data and are compared with their checksum.
#
# OWN_SCRIPT holds a script in Base64; otherwise OWN_URL is where the file is, a tar.gz with OWN_ARCHIVE.

readonly OWN_FOLDER=$STATE_DIR/own # not below /run, from where nothing may be executed
readonly OWN_DOWNLOAD_SECONDS_MAX=240

own_step_parameters() {
  local line pattern
  require_parameter OWN_NAME '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' 'the name of a step'
  require_parameter OWN_SHA256 '^([0-9a-f]{32}|[0-9a-f]{64})$' 'a SHA-256, or its first half'
  require_parameter OWN_SECONDS '^[1-9][0-9]{0,5}$' 'a number of seconds'
  require_parameter OWN_EXIT_CODES '^[0-9]{1,3}( [0-9]{1,3})*$' 'exit codes'
  optional_parameter OWN_ARCHIVE '^true$' 'true'
  optional_parameter OWN_RUN '^[A-Za-z0-9_.][A-Za-z0-9_./-]*$' 'the path of a file in the upload'
  optional_parameter OWN_DESTINATION '^(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+$' 'the absolute path of a directory'
  optional_parameter OWN_USER '^[a-z_][a-z0-9_-]{0,31}$' 'the name of a user'
  optional_parameter IDENTITY_CLIENT_ID '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' 'a GUID'
  [[ /${OWN_RUN:-}/${OWN_DESTINATION:-}/ != */../* ]] ||
    fail "$EXIT_BAD_PARAMETER" 'parameters OWN_RUN and OWN_DESTINATION must not lead upwards'
  # It may hold a signature, so no message repeats it.
  [[ -n ${OWN_SCRIPT:-} || ${OWN_URL:-} =~ ^https://[^[:space:]\"]+$ ]] ||
    fail "$EXIT_BAD_PARAMETER" 'parameter OWN_URL must be an https address'
  pattern="^[A-Za-z_][A-Za-z0-9_]{0,63} ${VAULT_SECRET#^}"
  while read -r line; do
    [[ -z $line || $line =~ $pattern ]] || fail "$EXIT_BAD_PARAMETER" 'parameter OWN_SECRETS must be lines of NAME and URL'
  done <<<"${OWN_SECRETS:-}"
}

own_step() {
  local folder=$OWN_FOLDER/$OWN_NAME
  trap 'forget_own_files' EXIT # and what is killed before that: the next try, and the sealing
  forget_own_files
  mkdir -p -- "$folder"
  phase fetch
  fetch_own_file "$folder/file"
  compare_own_file "$folder/file"
  phase secrets
  fetch_secrets "${OWN_SECRETS:-}"
  if [[ -n ${OWN_ARCHIVE:-} ]]; then
    phase unpack
    unpack_own_files "$folder/file" "${OWN_DESTINATION:+$ROOT$OWN_DESTINATION}"
    folder=${OWN_DESTINATION:+$ROOT$OWN_DESTINATION}
    folder=${folder:-$OWN_FOLDER/$OWN_NAME/files}
    if [[ -n ${OWN_RUN:-} ]]; then run_own_file "$folder" "$OWN_RUN"; fi
  else
    run_own_file "$folder" file
  fi
  mark_changed
}

forget_own_files() { rm -rf -- "${OWN_FOLDER:?}/${OWN_NAME:?}"; }

fetch_own_file() { # FILE
  if [[ -n ${OWN_SCRIPT:-} ]]; then
    printf '%s' "$OWN_SCRIPT" | base64 -d >"$1" || fail "$EXIT_BAD_PARAMETER" 'parameter OWN_SCRIPT is not in Base64'
  else
    (umask 077 && printf 'url = "%s"\n' "$OWN_URL" >"$WORK/address")
    attempt "$EXIT_DOWNLOAD" "download of the file of step $OWN_NAME" 5 5 download_own_file "$1"
    rm -f -- "$WORK/address"
  fi
}

download_own_file() { # FILE
  curl -fsS --location --proto '=https' --proto-redir '=https' --max-time "$OWN_DOWNLOAD_SECONDS_MAX" -o "$1" \
    --config "$WORK/address"
}

compare_own_file() { # FILE
  local found
  found=$(sha256sum -- "$1" | cut -c 1-64)
  [[ $found == "$OWN_SHA256"* ]] ||
    fail "$EXIT_DOWNLOAD" "the file of step $OWN_NAME has the checksum $found, and should have $OWN_SHA256"
}

unpack_own_files() { # FILE FOLDER
  local folder=${2:-$OWN_FOLDER/$OWN_NAME/files}
  mkdir -p -- "$folder"
  tar -xzf "$1" -C "$folder" --no-same-owner || fail "$EXIT_OWN_STEP" "the upload of step $OWN_NAME cannot be unpacked"
}

run_own_file() { # FOLDER FILE
  local rc=0 began=$SECONDS home=/root command=("./$2") as_user=()
  [[ -f $1/$2 ]] || fail "$EXIT_OWN_STEP" "the upload of step $OWN_NAME holds no file $2"
  cd -- "$1" || fail "$EXIT_OWN_STEP" "the directory $1 cannot be entered"
  chmod a+rx -- "$2"
  case $(head -c 4 -- "$2" | tr -d '\000') in
    '#!'* | $'\177ELF') ;;
    *) command=(/bin/bash "./$2") ;;
  esac
  if [[ -n ${OWN_USER:-} ]]; then
    home=/home/$OWN_USER
    as_user=("$(type -P runuser)" -u "$OWN_USER" --)
    # Elsewhere its files stay root's: the builder's user is removed, and a node may give its number to somebody else.
    if [[ $1 == "$OWN_FOLDER"/* ]]; then chown -R -- "$OWN_USER" .; fi
  fi
  write_own_environment "$home" "${OWN_USER:-root}"
  phase run
  execute_own "$OWN_SECONDS" "${as_user[@]}" "${command[@]}" || rc=$?
  log "the script of step $OWN_NAME ended with $rc"
  cd /
  judge_own_end "$rc" "$((SECONDS - began))"
}

judge_own_end() { # EXIT_CODE SECONDS; 124 and 137 may also be the script's own
  if [[ $1 -eq 124 || $1 -eq 137 ]] && (($2 >= OWN_SECONDS)); then
    fail "$EXIT_OWN_STEP_TIME" "step $OWN_NAME did not end within $OWN_SECONDS seconds"
  fi
  [[ " $OWN_EXIT_CODES " == *" $1 "* ]] ||
    fail "$EXIT_OWN_STEP" "step $OWN_NAME ended with exit code $1; expected is ${OWN_EXIT_CODES// / or }"
  add_data exitCode "$1"
}
