# shellcheck shell=bash
# needs: helpers/docker.sh helpers/images.sh helpers/checks.sh helpers/gpu_checks.sh
# Checks of what runs containers: Docker, the preloaded images, a container. Each gives a verdict (helpers/checks.sh).

readonly CONTAINER_SECONDS_MAX=60
readonly IMAGES_SHOWN_BYTES_MAX=400 # of the images' evidence; a builder's whole answer holds 3 KB
DOCKER_ANSWERS=false DOCKER_FOUND=''

check_docker() {
  if ! DOCKER_FOUND=$(docker_version 2>/dev/null); then
    verdict fail DOCKER_DOWN "Docker does not answer; its unit is $(systemctl is-active docker.service || true)"
    return
  fi
  DOCKER_ANSWERS=true
  VERDICT_DATA=$(printf '{"version":%s,"root":%s}' "$(json_string "$DOCKER_FOUND")" "$(json_string "$(docker_root)")")
  if [[ $(systemctl is-enabled docker.service || true) != enabled ]]; then
    verdict fail DOCKER_NOT_ENABLED 'Docker does not start at boot'
  elif [[ ${EXPECT_GPU:-none} =~ ^(driver-only|[1-9][0-9]?)$ && " $(docker_runtimes)" != *' nvidia '* ]]; then
    verdict fail NVIDIA_RUNTIME_MISSING 'Docker does not list the nvidia runtime'
  else
    verdict pass '' ''
  fi
}

check_images() {
  local image own missing=() foreign=() changed=() digests=()
  if [[ ${#IMAGE_LIST[@]} -eq 0 ]]; then
    verdict skip '' 'no image expected'
    return
  elif [[ $DOCKER_ANSWERS == false ]]; then
    verdict skip '' 'Docker does not answer'
    return
  fi
  own=$(own_architecture)
  for image in "${IMAGE_LIST[@]}"; do
    case $(image_field "$image" '{{.Architecture}}' || true) in
      "$own") digests+=("$(json_string "$(image_digest "$image")")") ;;
      '') missing+=("$image") ;;
      *) foreign+=("$image") ;;
    esac
    expects_digest "$image" || changed+=("$image")
  done
  json_list "$IMAGES_SHOWN_BYTES_MAX" "${digests[@]}"
  VERDICT_DATA=$(printf '{"count":%d,"digests":%s}' "${#digests[@]}" "$JSON_LIST")
  if [[ ${#missing[@]} -ne 0 ]]; then
    verdict fail IMAGE_MISSING "not here: ${missing[*]}"
  elif [[ ${#foreign[@]} -ne 0 ]]; then
    verdict fail IMAGE_ARCHITECTURE "not for $own: ${foreign[*]}"
  elif [[ ${#changed[@]} -ne 0 ]]; then
    verdict fail IMAGE_DIGEST "not the image that was pulled: ${changed[*]}"
  else
    verdict pass '' "${#IMAGE_LIST[@]} images"
  fi
}

expects_digest() { # REFERENCE; whether its digest is the one that EXPECT_DIGESTS names, if it names one
  local reference digest
  while read -r reference digest; do
    [[ $reference != "$1" || $digest == "$(image_digest "$1")" ]] || return 1
  done <<<"${EXPECT_DIGESTS:-}"
}

check_container() { # what runs with --pull never and without a network was preloaded
  local nonce answer gpus
  if [[ -z ${VERIFY_IMAGE:-} || $DOCKER_ANSWERS == false ]]; then
    verdict skip '' 'no image to run, or Docker does not answer'
    return
  fi
  nonce=$(<"$ROOT/proc/sys/kernel/random/uuid")
  VERDICT_DATA=$(printf '{"image":%s,"pulled":false}' "$(json_string "$VERIFY_IMAGE")")
  answer=$(run_container --entrypoint /bin/echo "$VERIFY_IMAGE" "$nonce") || true
  if ! grep -qxF "$nonce" <<<"$answer"; then
    verdict fail CONTAINER_RUN "a container of $VERIFY_IMAGE does not run"
  elif [[ $GPU_COUNT -eq 0 ]]; then
    verdict pass '' ''
  else
    gpus=$(count_container_gpus)
    VERDICT_DATA="${VERDICT_DATA%\}},\"gpus\":$((gpus))}"
    if [[ $gpus -eq $GPU_COUNT ]]; then
      verdict pass '' "$gpus GPUs"
    else
      verdict fail GPU_CONTAINER "the machine has $GPU_COUNT GPUs, a container sees $gpus"
    fi
  fi
}

count_container_gpus() { # an image without glibc cannot run nvidia-smi: then its device files count
  local answer rc=0
  answer=$(run_container --gpus all --entrypoint nvidia-smi "$VERIFY_IMAGE" -L) || rc=$?
  if [[ $rc -eq 126 || $rc -eq 127 ]]; then
    answer=$(run_container --gpus all --entrypoint /bin/ls "$VERIFY_IMAGE" -1 /dev) || true
  fi
  grep -cE '^(GPU |nvidia)[0-9]+' <<<"$answer"
}

run_container() { timeout "$CONTAINER_SECONDS_MAX" docker run --rm --pull never --network none "$@"; }
