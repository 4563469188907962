# shellcheck shell=bash
# The builder after its restart: is this what the image is to be? Changes nothing.

check_image() {
  optional_parameter EXPECT_GPU '^(none|driver-only|[0-9]{1,2})$' 'none, driver-only or a number'
  optional_parameter SIZE_HAS_GPU '^(true|false)$' 'true or false'
  optional_parameter VERIFY_IMAGE "$IMAGE_REFERENCE" 'an image reference'
  read_image_list EXPECT_IMAGES
  phase check
  run_check system check_system
  run_check kernel check_kernel
  run_check docker check_docker
  run_check gpu check_gpu
  run_check images check_images
  run_check container check_container
  add_data kernel "$(json_string "$(uname -r)")"
  [[ $DOCKER_ANSWERS == false ]] || add_data dockerVersion "$(json_string "$(docker_version)")"
  [[ -z $DRIVER_FOUND ]] || add_data driverVersion "$(json_string "$DRIVER_FOUND")"
  add_check_data
  fail_if_a_check_failed
  add_image_data 1000 "${IMAGE_LIST[@]}"
}
