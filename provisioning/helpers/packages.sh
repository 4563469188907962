# shellcheck shell=bash
# needs: helpers/host.sh helpers/retry.sh
# Packages by apt or dnf, one step at a time; pinned and held. Needs read_os first.

readonly PACKAGE_LOCK_SECONDS_MAX=1500 # a survivor of an earlier attempt may still build a driver

# locked FUNCTION...: waits until no other step uses the package manager, survivors of killed ones included:
# their children inherit the lock.
locked() {
  (
    flock -w "$PACKAGE_LOCK_SECONDS_MAX" 9 || fail "$EXIT_RETRY_LATER" "another step still uses the package manager"
    "$@"
  ) 9>"$RUN_DIR/packages.lock"
}

# The lock timeout covers the dpkg frontend lock only; the other locks fail at once and are retried.
# Without Error-Mode=any, an update that downloaded nothing counts as a success.
apt_get() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o APT::Update::Error-Mode=any -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold "$@"
}

# The agent runs this very script: it must not be replaced meanwhile. Weak dependencies are not wanted.
dnf_run() {
  dnf -y --setopt=install_weak_deps=False --setopt=retries=10 --setopt=timeout=60 --exclude='WALinuxAgent*' "$@"
}

refresh_packages() { # dnf refreshes by itself
  [[ $OS_FAMILY == el ]] || attempt "$EXIT_PACKAGE_MANAGER" 'apt-get update' 6 5 apt_get update
}

install_packages() { # [OPTION...] NAME...; for apt NAME or NAME=VERSION, for dnf NAME or NAME-VERSION
  if [[ $OS_FAMILY == el ]]; then
    attempt "$EXIT_PACKAGE_MANAGER" "dnf install $*" 6 5 dnf_run install "$@"
  else
    attempt "$EXIT_PACKAGE_MANAGER" "apt-get install $*" 6 5 apt_install "$@"
  fi
}

apt_install() { # repairs first what an earlier attempt left half installed
  configure_packages || log 'some packages wait for others; apt gets them next'
  apt_get -f install && apt_get install --no-install-recommends --allow-downgrades \
    --allow-change-held-packages "$@"
}

# A module that does not compile leaves its package half configured, and would fail every apt-get from then on: DKMS
# is set to build nothing meanwhile. The step that installs drivers builds it.
configure_packages() {
  local rc=0 flag=$ROOT/etc/dkms/no-autoinstall
  [[ ! -d ${flag%/*} ]] || : >"$flag"
  dpkg --configure -a || rc=$?
  rm -f -- "$flag"
  return "$rc"
}

package_version() { # NAME; empty if it is not installed
  local version
  if [[ $OS_FAMILY == el ]]; then
    version=$(rpm -q --qf '%{VERSION}-%{RELEASE}' -- "$1" 2>/dev/null) || return 0
  else
    version=$(dpkg-query -W -f '${db:Status-Abbrev}${Version}' -- "$1" 2>/dev/null) || return 0
    [[ $version == [ih]i\ * ]] || return 0 # installed, wanted or held
    version=${version#?? }
  fi
  printf '%s' "${version#*:}" # without the epoch
}

has_version() { # VERSION NAME...; whether each is installed in that upstream version
  local wanted=$1 name version
  shift
  for name in "$@"; do
    version=$(package_version "$name")
    [[ ${version%%-*} == "$wanted" ]] || return 1
  done
}

install_missing() { # NAME...; any version will do
  local name missing=()
  for name in "$@"; do
    [[ -n $(package_version "$name") ]] || missing+=("$name")
  done
  [[ ${#missing[@]} -ne 0 ]] || return 0
  install_packages "${missing[@]}"
  mark_changed
}

installed_packages() { # PATTERN...; a pattern that matches nothing is no failure
  { dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' -- "$@" 2>/dev/null || true; } | sed -n 's/^[ih]i //p'
}

# dnf takes a pattern for done as soon as one package that fits is locked
# (https://github.com/rpm-software-management/dnf-plugins-core/issues/612): it gets each package with its version.
hold_packages() { # PATTERN...; what is installed of it stays at its version
  local names=()
  if [[ $OS_FAMILY == el ]]; then
    install_missing python3-dnf-plugin-versionlock
    mapfile -t names < <(rpm -qa --qf '%{NAME}-%{VERSION}-%{RELEASE}\n' -- "$@")
    [[ ${#names[@]} -eq 0 ]] ||
      attempt "$EXIT_PACKAGE_MANAGER" "dnf versionlock add $*" 3 5 dnf_run versionlock add "${names[@]}"
    return
  fi
  mapfile -t names < <(installed_packages "$@")
  [[ ${#names[@]} -eq 0 ]] || apt-mark hold "${names[@]}"
}
