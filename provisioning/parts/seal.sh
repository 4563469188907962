# shellcheck shell=bash
# needs: helpers/seal_unit.sh helpers/sealing.sh
# Schedules the sealing, detached from the agent, and returns: the outcome shows as power state and console line.

readonly SEAL_SCRIPT=$ROOT/usr/local/sbin/batch-prep-seal
readonly SEAL_DELAY_SECONDS_DEFAULT=20 # the agent reports a result every 15 seconds

seal_parameters() {
  require_parameter BUILDER_USER '^[a-z_][a-z0-9_-]{0,31}$' 'the name of the throw-away user'
  [[ ! $BUILDER_USER =~ ^(root|nobody|daemon|_azbatch.*)$ ]] ||
    fail "$EXIT_BAD_PARAMETER" "user $BUILDER_USER is no throw-away user"
  optional_parameter SEAL_DELAY_SECONDS '^[0-9]{1,3}$' 'a number of seconds below 1000'
  require_parameter BUILD_ID . 'present: the console line names it'
  require_parameter NONCE . 'present: the console line names it'
}

seal() {
  local delay=${SEAL_DELAY_SECONDS:-$SEAL_DELAY_SECONDS_DEFAULT}
  phase schedule
  command -v waagent >/dev/null || fail "$EXIT_SEAL" 'the Azure agent (waagent) is missing'
  if is_sealing; then
    log 'sealing is already under way'
  else
    write_seal_script "$delay"
    systemd-run --unit="$SEAL_UNIT" --collect --property=StandardOutput=journal+console \
      --property=StandardError=journal+console /bin/bash "$SEAL_SCRIPT" || fail "$EXIT_SEAL" 'systemd-run cannot start the sealing'
    mark_changed
  fi
  add_data scheduled true
  add_data sealAfterSeconds "$delay"
}

write_seal_script() { # DELAY; values are quoted by bash itself
  local SEAL_DELAY_SECONDS=$1 functions=()
  mapfile -t functions < <(compgen -A function sealing_)
  mkdir -p -- "${SEAL_SCRIPT%/*}"
  (
    umask 077
    {
      printf '#!/bin/bash\nexport LC_ALL=C PATH=%q\n' "$PATH"
      printf '%s=%q\n' ROOT "$ROOT" BUILDER_USER "$BUILDER_USER" BUILD_ID "$BUILD_ID" NONCE "$NONCE" \
        SEAL_DELAY_SECONDS "$SEAL_DELAY_SECONDS" SEALING_REASON ''
      declare -f "${functions[@]}"
      printf 'sealing_main\n'
    } >"$SEAL_SCRIPT"
  )
}
