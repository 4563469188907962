# shellcheck shell=bash
# needs: helpers/retry.sh helpers/packages.sh
# Files and package repositories from outside, each trusted by a pinned checksum or key fingerprint only.

fetch() { # URL FILE [CURL_OPTION...]
  attempt "$EXIT_DOWNLOAD" "download of $1" 5 5 \
    curl -fsSL --proto '=https' --connect-timeout 20 --max-time 900 "${@:3}" -o "$2" -- "$1"
}

fetch_pinned() { # URL SHA256 FILE [CURL_OPTION...]
  fetch "$1" "$3" "${@:4}"
  printf '%s  %s\n' "$2" "$3" | sha256sum --check --status ||
    fail "$EXIT_DOWNLOAD" "download of $1: not the file that is pinned (SHA-256 $2)"
}

fetch_key() { # URL FINGERPRINT FILE; the file must hold this primary key and no other
  local found
  fetch "$1" "$3"
  found=$(gpg --homedir "$WORK" --batch --show-keys --with-colons -- "$3" |
    awk -F: '$1 == "pub" {primary = 1} $1 == "fpr" && primary {print $10; primary = 0}') || true
  [[ $found == "$2" ]] || fail "$EXIT_DOWNLOAD" "key $1: fingerprint is '${found:0:80}', pinned is $2"
}

write_if_changed() { # FILE, content on stdin; replaced at once or not at all
  local new=$WORK/new_file
  cat >"$new"
  chmod 0644 -- "$new"
  ! cmp -s -- "$new" "$1" || return 0
  mkdir -p -- "${1%/*}"
  cp -- "$new" "$1.new"
  mv -- "$1.new" "$1"
  mark_changed
}

add_apt_repository() { # NAME KEY_URL FINGERPRINT "URL SUITE [COMPONENT]"
  local key=$ROOT/etc/apt/keyrings/$1.asc
  install_missing ca-certificates curl gnupg
  fetch_key "$2" "$3" "$WORK/$1.asc"
  write_if_changed "$key" <"$WORK/$1.asc"
  printf 'deb [arch=amd64 signed-by=%s] %s\n' "$key" "$4" | write_if_changed "$ROOT/etc/apt/sources.list.d/$1.list"
  refresh_packages
}

# What is not signed package by package (NVIDIA's container toolkit) is signed as a whole: METADATA.
add_dnf_repository() { # NAME KEY_URL FINGERPRINT URL PACKAGES|METADATA ENABLED
  local key=$ROOT/etc/pki/rpm-gpg/RPM-GPG-KEY-$1 package_check=1 metadata_check=0
  [[ $5 == PACKAGES ]] || package_check=0 metadata_check=1
  install_missing ca-certificates curl gnupg2
  fetch_key "$2" "$3" "$WORK/$1.asc"
  write_if_changed "$key" <"$WORK/$1.asc"
  rpm --import "$key"
  printf '[%s]\nname=%s\nbaseurl=%s\nenabled=%s\ngpgcheck=%s\nrepo_gpgcheck=%s\ngpgkey=file://%s\n' \
    "$1" "$1" "$4" "$6" "$package_check" "$metadata_check" "$key" | write_if_changed "$ROOT/etc/yum.repos.d/$1.repo"
}
