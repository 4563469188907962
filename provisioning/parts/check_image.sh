# shellcheck shell=bash
# needs: helpers/images.sh helpers/checks.sh helpers/gpu_checks.sh helpers/container_checks.sh
# needs: helpers/bill_of_materials.sh helpers/version_checks.sh helpers/seal_unit.sh
# needs: helpers/infiniband_checks.sh
# The builder before its sealing: is this what the image is to be? Changes nothing; lists what the image contains.

check_image() {
  if is_sealing; then
    log 'sealing is under way: the checks have passed before'
    return
  fi
  phase check
  run_check system check_system
  run_check kernel check_kernel
  run_check docker check_docker
  run_check gpu check_gpu
  run_check versions check_versions
  [[ ${EXPECT_INFINIBAND:-false} == false ]] || run_check infiniband check_infiniband_stack
  run_check images check_images
  run_check container check_container
  add_data kernel "$(json_string "$(uname -r)")"
  [[ -z $DOCKER_FOUND ]] || add_data dockerVersion "$(json_string "$DOCKER_FOUND")"
  [[ -z $DRIVER_FOUND ]] || add_data driverVersion "$(json_string "$DRIVER_FOUND")"
  # What this machine is too small to prove, every pool proves for itself.
  [[ ${EXPECT_GPU:-none} != driver-only || $GPU_DEVICES -gt 0 ]] || add_data pending '["gpu"]'
  add_check_data
  fail_if_a_check_failed
  add_image_data 600 "${IMAGE_LIST[@]}" # the line also holds seven verdicts
  phase bill-of-materials
  write_bill_of_materials "${IMAGE_LIST[@]}"
}

check_image_parameters() {
  local version='^[0-9]+(\.[0-9]+){1,3}$' line
  read_image_list EXPECT_IMAGES
  optional_parameter EXPECT_GPU '^(none|driver-only|[0-9]{1,2})$' 'none, driver-only or a number'
  optional_parameter EXPECT_INFINIBAND '^(true|false)$' 'true or false'
  optional_parameter SIZE_HAS_GPU '^(true|false)$' 'true or false'
  optional_parameter VERIFY_IMAGE "$IMAGE_REFERENCE" 'an image reference'
  for line in EXPECT_DOCKER EXPECT_TOOLKIT EXPECT_DRIVER; do optional_parameter "$line" "$version" 'a version'; done
  while read -r line; do
    [[ -z $line || $line =~ ^[a-zA-Z0-9@._/:-]+\ sha256:[0-9a-f]{64}$ ]] ||
      fail "$EXIT_BAD_PARAMETER" "parameter EXPECT_DIGESTS: '${line:0:80}' is no image reference and digest"
  done <<<"${EXPECT_DIGESTS:-}"
}
