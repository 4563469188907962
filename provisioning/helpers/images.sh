# shellcheck shell=bash
# Container images by reference: a list of names, and what Docker holds under a name.

# All that a request may hold and more, for Docker to judge; yet no option, no blank, no shell character.
readonly IMAGE_REFERENCE='^[a-zA-Z0-9][a-zA-Z0-9._/:-]{0,254}(@sha256:[0-9a-f]{64})?$'

read_image_list() { # NAME_OF_PARAMETER; fills IMAGE_LIST, one reference per line, each once
  local line
  IMAGE_LIST=()
  while read -r line; do
    [[ -n $line ]] || continue
    [[ $line =~ $IMAGE_REFERENCE ]] || fail "$EXIT_BAD_PARAMETER" "parameter $1: '${line:0:80}' is no image reference"
    [[ " ${IMAGE_LIST[*]} " == *" $line "* ]] || IMAGE_LIST+=("$line")
  done <<<"${!1:-}"
}

image_field() { docker image inspect --format "$2" "$1" 2>/dev/null; } # REFERENCE FORMAT; fails if it is not here

own_architecture() { # as container images name it; nodes of Arm64 sizes have images that were made elsewhere
  case $(uname -m) in x86_64) printf amd64 ;; aarch64) printf arm64 ;; *) uname -m ;; esac
}

image_id() { image_field "$1" '{{.Id}}' || true; } # REFERENCE; empty if it is not here

image_digest() { # REFERENCE; empty for an image that never came from a registry
  image_field "$1" '{{if .RepoDigests}}{{index .RepoDigests 0}}{{end}}' | sed 's/.*@//'
}

image_json() { # REFERENCE
  printf '{"name":%s,"digest":%s,"sizeBytes":%d}' "$(json_string "$1")" "$(json_string "$(image_digest "$1")")" \
    "$(image_field "$1" '{{.Size}}')"
}

add_image_data() { # BYTES_MAX REFERENCE...; as many as the result line holds
  local limit=$1 image items=()
  shift
  for image in "$@"; do items+=("$(image_json "$image")"); done
  json_list "$limit" "${items[@]}"
  add_data images "$JSON_LIST"
  [[ $LEFT_OUT -eq 0 ]] || add_data imagesLeftOut "$LEFT_OUT"
}
