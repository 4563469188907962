# shellcheck shell=bash
# What Docker says about itself; each fails if the daemon does not answer.

docker_version() { # without the suffix that distributions add to a build (28.5.2+azure-1)
  local version
  version=$(docker info --format '{{.ServerVersion}}') && printf '%s' "${version%%+*}"
}

docker_root() { docker info --format '{{.DockerRootDir}}'; }

docker_runtimes() { docker info --format '{{range $name, $runtime := .Runtimes}}{{$name}} {{end}}'; }
