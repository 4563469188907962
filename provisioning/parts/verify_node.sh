# shellcheck shell=bash
# needs: helpers/images.sh helpers/checks.sh helpers/container_checks.sh helpers/gpu_checks.sh
# A pool node, before it takes tasks: the start task. At the end it runs the start task of the pool's owner.

readonly DOCUMENT_NAME=batch-prep-verify.json

verify_node_parameters() {
  optional_parameter EXPECT_GPU '^(none|auto|[0-9]{1,2})$' 'none, auto or a number'
  optional_parameter VERIFY_IMAGE "$IMAGE_REFERENCE" 'an image reference'
  read_image_list EXPECT_IMAGES
}

verify_node() {
  phase verify
  run_check system check_system
  run_check kernel check_kernel
  run_check docker check_docker
  run_check gpu check_gpu
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
# because the last line of stdout.txt is the result.
run_own_start_task() {
  local rc=0
  [[ -n ${USER_START_TASK:-} ]] || return 0
  phase own-start-task
  env -u LC_ALL /bin/bash -c "$USER_START_TASK" >&4 2>&4 || rc=$?
  [[ $rc -eq 0 ]] || fail "$EXIT_CHECK_FAILED" "the pool's own start task ended with $rc"
}
