# shellcheck shell=bash
# needs: helpers/images.sh helpers/checks.sh helpers/container_checks.sh helpers/gpu_checks.sh
# needs: helpers/dcgm_checks.sh helpers/infiniband_checks.sh
# A pool node, before it takes tasks: the start task. At the end it runs the start task of the pool's owner.

readonly DOCUMENT_NAME=batch-prep-verify.json

verify_node_parameters() {
  optional_parameter EXPECT_GPU '^(none|auto|[0-9]{1,2})$' 'none, auto or a number'
  optional_parameter EXPECT_DCGM '^1$' 1
  optional_parameter EXPECT_INFINIBAND '^(true|false)$' 'true or false'
  optional_parameter VERIFY_IMAGE "$IMAGE_REFERENCE" 'an image reference'
  optional_parameter USER_START_TASK_AS '^[a-z_][a-z0-9_-]{0,19}$' 'the name of a user'
  read_image_list EXPECT_IMAGES
}

verify_node() {
  phase verify
  run_check system check_system
  run_check kernel check_kernel
  run_check docker check_docker
  run_check gpu check_gpu
  [[ -z ${EXPECT_DCGM:-} ]] || run_check dcgm check_dcgm
  [[ ${EXPECT_INFINIBAND:-false} == false ]] || run_check infiniband check_infiniband_node
  run_check images check_images
  run_check container check_container
  add_check_data
  add_data host "$(host_json)"
  write_document
  fail_if_a_check_failed
  run_own_start_task
}

write_document() { # the whole of it, where Batch shows a node's files
  local file=${AZ_BATCH_TASK_WORKING_DIR:-$LOG_DIR}/$DOCUMENT_NAME codes ok=true
  codes=$(printf ',"%s"' "${FAILED_CODES[@]}")
  [[ ${#FAILED_CODES[@]} -eq 0 ]] || ok=false
  [[ $ok == false ]] || codes=''
  printf '{"ok":%s,"failed":[%s],%s}\n' "$ok" "${codes#,}" "$(join_data)" >"$file" || log "cannot write $file"
}

# The one value that is meant as shell text: the pool's owner wrote it for exactly this place. It goes to stderr.txt,
# because the last line of stdout.txt is the result. The owner's variables get their names only here: before, one
# such as PATH would change the checks.
run_own_start_task() {
  local rc=0 name
  local -a as=() environment=()
  [[ -n ${USER_START_TASK:-} ]] || return 0
  phase own-start-task
  if [[ -n ${USER_START_TASK_AS:-} ]]; then
    hand_over_work_directory
    as=(runuser -u "$USER_START_TASK_AS" --)
    environment=("HOME=$(getent passwd "$USER_START_TASK_AS" | cut -d: -f6)")
  fi
  while read -r name; do
    environment+=("${name#USER_ENV_}=${!name}")
  done < <(compgen -e USER_ENV_)
  "${as[@]}" env -u LC_ALL "${environment[@]}" /bin/bash -c "$USER_START_TASK" >&4 2>&4 || rc=$?
  [[ $rc -eq 0 ]] || fail "$EXIT_CHECK_FAILED" "the pool's own start task ended with $rc"
}

hand_over_work_directory() { # to the account that runs the owner's command: resource files are there
  id -u "$USER_START_TASK_AS" >/dev/null 2>&1 ||
    fail "$EXIT_CHECK_FAILED" "the node has no user $USER_START_TASK_AS"
  [[ -z ${AZ_BATCH_TASK_WORKING_DIR:-} ]] ||
    chown -R -- "$USER_START_TASK_AS" "$AZ_BATCH_TASK_WORKING_DIR" >&2 ||
    fail "$EXIT_CHECK_FAILED" "cannot give the working directory to $USER_START_TASK_AS"
}
